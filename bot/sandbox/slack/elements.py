"""What Slack takes and refuses of interactive elements and of the small objects inside them. Pure.

Every check yields `(sentence, pointer)` in Slack's own kind of words; limits from docs.slack.dev/reference/block-kit.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Problem = tuple[str, str]
Problems = Iterator[Problem]
PictureProblem = Callable[[str], str]
"""Gives "" for a picture that can be shown, else why not."""

BUTTONS = frozenset({"button", "overflow", "workflow_button", "icon_button", "feedback_buttons"})
"""Elements that hold no value."""
_PICKERS = frozenset({"datepicker", "timepicker", "datetimepicker"})
_SELECTS = frozenset(
    f"{kind}_select" for kind in ("static", "external", "users", "conversations", "channels")
)
_MULTI = frozenset(f"multi_{kind}" for kind in _SELECTS)
_CHOICES = frozenset({"radio_buttons", "checkboxes"})
_TYPED = frozenset({"plain_text_input", "number_input", "email_text_input", "url_text_input"})
IN_ACTIONS = _SELECTS | _PICKERS | _CHOICES | {"button", "overflow", "workflow_button", "rich_text_input"}
IN_SECTION = _SELECTS | _MULTI | _PICKERS | _CHOICES | {"button", "overflow", "workflow_button"}
IN_INPUT = _SELECTS | _MULTI | _PICKERS | _CHOICES | _TYPED | {"file_input", "rich_text_input"}
IN_CONTEXT_ACTIONS = frozenset({"feedback_buttons", "icon_button"})
MODAL_ONLY = frozenset({"number_input", "file_input"})

_MENU = "action_id placeholder confirm focus_on_load"
_FIELD = "action_id placeholder initial_value dispatch_action_config focus_on_load"
_PROPERTIES: Mapping[str, str] = {
    "button": "text action_id url value style confirm accessibility_label visible_to_user_ids agent_prompt "
    "agent_prompt_display",
    "workflow_button": "text action_id workflow style accessibility_label",
    "overflow": "action_id options confirm",
    "static_select": _MENU + " options option_groups initial_option",
    "external_select": _MENU + " initial_option min_query_length",
    "users_select": _MENU + " initial_user",
    "conversations_select": _MENU
    + " initial_conversation default_to_current_conversation response_url_enabled filter",
    "channels_select": _MENU + " initial_channel response_url_enabled",
    "multi_static_select": _MENU + " options option_groups initial_options max_selected_items",
    "multi_external_select": _MENU + " initial_options min_query_length max_selected_items",
    "multi_users_select": _MENU + " initial_users max_selected_items",
    "multi_conversations_select": _MENU
    + " initial_conversations default_to_current_conversation filter max_selected_items",
    "multi_channels_select": _MENU + " initial_channels max_selected_items",
    "radio_buttons": "action_id options initial_option confirm focus_on_load",
    "checkboxes": "action_id options initial_options confirm focus_on_load",
    "datepicker": _MENU + " initial_date",
    "timepicker": _MENU + " initial_time timezone",
    "datetimepicker": "action_id initial_date_time confirm focus_on_load",
    "plain_text_input": _FIELD + " multiline min_length max_length",
    "number_input": _FIELD + " is_decimal_allowed min_value max_value",
    "email_text_input": _FIELD,
    "url_text_input": _FIELD,
    "rich_text_input": _FIELD,
    "file_input": "action_id filetypes max_files",
    "feedback_buttons": "action_id positive_button negative_button",
    "icon_button": "action_id icon text value confirm accessibility_label visible_to_user_ids",
}
_STYLES = ("primary", "danger")
_LINKS = ("http", "https", "mailto", "slack", "tel")


@dataclass(frozen=True, slots=True)
class Place:
    """Where blocks stand: on which surface, and how to ask after a picture."""

    surface: str
    picture_problem: PictureProblem


# --- Small objects -----------------------------------------------------------------------------------------


def only(thing: Mapping[str, Any], allowed: str, at: str) -> Problems:
    """Refuse properties that Slack doesn't know."""
    known = {"type", "block_id", *allowed.split()}
    yield from ((f"invalid additional property: {name}", at) for name in thing if name not in known)


def string(value: object, longest: int, at: str, *, least: int = 0) -> Problems:
    """Check a bare string."""
    if not isinstance(value, str):
        yield "must provide a string", at
    elif len(value) < least:
        yield f"must be more than {least - 1} characters", at
    elif len(value) > longest:
        yield f"must be less than {longest + 1} characters", at


def optional_string(
    thing: Mapping[str, Any], name: str, longest: int, at: str, *, least: int = 0
) -> Problems:
    """Check a bare string that may be left out."""
    if name in thing:
        yield from string(thing[name], longest, f"{at}/{name}", least=least)


def counted(things: object, least: int, most: int, at: str) -> Problems:
    """Check how many items a list has."""
    if not isinstance(things, list):
        yield "must provide an array", at
    elif len(things) < least:
        yield f"no fewer than {least} items allowed", at
    elif len(things) > most:
        yield f"no more than {most} items allowed", at


def items(things: object) -> Sequence[Any]:
    """Give the items of a list, nothing of anything else."""
    return things if isinstance(things, list) else []


def text(value: object, longest: int, at: str, *, plain: bool = False) -> Problems:
    """Check a text object; `plain` is for places that take no mrkdwn."""
    if not isinstance(value, dict):
        yield "must provide an object", at
        return
    kind = value.get("type")
    if kind not in ("plain_text", "mrkdwn") or (plain and kind != "plain_text"):
        yield f"unsupported type: {kind}", f"{at}/type"
        return
    yield from only(value, "text emoji" if kind == "plain_text" else "text verbatim", at)
    if "text" not in value:
        yield "missing required field: text", at
        return
    yield from string(value["text"], longest, f"{at}/text", least=1)


def needed_text(
    thing: Mapping[str, Any], name: str, longest: int, at: str, *, plain: bool = False
) -> Problems:
    """Check a text object that has to be there."""
    if name not in thing:
        yield f"missing required field: {name}", at
    else:
        yield from text(thing[name], longest, f"{at}/{name}", plain=plain)


def optional_text(
    thing: Mapping[str, Any], name: str, longest: int, at: str, *, plain: bool = False
) -> Problems:
    """Check a text object that may be left out."""
    if name in thing:
        yield from text(thing[name], longest, f"{at}/{name}", plain=plain)


def link(value: object, at: str) -> Problems:
    """Check an address that people follow."""
    yield from string(value, 3000, at, least=1)
    if isinstance(value, str) and urlsplit(value).scheme not in _LINKS:
        yield "must be a valid URL", at


def picture(image: Mapping[str, Any], place: Place, at: str) -> Problems:
    """Check an image, as a block or inside one: alt text, and an address xor a file."""
    if "alt_text" not in image:
        yield "missing required field: alt_text", at
    else:
        yield from string(image["alt_text"], 2000, f"{at}/alt_text", least=1)
    if ("image_url" in image) == ("slack_file" in image):
        yield "must define either `image_url` or `slack_file`", at
    elif "image_url" in image:
        yield from string(image["image_url"], 3000, f"{at}/image_url", least=1)
        host = urlsplit(str(image["image_url"])).hostname
        # Slack's servers fetch the picture themselves, and reach nothing that is only here.
        if host is None or host in ("localhost", "127.0.0.1", "::1"):
            yield "downloading image failed", f"{at}/image_url"
    else:
        yield from _slack_file(image["slack_file"], place, f"{at}/slack_file")


def _slack_file(file: object, place: Place, at: str) -> Problems:
    if not isinstance(file, dict) or ("id" in file) == ("url" in file):
        yield "must define either `id` or `url`", at
        return
    name = str(file["id"]) if "id" in file else str(file["url"]).rstrip("/").rpartition("/")[2]
    if why_not := place.picture_problem(name):
        yield why_not, at


def confirm(dialog: object, at: str) -> Problems:
    """Check a confirmation dialog."""
    if not isinstance(dialog, dict):
        yield "must provide an object", at
        return
    yield from only(dialog, "title text confirm deny style", at)
    for name, longest in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
        yield from needed_text(dialog, name, longest, at, plain=name != "text")
    yield from _style(dialog, at)


def _style(thing: Mapping[str, Any], at: str) -> Problems:
    if thing.get("style", _STYLES[0]) not in _STYLES:
        yield "must be a valid enum value", f"{at}/style"


# --- Elements ----------------------------------------------------------------------------------------------


def elements(found: object, allowed: frozenset[str], place: Place, at: str) -> Problems:
    """Check the elements of one block: which there may be, and that their action ids are unique in it."""
    names = [one.get("action_id") for one in items(found) if isinstance(one, dict)]
    for index, one in enumerate(items(found)):
        yield from element(one, allowed, place, f"{at}/{index}")
    doubles = {name for name in names if name is not None and names.count(name) > 1}
    yield from ((f"action_id `{name}` already exists", at) for name in sorted(doubles, key=str))


def element(one: object, allowed: frozenset[str], place: Place, at: str) -> Problems:
    """Check one interactive element."""
    kind = one.get("type") if isinstance(one, dict) else None
    if not isinstance(one, dict) or kind not in allowed or (kind in MODAL_ONLY and place.surface != "modal"):
        yield f"unsupported type: {kind}", f"{at}/type"
        return
    yield from only(one, _PROPERTIES[kind], at)
    yield from optional_string(one, "action_id", 255, at, least=1)
    if "confirm" in one:
        yield from confirm(one["confirm"], f"{at}/confirm")
    yield from optional_text(one, "placeholder", 150, at, plain=True)
    if kind == "button":
        yield from _button(one, at)
    elif kind == "overflow":
        yield from options(one, 5, at, links=True)
    elif kind in _CHOICES:
        yield from options(one, 10, at, rich=True)
    elif kind in ("static_select", "multi_static_select"):
        yield from _menu(one, at)
    elif kind == "number_input":
        yield from _number(one, at)
    elif kind == "plain_text_input":
        yield from _plain_input(one, at)


def _button(button: Mapping[str, Any], at: str) -> Problems:
    yield from needed_text(button, "text", 75, at, plain=True)
    yield from optional_string(button, "value", 2000, at)
    yield from optional_string(button, "accessibility_label", 75, at, least=1)
    yield from optional_string(button, "agent_prompt", 4000, at, least=1)
    if "url" in button:
        yield from link(button["url"], f"{at}/url")
    yield from _style(button, at)


def _number(field: Mapping[str, Any], at: str) -> Problems:
    if "is_decimal_allowed" not in field:
        yield "missing required field: is_decimal_allowed", at
    elif not isinstance(field["is_decimal_allowed"], bool):
        yield "must provide a boolean", f"{at}/is_decimal_allowed"
    for name in ("min_value", "max_value", "initial_value"):
        yield from optional_string(field, name, 100, at, least=1)


def _plain_input(field: Mapping[str, Any], at: str) -> Problems:
    yield from optional_string(field, "initial_value", 3000, at)
    for name, least in (("min_length", 0), ("max_length", 1)):
        value = field.get(name, least)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= 3000:
            yield f"must be between {least} and 3000", f"{at}/{name}"


def _menu(menu: Mapping[str, Any], at: str) -> Problems:
    if "option_groups" not in menu:
        yield from options(menu, 100, at)
        return
    groups = menu["option_groups"]
    yield from counted(groups, 1, 100, f"{at}/option_groups")
    for index, group in enumerate(items(groups)):
        here = f"{at}/option_groups/{index}"
        yield from needed_text(group, "label", 75, here, plain=True)
        yield from options({"type": menu["type"], "options": group.get("options")}, 100, here)
    offered = [one for group in items(groups) for one in items(group.get("options"))]
    yield from _initial(menu, offered, at)


def options(
    holder: Mapping[str, Any], most: int, at: str, *, rich: bool = False, links: bool = False
) -> Problems:
    """Check the choices that an element offers; `rich` ones take mrkdwn, `links` may carry an address."""
    offered = holder.get("options")
    if offered is None:
        yield "missing required field: options", at
        return
    yield from counted(offered, 1, most, f"{at}/options")
    for index, one in enumerate(items(offered)):
        here = f"{at}/options/{index}"
        yield from only(one, "text value description" + (" url" if links else ""), here)
        yield from needed_text(one, "text", 75, here, plain=not rich)
        if "value" not in one:
            yield "missing required field: value", here
        else:
            yield from string(one["value"], 150, f"{here}/value", least=1)
        yield from optional_text(one, "description", 75, here, plain=not rich)
        if "url" in one:
            yield from link(one["url"], f"{here}/url")
    yield from _initial(holder, items(offered), at)


def _initial(holder: Mapping[str, Any], offered: Sequence[Any], at: str) -> Problems:
    if "initial_option" in holder and holder["initial_option"] not in offered:
        yield "must match one of the options", f"{at}/initial_option"
    if "initial_options" in holder:
        yield from counted(holder["initial_options"], 1, 100, f"{at}/initial_options")
    for index, one in enumerate(items(holder.get("initial_options"))):
        if one not in offered:
            yield "must match one of the options", f"{at}/initial_options/{index}"
