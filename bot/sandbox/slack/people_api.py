"""`/sandbox/api/` for Slack: everything that people do and see, as plain HTTP. The web page uses nothing else."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from litestar import Request, Response, get, post
from litestar.response import Stream

from bot.sandbox.document_store import Doc
from bot.sandbox.live import Live
from bot.sandbox.slack.finding import NotThere
from bot.sandbox.slack.people import NeedsConfirm, UserActions
from bot.sandbox.slack.seed import Person
from bot.sandbox.slack.state import SlackState
from bot.sandbox.slack.web_page import WebPage
from bot.sandbox.wire import Wire

Web = Request[Any, Any, Any]
Answer = Response[Doc]


def people_routes(
    web_page: WebPage,
    actions: UserActions,
    state: SlackState,
    wire: Wire,
    live: Live,
) -> list[Any]:
    """Give the routes."""
    return [
        *_seeing(web_page, actions),
        *_doing(web_page, actions),
        *_watching(state, wire, live),
    ]


class NotUnderstood(Exception):
    """A request that isn't what it should be."""


async def options_of(request: Web) -> Doc:
    """Read the JSON object that a request carries. Raises: NotUnderstood."""
    try:
        options = json.loads(await request.body() or b"{}")
    except ValueError:
        raise NotUnderstood("The body of the request is not JSON.") from None
    if not isinstance(options, dict):
        raise NotUnderstood("The body of the request is not a JSON object.")
    return options


def _refused(error: NotThere) -> Answer:
    return Response({"ok": False, "error": str(error)}, status_code=404)


def _seeing(web_page: WebPage, actions: UserActions) -> list[Any]:
    def seen(request: Web, see: Callable[[Person], Doc]) -> Answer:
        try:
            return Response(see(actions.who(request.query_params.get("as", ""))))
        except NotThere as error:
            return _refused(error)

    @get("/sandbox/api/bootstrap", sync_to_thread=False)
    def bootstrap() -> Doc:
        """What a page needs to begin."""
        return web_page.bootstrap()

    @get("/sandbox/api/sidebar", sync_to_thread=False)
    def sidebar(request: Web) -> Answer:
        """Channels and DMs of somebody."""
        return seen(request, web_page.sidebar)

    @get("/sandbox/api/messages", sync_to_thread=False)
    def messages(request: Web) -> Answer:
        """A conversation as somebody sees it."""
        channel = request.query_params.get("channel", "dm")
        since = request.query_params.get("since", "")
        return seen(request, lambda person: web_page.messages(person, actions.where(person, channel), since))

    @get("/sandbox/api/home", sync_to_thread=False)
    def home(request: Web) -> Answer:
        """The Home tab as it was published last."""
        return seen(request, web_page.home)

    @get("/sandbox/api/modals", sync_to_thread=False)
    def modals(request: Web) -> Answer:
        """Somebody's open modals, the last on top."""
        return seen(request, web_page.modals)

    return [bootstrap, sidebar, messages, home, modals]


def _doing(web_page: WebPage, actions: UserActions) -> list[Any]:
    # Nothing here holds a thread or the loop while it waits for the bot, which calls back in the meantime.

    async def done(request: Web, do: Callable[[Person, Doc], Awaitable[Doc]]) -> Answer:
        try:
            options = await options_of(request)
            return Response(await do(actions.who(str(options.get("as", ""))), options))
        except NotUnderstood as error:
            return Response({"ok": False, "error": str(error)}, status_code=400)
        except NeedsConfirm as asks:
            return Response({"ok": False, "error": "confirm", "confirm": asks.dialog}, status_code=409)
        except NotThere as error:
            return _refused(error)

    def place(person: Person, options: Doc) -> str:
        return actions.where(person, str(options.get("channel") or "dm"))

    def text(options: Doc) -> str:
        return str(options.get("text", ""))

    @post("/sandbox/api/say", status_code=200)
    async def say(request: Web) -> Answer:
        """Write in a conversation; a text that begins with a slash is a command."""
        return await done(request, lambda p, w: actions.say(p, place(p, w), text(w), w.get("thread_ts")))

    @post("/sandbox/api/command", status_code=200)
    async def command(request: Web) -> Answer:
        """Send a slash command."""
        return await done(request, lambda p, w: actions.command(p, place(p, w), text(w)))

    @post("/sandbox/api/home", status_code=200)
    async def open_home(request: Web) -> Answer:
        """Open the Home tab and wait for what is published."""
        return await done(request, lambda p, w: web_page.open_home(p, str(w.get("tab", "home"))))

    @post("/sandbox/api/press", status_code=200)
    async def press(request: Web) -> Answer:
        """Press a button or choose in a menu."""
        return await done(request, actions.press)

    @post("/sandbox/api/submit", status_code=200)
    async def submit(request: Web) -> Answer:
        """Send a form in."""
        return await done(request, actions.submit)

    @post("/sandbox/api/close", status_code=200)
    async def close(request: Web) -> Answer:
        """Close a form, or with `all` every one."""
        return await done(
            request, lambda p, w: actions.close(p, w.get("view_id"), everything=bool(w.get("all")))
        )

    @post("/sandbox/api/shortcut", status_code=200)
    async def shortcut(request: Web) -> Answer:
        """Choose a global shortcut."""
        return await done(request, lambda p, w: actions.shortcut(p, str(w.get("callback_id", ""))))

    return [say, command, open_home, press, submit, close, shortcut]


def _watching(state: SlackState, wire: Wire, live: Live) -> list[Any]:
    @get("/sandbox/api/files/{file_id:str}", sync_to_thread=False)
    def file(request: Web) -> Response[bytes]:
        """A file's bytes."""
        file_id = str(request.path_params["file_id"])
        found, content = state.file(file_id), state.file_bytes(file_id)
        if found is None or content is None:
            return Response(b"There is no such file.", status_code=404, media_type="text/plain")
        headers = {"X-Content-Type-Options": "nosniff"}
        return Response(content, media_type=found["mimetype"], headers=headers)

    @get("/sandbox/api/live", sync_to_thread=False)
    def changes() -> Stream:
        """What changes, as it changes: server-sent events."""

        async def lines() -> AsyncIterator[str]:
            async for line in live.subscribe():
                yield f"data: {line}\n\n"

        return Stream(lines(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    @get("/sandbox/log.jsonl", media_type="application/x-ndjson", sync_to_thread=False)
    def log() -> str:
        """The whole wire log."""
        return wire.text()

    @get("/sandbox/api/wire", sync_to_thread=False)
    def entries(request: Web) -> Doc:
        """Recent entries of the wire log, all or those about one thing."""
        query = request.query_params
        since, limit = query.get("since", ""), query.get("limit", "")
        found = wire.entries(
            since=int(since) if since.isdigit() else 0,
            ref=query.get("ref") or None,
            limit=int(limit) if limit.isdigit() else 200,
        )
        return {"entries": list(found)}

    return [file, changes, log, entries]
