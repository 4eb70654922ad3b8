"""The bricks: messages, blocks and the elements in them. Pure.

Limits: docs.slack.dev/reference/block-kit.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.rights import Role, Tie, may
from bot.slack.access import RIGHT_OF
from bot.slack.ids import Act
from bot.slack.views.text import plainly, spoken

Block = dict[str, Any]
View = dict[str, Any]

RED = "#E01E5A"
GREEN = "#007A5A"
AMBER = "#ECB22E"


@dataclass(frozen=True, slots=True)
class Message:
    """A message: `text` stands alone for screen readers and notifications, blocks and coloured bars are for eyes."""

    text: str
    blocks: list[Block] = field(default_factory=list)
    attachments: list[Block] = field(default_factory=list)

    def __post_init__(self) -> None:
        beside = (block for one in self.attachments for block in one["blocks"])
        _assert_unique("block_id", [*self.blocks, *beside])


def _assert_unique(name: str, parts: Iterable[Block]) -> None:
    """Assert that no two parts share an id: Slack refuses the whole message or view for it."""
    ids = [part[name] for part in parts if name in part]
    assert len(ids) == len(set(ids)), f"{name} stands twice: {', '.join(map(str, ids))}"


def plain(text: str) -> Block:
    """Give a plain_text object."""
    return {"type": "plain_text", "text": text, "emoji": True}


def mrkdwn(text: str) -> Block:
    """Give a mrkdwn object; bare addresses in it are not turned into links."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def section(text: str, *, accessory: Block | None = None, block_id: str | None = None) -> Block:
    """Give a paragraph, with a button or menu at its right."""
    block: Block = {"type": "section", "text": mrkdwn(text)}
    if accessory is not None:
        block["accessory"] = accessory
    if block_id is not None:
        block["block_id"] = block_id
    return block


def context(*texts: str) -> Block:
    """Give a small grey line."""
    return {"type": "context", "elements": [mrkdwn(text) for text in texts]}


def code_block(text: str) -> Block:
    """Give a text exactly as it is, in a box that Slack's client lets people copy as a whole."""
    inside = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]}
    return {"type": "rich_text", "elements": [inside]}


def divider() -> Block:
    """Give a thin line."""
    return {"type": "divider"}


def header(text: str) -> Block:
    """Give a heading."""
    return {"type": "header", "text": plain(text)}


def actions(*elements: Block, block_id: str | None = None) -> Block:
    """Give a row of buttons and menus; each has its own action id."""
    _assert_unique("action_id", elements)
    block: Block = {"type": "actions", "elements": list(elements)}
    if block_id is not None:
        block["block_id"] = block_id
    return block


def button(
    text: str,
    action_id: str,
    *,
    value: str = "",
    style: str | None = None,
    url: str | None = None,
    confirm: Block | None = None,
    label: str | None = None,
) -> Block:
    """Give a button; `label` is what a screen reader says instead of its text."""
    block: Block = {"type": "button", "text": plain(text), "action_id": action_id}
    if value:
        block["value"] = value
    if style is not None:
        block["style"] = style
    if url is not None:
        block["url"] = url
    if confirm is not None:
        block["confirm"] = confirm
    if label is not None:
        block["accessibility_label"] = label
    return block


def offers(role: Role, act: Act, ties: Collection[Tie] = ()) -> bool:
    """Say whether somebody is shown what does this: nobody is, whom it would refuse."""
    right = RIGHT_OF[act]
    return right is None or may(right, role, ties)


def permitted(role: Role, *buttons: Block, ties: Collection[Tie] = ()) -> list[Block]:
    """Give those of some buttons that would not refuse somebody."""
    return [one for one in buttons if offers(role, Act(one["action_id"]), ties)]


def actions_for(
    role: Role, *buttons: Block, ties: Collection[Tie] = (), block_id: str | None = None
) -> list[Block]:
    """Give a row of those of some buttons that would not refuse somebody; no row where none is left."""
    left = permitted(role, *buttons, ties=ties)
    return [actions(*left, block_id=block_id)] if left else []


def confirm(title: str, text: str, yes: str, no: str = "Not now", *, style: str | None = None) -> Block:
    """Give a dialog that asks before a button acts; its verb is the button."""
    block: Block = {"title": plain(title), "text": plain(text), "confirm": plain(yes), "deny": plain(no)}
    if style is not None:
        block["style"] = style
    return block


def option(text: str, value: str, description: str | None = None) -> Block:
    """Give a choice."""
    block: Block = {"text": plain(text), "value": value}
    if description is not None:
        block["description"] = plain(description)
    return block


def select(
    action_id: str, options: Sequence[Block], *, chosen: Block | None = None, placeholder: str = ""
) -> Block:
    """Give a menu of one choice."""
    block: Block = {"type": "static_select", "action_id": action_id, "options": list(options)}
    if chosen is not None:
        block["initial_option"] = chosen
    if placeholder:
        block["placeholder"] = plain(placeholder)
    return block


def radio(action_id: str, options: Sequence[Block], chosen: Block) -> Block:
    """Give choices of which one is taken."""
    return {
        "type": "radio_buttons",
        "action_id": action_id,
        "options": list(options),
        "initial_option": chosen,
    }


def checkbox(action_id: str, choice: Block, *, ticked: bool = False) -> Block:
    """Give one choice that can be ticked."""
    block: Block = {"type": "checkboxes", "action_id": action_id, "options": [choice]}
    if ticked:
        block["initial_options"] = [choice]
    return block


def person(action_id: str, placeholder: str) -> Block:
    """Give a menu of people."""
    return {"type": "users_select", "action_id": action_id, "placeholder": plain(placeholder)}


def text_field(action_id: str, placeholder: str, *, longest: int) -> Block:
    """Give a line of text."""
    return {
        "type": "plain_text_input",
        "action_id": action_id,
        "max_length": longest,
        "placeholder": plain(placeholder),
    }


def picture(file_id: str, alt: str, title: str | None = None) -> Block:
    """Give an uploaded picture."""
    block: Block = {"type": "image", "slack_file": {"id": file_id}, "alt_text": alt}
    if title is not None:
        block["title"] = plain(title)
    return block


def field_of(
    label: str,
    element: Block,
    *,
    block_id: str,
    optional: bool = False,
    hint: str | None = None,
    dispatch: bool = False,
) -> Block:
    """Give a field of a form."""
    block: Block = {"type": "input", "block_id": block_id, "label": plain(label), "element": element}
    if optional:
        block["optional"] = True
    if hint is not None:
        block["hint"] = plain(hint)
    if dispatch:
        block["dispatch_action"] = True
    return block


def number(action_id: str, *, initial: str | None = None, least: str = "0", decimals: bool = True) -> Block:
    """Give a number field; its values travel as text and are read again on our side."""
    block: Block = {
        "type": "number_input",
        "action_id": action_id,
        "is_decimal_allowed": decimals,
        "min_value": least,
    }
    if initial is not None:
        block["initial_value"] = initial
    return block


def modal(
    callback_id: str,
    title: str,
    blocks: Sequence[Block],
    *,
    submit: str | None = None,
    close: str = "Close",
    private: str = "",
) -> View:
    """Give a form."""
    _assert_unique("block_id", blocks)
    view: View = {
        "type": "modal",
        "callback_id": callback_id,
        "title": plain(title),
        "close": plain(close),
        "blocks": list(blocks),
    }
    if submit is not None:
        view["submit"] = plain(submit)
    if private:
        view["private_metadata"] = private
    return view


def home_tab(blocks: Sequence[Block]) -> View:
    """Give a Home tab."""
    _assert_unique("block_id", blocks)
    return {"type": "home", "blocks": list(blocks)}


def bar(colour: str, blocks: Sequence[Block], fallback: str) -> Block:
    """Give a coloured bar, the only one that Slack has: an attachment."""
    return {"color": colour, "fallback": fallback, "blocks": list(blocks)}


def barred(
    colour: str,
    headline: str,
    lines: Sequence[str],
    *,
    buttons: Sequence[Block] = (),
    small: Sequence[str] = (),
    image: Block | None = None,
) -> Message:
    """Give a message with a coloured bar: the headline above, what it means and what can be done beside the bar."""
    kept = [line for line in lines if line]
    beside = [section("\n".join(kept))] if kept else []
    if image is not None:
        beside.append(image)
    if buttons:
        beside.append(actions(*buttons))
    beside += [context(line) for line in small if line]
    text = spoken(headline, *kept, *small)
    return Message(text=text, blocks=[section(headline)], attachments=[bar(colour, beside, plainly(text))])
