"""`/sandbox/api/slack/`: what administrators and Slack itself do, for tests and scripts, and faults on order.

What happens here is delivered to the bot as events before the request is answered.
"""

from collections.abc import Callable
from typing import Any, Protocol

from litestar import Request, Response, post

from bot.sandbox.document_store import Doc
from bot.sandbox.slack.conversations import Conversations
from bot.sandbox.slack.delivery import Delivery
from bot.sandbox.slack.events import Events
from bot.sandbox.slack.faults import Faults, NoFault, fault_in
from bot.sandbox.slack.installation import Installation
from bot.sandbox.slack.people_api import NotUnderstood, options_of
from bot.sandbox.slack.rates import Rates
from bot.sandbox.slack.seed import BOT_USER, Person, user_object
from bot.sandbox.slack.state import SlackState
from bot.sandbox.slack.tickets import Tickets

Web = Request[Any, Any, Any]
Answer = Response[Doc]


class Workspace(Protocol):
    """What of the stand-in is changed here."""

    state: SlackState
    faults: Faults
    rates: Rates
    installation: Installation
    conversations: Conversations
    events: Events
    delivery: Delivery
    tickets: Tickets


def workspace_routes(workspace: Workspace) -> list[Any]:
    """Give the routes."""
    return [*_going_wrong(workspace), *_administrating(workspace)]


async def _done(workspace: Workspace, request: Web, do: Callable[[Doc], Doc]) -> Answer:
    try:
        found = do(await options_of(request))
    except (NotUnderstood, NoFault) as error:
        return Response({"ok": False, "error": str(error)}, status_code=400)
    await workspace.events.deliver_waiting()
    return Response({"ok": True, **found})


def _going_wrong(workspace: Workspace) -> list[Any]:
    def armed(options: Doc) -> Doc:
        if options.get("clear"):
            workspace.faults.clear()
        else:
            workspace.faults.add(fault_in(options))
        return {"armed": workspace.faults.left()}

    def limited(options: Doc) -> Doc:
        workspace.rates.enforced = bool(options.get("enforced", True))
        return {"enforced": workspace.rates.enforced}

    def skipped(options: Doc) -> Doc:
        workspace.tickets.clock.skip(float(options.get("seconds", 0)))
        return {}

    @post("/sandbox/api/slack/script", status_code=200)
    async def script(request: Web) -> Answer:
        """Arm a fault, as `fault_in` reads it, or take all back with {"clear": true}."""
        return await _done(workspace, request, armed)

    @post("/sandbox/api/slack/limits", status_code=200)
    async def limits(request: Web) -> Answer:
        """Keep to Slack's rate limits from now on, or no more with {"enforced": false}."""
        return await _done(workspace, request, limited)

    @post("/sandbox/api/slack/tickets", status_code=200)
    async def tickets(request: Web) -> Answer:
        """Let `seconds` pass for trigger ids and response_urls."""
        return await _done(workspace, request, skipped)

    @post("/sandbox/api/slack/disconnect", status_code=200)
    async def disconnect(request: Web) -> Answer:
        """Ask the bot to come back with a new socket, as Slack does every few hours."""
        before = workspace.delivery.connected()
        await workspace.delivery.disconnect("refresh_requested")
        return Response({"ok": True, "disconnected": before})

    return [script, limits, tickets, disconnect]


def _administrating(workspace: Workspace) -> list[Any]:
    state, installation = workspace.state, workspace.installation

    def granted(options: Doc) -> Doc:
        installation.scopes = tuple(map(str, options.get("scopes", installation.scopes)))
        installation.events = tuple(map(str, options.get("events", installation.events)))
        return {"scopes": list(installation.scopes), "events": list(installation.events)}

    def changed(options: Doc) -> Doc:
        channel = state.find_channel(str(options.get("channel", "")))
        if channel is None:
            raise NotUnderstood("There is no such channel.")
        names = ("bot_member", "archived", "private")
        by = state.person(str(options.get("by", "owner")))
        flags = {name: bool(options[name]) for name in names if name in options}
        workspace.conversations.set_channel(channel, by=by.user_id if by is not None else "", **flags)
        return {}

    def person(options: Doc) -> Doc:
        if "crowd" in options:
            state.roster.set_crowd(int(options["crowd"]))
            return {}
        name = str(options.get("person", ""))
        known = state.person(name)
        changes = {one: options[one] for one in ("kind", "left", "real_name", "zone") if one in options}
        if known is not None:
            one, event = state.roster.change(known.user_id, **changes), "user_change"
        elif name.startswith("U"):
            handle = str(options.get("handle", name.lower()))
            state.roster.put(Person(name, handle, handle, "member", "#64748B"))
            one, event = state.roster.change(name, **changes), "team_join"
        else:
            raise NotUnderstood("There is nobody called that; somebody new needs an id.")
        workspace.events.tell(event, user=user_object(one, state.now()))
        return {"user": one.user_id}

    def app(options: Doc) -> Doc:
        installation.dead_code = "" if options.get("installed") else "account_inactive"
        if installation.dead_code:
            workspace.events.tell("app_uninstalled")
            workspace.events.tell("tokens_revoked", tokens={"oauth": [], "bot": [BOT_USER]})
        return {}

    def route(path: str, do: Callable[[Doc], Doc], what: str) -> Any:
        async def handle(request: Web) -> Answer:
            return await _done(workspace, request, do)

        handle.__doc__, handle.__name__ = what, do.__name__
        return post(f"/sandbox/api/slack/{path}", status_code=200)(handle)

    return [
        route("scopes", granted, "Grant other `scopes`, and subscribe to other `events`, from now on."),
        route("channel", changed, "Invite or remove the bot, archive or revive a channel, make it private."),
        route("person", person, "Let somebody come, leave or be another; or have a `crowd` of members."),
        route("app", app, "Remove the app from the workspace, or with {'installed': true} install it again."),
    ]
