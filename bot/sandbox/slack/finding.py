"""What people mean in the Slack stand-in: which element they press, whom they mention, what they left empty. Pure."""

import html
import re
from collections.abc import Callable, Mapping
from typing import Any

from bot.sandbox.document_store import Doc
from bot.sandbox.slack.elements import BUTTONS
from bot.sandbox.slack.seed import BOT_USER, CHANNEL_BY_ID, CHANNEL_BY_NAME, Person
from bot.sandbox.slack.views import elements_of, option_of

_MENTION = re.compile(
    r"<@(?P<user>\w+)(?:\|[^>]*)?>|<#(?P<channel>\w+)(?:\|[^>]*)?>"
    r"|(?<![\w@])@(?P<handle>[\w.-]*\w)|(?<![\w#&])#(?P<name>[\w-]*\w)"
)


FindPerson = Callable[[str], Person | None]
"""Finds a person by id or handle."""


class NotThere(Exception):
    """What somebody wants to press or read is not in front of them."""


def escaped(text: str, person: FindPerson, *, names: bool) -> str:
    """Turn @handles and #channels into mentions and escape the rest; a command's mentions carry names."""
    parts, end = [], 0
    for found in _MENTION.finditer(text):
        mention = _mention(found, person, names)
        if mention:
            parts += [html.escape(text[end : found.start()], quote=False), mention]
            end = found.end()
    return "".join(parts) + html.escape(text[end:], quote=False)


def _mention(found: re.Match[str], find: FindPerson, names: bool) -> str:
    user, handle = found["user"], found["handle"]
    person = find(user or handle or "")
    if person is not None:
        return f"<@{person.user_id}|{person.handle}>" if names else f"<@{person.user_id}>"
    if user == BOT_USER or handle == "redbar":
        return f"<@{BOT_USER}|redbar>" if names else f"<@{BOT_USER}>"
    channel = CHANNEL_BY_ID.get(found["channel"] or "") or CHANNEL_BY_NAME.get(found["name"] or "")
    return f"<#{channel.channel_id}|{channel.name}>" if channel is not None else ""


def find_element(blocks: list[Doc], options: Mapping[str, Any]) -> tuple[Doc, Doc]:
    """Find an element by action id, by block and action, by value, or by the words on it. Raises: NotThere.

    An app that publishes anew gives its blocks new ids while somebody's finger comes down: the same button then counts,
    whichever block it stands in by now.
    """
    for one in (options, {**options, "block_id": None}):
        for block, element in elements_of(blocks):
            if _meant(block, element, one):
                return block, element
    wanted = options.get("text") or options.get("action_id")
    raise NotThere(f"There is nothing like {wanted!r} to press here.")


def pressed_in(blocks: list[Doc], options: Mapping[str, Any]) -> bool:
    """Say whether what is pressed stands in these blocks."""
    return any(_meant(block, element, options) for block, element in elements_of(blocks))


def _meant(block: Doc, element: Doc, options: Mapping[str, Any]) -> bool:
    if not options.get("action_id") and not options.get("text"):
        return False
    if options.get("block_id") and block["block_id"] != options["block_id"]:
        return False
    if options.get("action_id") and element["action_id"] != options["action_id"]:
        return False
    if options.get("text") and (element.get("text") or {}).get("text") != options["text"]:
        return False
    if element["type"] == "button":
        return options.get("value") in (None, element.get("value"))
    if element["type"] == "overflow":
        try:
            option_of(element, given_in(options))
        except LookupError:
            return False
    return True


def given_in(options: Mapping[str, Any]) -> Any:
    """Give what was picked or typed, under whichever name it came."""
    for name, value in options.items():
        if name.startswith("selected_"):
            return value
    return options.get("value")


def inputs_of(view: Doc) -> set[str]:
    """Give the block ids to which a form's errors may point."""
    return {block["block_id"] for block in view["blocks"] if block["type"] == "input"}


def missing_in(view: Doc) -> Doc:
    """Give the required fields that are empty, as Slack's client complains of them."""
    missing: Doc = {}
    for block in view["blocks"]:
        if block["type"] != "input" or block.get("optional") or block["element"]["type"] in BUTTONS:
            continue
        value = view["state"]["values"][block["block_id"]][block["element"]["action_id"]]
        if not any(one for name, one in value.items() if name != "type"):
            missing[block["block_id"]] = "Please complete this required field."
    return missing
