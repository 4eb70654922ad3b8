"""The Slack stand-in, put together, and its side towards the bot: Web API, socket, uploads, response_urls."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from litestar import Request, Response, Router, WebSocket, post, websocket
from litestar.handlers import route

from bot.ports import Clock
from bot.sandbox.broken_line import BrokenLine
from bot.sandbox.document_store import Doc, DocumentStore
from bot.sandbox.live import Live
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.slack.api import Answered, SlackApi, spoilt
from bot.sandbox.slack.content import Refusal, message_content
from bot.sandbox.slack.conversations import Conversations
from bot.sandbox.slack.delivery import Delivery
from bot.sandbox.slack.events import Events
from bot.sandbox.slack.faults import (
    RESPONSE_URL,
    UPLOAD,
    Cut,
    Fail,
    Faults,
    Limit,
    OnlySlow,
    Refuse,
    Say,
    UploadHostAway,
)
from bot.sandbox.slack.installation import Installation
from bot.sandbox.slack.methods import Methods
from bot.sandbox.slack.people import UserActions
from bot.sandbox.slack.people_api import people_routes
from bot.sandbox.slack.rates import Rates
from bot.sandbox.slack.seed import BOT_USER
from bot.sandbox.slack.state import SlackState
from bot.sandbox.slack.tickets import TicketProblem, Tickets
from bot.sandbox.slack.views import Views
from bot.sandbox.slack.web_page import WebPage
from bot.sandbox.slack.workspace_api import workspace_routes
from bot.sandbox.wire import Wire

Web = Request[Any, Any, Any]


class SlackStandIn:
    """Everything that stands in for Slack."""

    def __init__(
        self,
        store: DocumentStore,
        wire: Wire,
        live: Live,
        clock: Clock,
        settings: SandboxSettings,
        extra: Callable[[], Doc] | None,
    ) -> None:
        self.state = SlackState(store, live, clock)
        self.views = Views(self.state)
        self.tickets = Tickets(store)
        self.wire = wire
        self.live = live
        self.faults = Faults()
        self.rates = Rates()
        self.installation = Installation()
        self.delivery = Delivery(wire, settings)
        self.events = Events(self.state, self.installation, self.delivery)
        self.conversations = Conversations(self.state, self.installation, self.events)
        methods = Methods(self.state, self.views, self.tickets, self.conversations, settings)
        self.api = SlackApi(
            self.state, methods, self.tickets, self.installation, self.faults, self.rates, settings
        )
        self.actions = UserActions(
            self.state,
            self.views,
            methods,
            self.tickets,
            self.delivery,
            self.events,
            self.conversations,
            settings,
        )
        self.web_page = WebPage(self.state, self.views, self.actions, live, settings, extra or dict)
        routes = [
            *_bot_routes(self),
            *people_routes(self.web_page, self.actions, self.state, wire, live),
            *workspace_routes(self),
        ]
        self.router = Router("/", route_handlers=routes)

    def answer_response(self, name: str, body: Doc) -> tuple[int, Doc | str, tuple[str, ...]]:
        """Do what the bot posted to a response_url; gives status, answer, and the message that it concerns."""
        ticket = self.tickets.use_response(name)
        if isinstance(ticket, TicketProblem):
            return 404, {"ok": False, "error": ticket.value}, ()
        channel, user = ticket["channel"], ticket["user"]
        old = self.state.message(channel, ticket["ts"]) if ticket["ts"] else None
        if body.get("delete_original"):
            if old is None:
                return 404, {"ok": False, "error": "message_not_found"}, ()
            self.state.remove(old)
            return 200, "ok", (old["ts"],)
        try:
            content = message_content(body, self.state.picture_problem)
        except Refusal as refusal:
            return 400, refusal.answer, ()
        if body.get("replace_original") and old is not None:
            # A replaced message says only what the replacement says: nothing of the old one stays.
            whole = {name: content[name] or ([] if name != "text" else "") for name in content}
            self.state.edit(old, whole)
            return 200, "ok", (old["ts"],)
        for_all = body.get("response_type") == "in_channel"
        content["thread_ts"] = body.get("thread_ts") or ticket["thread_ts"]
        made = self.state.post(channel, BOT_USER, content, only_for=None if for_all else user)
        return 200, "ok", (made["ts"],)

    def close(self) -> None:
        """Disconnect all listeners and stop the threads."""
        self.live.close()
        self.delivery.close()


def build_slack(
    store: DocumentStore,
    wire: Wire,
    live: Live,
    clock: Clock,
    settings: SandboxSettings,
    extra: Callable[[], Doc] | None = None,
) -> SlackStandIn:
    """Put the stand-in together; `extra` adds to what pages begin with."""
    return SlackStandIn(store, wire, live, clock, settings, extra)


async def _arguments(request: Web) -> Doc:
    """Read a call's arguments, wherever they stand. Raises: Refusal."""
    found: Doc = dict(request.query_params)
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        try:
            body = json.loads(await request.body() or b"{}")
        except ValueError:
            raise Refusal("invalid_json") from None
        if not isinstance(body, dict):
            raise Refusal("json_not_object")
        return {**found, **body}
    if "form" in kind:
        return {**found, **dict(await request.form())}
    return found


def _legible(arguments: Doc) -> Doc:
    """Give arguments for the wire log: JSON in forms opened up, tokens left out."""
    return {name: _opened(value) for name, value in arguments.items() if name != "token"}


def _opened(value: object) -> object:
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _sent(answered: Answered, scopes: tuple[str, ...]) -> Response[Any]:
    if answered.cut:
        return BrokenLine(b"")
    headers = {"X-OAuth-Scopes": ",".join(scopes), **answered.headers}
    return Response(answered.body, status_code=answered.status, headers=headers)


async def _gone_wrong(stand_in: SlackStandIn, address: str) -> tuple[Response[Any] | None, bool]:
    """Give what an address that is no method answers by order, and whether the request is carried out all the same."""
    fault = stand_in.faults.take(address, ())
    if fault is None:
        return None, True
    await asyncio.sleep(fault.delay_ms / 1000)
    match fault.answer:
        case OnlySlow() | UploadHostAway():
            return None, True
        case Cut(done):
            return BrokenLine(b""), done
        case Refuse() | Limit() | Fail() | Say():
            return _sent(spoilt(fault.answer), ()), False


def _bot_routes(stand_in: SlackStandIn) -> list[Any]:
    # These answer on the event loop itself: they are quick, and the bot's calls must never wait behind people's
    # requests for a free thread while those wait for the bot.

    @route("/slack/api/{method:str}", http_method=["GET", "POST"], status_code=200)
    async def web_api(request: Web) -> Response[Any]:
        """The Web API."""
        method = str(request.path_params["method"])
        token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        arguments: Doc = {}
        try:
            arguments = await _arguments(request)
            fault = stand_in.api.fault(method, arguments)
            if fault is not None:
                await asyncio.sleep(fault.delay_ms / 1000)
            answered = stand_in.api.respond(
                fault, method, arguments, token or str(arguments.get("token", ""))
            )
        except Refusal as refusal:
            answered = Answered(refusal.answer)
        status = 0 if answered.cut else answered.status
        shown = answered.body if method != "apps.connections.open" else {"ok": answered.body["ok"]}
        stand_in.wire.record(
            "slack.com", request.method, f"/api/{method}", None, _legible(arguments), status, shown
        )
        stand_in.events.deliver_later()
        return _sent(answered, stand_in.installation.scopes)

    @post("/slack/upload/{file_id:str}/{ticket:str}", status_code=200)
    async def upload(request: Web) -> Response[Any]:
        """The bytes of an upload."""
        wrong, carried_out = await _gone_wrong(stand_in, UPLOAD)
        if wrong is not None and not carried_out:
            return wrong
        taken = _take_bytes(stand_in, request, await _content(request))
        return wrong or taken

    @post("/slack/response/{ticket:str}", status_code=200)
    async def response(request: Web) -> Response[Any]:
        """A response_url."""
        ticket = str(request.path_params["ticket"])
        body: Doc = {}
        refs: tuple[str, ...] = ()
        answer: Doc | str
        wrong, carried_out = await _gone_wrong(stand_in, RESPONSE_URL)
        if wrong is not None and not carried_out:
            return wrong
        try:
            body = await _arguments(request)
            status, answer, refs = stand_in.answer_response(ticket, body)
        except Refusal as refusal:
            status, answer = 400, refusal.answer
        stand_in.wire.record(
            "slack.com", "POST", "/response_url", None, _legible(body), status, answer, refs=refs
        )
        kind = "text/plain" if isinstance(answer, str) else "application/json"
        return wrong or Response(answer, status_code=status, media_type=kind)

    @websocket("/slack/socket")
    async def socket(socket: WebSocket[Any, Any, Any]) -> None:
        """Socket Mode."""
        if not stand_in.tickets.use_socket(socket.query_params.get("ticket", "")):
            await socket.close(code=4401, reason="this address is not good any more")
            return
        await stand_in.delivery.serve(socket)

    return [web_api, upload, response, socket]


def _take_bytes(stand_in: SlackStandIn, request: Web, content: bytes) -> Response[str]:
    file_id, ticket = str(request.path_params["file_id"]), str(request.path_params["ticket"])
    file = stand_in.state.file(file_id)
    if file is None or file["ticket"] != ticket or file["finished_at"] is not None:
        return Response("no such upload", status_code=404, media_type="text/plain")
    if not content:
        return Response("no bytes", status_code=400, media_type="text/plain")
    stand_in.state.fill_file(file, content)
    about = {"file": file_id, "bytes": len(content)}
    stand_in.wire.record("slack.com", "POST", f"/upload/v1/{file_id}", None, about, 200, "OK")
    return Response(f"OK - {len(content)}", media_type="text/plain")


async def _content(request: Web) -> bytes:
    if "multipart" not in request.headers.get("content-type", ""):
        return await request.body()
    form = await request.form()
    part: Any = next(iter(form.values()), None)
    return bytes(await part.read()) if hasattr(part, "read") else b""
