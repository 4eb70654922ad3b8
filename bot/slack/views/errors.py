"""A refusal and a mishap in words: what happened, whether money moved, what to do, and a reference. Pure."""

from bot.slack.views.blocks import Message, context, section
from bot.slack.views.text import escape


def refused(text: str, ref: str = "") -> Message:
    """Say why something was not done; what somebody typed may be quoted in it."""
    said = escape(text, 600)
    if not ref or ref in said:
        return Message(text=said, blocks=[section(said)])
    return Message(text=f"{said} Ref {ref}.", blocks=[section(said), context(f"Ref {ref}")])


def incident(ref: str) -> Message:
    """Say that something went wrong on our side."""
    line = (
        "Something went wrong on our side, and it was written down. Nothing is ever charged twice; a payment that "
        "was on its way is looked after. Try again in a minute."
    )
    return Message(text=f"{line} Ref {ref}.", blocks=[section(line), context(f"Ref {ref}")])


def books_unavailable() -> Message:
    """Say that the books cannot be used now."""
    line = (
        "Redbar can't use its books right now, so it can't do this. Nothing is ever charged twice. Try again in a "
        "minute."
    )
    return Message(text=line, blocks=[section(line)])


def not_shown(*, refused: bool) -> Message:
    """Say that Slack did not show a form: it refused what is in it, gave too little time, or is failing."""
    if refused:
        line = "Slack refused the form. Nothing has changed. If it refuses it again, tell Redbar's operator."
    else:
        line = "Slack didn't show the form. Nothing has changed. Try again."
    return Message(text=line, blocks=[section(line)])
