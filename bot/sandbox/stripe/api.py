"""The Stripe stand-in's API: requests as the library sends them, answers as it reads them. No routes here."""

import hashlib
import json
import re

from bot.sandbox.document_store import Doc
from bot.sandbox.stripe.lists import shaped
from bot.sandbox.stripe.methods import METHODS
from bot.sandbox.stripe.params import Params, read
from bot.sandbox.stripe.problem import StripeProblem
from bot.sandbox.stripe.state import StripeState

KEY_LIFETIME_SECONDS = 24 * 3600
KEY_LENGTH_MAX = 255
REMEMBERED = frozenset({402, 500})
"""What refuses a request before anything began is not remembered under its key; a decline is."""


def answer(
    state: StripeState, method: str, path: str, params: Params, key: str | None
) -> tuple[int, Doc, dict[str, str]]:
    """Answer one request: status, body and headers. One commit; keys are replayed as Stripe replays them."""
    try:
        with state.store.transaction():
            return _answered(state, method, path, params, key if method == "POST" else None)
    except StripeProblem as problem:
        # Refused: whatever had begun is undone, so that the mended request may come under the same key.
        return problem.status, problem.body, {}


def _answered(
    state: StripeState, method: str, path: str, params: Params, key: str | None
) -> tuple[int, Doc, dict[str, str]]:
    digest = digest_of(method, path, params)
    if key and (saved := recall(state, key)) is not None:
        if saved["digest"] != digest:
            raise _mismatch(key)
        return saved["status"], saved["body"], {"Idempotent-Replayed": "true"}
    state.idempotency_key = key or ""
    try:
        status, body = 200, _handle(state, method, path, params)
    except StripeProblem as problem:
        if problem.status not in REMEMBERED:
            raise
        status, body = problem.status, problem.body
    finally:
        state.idempotency_key = ""
    if key:
        remember(state, key, digest, status, body)
    return status, body, {}


def digest_of(method: str, path: str, params: Params) -> str:
    """Give what has to be the same for a key to be replayed."""
    return hashlib.sha256(json.dumps([method, path, params], sort_keys=True).encode()).hexdigest()


def recall(state: StripeState, key: str) -> Doc | None:
    """Give what was answered under a key; None when that was too long ago or never."""
    saved = state.store.get("key", key)
    return saved if saved is not None and state.now() - saved["at"] < KEY_LIFETIME_SECONDS else None


def remember(state: StripeState, key: str, digest: str, status: int, body: Doc) -> None:
    """Keep an answer under its key."""
    state.store.put(
        "key", key, {"id": key, "at": state.now(), "digest": digest, "status": status, "body": body}
    )


def forget_old_keys(state: StripeState) -> None:
    """Delete idempotency keys that are older than a day."""
    for saved in state.store.all("key"):
        if state.now() - saved["at"] >= KEY_LIFETIME_SECONDS:
            state.store.delete("key", saved["id"])


def in_flight(key: str) -> tuple[int, Doc]:
    """Give the answer to a second request while the first one with its key is still running."""
    message = f"There is currently another in-progress request using this Idempotent Key ({key})."
    problem = StripeProblem(409, "idempotency_error", message, code="idempotency_key_in_use")
    return problem.status, problem.body


def _mismatch(key: str) -> StripeProblem:
    message = (
        "Keys for idempotent requests can only be used with the same parameters and endpoint they were first "
        f"used with. Try using a key other than '{key}' if you meant to execute a different request."
    )
    return StripeProblem(400, "idempotency_error", message)


def _handle(state: StripeState, method: str, path: str, params: Params) -> Doc:
    for one in METHODS:
        found = re.fullmatch(one.path, path) if one.verb == method else None
        if found is not None:
            wanted = read(params, one.params)
            return shaped(state, one.act(state, wanted, found.groups()), wanted.get("expand", []))
    raise StripeProblem(404, "invalid_request_error", f"Unrecognized request URL ({method}: {path}).")
