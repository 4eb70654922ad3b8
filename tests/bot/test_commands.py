"""What people type after `/wallet`, and what is understood."""

import pytest

from bot.rights import Role
from bot.slack import commands
from bot.slack.commands import Ask, AutomaticPayments, Help, ShowHistory, ShowUsage, Status, TopUp, parse
from bot.slack.ids import Act
from bot.slack.listeners.buttons import WORK
from bot.slack.views.help import commands_in, help_message
from ledger import USD, Currency
from tests.bot.view_facts import usd

ADMIN = Role.BILLING_ADMIN


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("", Status()),
        ("   ", Status()),
        ("status", Status()),
        ("topup", TopUp(None)),
        ("TopUp 50", TopUp(usd("50"))),
        ("topup $1,234.50", TopUp(usd("1234.50"))),
        ("top-up 25.00", TopUp(usd("25"))),
        ("auto", AutomaticPayments(off=False)),
        ("auto off", AutomaticPayments(off=True)),
        ("usage", ShowUsage(None)),
        ("usage 2026-11", ShowUsage("2026-11")),
        ("history", ShowHistory(None, None)),
        ("history outbound 2026-11", ShowHistory("outbound_call", "2026-11")),
        ("history 2026-11 ai", ShowHistory("ai_task", "2026-11")),
        ("card", commands.ShowCard()),
        ("alerts", commands.ShowAlerts()),
        ("people", commands.ShowPeople()),
        ("help", Help()),
    ],
)
def test_a_command_is_understood(text: str, wish: object) -> None:
    """One wish each."""
    assert parse(text, USD) == wish


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("ask <@U123|fiona> 160 for the Friday campaign", Ask("U123", usd("160"), "for the Friday campaign")),
        ("ask <@U123> $160", Ask("U123", usd("160"), "")),
        ("ask <@W123|x> please pay", Ask("W123", None, "please pay")),
        ("ASK <@U123>", Ask("U123", None, "")),
    ],
)
def test_somebody_is_asked_by_their_mention(text: str, wish: Ask) -> None:
    """With or without a name in it, an amount, a note."""
    assert parse(text, USD) == wish


@pytest.mark.parametrize("text", ["ask", "ask fiona 160", "ask 160 <@U123>"])
def test_asking_nobody_gets_an_example(text: str) -> None:
    """A name that isn't a mention is nobody we know."""
    wish = parse(text, USD)

    assert isinstance(wish, Help)
    assert "/wallet ask @finance 160" in wish.reason


def test_a_slip_of_the_finger_is_answered_with_what_was_meant() -> None:
    """The whole command, ready to be typed again."""
    wish = parse("topp 50", USD)

    assert wish == Help(
        '"/wallet topp 50" isn\'t something I know. Did you mean /wallet topup 50? /wallet help lists everything.'
    )


def test_words_like_nothing_we_know_are_repeated() -> None:
    """Nothing is guessed."""
    assert parse("xyzzy", USD) == Help(
        '"/wallet xyzzy" isn\'t something I know. /wallet help lists everything.'
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("topup 10.001", 'That amount has three decimals: "10.001". Dollars have two. Try 10.00.'),
        ("topup 1e3", "isn't an amount I can read"),
        ("topup -5", "has to be more than zero"),
        ("topup 1.000,00", "isn't an amount I can read"),
        ("ask <@U1> 10.001", "three decimals"),
        ("history yesterday", "isn't a kind or a month"),
        ("usage 2026-13", "words that I can't place"),
        ("auto on please", "words that I can't place"),
    ],
)
def test_what_cannot_be_read_is_said_and_nothing_happens(text: str, part: str) -> None:
    """A refusal with a hint."""
    wish = parse(text, USD)

    assert isinstance(wish, Help)
    assert part in wish.reason


def test_amounts_are_read_in_the_wallets_currency() -> None:
    """Yen have no decimals."""
    wish = parse("topup 500.5", Currency.of("JPY"))

    assert isinstance(wish, Help)
    assert "decimal" in wish.reason


def test_a_note_is_kept_to_its_length() -> None:
    """Whatever is pasted."""
    wish = parse("ask <@U1> 10 " + "x" * 1_000, USD)

    assert isinstance(wish, Ask)
    assert len(wish.note) == commands.NOTE_MAX


def test_every_action_has_work_or_is_a_field_of_a_form() -> None:
    """A button that nobody listens to fails here: a new action gets work, or a place on this list."""
    fields = {
        *(Act.AMOUNT, Act.OTHER_AMOUNT, Act.SAVE_CARD, Act.PERSON, Act.NOTE, Act.THRESHOLD, Act.HOW),
        *(Act.TARGET, Act.CARD, Act.BACKUP, Act.PER_DAY, Act.DAY_CAP, Act.MONTH_CAP),
        *(Act.FINANCE, Act.BILLING_ADMINS, Act.CHANNELS, Act.INFO),
    }
    assert set(Act) - WORK.keys() == fields


@pytest.mark.parametrize(
    ("code", "typed", "shown"),
    [
        ("JPY", "¥2,500", "¥2,500"),
        ("CAD", "CA$20", "CA$20.00"),
        ("KRW", "₩25000", "₩25,000"),
        ("PLN", "PLN50", "PLN50.00"),
    ],
)
def test_an_amount_to_ask_for_may_have_the_sign_of_its_currency(code: str, typed: str, shown: str) -> None:
    """It is read as an amount, not as the first word of the note."""
    wish = parse(f"ask <@UFINANCE> {typed} Q4 campaign", Currency.of(code))
    assert isinstance(wish, Ask)
    assert (str(wish.amount), wish.note) == (shown, "Q4 campaign")


def test_help_lists_what_its_reader_may_do() -> None:
    """Nobody is sent to a command that refuses them: finance connects no card, and appoints nobody."""
    everything = [command for command, _ in commands_in(USD)]
    for role, hidden in (
        (ADMIN, ()),
        (Role.FINANCE, ("/wallet card", "/wallet alerts", "/wallet people")),
    ):
        shown = help_message(role=role).text
        assert [one for one in everything if f"{one}: " not in shown] == list(hidden)


def test_examples_have_amounts_that_the_wallet_takes() -> None:
    """Fifty yen would be refused."""
    yen = Currency.of("JPY")
    shown = help_message(currency=yen, role=ADMIN).text
    assert "/wallet topup 5000:" in shown
    assert "/wallet ask @finance 16000 for" in shown
    wish = parse("ask finance", yen)
    assert isinstance(wish, Help)
    assert "/wallet ask @finance 16000" in wish.reason
