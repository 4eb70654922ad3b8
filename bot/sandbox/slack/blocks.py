"""What Slack takes and refuses of blocks, by surface: messages, Home tabs, modals. Pure.

`problems(…)` and `view_problems(…)` give Slack's own kind of sentences, each with a JSON pointer; an empty list means
accepted. Surfaces and limits are those of docs.slack.dev/reference/block-kit; where Slack's pages and its answers
disagree, the stricter one counts: what passes here passes there.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.sandbox.slack import tables as slack_tables
from bot.sandbox.slack.elements import (
    IN_ACTIONS,
    IN_CONTEXT_ACTIONS,
    IN_INPUT,
    IN_SECTION,
    PictureProblem,
    Place,
    Problem,
    Problems,
    counted,
    element,
    elements,
    items,
    needed_text,
    only,
    optional_string,
    optional_text,
    picture,
    string,
    text,
)

Json = Mapping[str, Any]

MESSAGE, HOME, MODAL = "message", "home", "modal"
_EVERYWHERE = frozenset({MESSAGE, HOME, MODAL})
_MESSAGE = frozenset({MESSAGE})
_SURFACES: Mapping[str, frozenset[str]] = {
    "section": _EVERYWHERE,
    "actions": _EVERYWHERE,
    "context": _EVERYWHERE,
    "divider": _EVERYWHERE,
    "header": _EVERYWHERE,
    "image": _EVERYWHERE,
    "input": _EVERYWHERE,
    "rich_text": _EVERYWHERE,
    "alert": frozenset({MODAL}),
    "card": _EVERYWHERE,
    "carousel": frozenset({MESSAGE, HOME}),
    # Home began to take these three in some workspaces only; an app that counts on it breaks in the others.
    "container": _MESSAGE,
    "data_visualization": _MESSAGE,
    "data_table": _MESSAGE,
    "table": _MESSAGE,
    "markdown": _MESSAGE,
    "context_actions": _MESSAGE,
    "plan": _MESSAGE,
    "task_card": _MESSAGE,
}
_PROPERTIES: Mapping[str, str] = {
    "section": "text fields accessory expand",
    "actions": "elements",
    "context": "elements",
    "divider": "",
    "header": "text",
    "image": "image_url slack_file alt_text title",
    "input": "label element hint optional dispatch_action",
    "rich_text": "elements",
    "alert": "text level",
    "carousel": "elements",
    "container": "title rich_text_title subtitle child_blocks width default_collapsed is_collapsible "
    "has_header_divider",
    "data_visualization": "title chart",
    "data_table": "caption rows page_size row_header_column_index",
    "table": "rows column_settings",
    "markdown": "text",
    "context_actions": "elements",
}
_IN_CONTAINER = frozenset(
    {"actions", "context", "divider", "header", "image", "input", "rich_text", "section", "table"}
)
_BLOCKS_MAX = {MESSAGE: 50, HOME: 100, MODAL: 100}
_ONCE_PER_MESSAGE = {"data_visualization": 2, "table": 1, "plan": 1}
_RICH = ("rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote")
_ALERT_LEVELS = ("default", "info", "warning", "error", "success")
VIEW_BYTES_MAX = 250_000
ATTACHMENTS_MAX = 100
_ATTACHMENT = (
    "color fallback blocks text pretext title title_link fields author_name author_link author_icon footer "
    "footer_icon ts image_url thumb_url mrkdwn_in callback_id id actions attachment_type"
)
_VIEW = {
    HOME: "blocks private_metadata callback_id external_id",
    MODAL: "blocks private_metadata callback_id external_id title submit close clear_on_close notify_on_close "
    "submit_disabled",
}


def problems(blocks: object, surface: str, picture_problem: PictureProblem, at: str = "/blocks") -> list[str]:
    """Give what is wrong with blocks on a surface."""
    return _said(_blocks(blocks, Place(surface, picture_problem), at))


def attachment_problems(attachments: object, picture_problem: PictureProblem) -> list[str]:
    """Give what is wrong with a message's attachments."""
    return _said(_attachments(attachments, Place(MESSAGE, picture_problem)))


def together_problems(blocks: object, attachments: object) -> list[str]:
    """Give what is wrong with blocks and attachments of one message taken together."""
    found = [
        *items(blocks),
        *(one for each in items(attachments) if isinstance(each, dict) for one in items(each.get("blocks"))),
    ]
    return _said(_counted_kinds(found))


def view_problems(view: Json, surface: str, picture_problem: PictureProblem) -> list[str]:
    """Give what is wrong with a Home tab or a modal."""
    return _said(_view(view, Place(surface, picture_problem)))


def _said(found: Iterator[Problem]) -> list[str]:
    return [f"[ERROR] {sentence} [json-pointer:{pointer}]" for sentence, pointer in found]


def _view(view: Json, place: Place) -> Problems:
    at = "/view"
    yield from only(view, _VIEW[place.surface], at)
    for name, longest in (("private_metadata", 3000), ("callback_id", 255), ("external_id", 255)):
        yield from optional_string(view, name, longest, at)
    if "blocks" not in view:
        yield "missing required field: blocks", at
    else:
        yield from _blocks(view["blocks"], place, f"{at}/blocks")
    if place.surface == HOME:
        return
    yield from needed_text(view, "title", 24, at, plain=True)
    for name in ("submit", "close"):
        yield from optional_text(view, name, 24, at, plain=True)
    for index, block in enumerate(items(view.get("blocks"))):
        if isinstance(block, dict) and block.get("type") == "input" and "submit" not in view:
            yield "must define `submit` to use an `input` block in modals", f"{at}/blocks/{index}/input"


def _attachments(attachments: object, place: Place) -> Problems:
    if not isinstance(attachments, list):
        yield "must provide an array", "/attachments"
        return
    for index, one in enumerate(attachments):
        at = f"/attachments/{index}"
        if not isinstance(one, dict):
            yield "must provide an object", at
            continue
        yield from only(one, _ATTACHMENT, at)
        if "blocks" in one:
            yield from _blocks(one["blocks"], place, f"{at}/blocks")


def _blocks(blocks: object, place: Place, at: str) -> Problems:
    yield from counted(blocks, 0, _BLOCKS_MAX[place.surface], at)
    for index, block in enumerate(items(blocks)):
        yield from _block(block, place, f"{at}/{index}", frozenset(_SURFACES))
    names = [block.get("block_id") for block in items(blocks) if isinstance(block, dict)]
    for index, name in enumerate(names):
        if name is not None and name in names[:index]:
            yield f"block_id `{name}` already exists", f"{at}/{index}/block_id"
    focused = [one for block in items(blocks) if isinstance(block, dict) for one in _focused(block)]
    if len(focused) > 1:
        yield "only one element can have `focus_on_load` set to true", at
    if place.surface != MESSAGE:
        return
    yield from _counted_kinds(items(blocks), at)


def _focused(block: Json) -> list[Json]:
    inside = [block.get("element"), block.get("accessory"), *items(block.get("elements"))]
    return [one for one in inside if isinstance(one, dict) and one.get("focus_on_load") is True]


def _counted_kinds(blocks: Sequence[Any], at: str = "/blocks") -> Problems:
    kinds = [block.get("type") for block in blocks if isinstance(block, dict)]
    for kind, most in _ONCE_PER_MESSAGE.items():
        if kinds.count(kind) > most:
            yield f"no more than {most} {kind} blocks allowed", at
    marked = sum(
        len(str(block.get("text", "")))
        for block in blocks
        if isinstance(block, dict) and block.get("type") == "markdown"
    )
    if marked > 12_000:
        yield "must be less than 12001 characters", at


def _block(block: object, place: Place, at: str, allowed: frozenset[str]) -> Problems:
    kind = block.get("type") if isinstance(block, dict) else None
    if (
        not isinstance(block, dict)
        or kind not in allowed
        or place.surface not in _SURFACES.get(kind, frozenset())
    ):
        yield f"unsupported type: {kind}", f"{at}/type"
        return
    yield from optional_string(block, "block_id", 255, at, least=1)
    if kind in _PROPERTIES:
        yield from only(block, _PROPERTIES[kind], at)
    match kind:
        case "section":
            yield from _section(block, place, at)
        case "actions":
            yield from counted(block.get("elements"), 1, 25, f"{at}/elements")
            yield from elements(block.get("elements"), IN_ACTIONS, place, f"{at}/elements")
        case "context_actions":
            yield from counted(block.get("elements"), 1, 5, f"{at}/elements")
            yield from elements(block.get("elements"), IN_CONTEXT_ACTIONS, place, f"{at}/elements")
        case "context":
            yield from _context(block, place, at)
        case "header":
            yield from needed_text(block, "text", 150, at, plain=True)
        case "image":
            yield from picture(block, place, at)
            yield from optional_text(block, "title", 2000, at, plain=True)
        case "input":
            yield from _input(block, place, at)
        case "rich_text":
            yield from _rich_text(block, at)
        case "markdown":
            yield from string(block.get("text"), 12_000, f"{at}/text", least=1)
        case _:
            yield from _rich_block(block, place, at)


def _rich_block(block: Json, place: Place, at: str) -> Problems:
    match block["type"]:
        case "alert":
            yield from needed_text(block, "text", 200, at)
            if block.get("level", "default") not in _ALERT_LEVELS:
                yield "must be a valid enum value", f"{at}/level"
        case "data_visualization":
            yield from slack_tables.chart(block, at)
        case "data_table":
            yield from slack_tables.data_table(block, at)
        case "table":
            yield from slack_tables.table(block, at)
        case "card":
            yield from slack_tables.card(block, place, at)
        case "carousel":
            yield from counted(block.get("elements"), 1, 10, f"{at}/elements")
            for index, one in enumerate(items(block.get("elements"))):
                yield from slack_tables.card(one, place, f"{at}/elements/{index}")
        case "container":
            yield from slack_tables.container_title(block, at)
            yield from counted(block.get("child_blocks"), 1, 10, f"{at}/child_blocks")
            for index, one in enumerate(items(block.get("child_blocks"))):
                yield from _block(one, place, f"{at}/child_blocks/{index}", _IN_CONTAINER)
        case _:
            return


def _section(block: Json, place: Place, at: str) -> Problems:
    if "text" not in block and "fields" not in block:
        yield "must define either `text` or `fields`", f"{at}/type"
    yield from optional_text(block, "text", 3000, at)
    if "fields" in block:
        yield from counted(block["fields"], 1, 10, f"{at}/fields")
        for index, one in enumerate(items(block["fields"])):
            yield from text(one, 2000, f"{at}/fields/{index}")
    accessory = block.get("accessory")
    if isinstance(accessory, dict) and accessory.get("type") == "image":
        yield from only(accessory, "image_url slack_file alt_text", f"{at}/accessory")
        yield from picture(accessory, place, f"{at}/accessory")
    elif "accessory" in block:
        yield from element(accessory, IN_SECTION, place, f"{at}/accessory")


def _context(block: Json, place: Place, at: str) -> Problems:
    yield from counted(block.get("elements"), 1, 10, f"{at}/elements")
    for index, one in enumerate(items(block.get("elements"))):
        here = f"{at}/elements/{index}"
        if isinstance(one, dict) and one.get("type") == "image":
            yield from only(one, "image_url slack_file alt_text", here)
            yield from picture(one, place, here)
        else:
            yield from text(one, 3000, here)


def _input(block: Json, place: Place, at: str) -> Problems:
    yield from needed_text(block, "label", 2000, at, plain=True)
    yield from optional_text(block, "hint", 2000, at, plain=True)
    for name in ("optional", "dispatch_action"):
        if not isinstance(block.get(name, False), bool):
            yield "must provide a boolean", f"{at}/{name}"
    if "element" not in block:
        yield "missing required field: element", at
    else:
        yield from element(block["element"], IN_INPUT, place, f"{at}/element")


def _rich_text(block: Json, at: str) -> Problems:
    yield from counted(block.get("elements"), 1, 100, f"{at}/elements")
    for index, one in enumerate(items(block.get("elements"))):
        if not isinstance(one, dict) or one.get("type") not in _RICH:
            kind = one.get("type") if isinstance(one, dict) else None
            yield f"unsupported type: {kind}", f"{at}/elements/{index}/type"
