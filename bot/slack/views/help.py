"""What `/wallet` knows, each with an example. Pure."""

from bot.slack.ids import Act
from bot.slack.views.blocks import Message, actions, button, section
from bot.slack.views.text import escape, spoken

COMMANDS = (
    ("/wallet", "balance, how long it lasts, open requests"),
    ("/wallet topup 50", "add balance; without an amount you choose one"),
    ("/wallet ask @finance 160 for the Friday campaign", "send somebody a link and a QR code to pay by"),
    ("/wallet card", "connect a card, or ask somebody to"),
    ("/wallet auto", "automatic payments; /wallet auto off turns them off"),
    ("/wallet usage 2026-11", "a month in numbers and a chart; without a month, this one"),
    ("/wallet history outbound 2026-11", "transactions; kinds: outbound, inbound, ai, topup, automatic"),
    ("/wallet alerts", "which channels are alerted, and when"),
    ("/wallet people", "who looks after billing"),
    ("/wallet help", "this list"),
)


def help_message(reason: str = "") -> Message:
    """List everything that `/wallet` knows, after the sentence that says what was not understood."""
    said = escape(reason, 400)
    lines = "\n".join(f"`{command}`  {meaning}" for command, meaning in COMMANDS)
    spoken_lines = "; ".join(f"{command}: {meaning}" for command, meaning in COMMANDS)
    blocks = [section(said)] if said else []
    blocks.append(section(lines))
    if not said:
        blocks.append(
            actions(
                button("Add balance", Act.ADD_BALANCE),
                button("Usage", Act.USAGE),
                button("Automatic payments", Act.AUTOMATIC),
            )
        )
    return Message(text=spoken(said, f"{spoken_lines}."), blocks=blocks)
