"""The entry point of the Slack stand-in's Web API: tokens, scopes, scripted faults, and the wire log."""

import threading
from dataclasses import dataclass, field

from bot.sandbox.document_store import Doc
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.slack.content import Params, Refusal
from bot.sandbox.slack.methods import Methods
from bot.sandbox.slack.seed import APP
from bot.sandbox.slack.state import SlackState
from bot.sandbox.slack.tickets import Tickets

SCOPES = ("commands", "chat:write", "files:write", "users:read")


@dataclass(frozen=True, slots=True)
class Fault:
    """How a call goes wrong on purpose."""

    answer: Doc | None
    """What is answered instead; None: the method is carried out."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_ms: int = 0
    drop: bool = False
    """Whether the answer never arrives."""


class SlackApi:
    """Answers Web API calls."""

    def __init__(
        self, state: SlackState, methods: Methods, tickets: Tickets, settings: SandboxSettings
    ) -> None:
        self._state = state
        self._methods = methods
        self._tickets = tickets
        self._settings = settings
        self._lock = threading.Lock()
        self._scripts: list[Doc] = []
        self.scopes: tuple[str, ...] = SCOPES

    def answer(self, method: str, params: Params, token: str) -> Doc:
        """Answer one call."""
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
        if scope and scope not in self.scopes:
            raise Refusal("missing_scope", needed=scope, provided=",".join(self.scopes))

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

    # --- Faults --------------------------------------------------------------------------------------------

    def arm(self, options: Doc) -> None:
        """Arm a fault for calls to come: method, channel, times, answer, status, headers, delay_ms, drop."""
        with self._lock:
            self._scripts.append({"times": 1, **options})

    def disarm(self) -> None:
        """Forget every armed fault."""
        with self._lock:
            self._scripts.clear()

    def fault(self, method: str, channel: str = "") -> Fault | None:
        """Take the fault that was armed for a method, or for one channel or person alone, if one was."""
        with self._lock:
            for one in self._scripts:
                elsewhere = one.get("channel") not in (None, channel)
                if one["method"] in (method, "*") and one["times"] > 0 and not elsewhere:
                    one["times"] -= 1
                    return Fault(
                        answer=one.get("answer"),
                        status=int(one.get("status", 200)),
                        headers={name: str(value) for name, value in one.get("headers", {}).items()},
                        delay_ms=int(one.get("delay_ms", 0)),
                        drop=bool(one.get("drop")),
                    )
        return None
