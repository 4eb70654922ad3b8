"""What a decline means, row by row: whether a card is tried again, when, and what people read."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from bot.causes import DeclineCause
from bot.slack.views.causes import decline_words
from bot.stripe.declines import Severity, cause_of, next_try, severity_of, tries_left
from ledger import WalletPolicy

NOW = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
MAIN, BACKUP, OLD = "card_main", "card_backup", "card_old"
HOURS = WalletPolicy().retry_hours
S, H = Severity.SOFT, Severity.HARD


@pytest.mark.parametrize(
    ("code", "advice", "severity"),
    [
        ("insufficient_funds", "", S),  # money may come
        ("generic_decline", "", S),  # the bank says nothing: it may pass later
        ("do_not_honor", "", S),
        ("processing_error", "", S),
        ("issuer_not_available", "", S),
        ("card_velocity_exceeded", "", S),  # a limit that ends with the day
        ("", "", S),
        ("a_code_of_next_year", "", S),
        ("lost_card", "", H),
        ("stolen_card", "", H),
        ("pickup_card", "", H),
        ("fraudulent", "", H),
        ("expired_card", "", H),
        ("incorrect_number", "", H),
        ("incorrect_cvc", "", H),
        ("revocation_of_authorization", "", H),
        ("stop_payment_order", "", H),
        ("card_not_supported", "", H),
        ("insufficient_funds", "do_not_try_again", H),  # the bank's advice goes before the code
        ("generic_decline", "do_not_try_again", H),
        ("expired_card", "try_again_later", S),
        ("insufficient_funds", "confirm_card_data", S),  # advice that settles nothing leaves it to the code
        ("stolen_card", "confirm_card_data", H),
        ("forgotten", "", S),  # an outage ends
        ("never_confirmed", "", S),
        ("not_accepted", "", H),  # our own request, which would not be accepted again
    ],
)
def test_the_banks_advice_goes_before_the_code(code: str, advice: str, severity: Severity) -> None:
    """What must never be tried again is hard; everything unknown may pass later."""
    assert severity_of(code, advice) is severity


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("insufficient_funds", "the bank said there isn't enough money on Visa ••4242"),
        ("expired_card", "Visa ••4242 has expired"),
        ("card_velocity_exceeded", "Visa ••4242 has reached its limit at the bank"),
        ("withdrawal_count_limit_exceeded", "Visa ••4242 has reached its limit at the bank"),
        ("incorrect_cvc", "the security code of Visa ••4242 is wrong"),
        ("processing_error", "the bank could not process Visa ••4242 just now"),
        ("issuer_not_available", "the bank of Visa ••4242 could not be reached"),
        ("authentication_required", "the bank wants the cardholder to confirm the payment on Visa ••4242"),
        ("forgotten", "Stripe gave no answer in time"),
        ("never_confirmed", "Stripe gave no answer in time"),
        ("not_accepted", "Stripe did not accept the request"),
        ("generic_decline", "the bank declined Visa ••4242"),
        ("", "the bank declined Visa ••4242"),
        ("a_code_of_next_year", "the bank declined Visa ••4242"),
    ],
)
def test_a_decline_is_said_plainly(code: str, words: str) -> None:
    """The card is named, no code is shown."""
    assert decline_words(cause_of(code), "Visa ••4242") == words


@pytest.mark.parametrize(
    "code",
    ["lost_card", "stolen_card", "pickup_card", "fraudulent", "highest_risk_level", "merchant_blacklist"],
)
def test_whoever_holds_a_stolen_card_learns_nothing(code: str) -> None:
    """The words are those of any decline."""
    assert cause_of(code) is DeclineCause.DECLINED


@pytest.mark.parametrize("tried", [1, 2, 3])
def test_a_soft_decline_is_tried_again_after_longer_and_longer_waits(tried: int) -> None:
    """One, three, seven hours; the number of tries left counts down."""
    going_on = next_try(S, [MAIN] * tried, backup_id="", now=NOW, wont_last_until=False, retry_hours=HOURS)
    assert going_on.at == NOW + timedelta(hours=HOURS[tried - 1])
    assert going_on.card_id == MAIN
    left = tries_left(going_on.card_id, [MAIN] * tried, backup_id="", retry_hours=HOURS)
    assert left == 4 - tried


def test_the_waits_are_one_three_and_seven_hours() -> None:
    """As they are shown to people."""
    assert HOURS == (1, 3, 7)
    once = next_try(S, [MAIN], backup_id="", now=NOW, wont_last_until=False, retry_hours=(2,))
    assert once.at == NOW + timedelta(hours=2)
    never_again = next_try(S, [MAIN] * 2, backup_id="", now=NOW, wont_last_until=False, retry_hours=(2,))
    assert never_again.at is None


@pytest.mark.parametrize(
    ("severity", "tried", "backup", "wont_last", "card", "hours"),
    [
        (S, [MAIN] * 4, "", False, "", None),  # four tries are all: people have to help
        (S, [MAIN] * 5, "", False, "", None),
        (H, [MAIN], "", False, "", None),  # a hard decline is never repeated
        (H, [MAIN], "", True, "", None),
        (S, [MAIN], BACKUP, False, MAIN, 1),  # the main card first, as long as the wallet lasts
        (S, [MAIN], BACKUP, True, BACKUP, 0),  # it would run dry before the retry
        (S, [MAIN] * 3, BACKUP, True, BACKUP, 0),
        (S, [MAIN] * 4, BACKUP, False, BACKUP, 0),  # after the last wait
        (H, [MAIN], BACKUP, False, BACKUP, 0),
        (S, [MAIN], "", True, MAIN, 1),  # no backup: waiting is all there is
        (S, [MAIN, BACKUP], BACKUP, False, "", None),  # the backup has one try
        (H, [MAIN, BACKUP], BACKUP, False, "", None),
        (S, [MAIN] * 4 + [BACKUP], BACKUP, True, "", None),
        (S, [BACKUP], BACKUP, False, "", None),
        (S, [OLD, OLD, MAIN], "", False, MAIN, 1),  # a card that was put in its place starts anew
        (H, [OLD, MAIN], BACKUP, False, BACKUP, 0),
    ],
)
def test_how_a_declined_recharge_goes_on(
    severity: Severity,
    tried: Sequence[str],
    backup: str,
    wont_last: bool,
    card: str,
    hours: int | None,
) -> None:
    """The next card and its time; no time where people have to help."""
    going_on = next_try(
        severity, tried, backup_id=backup, now=NOW, wont_last_until=wont_last, retry_hours=HOURS
    )
    assert going_on.card_id == card
    assert going_on.at == (None if hours is None else NOW + timedelta(hours=hours))
    left = tries_left(going_on.card_id, tried, backup_id=backup, retry_hours=HOURS)
    assert (left == 0) is (hours is None)


@pytest.mark.parametrize("severity", list(Severity))
@pytest.mark.parametrize("wont_last", [False, True])
@pytest.mark.parametrize("backup", ["", BACKUP])
def test_every_recharge_ends(severity: Severity, wont_last: bool, backup: str) -> None:
    """Declined again and again: at most four tries on the main card and one on the backup, as many as were promised."""
    tried = [MAIN]
    promised: list[int] = []
    while True:
        going_on = next_try(
            severity, tried, backup_id=backup, now=NOW, wont_last_until=wont_last, retry_hours=HOURS
        )
        promised.append(tries_left(going_on.card_id, tried, backup_id=backup, retry_hours=HOURS))
        if going_on.at is None:
            break
        assert going_on.at >= NOW
        tried.append(going_on.card_id)
        assert len(tried) <= 5
    assert tried.count(MAIN) <= (4 if severity is S else 1)
    assert tried.count(BACKUP) == (1 if backup else 0)
    assert promised == list(range(len(tried) - 1, -1, -1))
