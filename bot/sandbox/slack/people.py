"""What people do in the Slack stand-in, as Slack's client does it: type, open Home, press, fill in forms."""

import time
from collections.abc import Mapping
from typing import Any

from bot.sandbox.document_store import Doc
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.slack.content import Refusal, message_content
from bot.sandbox.slack.conversations import Conversations
from bot.sandbox.slack.delivery import Delivered, Delivery, Kind
from bot.sandbox.slack.events import VERIFICATION, Events
from bot.sandbox.slack.finding import (
    NotThere,
    escaped,
    find_element,
    given_in,
    inputs_of,
    missing_in,
    pressed_in,
)
from bot.sandbox.slack.methods import Methods, message_object
from bot.sandbox.slack.seed import APP, BOT_USER, COMMANDS, TEAM, TEAM_DOMAIN, Person
from bot.sandbox.slack.state import SlackState
from bot.sandbox.slack.tickets import Tickets
from bot.sandbox.slack.views import Views, elements_of, state_of, value_of


class NeedsConfirm(Exception):
    """The button asks first."""

    def __init__(self, dialog: Doc) -> None:
        self.dialog = dialog
        super().__init__("confirm")


class UserActions:
    """Does what people do, as Slack's client would, and tells the bot."""

    def __init__(
        self,
        state: SlackState,
        views: Views,
        methods: Methods,
        tickets: Tickets,
        delivery: Delivery,
        events: Events,
        conversations: Conversations,
        settings: SandboxSettings,
    ) -> None:
        self._state = state
        self._views = views
        self._methods = methods
        self._tickets = tickets
        self._delivery = delivery
        self._events = events
        self._conversations = conversations
        self._settings = settings

    def who(self, name: str) -> Person:
        """Find a person. Raises: NotThere."""
        person = self._state.person(name)
        if person is None or person.left:
            raise NotThere(f"There is nobody called {name!r}.")
        return person

    def where(self, person: Person, channel: str) -> str:
        """Find a conversation by id, "#name", "dm", or "@somebody" for a DM of two people. Raises: NotThere."""
        if channel.startswith("@"):
            return self._state.dm_between(person.user_id, self.who(channel).user_id)
        found = (
            self._state.dm_of(person.user_id) if channel in ("dm", "") else self._state.find_channel(channel)
        )
        if found is None or not self._state.in_channel(person.user_id, found):
            raise NotThere(f"{person.handle} is not in a conversation called {channel!r}.")
        return found

    # --- Typing --------------------------------------------------------------------------------------------

    async def say(self, person: Person, channel: str, text: str, thread_ts: str | None) -> Doc:
        """Write something; what begins with a slash is a command."""
        if text.startswith("/") and not thread_ts:
            return await self.command(person, channel, text)
        if not text.strip():
            raise NotThere("There is nothing to say.")
        content = {"text": escaped(text, self._state.person, names=False), "thread_ts": thread_ts}
        return {"ok": True, "ts": self._state.post(channel, person.user_id, content)["ts"]}

    async def command(self, person: Person, channel: str, text: str) -> Doc:
        """Send a slash command. Those that Slack itself knows are carried out here."""
        word, _, rest = text.strip().partition(" ")
        if word in ("/invite", "/remove") and rest.strip().lower() in ("@redbar", f"<@{BOT_USER}>"):
            self._conversations.set_channel(channel, bot_member=word == "/invite", by=person.user_id)
            await self._events.deliver_waiting()
            return {"ok": True, "acked_ms": 0}
        if word not in {one["command"] for one in COMMANDS}:
            return {"ok": False, "acked_ms": 0, "error": "unknown_command"}
        payload = {
            "token": VERIFICATION,
            "team_id": TEAM,
            "team_domain": TEAM_DOMAIN,
            "channel_id": channel,
            "channel_name": self._state.channel_name(channel),
            "user_id": person.user_id,
            "user_name": person.handle,
            "command": word,
            "text": escaped(rest.strip(), self._state.person, names=True),
            "api_app_id": APP,
            "is_enterprise_install": "false",
            "response_url": self._response_url(self._tickets.response(person.user_id, channel)),
            "trigger_id": self._tickets.trigger(person.user_id),
        }
        got = await self._delivery.deliver(Kind.COMMAND, payload, answers=True)
        if got.ok and any(got.answer.get(name) for name in ("text", "blocks", "attachments")):
            try:
                content = message_content(got.answer, self._state.picture_problem)
            except Refusal as refusal:
                return {
                    "ok": False,
                    "acked_ms": got.acked_ms,
                    "error": refusal.error,
                    "answer": refusal.answer,
                }
            for_all = got.answer.get("response_type") == "in_channel"
            self._state.post(channel, BOT_USER, content, only_for=None if for_all else person.user_id)
        return _outcome(got)

    # --- Home ----------------------------------------------------------------------------------------------

    async def open_app(self, person: Person, tab: str) -> Delivered:
        """Open the app: its Home tab, into which the bot publishes, or its messages."""
        event: Doc = {
            "type": "app_home_opened",
            "user": person.user_id,
            "channel": self._state.dm_of(person.user_id),
            "tab": tab,
            "event_ts": self._state.next_ts(),
        }
        view = self._views.home(person.user_id)
        if view is not None and tab == "home":
            event["view"] = view
        return await self._events.deliver(event)

    # --- Pressing ------------------------------------------------------------------------------------------

    async def press(self, person: Person, options: Mapping[str, Any]) -> Doc:
        """Press a button or choose in a menu. Raises: NotThere, NeedsConfirm."""
        if options.get("ts") and not options.get("view_id"):
            blocks, surface = self._on_message(person, options)
        else:
            blocks, surface = self._on_view(person, options)
        block, element = find_element(blocks, options)
        if "confirm" in element and not options.get("confirm"):
            raise NeedsConfirm(element["confirm"])
        action, typed = self._action(block, element, options)
        values = {**(options.get("values") or {}), **typed}
        payload: Doc = {
            "type": "block_actions",
            **self._from(person),
            "trigger_id": self._tickets.trigger(person.user_id, in_modal=surface.get("in_modal", False)),
        }
        if "view" in surface:
            view = surface["view"]
            if view["type"] == "modal":
                view = self._filled(view, values)
            else:
                view = {**view, "state": {"values": state_of(view["blocks"], typed)}}
            payload |= {"container": surface["container"], "view": view}
        else:
            payload |= {**surface, "state": {"values": state_of(blocks, typed)}}
        payload["actions"] = [action]
        return _outcome(await self._delivery.deliver(Kind.INTERACTION, payload))

    def _on_view(self, person: Person, options: Mapping[str, Any]) -> tuple[list[Doc], Doc]:
        home = self._views.home(person.user_id)
        stack = self._views.stack(person.user_id)
        found = [*([home] if home is not None else []), *stack]
        if options.get("surface") in ("home", "modal"):
            found = [one for one in found if one["type"] == options["surface"]]
        view = next((one for one in reversed(found) if options.get("view_id") in (None, "", one["id"])), None)
        if view is None:
            raise NotThere("Nothing is open that could be pressed.")
        container = {"type": "view", "view_id": view["id"]}
        return view["blocks"], {"container": container, "view": view, "in_modal": view["type"] == "modal"}

    def _on_message(self, person: Person, options: Mapping[str, Any]) -> tuple[list[Doc], Doc]:
        channel = self.where(person, str(options.get("channel") or "dm"))
        message = self._state.message(channel, str(options["ts"]))
        if message is None or message["only_for"] not in (None, person.user_id):
            raise NotThere("That message is not there any more.")
        blocks = list(message["blocks"])
        container: Doc = {"type": "message"}
        for attachment in message["attachments"]:
            inside = attachment.get("blocks") or []
            if pressed_in(inside, options) and not pressed_in(message["blocks"], options):
                container = {"type": "message_attachment", "attachment_id": attachment["id"]}
                container["is_app_unfurl"] = False
            blocks += inside
        container |= {
            "message_ts": message["ts"],
            "channel_id": channel,
            "is_ephemeral": message["ephemeral"],
        }
        if message["thread_ts"]:
            container["thread_ts"] = message["thread_ts"]
        ticket = self._tickets.response(
            person.user_id, channel, ts=message["ts"], thread_ts=message["thread_ts"]
        )
        surface: Doc = {
            "container": container,
            "channel": {"id": channel, "name": self._state.channel_name(channel)},
            "response_url": self._response_url(ticket),
        }
        if not message["ephemeral"]:  # Slack doesn't send what it doesn't keep
            surface["message"] = message_object(message)
        return blocks, surface

    def _action(self, block: Doc, element: Doc, options: Mapping[str, Any]) -> tuple[Doc, Doc]:
        """Give the action as it travels, and what it leaves chosen or typed. Raises: NotThere."""
        action: Doc = {
            "type": element["type"],
            "action_id": element["action_id"],
            "block_id": block["block_id"],
        }
        typed: Doc = {}
        if element["type"] in ("button", "icon_button"):
            action |= {name: element[name] for name in ("text", "value", "style") if name in element}
        elif element["type"] == "overflow":
            action["selected_option"] = self._chosen(element, given_in(options))["selected_option"]
        else:
            given = self._ids(element, given_in(options))
            action |= self._chosen(element, given)
            action |= {
                name: value
                for name, value in element.items()
                if name.startswith("initial_") or name == "placeholder"
            }
            typed[f"{block['block_id']}.{element['action_id']}"] = given
        return {**action, "action_ts": f"{time.time():.6f}"}, typed

    def _chosen(self, element: Doc, given: Any) -> Doc:
        try:
            return value_of(element, given)
        except LookupError as problem:
            raise NotThere(str(problem.args[0])) from None

    def _ids(self, element: Doc, value: Any) -> Any:
        """Let tests and scripts choose people and channels by name."""
        if not any(kind in element["type"] for kind in ("users", "conversations", "channels")):
            return value
        if isinstance(value, list):
            return [self._ids(element, one) for one in value]
        if not isinstance(value, str):
            return value
        person = self._state.person(value)
        return person.user_id if person is not None else self._state.find_channel(value) or value

    # --- Forms ---------------------------------------------------------------------------------------------

    def _filled(self, view: Doc, values: Mapping[str, Any]) -> Doc:
        ready: Doc = {}
        for block, element in elements_of(view["blocks"]):
            full = f"{block['block_id']}.{element['action_id']}"
            for name in (full, element["action_id"]):
                if name in values:
                    ready[full] = self._ids(element, values[name])
                    break
        try:
            return self._views.type_into(view, ready)
        except LookupError as problem:
            raise NotThere(str(problem.args[0])) from None

    def form(self, person: Person, view_id: str | None) -> Doc:
        """Find an open form, the top one unless it is named. Raises: NotThere."""
        stack = self._views.stack(person.user_id)
        found = next((one for one in reversed(stack) if view_id in (None, "", one["id"])), None)
        if found is None:
            raise NotThere("No form is open.")
        return found

    async def submit(self, person: Person, options: Mapping[str, Any]) -> Doc:
        """Send a form in. Raises: NotThere."""
        view = self.form(person, options.get("view_id"))
        if view["submit"] is None:
            raise NotThere("This form has no button to send it.")
        view = self._filled(view, options.get("values") or {})
        missing = missing_in(view)
        if missing:
            return {"ok": False, "acked_ms": 0, "response_action": "errors", "errors": missing}
        payload = {
            "type": "view_submission",
            **self._from(person),
            "trigger_id": self._tickets.trigger(person.user_id, in_modal=True),
            "view": view,
            "response_urls": [],
        }
        got = await self._delivery.deliver(Kind.INTERACTION, payload, answers=True)
        return self._answered(person, view, got) if got.ok else _outcome(got)

    def _answered(self, person: Person, view: Doc, got: Delivered) -> Doc:
        """Do what the bot answered to a submission, as Slack's client does."""
        action = got.answer.get("response_action")
        outcome: Doc = {"ok": True, "acked_ms": got.acked_ms, "response_action": action}
        user = person.user_id
        try:
            match action:
                case "errors":
                    errors = got.answer.get("errors") or {}
                    if not errors or not set(errors) <= inputs_of(view):
                        raise Refusal("invalid_errors", errors=errors)
                    return {**outcome, "ok": False, "errors": errors}
                case "update":
                    found = self._views.find(view["id"])
                    self._views.replace(
                        user,
                        found[1] if found else view,
                        self._methods.modal_in_answer(got.answer.get("view")),
                    )
                case "push":
                    self._methods.push(user, self._methods.modal_in_answer(got.answer.get("view")))
                case "clear":
                    self._close_all(user)
                case _:
                    self._views.close(user, view["id"])
        except Refusal as refusal:
            return {"ok": False, "acked_ms": got.acked_ms, "error": refusal.error, "answer": refusal.answer}
        return outcome

    def _close_all(self, user: str) -> list[Doc]:
        stack = self._views.stack(user)
        return self._views.close(user, stack[0]["id"]) if stack else []

    async def close(self, person: Person, view_id: str | None, *, everything: bool = False) -> Doc:
        """Close the top form, or a named one with all above it; tells the bot where it asked to be told."""
        user = person.user_id
        try:
            view = self.form(person, view_id)
        except NotThere:
            return {"ok": True}  # what is gone already is closed all the same
        cleared = everything or view["clear_on_close"]
        closed = self._close_all(user) if cleared else self._views.close(user, view["id"])
        for one in closed:
            if one["notify_on_close"]:
                payload = {"type": "view_closed", **self._from(person), "view": one, "is_cleared": cleared}
                await self._delivery.deliver(Kind.INTERACTION, payload)
        return {"ok": True}

    async def shortcut(self, person: Person, callback_id: str) -> Doc:
        """Choose a global shortcut."""
        payload = {
            "type": "shortcut",
            **self._from(person),
            "action_ts": f"{time.time():.6f}",
            "callback_id": callback_id,
            "trigger_id": self._tickets.trigger(person.user_id),
        }
        return _outcome(await self._delivery.deliver(Kind.INTERACTION, payload))

    # --- Small things --------------------------------------------------------------------------------------

    def _from(self, person: Person) -> Doc:
        """Give the part of every interaction that says who acted, and in which workspace."""
        return {
            "token": VERIFICATION,
            "api_app_id": APP,
            "team": {"id": TEAM, "domain": TEAM_DOMAIN},
            "user": {
                "id": person.user_id,
                "username": person.handle,
                "name": person.handle,
                "team_id": person.team,
            },
            "enterprise": None,
            "is_enterprise_install": False,
        }

    def _response_url(self, ticket: str) -> str:
        return f"{self._settings.base_url}/slack/response/{ticket}"


def _outcome(got: Delivered) -> Doc:
    outcome: Doc = {"ok": got.ok, "acked_ms": got.acked_ms, "status": 200 if got.ok else 408}
    return outcome if got.ok else {**outcome, "error": got.error}
