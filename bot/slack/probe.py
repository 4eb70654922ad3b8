"""Asks Slack what a setup can do, and changes nothing there: tokens, scopes, socket, the host of uploads, surfaces."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from slack_sdk import WebClient

from bot.slack.answers import Meaning
from bot.slack.failures import UNREACHED, answer_to
from bot.slack.views.blocks import Message
from bot.slack.views.examples import Shown, examples

_UPLOAD_SECONDS = 5


class NotAnswered(Exception):
    """Slack cannot answer now, or asks for patience; the message is why."""


class NotAccepted(Exception):
    """Slack refuses what was asked for; the message is its code."""


@dataclass(frozen=True, slots=True)
class SurfacesSeen:
    """What Slack says of our surfaces."""

    surfaces: int
    shapes: int
    """Surfaces are looked at once for each shape: which blocks they have, and what those have inside."""
    looked_at: int
    """How many shapes, before Slack asked for patience."""
    refused: tuple[str, ...]
    """Each with its name and with what Slack says of it."""


def open_socket(client: WebClient, app_token: str) -> None:
    """Ask for a socket, and do not connect to it. Raises: NotAnswered, NotAccepted."""
    with _asked():
        client.apps_connections_open(app_token=app_token)


def reach_upload_host(client: WebClient) -> str:
    """Reach the host that takes files, which is not the API's; gives its name. Nothing is uploaded.

    Raises: NotAnswered, with the name, and NotAccepted.
    """
    with _asked():
        url = str(client.files_getUploadURLExternal(filename="redbar-check.png", length=1)["upload_url"])
    host = urlsplit(url).hostname or ""
    try:
        # An answer of any kind comes from the host. By the library's own way, with its proxies.
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_UPLOAD_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError:
        return host
    except (OSError, ValueError) as problem:
        raise NotAnswered(f"{host}: {getattr(problem, 'reason', problem)}") from None
    return host


def judge_surfaces(client: WebClient) -> SurfacesSeen:
    """Have Slack judge an example of each shape of surface. Raises: NotAnswered, NotAccepted."""
    everything = examples()
    shapes = _shapes(everything)
    refused: list[str] = []
    for looked_at, (name, shown) in enumerate(shapes.items()):
        try:
            found = _judged(client, shown)
        except NotAnswered:
            if not looked_at:
                raise
            return SurfacesSeen(len(everything), len(shapes), looked_at, tuple(refused))
        refused += [f"{name}: {words}" for words in found]
    return SurfacesSeen(len(everything), len(shapes), len(shapes), tuple(refused))


def _judged(client: WebClient, shown: Shown) -> list[str]:
    try:
        if isinstance(shown, Message):
            whole = {"text": shown.text, "blocks": shown.blocks, "attachments": shown.attachments}
            answer = client.blocks_validate(message=_without_pictures(whole))
        else:
            answer = client.blocks_validate(view=_without_pictures(shown))
        return _errors(answer.data)
    except UNREACHED as problem:
        said = answer_to(problem)
        if said.code.startswith("invalid_"):
            return (
                _errors(getattr(getattr(problem, "response", None), "data", None))
                or list(said.messages)
                or [said.code]
            )
        raise _failure(problem) from None


def _errors(data: object) -> list[str]:
    found = data.get("errors") if isinstance(data, dict) else None
    return [f"{one.get('message') or one.get('code')} ({one.get('pointer')})" for one in found or []]


def _without_pictures(node: Any) -> Any:
    """Leave out pictures that were uploaded: the examples' are no files of this workspace."""
    if isinstance(node, Mapping):
        return {name: _without_pictures(value) for name, value in node.items()}
    if isinstance(node, list | tuple):
        return [
            _without_pictures(one) for one in node if not (isinstance(one, Mapping) and "slack_file" in one)
        ]
    return node


def _shapes(everything: Mapping[str, Shown]) -> Mapping[str, Shown]:
    """Give of each shape the longest example: it comes nearest to Slack's limits."""
    longest: dict[str, tuple[int, str]] = {}
    for name, shown in everything.items():
        body = shown if isinstance(shown, dict) else {"blocks": shown.blocks, "beside": shown.attachments}
        shape, length = json.dumps(_shape(body)), len(json.dumps(body))
        if length > longest.get(shape, (0, ""))[0]:
            longest[shape] = (length, name)
    return {name: everything[name] for _, name in longest.values()}


def _shape(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {name: value if name == "type" else _shape(value) for name, value in sorted(node.items())}
    if isinstance(node, list | tuple):
        return sorted({json.dumps(_shape(one)) for one in node})
    return ""


def _failure(problem: Exception) -> NotAnswered | NotAccepted:
    answer = answer_to(problem)
    if answer.code and answer.meaning is not Meaning.WAIT:
        return NotAccepted(answer.code)
    return NotAnswered(answer.code or answer.why)


@contextmanager
def _asked() -> Iterator[None]:
    """Send one request. Raises: NotAnswered, NotAccepted."""
    try:
        yield
    except UNREACHED as problem:
        raise _failure(problem) from None
