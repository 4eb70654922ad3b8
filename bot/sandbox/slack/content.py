"""What the bot sends, taken in or refused as a whole: a message's content, a view. In Slack's own words."""

import json
from collections.abc import Mapping
from typing import Any

from bot.sandbox.document_store import Doc
from bot.sandbox.slack import blocks as slack_blocks
from bot.sandbox.slack.elements import PictureProblem
from bot.sandbox.slack.views import size_bytes, with_ids

TEXT_MAX = 40_000
Params = Mapping[str, Any]


class Refusal(Exception):
    """An answer with ok: false; `error` is Slack's code."""

    def __init__(self, error: str, **more: Any) -> None:
        self.error = error
        self.answer: Doc = {"ok": False, "error": error, **more}
        super().__init__(error)


def refused(error: str, problems: list[str]) -> Refusal:
    """Make a refusal that points at what is wrong."""
    bare = [one.removeprefix("[ERROR] ") for one in problems]
    return Refusal(error, errors=bare, response_metadata={"messages": problems})


def missing(name: str) -> Refusal:
    """Make the refusal of a call that lacks an argument."""
    return refused("invalid_arguments", [f"[ERROR] missing required field: {name}"])


def json_of(params: Params, name: str) -> Any:
    """Give an argument that travels as JSON, also inside a form. Raises: Refusal."""
    value = params.get(name)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value else None
    except ValueError:
        raise Refusal(f"invalid_{name}_format" if name == "blocks" else "invalid_arguments") from None


def needed(params: Params, name: str) -> str:
    """Give an argument that a call cannot do without. Raises: Refusal."""
    value = params.get(name)
    if value in (None, ""):
        raise missing(name)
    return str(value)


def number_of(params: Params, name: str, otherwise: int) -> int:
    """Give an argument that is a whole number, and something else where it is not."""
    value = str(params.get(name) or "")
    return int(value) if value.isdigit() else otherwise


def flag_of(params: Params, name: str) -> bool:
    """Give a boolean argument, also out of a form."""
    return str(params.get(name, "")).lower() in ("true", "1")


def message_content(params: Params, picture_problem: PictureProblem) -> Doc:
    """Check what a message says; what isn't given is None. Raises: Refusal."""
    text = params.get("text")
    blocks, attachments = json_of(params, "blocks"), json_of(params, "attachments")
    if not text and not blocks and not attachments:
        raise Refusal("no_text")
    if text is not None and not isinstance(text, str):
        raise refused("invalid_arguments", ["[ERROR] must provide a string [json-pointer:/text]"])
    if text and len(text) > TEXT_MAX:
        raise Refusal("msg_too_long")
    if isinstance(attachments, list) and len(attachments) > slack_blocks.ATTACHMENTS_MAX:
        raise Refusal("too_many_attachments")
    if blocks is not None:
        if found := slack_blocks.problems(blocks, slack_blocks.MESSAGE, picture_problem):
            raise refused("invalid_blocks", found)
        blocks = with_ids(blocks)
    if attachments is not None:
        if found := slack_blocks.attachment_problems(attachments, picture_problem):
            raise refused("invalid_attachments", found)
        attachments = [_attachment(number, one) for number, one in enumerate(attachments, start=1)]
    if found := slack_blocks.together_problems(blocks, attachments):
        raise refused("invalid_blocks", found)
    return {"text": text, "blocks": blocks, "attachments": attachments}


def _attachment(number: int, one: Params) -> Doc:
    made = {"fallback": "[no preview available]", **one, "id": number}
    if "blocks" in one:
        made["blocks"] = with_ids(one["blocks"])
    return made


def view_content(params: Params, surface: str, picture_problem: PictureProblem) -> Doc:
    """Check a view for a surface. Raises: Refusal."""
    view = json_of(params, "view")
    if view is None:
        raise missing("view")
    if not isinstance(view, dict) or view.get("type") != surface:
        raise refused("invalid_arguments", ["[ERROR] must be a valid enum value [json-pointer:/view/type]"])
    if size_bytes(view) > slack_blocks.VIEW_BYTES_MAX:
        raise Refusal("view_too_large")
    if found := slack_blocks.view_problems(view, surface, picture_problem):
        raise refused("invalid_arguments", found)
    return view
