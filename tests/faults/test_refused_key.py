"""Stripe refuses our key, or one of its rights: nothing is concluded from that, and people are told what is so."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot.notices import KeyAccepted, KeyRefused, RechargeFailed
from bot.payments.top_ups import Charges
from bot.ports import Denied, Ok
from bot.reconciliation.run import NotReconciled
from bot.served import Served
from bot.states.card_slot import CardSlot
from bot.states.payment import State
from bot.states.stripe_request import RequestOutcome, RequestState
from bot.stripe import requests as stripe_requests
from bot.stripe.declines import NOT_ACCEPTED
from bot.stripe.key_health import key_refused_at, note_access
from bot.surfaces.automatic import card_facts
from bot.tables import NIL_WALLET, differences, inbox, payments
from bot.tables import stripe_requests as request_rows
from bot.use_cases import use_cases_of
from bot.wallets.books_owner import Owner, remember, stranger
from bot.wallets.named_values import forget_named_value
from bot.wallets.restored_mode import RestoredCause
from ledger import Automatic, CreditKind, PostMoney
from tests.faults.driver import DOLLARS, BotDriver, automatic, rule_on
from tests.persons import owner

NOT_THE_KEY = {
    "mode": "status",
    "status": 401,
    "body": {"error": {"type": "invalid_request_error", "message": "Expired API Key provided: rk_test_***."}},
}
NOT_THE_RIGHT = {
    "mode": "status",
    "status": 403,
    "body": {
        "error": {
            "type": "invalid_request_error",
            "message": "The provided key 'rk_test_***' does not have the required permissions for this endpoint.",
        }
    },
}
REFUSED = Denied(sent=False, message="", whole=True)
REFUSALS = pytest.mark.parametrize("refusal", [NOT_THE_KEY, NOT_THE_RIGHT], ids=["key", "right"])


def _connect(driver: BotDriver) -> str:
    page = driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=owner("U1"))
    assert driver.shop.pay(driver.shop.api.checkout.sessions.retrieve(page.session_id))["ok"]
    assert driver.sync.session(page.session_id)
    with driver.ledger.reading() as connection:
        return card_facts(connection, driver.wallet_id)[CardSlot.MAIN].card_id


def _later(driver: BotDriver) -> None:
    driver.shop.clock.skip(minutes=5)
    driver.news.handle_waiting(driver.ledger.now())
    driver.sweep.run(driver.ledger.now())


def _refused_at(driver: BotDriver) -> datetime | None:
    with driver.ledger.reading() as connection:
        return key_refused_at(connection, driver.wallet_id)


def _waiting(driver: BotDriver) -> int:
    with driver.ledger.reading() as connection:
        return len(connection.execute(select(inbox).where(inbox.c.handled_at.is_(None))).all())


@REFUSALS
def test_a_card_is_not_gone_because_it_may_not_be_looked_at(
    driver: BotDriver, refusal: dict[str, Any]
) -> None:
    """News of it come while the key is changed over: the card stays, and so does the rule."""
    card = _connect(driver)
    rule_on(driver)
    driver.happened()
    driver.shop.http.post(
        "/sandbox/api/stripe/script", json={"renew": card, "exp_year": 2041, "last4": "4343"}
    )
    driver.shop.arm(match="GET /v1/payment_methods/*", **refusal)

    driver.hear_all(driver.happened())

    assert (automatic(driver), _waiting(driver)) == (Automatic.ON, 1)
    _later(driver)
    with driver.ledger.reading() as connection:
        kept = card_facts(connection, driver.wallet_id)[CardSlot.MAIN]
    assert (kept.card_id, kept.exp_year, _waiting(driver)) == (card, 2041, 0)


@REFUSALS
@pytest.mark.parametrize("match", ["GET /v1/payment_intents/*", "GET /v1/refunds/*"])
def test_money_that_may_not_be_looked_at_is_booked_later(
    driver: BotDriver, match: str, refusal: dict[str, Any]
) -> None:
    """A payment and its refund, of which only news came."""
    driver.paid()
    driver.claw_back("refund", charge=driver.shop.charges()[-1]["id"], amount=700)
    driver.known.clear()
    driver.shop.arm(match=match, times=3, **refusal)

    driver.hear_all(driver.happened())
    assert _waiting(driver) > 0
    for _ in range(3):
        _later(driver)

    assert (driver.view().balance_micros, _waiting(driver)) == (13_000_000, 0)


@REFUSALS
def test_a_charge_that_may_have_been_made_stays_open(driver: BotDriver, refusal: dict[str, Any]) -> None:
    """Its answer was lost, and then the key was refused: that says nothing of the charge, which was made."""
    _connect(driver)
    charges = Charges(driver.ledger, driver.payments, driver.served)
    wish, _ = charges.prepare(driver.wallet_id, DOLLARS, actor=owner("U1"))
    confirm = "POST /v1/payment_intents/*/confirm"
    driver.shop.arm(match=confirm, mode="reset_after")
    driver.shop.arm(match=confirm, times=2, **refusal)

    payment = charges.charge(driver.wallet_id, wish, actor=owner("U1"))
    states = [payment.state]
    for _ in range(3):
        _later(driver)
        looked = driver.payments.look(driver.wallet_id, payment.payment_id)
        assert looked is not None
        states.append(looked.state)

    assert states == [State.COLLECTING, State.COLLECTING, State.COLLECTING, State.PAID]
    assert (len(driver.shop.charges()), driver.view().balance_micros) == (1, 20_000_000)


def test_an_automatic_charge_waits_and_no_card_is_blamed(driver: BotDriver) -> None:
    """One attempt under one key; neither the backup card nor a pause comes of it."""
    _connect(driver)
    rule_on(driver)
    driver.shop.arm(match="POST /v1/payment_intents", times=3, **NOT_THE_KEY)
    recharge = driver.recharge

    for _ in range(3):
        recharge.consider(driver.wallet_id)
        _later(driver)
    waiting = automatic(driver)
    _later(driver)

    with driver.ledger.reading() as connection:
        made = connection.execute(select(payments.c.state).where(payments.c.purpose == "recharge")).scalars()
        keys = connection.execute(
            select(request_rows.c.key).where(request_rows.c.operation == "intent")
        ).scalars()
        assert (list(made), len(list(keys))) == ([State.PAID.value], 1)
    assert waiting is Automatic.ON
    assert len(driver.shop.charges()) == 1


@REFUSALS
def test_a_comparison_concludes_nothing(driver: BotDriver, refusal: dict[str, Any]) -> None:
    """What may not be listed is not missing, what may not be looked up is not gone; and it is tried but rarely."""
    driver.hear_all(driver.paid()[1])
    rule_on(driver)
    both = use_cases_of(driver.ledger, driver.gateway, Served(None)).reconciliation
    both.run(driver.ledger.now())
    unlisted = PostMoney("stripe", "credit:pi_never", CreditKind.TOP_UP, 5_000_000, None)
    driver.ledger.carry_out(driver.wallet_id, [unlisted])
    driver.shop.clock.skip(days=2)
    for path in ("payment_intents", "payment_intents/*", "refunds", "balance_transactions"):
        driver.shop.arm(match=f"GET /v1/{path}", **refusal)
        with pytest.raises(NotReconciled, match="key"):
            both.run(driver.ledger.now())

    with driver.ledger.reading() as connection:
        assert connection.execute(select(differences)).all() == []
    assert automatic(driver) is Automatic.ON
    driver.shop.arm(match="GET /v1/disputes", times=3, **refusal)
    for hours, left in ((0, 2), (5, 2), (2, 1)):
        driver.shop.clock.skip(hours=hours)
        assert both.run_if_due(driver.ledger.now()) is None
        assert driver.shop.stand_in.faults.left() == left


def test_reading_on_is_not_given_up_for_a_refused_key(driver: BotDriver) -> None:
    """The place in the list is kept, one refusal is asked for at a look, and people are told once each way."""
    driver.paid()
    driver.news.poll(driver.ledger.now())
    driver.news.handle_waiting(driver.ledger.now())
    driver.paid()
    driver.shop.arm(match="GET /v1/events", times=3, **NOT_THE_KEY)
    began_at = driver.ledger.now() + timedelta(minutes=31)

    for minutes, left in ((31, 2), (2, 1), (2, 0)):
        driver.shop.clock.skip(minutes=minutes)
        assert driver.news.poll(driver.ledger.now())
        assert driver.shop.stand_in.faults.left() == left
        assert (_refused_at(driver), len(driver.told(KeyRefused))) == (began_at, 1)
    driver.shop.clock.skip(minutes=2)
    assert driver.news.poll(driver.ledger.now())
    driver.news.handle_waiting(driver.ledger.now())

    assert driver.view().balance_micros == 40_000_000
    assert (_refused_at(driver), len(driver.told(KeyRefused)), len(driver.told(KeyAccepted))) == (None, 1, 1)


@pytest.mark.parametrize("found_by", ["a look at the news", "the start of a bot"])
def test_news_that_waited_for_the_key_wait_no_longer_than_the_key(driver: BotDriver, found_by: str) -> None:
    """By a webhook, and looked at in vain for hours: once the key is right, it is looked at again at once."""
    driver.news.poll(driver.ledger.now())
    _, events = driver.paid()
    driver.shop.arm(match="*", times=1_000, **NOT_THE_KEY)
    driver.hear_all(events)
    for _ in range(40):
        driver.shop.clock.skip(minutes=31)
        driver.news.poll(driver.ledger.now())
        driver.news.handle_waiting(driver.ledger.now())
    driver.shop.http.post("/sandbox/api/stripe/script", json={"clear": True})

    driver.shop.clock.skip(minutes=3)
    if found_by == "a look at the news":
        driver.news.poll(driver.ledger.now())
    else:
        note_access(driver.ledger, driver.served, driver.gateway.unreadable())
    driver.news.handle_waiting(driver.ledger.now())

    assert (driver.view().balance_micros, _waiting(driver)) == (20_000_000, 0)


def test_a_missing_right_is_not_a_refused_key(driver: BotDriver) -> None:
    """Nobody is told that nothing can be paid while much can; whoever asks hears at once that this can't be made."""
    driver.shop.arm(match="POST /v1/payment_links", **NOT_THE_RIGHT)
    with pytest.raises(stripe_requests.NotMade, match="did not accept the request"):
        driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="")

    assert (_refused_at(driver), driver.told(KeyRefused)) == (None, [])
    with driver.ledger.reading() as connection:
        (made,) = connection.execute(select(request_rows.c.state, request_rows.c.answer)).all()
    assert tuple(made) == ("refused", "key_lacks_right")


def test_an_automatic_charge_without_the_right_for_it_is_a_matter_for_people(driver: BotDriver) -> None:
    """Nothing was sent before, so it is a definite no: paused, told, and no card is called declined."""
    _connect(driver)
    rule_on(driver)
    driver.shop.arm(match="POST /v1/payment_intents", **NOT_THE_RIGHT)

    driver.recharge.consider(driver.wallet_id)

    assert automatic(driver) is Automatic.PAUSED
    assert driver.view().trouble == NOT_ACCEPTED
    assert len(driver.told(RechargeFailed)) == 1


def test_a_call_that_may_have_been_sent_is_not_given_up_for_a_missing_right(driver: BotDriver) -> None:
    """The process died after it was planned; whoever goes on cannot know that it was never sent."""
    driver.shop.arm(match="POST /v1/payment_links", mode="reset_after")
    with pytest.raises(stripe_requests.Unreachable):
        driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="")
    driver.shop.arm(match="POST /v1/payment_links", **NOT_THE_RIGHT)

    for state in (State.ASKED, State.OFFERED):
        driver.shop.clock.skip(minutes=2)
        driver.sweep.run(driver.ledger.now())
        with driver.ledger.reading() as connection:
            assert connection.execute(select(payments.c.state)).scalar_one() == state.value


def test_two_replicas_with_different_keys_do_not_talk_all_day(driver: BotDriver) -> None:
    """One is refused, the other is not, in turns: said once each way in six hours."""
    for _ in range(100):
        driver.shop.arm(match="GET /v1/events", **NOT_THE_KEY)
        for _ in range(2):
            driver.shop.clock.skip(minutes=31)
            assert driver.news.poll(driver.ledger.now())

    hours = 100 * 2 * 31 // 60
    assert 1 < len(driver.told(KeyRefused)) <= hours // 6 + 1
    assert len(driver.told(KeyAccepted)) == len(driver.told(KeyRefused))


def test_whoever_presses_first_finds_out(driver: BotDriver) -> None:
    """A payment that is asked for tells it before the next look at the news does."""
    driver.shop.arm(match="POST /v1/customers", **NOT_THE_KEY)
    with pytest.raises(stripe_requests.NotReached, match="key"):
        driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=owner("U1"))

    assert _refused_at(driver) == driver.ledger.now()


def test_how_a_request_was_answered_is_stored(driver: BotDriver) -> None:
    """For whoever explains it later."""
    driver.shop.arm(match="POST /v1/payment_links", **NOT_THE_KEY)
    with pytest.raises(stripe_requests.Unreachable, match="key"):
        driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="")

    with driver.ledger.reading() as connection:
        row = connection.execute(select(request_rows)).one()
    assert (row.state, row.outcome) == (RequestState.UNKNOWN, RequestOutcome.DENIED)
    driver.shop.clock.skip(minutes=2)
    driver.sweep.run(driver.ledger.now())
    with driver.ledger.reading() as connection:
        assert connection.execute(select(payments.c.state)).scalar_one() == State.OFFERED.value


def test_a_key_that_is_refused_again_for_good_is_told_again(driver: BotDriver) -> None:
    """Within six hours of the first time it is marked in quiet; whoever stays refused is told once these are over."""
    for answers, told in (((REFUSED, Ok(())), 1), ((REFUSED,), 1), ((REFUSED,) * 20, 2)):
        for answer in answers:
            driver.shop.clock.skip(minutes=30)
            note_access(driver.ledger, driver.served, answer)
        assert len(driver.told(KeyRefused)) == told
    assert _refused_at(driver) is not None


def test_no_wallet_stays_marked_whoever_dies_in_between(driver: BotDriver) -> None:
    """A wallet's mark without the installation's, as two replicas with different keys may leave it."""
    note_access(driver.ledger, driver.served, REFUSED)
    driver.ledger.run(lambda tx: forget_named_value(tx, NIL_WALLET, "key_refused"), wallet_id=None)

    note_access(driver.ledger, driver.served, Ok(()))

    assert (_refused_at(driver), len(driver.told(KeyAccepted))) == (None, 1)


def test_any_answer_shows_that_the_key_is_right_again(driver: BotDriver) -> None:
    """A new key that may not read events, and makes links."""
    note_access(driver.ledger, driver.served, REFUSED)
    driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="")

    assert _refused_at(driver) is None


def test_a_right_that_is_missing_leaves_nothing_open(driver: BotDriver) -> None:
    """What makes sure that a link takes no more money is asked for until it is done."""
    asked = driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="")
    driver.shop.arm(match="POST /v1/payment_links/*", **NOT_THE_RIGHT)
    driver.payments.withdraw(driver.wallet_id, asked.payment_id, by=owner("U1"))
    assert driver.shop.api.payment_links.retrieve(asked.link_id).active

    driver.shop.clock.skip(minutes=2)
    driver.sweep.run(driver.ledger.now())

    assert not driver.shop.api.payment_links.retrieve(asked.link_id).active


def test_what_was_paid_before_the_first_look_that_succeeds_is_heard_of(driver: BotDriver) -> None:
    """New books have read nothing yet; hours of refused looks don't move the place from which they will."""
    driver.shop.arm(match="GET /v1/events", **NOT_THE_KEY)
    assert driver.news.poll(driver.ledger.now())
    driver.paid()
    driver.shop.arm(match="GET /v1/events", times=4, **NOT_THE_KEY)
    for _ in range(5):
        driver.shop.clock.skip(minutes=31)
        driver.news.poll(driver.ledger.now())
    driver.news.handle_waiting(driver.ledger.now())

    assert driver.view().balance_micros == 20_000_000


def test_books_are_held_to_the_mode_of_their_first_key(driver: BotDriver) -> None:
    """Test money is never counted as real; before anything was asked for, a key may be exchanged."""
    test, live = Owner(stripe_mode="test"), Owner(stripe_mode="live")
    for owns in (test, live, test):
        remember(driver.ledger, owns)
        with driver.ledger.reading() as connection:
            assert stranger(connection, owns) is None
    driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="")

    for owns, found in ((test, None), (live, (RestoredCause.STRIPE_MODE, "test"))):
        remember(driver.ledger, owns)
        with driver.ledger.reading() as connection:
            assert stranger(connection, owns) == found
