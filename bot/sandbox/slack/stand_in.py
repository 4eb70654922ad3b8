"""The Slack stand-in, put together, and its side towards the bot: Web API, socket, uploads, response_urls."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from litestar import Request, Response, Router, WebSocket, post, websocket
from litestar.handlers import route

from bot.ports import Clock
from bot.sandbox.document_store import Doc, DocumentStore
from bot.sandbox.live import Live
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.slack.api import Fault, SlackApi
from bot.sandbox.slack.content import Refusal, message_content
from bot.sandbox.slack.delivery import Delivery
from bot.sandbox.slack.methods import Methods
from bot.sandbox.slack.people import UserActions
from bot.sandbox.slack.people_api import people_routes
from bot.sandbox.slack.seed import BOT_USER
from bot.sandbox.slack.state import SlackState
from bot.sandbox.slack.tickets import TicketProblem, Tickets
from bot.sandbox.slack.views import Views
from bot.sandbox.slack.web_page import WebPage
from bot.sandbox.wire import Wire

DROP_SECONDS_MAX = 60.0
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
        methods = Methods(self.state, self.views, self.tickets, settings)
        self.api = SlackApi(self.state, methods, self.tickets, settings)
        self.delivery = Delivery(wire, settings)
        self.actions = UserActions(self.state, self.views, methods, self.tickets, self.delivery, settings)
        self.web_page = WebPage(self.state, self.views, self.actions, live, settings, extra or dict)
        people = people_routes(self.web_page, self.actions, self.api, self.delivery, self.state, wire, live)
        self.router = Router("/", route_handlers=[*_bot_routes(self), *people])

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


async def _gone(request: Web) -> None:
    """Wait until the client has disconnected."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _bot_routes(stand_in: SlackStandIn) -> list[Any]:
    # These answer on the event loop itself: they are quick, and the bot's calls must never wait behind people's
    # requests for a free thread while those wait for the bot.

    @route("/slack/api/{method:str}", http_method=["GET", "POST"], status_code=200)
    async def web_api(request: Web) -> Response[Doc]:
        """The Web API."""
        method = str(request.path_params["method"])
        token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        arguments: Doc = {}
        fault = Fault(answer=None)
        try:
            arguments = await _arguments(request)
            fault = stand_in.api.fault(method, str(arguments.get("channel", ""))) or fault
            if fault.delay_ms:
                await asyncio.sleep(fault.delay_ms / 1000)
            answer = fault.answer or stand_in.api.answer(
                method, arguments, token or str(arguments.get("token", ""))
            )
        except Refusal as refusal:
            answer = refusal.answer
        status = fault.status
        shown = answer if method != "apps.connections.open" else {"ok": answer["ok"]}
        stand_in.wire.record(
            "slack.com", request.method, f"/api/{method}", None, _legible(arguments), status, shown
        )
        if fault.drop:
            with suppress(TimeoutError):
                await asyncio.wait_for(_gone(request), DROP_SECONDS_MAX)
        headers = {"X-OAuth-Scopes": ",".join(stand_in.api.scopes), **fault.headers}
        return Response(answer, status_code=status, headers=headers)

    @post("/slack/upload/{file_id:str}/{ticket:str}", status_code=200)
    async def upload(request: Web) -> Response[str]:
        """The bytes of an upload."""
        file_id, ticket = str(request.path_params["file_id"]), str(request.path_params["ticket"])
        file = stand_in.state.file(file_id)
        if file is None or file["ticket"] != ticket or file["finished_at"] is not None:
            return Response("no such upload", status_code=404, media_type="text/plain")
        content = await _content(request)
        if not content:
            return Response("no bytes", status_code=400, media_type="text/plain")
        stand_in.state.fill_file(file, content)
        about = {"file": file_id, "bytes": len(content)}
        stand_in.wire.record("slack.com", "POST", f"/upload/v1/{file_id}", None, about, 200, "OK")
        return Response(f"OK - {len(content)}", media_type="text/plain")

    @post("/slack/response/{ticket:str}", status_code=200)
    async def response(request: Web) -> Response[Any]:
        """A response_url."""
        ticket = str(request.path_params["ticket"])
        body: Doc = {}
        refs: tuple[str, ...] = ()
        answer: Doc | str
        try:
            body = await _arguments(request)
            status, answer, refs = stand_in.answer_response(ticket, body)
        except Refusal as refusal:
            status, answer = 400, refusal.answer
        stand_in.wire.record(
            "slack.com", "POST", "/response_url", None, _legible(body), status, answer, refs=refs
        )
        kind = "text/plain" if isinstance(answer, str) else "application/json"
        return Response(answer, status_code=status, media_type=kind)

    @websocket("/slack/socket")
    async def socket(socket: WebSocket[Any, Any, Any]) -> None:
        """Socket Mode."""
        if not stand_in.tickets.use_socket(socket.query_params.get("ticket", "")):
            await socket.close(code=4401, reason="this address is not good any more")
            return
        await stand_in.delivery.serve(socket)

    return [web_api, upload, response, socket]


async def _content(request: Web) -> bytes:
    if "multipart" not in request.headers.get("content-type", ""):
        return await request.body()
    form = await request.form()
    part: Any = next(iter(form.values()), None)
    return bytes(await part.read()) if hasattr(part, "read") else b""
