"""The entry point of the Slack stand-in's Web API: tokens, scopes, limits, and faults on order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from bot.sandbox.document_store import Doc
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.slack import faults
from bot.sandbox.slack.content import Params, Refusal
from bot.sandbox.slack.faults import Fault, Faults
from bot.sandbox.slack.installation import Installation
from bot.sandbox.slack.methods import Methods
from bot.sandbox.slack.rates import Rates
from bot.sandbox.slack.seed import APP
from bot.sandbox.slack.state import SlackState
from bot.sandbox.slack.tickets import Tickets

NAMES_RECIPIENTS = ("channel", "channel_id", "user", "user_id", "users")
"""The arguments by which calls name a channel or a person."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What is sent back."""

    body: Doc
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    """Whether the connection breaks instead."""


class SlackApi:
    """Answers Web API calls."""

    def __init__(
        self,
        state: SlackState,
        methods: Methods,
        tickets: Tickets,
        installation: Installation,
        armed: Faults,
        rates: Rates,
        settings: SandboxSettings,
    ) -> None:
        self._state = state
        self._methods = methods
        self._tickets = tickets
        self._installation = installation
        self._faults = armed
        self._rates = rates
        self._settings = settings

    def fault(self, method: str, params: Params) -> Fault | None:
        """Take the fault that was armed for a call, if one was."""
        return self._faults.take(method, self._recipients(params))

    def respond(self, fault: Fault | None, method: str, params: Params, token: str) -> Answered:
        """Answer one call, or let it go wrong."""
        wrong = fault.answer if fault is not None else faults.OnlySlow()
        match wrong:
            case faults.OnlySlow():
                seconds = self._rates.wait_seconds(method, self._place(params), self._state.now())
                return limited(seconds) if seconds else Answered(self._answer(method, params, token))
            case faults.UploadHostAway():
                answer = self._answer(method, params, token)
                return Answered({**answer, "upload_url": faults.NOBODY_LISTENS} if answer["ok"] else answer)
            case faults.Cut(done):
                return Answered(self._answer(method, params, token) if done else {}, cut=True)
            case faults.Refuse() | faults.Limit() | faults.Fail() | faults.Say():
                return spoilt(wrong)

    def _answer(self, method: str, params: Params, token: str) -> Doc:
        if method == "apps.connections.open":
            return self._open_connection(token)
        if method not in self._methods.table:
            return {"ok": False, "error": "unknown_method", "req_method": method}
        scope, call = self._methods.table[method]
        try:
            if method != "api.test":
                self._authorize(token, scope)
            with self._state.change():
                return {"ok": True, **call(params)}
        except Refusal as refusal:
            return refusal.answer

    def _authorize(self, token: str, scope: str) -> None:
        if not token:
            raise Refusal("not_authed")
        if token == self._settings.slack_app_token:
            raise Refusal("not_allowed_token_type")
        if token != self._settings.slack_bot_token:
            raise Refusal("invalid_auth")
        if self._installation.dead_code:
            raise Refusal(self._installation.dead_code)
        self._installation.require(scope)

    def _open_connection(self, token: str) -> Doc:
        if not token:
            return {"ok": False, "error": "not_authed"}
        if token == self._settings.slack_bot_token:
            return {"ok": False, "error": "not_allowed_token_type"}
        if token != self._settings.slack_app_token:
            return {"ok": False, "error": "invalid_auth"}
        if self._settings.slack_delivery != "socket":
            return {"ok": False, "error": "socket_mode_not_enabled"}
        address = self._settings.base_url.replace("http", "ws", 1)
        return {"ok": True, "url": f"{address}/slack/socket?ticket={self._tickets.socket()}&app_id={APP}"}

    def _place(self, params: Params) -> str:
        """Give one id for a conversation, whichever way a call names it."""
        named = str(params.get("channel") or "")
        found = self._state.find_channel(named) or named
        return self._state.dm_user(found) or found

    def _recipients(self, params: Params) -> set[str]:
        named = {str(params[name]) for name in NAMES_RECIPIENTS if params.get(name)}
        return named | {self._place({"channel": one}) for one in named}


def limited(seconds: int) -> Answered:
    """Give the answer that asks for patience."""
    return Answered({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": str(seconds)})


def spoilt(wrong: faults.Refuse | faults.Limit | faults.Fail | faults.Say) -> Answered:
    """Give the answer to a request that is not carried out."""
    match wrong:
        case faults.Refuse(code, messages):
            said: Doc = {"ok": False, "error": code}
            return Answered({**said, "response_metadata": {"messages": list(messages)}} if messages else said)
        case faults.Limit(seconds):
            return limited(seconds)
        case faults.Fail(status):
            return Answered({"ok": False}, status)
        case faults.Say(body, status, headers):
            return Answered(body, status, headers)
        case never:
            assert_never(never)
