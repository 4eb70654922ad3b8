"""What `/wallet` knows, each with an example. Pure."""

from bot.rights import Action, Role, may
from bot.slack.access import right_of
from bot.slack.commands import parse
from bot.slack.ids import Act
from bot.slack.views.blocks import Message, actions_for, button, section
from bot.slack.views.text import escape, spoken
from ledger import ASK_EXAMPLE_DOLLARS, TOP_UP_EXAMPLE_DOLLARS, USD, Currency, decimal_text, scale_of

TOP_UP, ASKED = "{50}", "{160}"
"""Where an example has so many dollars, said in the wallet's currency."""
COMMANDS = (
    ("/wallet", "balance, how long it lasts, open requests"),
    (f"/wallet topup {TOP_UP}", "add balance; without an amount you choose one"),
    (f"/wallet ask @finance {ASKED} for the Friday campaign", "send somebody a link and a QR code to pay by"),
    ("/wallet card", "connect a card, or ask somebody to"),
    ("/wallet auto", "automatic payments; /wallet auto off turns them off"),
    ("/wallet usage 2026-11", "a month in numbers and a chart; without a month, this one"),
    ("/wallet history outbound 2026-11", "transactions; kinds: outbound, inbound, ai, topup, automatic"),
    ("/wallet alerts", "which channels are alerted, and when"),
    ("/wallet people", "who looks after billing"),
    ("/wallet help", "this list"),
)


def commands_in(currency: Currency) -> list[tuple[str, str]]:
    """Give each command with an example whose amounts the wallet takes."""
    scale = scale_of(currency.code)
    fifty, asked = (
        decimal_text(scale.money(scale.dollars(one))).removesuffix(".00")
        for one in (TOP_UP_EXAMPLE_DOLLARS, ASK_EXAMPLE_DOLLARS)
    )
    return [(command.replace(TOP_UP, fifty).replace(ASKED, asked), meaning) for command, meaning in COMMANDS]


def help_message(reason: str = "", *, role: Role, currency: Currency = USD) -> Message:
    """List what somebody may ask of `/wallet`, after the sentence that says what was not understood."""
    said = escape(reason, 400)
    commands = [one for one in commands_in(currency) if may(_right_of(one[0], currency), role)]
    lines = "\n".join(f"`{command}`  {meaning}" for command, meaning in commands)
    spoken_lines = "; ".join(f"{command}: {meaning}" for command, meaning in commands)
    blocks = [section(said)] if said else []
    blocks.append(section(lines))
    if not said:
        blocks += actions_for(
            role,
            button("Add balance", Act.ADD_BALANCE),
            button("Usage", Act.USAGE),
            button("Automatic payments", Act.AUTOMATIC),
        )
    return Message(text=spoken(said, f"{spoken_lines}."), blocks=blocks)


def _right_of(command: str, currency: Currency) -> Action:
    """Give the right behind an example; Slack sends a mention of somebody as an id."""
    return right_of(parse(command.removeprefix("/wallet").replace("@finance", "<@UFINANCE>"), currency))
