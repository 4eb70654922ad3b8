"""What was made for one surface of Slack, shown on another: a message as a form, a form as a message. Pure."""

from collections.abc import Iterable, Iterator

from bot.slack.ids import Form
from bot.slack.views.blocks import Block, Message, View, modal, section
from bot.slack.views.text import spoken


def as_view(message: Message) -> View:
    """Show a message as a form."""
    blocks = [*message.blocks, *(block for one in message.attachments for block in one.get("blocks", []))]
    return modal(Form.NOTHING, "Redbar", blocks or [section(message.text)])


def as_message(view: View) -> Message:
    """Show as a message what a form says. One that has to be sent in cannot be shown so."""
    assert "submit" not in view, "a message has nothing to send in"
    return Message(text=spoken(*_said_in(view["blocks"])), blocks=view["blocks"])


def last_of(view: View) -> View:
    """Give a form with which something ends: closing it closes the forms under it too."""
    return {**view, "clear_on_close": True}


def _said_in(parts: Iterable[Block]) -> Iterator[str]:
    """Give the sentences in blocks, in the order of reading; what stands on buttons is no sentence."""
    for part in parts:
        text = part.get("text")
        if text and part["type"] != "button":
            yield str(text["text"] if isinstance(text, dict) else text)
        yield from _said_in(part.get("elements", []))
