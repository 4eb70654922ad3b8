"""The Slack stand-in's views: everybody's Home tab, and the modals that lie open before them."""

import json
import secrets
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from bot.sandbox.document_store import Doc
from bot.sandbox.slack.elements import BUTTONS
from bot.sandbox.slack.seed import APP, BOT, TEAM
from bot.sandbox.slack.state import SlackState, new_id

STACK_MAX = 3
UNTOUCHED = object()


class Views:
    """Keeps views. What was typed into a modal stays while block and action ids do, as in Slack's client."""

    def __init__(self, state: SlackState) -> None:
        self._state = state
        self._store = state.store

    # --- Home ----------------------------------------------------------------------------------------------

    def home(self, user: str) -> Doc | None:
        """Give somebody's Home tab as it was published last."""
        return self._store.get("home", user)

    def publish_home(self, user: str, view: Mapping[str, Any]) -> Doc:
        """Show somebody a Home tab; its id stays the same for good."""
        old = self.home(user)
        name = old["id"] if old is not None else new_id("V")
        made = self._made(name, view, root=name, previous=None, typed={})
        self._store.put("home", user, made)
        self._state.publish("home", user=user)
        return made

    # --- Modals --------------------------------------------------------------------------------------------

    def stack(self, user: str) -> list[Doc]:
        """Give somebody's open modals, the last on top."""
        names = (self._store.get("stack", user) or {"views": []})["views"]
        found = (self._store.get("modal", name) for name in names)
        return [view for view in found if view is not None]

    def open(self, user: str, view: Mapping[str, Any]) -> Doc:
        """Show a modal in place of all that lay open."""
        with self._state.change():
            self._forget(self.stack(user))
            name = new_id("V")
            made = self._made(name, view, root=name, previous=None, typed={})
            return self._put(user, made, [name])

    def push(self, user: str, view: Mapping[str, Any]) -> Doc:
        """Show a modal on top of what lies open; the caller has looked whether there is room."""
        with self._state.change():
            stack = self.stack(user)
            name = new_id("V")
            root = stack[0]["id"] if stack else name
            made = self._made(name, view, root=root, previous=stack[-1]["id"] if stack else None, typed={})
            return self._put(user, made, [*(one["id"] for one in stack), name])

    def replace(self, user: str, old: Doc, view: Mapping[str, Any]) -> Doc:
        """Show something else in an open modal; what was typed stays where block and action are the same."""
        with self._state.change():
            made = self._made(
                old["id"],
                view,
                root=old["root_view_id"],
                previous=old["previous_view_id"],
                typed=self._store.get("typed", old["id"]) or {},
            )
            return self._put(user, made, [one["id"] for one in self.stack(user)])

    def type_into(self, view: Doc, values: Mapping[str, Any]) -> Doc:
        """Remember what somebody has filled in. Raises: LookupError for an unknown choice."""
        typed = {**(self._store.get("typed", view["id"]) or {}), **_touched(view["blocks"], values)}
        filled = {**view, "state": {"values": state_of(view["blocks"], typed)}}
        with self._state.change():
            self._store.put("typed", view["id"], typed)
            self._store.put("modal", view["id"], filled)
        return filled

    def close(self, user: str, view_id: str) -> list[Doc]:
        """Close a modal with all that lies on it; gives those that were closed, the top one first."""
        with self._state.change():
            stack = self.stack(user)
            at = next((index for index, one in enumerate(stack) if one["id"] == view_id), len(stack))
            self._store.put("stack", user, {"user": user, "views": [one["id"] for one in stack[:at]]})
            self._forget(stack[at:])
        self._state.publish("modal", user=user)
        return stack[:at:-1] + stack[at : at + 1]

    def find(self, view_id: str, external_id: str = "") -> tuple[str, Doc] | None:
        """Find an open modal and whose it is."""
        for owner in self._store.all("stack"):
            for name in owner["views"]:
                view = self._store.get("modal", name)
                if view is not None and (
                    name == view_id or (external_id and view["external_id"] == external_id)
                ):
                    return owner["user"], view
        return None

    def _put(self, user: str, view: Doc, names: list[str]) -> Doc:
        self._store.put("modal", view["id"], view)
        self._store.put("stack", user, {"user": user, "views": names})
        self._state.publish("modal", user=user)
        return view

    def _forget(self, views: list[Doc]) -> None:
        for view in views:
            self._store.delete("modal", view["id"])
            self._store.delete("typed", view["id"])

    def _made(
        self,
        name: str,
        view: Mapping[str, Any],
        *,
        root: str,
        previous: str | None,
        typed: Mapping[str, Any],
    ) -> Doc:
        blocks = with_ids(view["blocks"])
        return {
            "id": name,
            "team_id": TEAM,
            "type": view["type"],
            "blocks": blocks,
            "private_metadata": view.get("private_metadata", ""),
            "callback_id": view.get("callback_id", ""),
            "state": {"values": state_of(blocks, _touched(blocks, typed, forgiving=True))},
            "hash": f"{int(self._state.now().timestamp())}.{secrets.token_hex(4)}",
            "title": view.get("title"),
            "clear_on_close": bool(view.get("clear_on_close", False)),
            "notify_on_close": bool(view.get("notify_on_close", False)),
            "close": view.get("close"),
            "submit": view.get("submit"),
            "previous_view_id": previous,
            "root_view_id": root,
            "app_id": APP,
            "external_id": view.get("external_id", ""),
            "app_installed_team_id": TEAM,
            "bot_id": BOT,
        }


def with_ids(blocks: Any) -> Any:
    """Give blocks and elements the ids that the bot left out, as Slack does on receipt."""
    made = deepcopy(list(blocks))
    for block in made:
        block.setdefault("block_id", secrets.token_urlsafe(4)[:5])
    for _, element in elements_of(made):
        element.setdefault("action_id", secrets.token_urlsafe(4)[:5])
    return made


def elements_of(blocks: Any) -> Iterator[tuple[Doc, Doc]]:
    """Give every element that can be pressed or filled in, with its block, in the order of reading."""
    for block in blocks:
        inside = [
            *(block.get("elements") or []),
            block.get("accessory"),
            block.get("element"),
            *(block.get("actions") or []),
        ]
        for element in inside:
            if not isinstance(element, dict):
                continue
            if element.get("type") == "card":
                yield from elements_of([{"block_id": block.get("block_id"), **element}])
            elif block["type"] not in ("context", "rich_text") and element.get("type") != "image":
                yield block, element
        yield from elements_of(block.get("child_blocks") or [])


def state_of(blocks: Any, typed: Mapping[str, Any]) -> Doc:
    """Give the values of a view or message: what was chosen or typed, else what it began with.

    `typed` is by "block_id.action_id", or by action_id alone.
    """
    values: Doc = {}
    for block, element in elements_of(blocks):
        if element["type"] in BUTTONS:
            continue
        name = element["action_id"]
        given = typed.get(f"{block['block_id']}.{name}", typed.get(name, UNTOUCHED))
        values.setdefault(block["block_id"], {})[name] = {
            "type": element["type"],
            **value_of(element, given),
        }
    return values


_SINGLE = {
    "users_select": ("selected_user", "initial_user"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "channels_select": ("selected_channel", "initial_channel"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
}
_SEVERAL = {
    "multi_users_select": ("selected_users", "initial_users"),
    "multi_conversations_select": ("selected_conversations", "initial_conversations"),
    "multi_channels_select": ("selected_channels", "initial_channels"),
}


def value_of(element: Doc, given: Any) -> Doc:
    """Give the value of one element in the form in which it travels. Raises: LookupError for an unknown choice."""
    untouched = given is UNTOUCHED
    kind = element["type"]
    if kind in ("static_select", "radio_buttons", "external_select", "overflow"):
        chosen = element.get("initial_option") if untouched else given and option_of(element, given)
        return {"selected_option": chosen or None}
    if kind in ("checkboxes", "multi_static_select", "multi_external_select"):
        if untouched:
            return {"selected_options": list(element.get("initial_options") or [])}
        return {"selected_options": [option_of(element, one) for one in given or []]}
    if kind in _SINGLE:
        name, initial = _SINGLE[kind]
        return {name: element.get(initial) if untouched else given or None}
    if kind in _SEVERAL:
        name, initial = _SEVERAL[kind]
        return {name: list(element.get(initial) or [] if untouched else given or [])}
    value = element.get("initial_value") if untouched else given
    return {"value": None if value in (None, "") else value if isinstance(value, dict) else str(value)}


def option_of(element: Doc, wanted: Any) -> Doc:
    """Find a choice by its value, its words or itself. Raises: LookupError."""
    value = wanted.get("value") if isinstance(wanted, dict) else wanted
    groups = element.get("option_groups") or [{"options": element.get("options") or []}]
    options = [one for group in groups for one in group["options"]]
    for one in options:
        if one.get("value") == value:
            return dict(one)
    for one in options:
        if one["text"]["text"] == value:
            return dict(one)
    raise LookupError(f"There is no choice {value!r}.")


def _touched(blocks: Any, values: Mapping[str, Any], *, forgiving: bool = False) -> Doc:
    """Give what was typed by "block_id.action_id"; `forgiving` leaves out choices that are no longer offered."""
    touched: Doc = {}
    for block, element in elements_of(blocks):
        full = f"{block['block_id']}.{element['action_id']}"
        given = values.get(full, values.get(element["action_id"], UNTOUCHED))
        if given is UNTOUCHED or element["type"] in BUTTONS:
            continue
        try:
            value_of(element, given)
        except LookupError:
            if forgiving:
                continue
            raise
        touched[full] = given
    return touched


def size_bytes(view: Mapping[str, Any]) -> int:
    """Say how large a view is on the wire."""
    return len(json.dumps(view, separators=(",", ":")).encode())
