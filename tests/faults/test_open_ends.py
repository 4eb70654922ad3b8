"""Payments at the edges of their lives: repeated, overtaken, unanswered, or about what is gone meanwhile."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import select, update

from bot.causes import Failed, as_stored
from bot.notices import CardConnected, DisputeChanged, RechargeFailed
from bot.payment_rows import Payment
from bot.payments.saved_cards import card_slots
from bot.ports import DisputeSeen
from bot.states.card_slot import CardSlot
from bot.states.dispute import DisputeStatus
from bot.states.payment import State
from bot.tables import cards, inbox
from bot.wallets.rules import NoCard
from ledger import Automatic, PauseCode
from tests.faults.driver import DOLLARS, BotDriver, automatic, driver_in, rule_on
from tests.persons import owner
from tests.sandbox.stripe_place import MASTERCARD, VISA

SUSPECTED = "4000 0000 0000 5423"
U1 = owner("U1")


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[BotDriver]:
    """One wallet with $20 and a card, in front of one Stripe."""
    with driver_in(tmp_path) as made:
        _connect(made)
        made.hear_all(made.paid()[1])
        yield made


def _connect(driver: BotDriver, number: str = VISA) -> None:
    page = driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=U1)
    assert driver.shop.pay(driver.shop.api.checkout.sessions.retrieve(page.session_id), number)["ok"]
    assert driver.sync.session(page.session_id)


def _look(driver: BotDriver, payment: Payment) -> Payment:
    found = driver.payments.look(driver.wallet_id, payment.payment_id)
    assert found is not None
    return found


def _remove_cards(driver: BotDriver) -> None:
    gone = update(cards).where(cards.c.wallet_id == driver.wallet_id).values(slot="removed")
    driver.ledger.run(lambda tx: tx.connection.execute(gone), wallet_id=driver.wallet_id)


def _pause(driver: BotDriver) -> PauseCode | None:
    with driver.ledger.reading() as connection:
        pause = driver.ledger.look(connection, driver.wallet_id)[1].pause
    return pause.code if pause is not None else None


# --- Disputes and warnings -----------------------------------------------------------------------------------


def test_a_warning_is_told_once_however_often_it_is_looked_at(driver: BotDriver) -> None:
    """Stripe that does not answer leaves it for later; one that it does not know is done with."""
    events = driver.paid(SUSPECTED)[1]
    (warning,) = {one.object_id for one in events if one.kind.startswith("radar.")}
    driver.shop.arm(match="GET /v1/radar/*", mode="status", status=503)
    assert not driver.disputes.sync_warning(warning)
    for _ in range(2):
        assert driver.disputes.sync_warning(warning)
    assert driver.disputes.sync_warning("issfr_unknown")
    assert len(driver.told(DisputeChanged)) == 1


def test_an_older_look_at_a_dispute_does_not_open_it_again(driver: BotDriver) -> None:
    """News come in any order: what ended stays ended, but for an appeal."""
    intent, events = driver.paid()
    driver.hear_all(events)
    seen = DisputeSeen(
        "dp_1",
        DisputeStatus.NEEDS_RESPONSE,
        "fraudulent",
        2_000,
        "USD",
        intent,
        None,
        driver.ledger.now(),
        [],
    )
    said = DisputeStatus
    for status in (
        *(said.NEEDS_RESPONSE, said.LOST, said.NEEDS_RESPONSE, said.UNDER_REVIEW),
        *(said.APPEAL_UNDER_REVIEW, said.WON),
    ):
        assert driver.disputes.hear(replace(seen, status=status))
    assert [one.status for one in driver.told(DisputeChanged)] == [
        "needs_response",
        "lost",
        "appeal_under_review",
        "won",
    ]


# --- Cards -------------------------------------------------------------------------------------------------


def test_a_charge_needs_a_card_when_it_is_prepared_and_when_it_is_pressed(driver: BotDriver) -> None:
    """It may be removed in between."""
    wish, _ = driver.charges.prepare(driver.wallet_id, DOLLARS, actor=U1)
    _remove_cards(driver)
    with pytest.raises(NoCard):
        driver.charges.charge(driver.wallet_id, wish, actor=U1)
    with pytest.raises(NoCard):
        driver.charges.prepare(driver.wallet_id, DOLLARS, actor=U1)
    assert driver.charges.peek(driver.wallet_id, wish).amount == DOLLARS


def test_a_card_is_saved_once(driver: BotDriver) -> None:
    """A page that is looked at twice brings its card once."""
    with driver.ledger.reading() as connection:
        before = card_slots(connection, driver.wallet_id)
    page = driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=U1)
    assert driver.shop.pay(driver.shop.api.checkout.sessions.retrieve(page.session_id), MASTERCARD)["ok"]
    for _ in range(2):
        assert driver.sync.session(page.session_id)
    with driver.ledger.reading() as connection:
        after = card_slots(connection, driver.wallet_id)
    assert after[CardSlot.MAIN] == before[CardSlot.MAIN]
    assert after[CardSlot.BACKUP] not in before.values()
    assert len(driver.told(CardConnected)) == 2


def test_a_rule_without_a_card_pauses(driver: BotDriver) -> None:
    """There is nothing to charge."""
    rule_on(driver)
    _remove_cards(driver)
    assert driver.recharge.consider(driver.wallet_id) is None
    assert (automatic(driver), _pause(driver)) == (Automatic.PAUSED, PauseCode.NO_CARD)


# --- Automatic payments --------------------------------------------------------------------------------------


def test_a_failed_charge_is_rescued_by_one_link(driver: BotDriver) -> None:
    """However many people are told of it."""
    rule_on(driver)
    driver.shop.arm(last4="4242", decline="insufficient_funds")
    failed = driver.recharge.consider(driver.wallet_id)
    assert failed is not None
    first = driver.recharge.rescue(driver.wallet_id, failed.payment_id)
    again = driver.recharge.rescue(driver.wallet_id, failed.payment_id)
    assert first is not None
    assert again is not None
    assert again.payment_id == first.payment_id


def test_a_decline_of_a_charge_by_hand_is_no_failure_of_the_rule(driver: BotDriver) -> None:
    """Whoever pressed has read it."""
    driver.shop.arm(last4="4242", decline="insufficient_funds")
    wish, _ = driver.charges.prepare(driver.wallet_id, DOLLARS, actor=U1)
    assert driver.charges.charge(driver.wallet_id, wish, actor=U1).state is State.FAILED
    assert driver.told(RechargeFailed) == []
    assert driver.view().trouble == ""


def test_what_nobody_confirmed_in_a_day_pauses_the_rule(driver: BotDriver) -> None:
    """Not a moment before, and in words that say so."""
    rule_on(driver)
    driver.shop.arm(last4="4242", decline="authentication_required")
    waiting = driver.recharge.consider(driver.wallet_id)
    assert waiting is not None
    assert waiting.state is State.WAITING
    driver.shop.clock.skip(hours=23, minutes=59)
    driver.sweep.run(driver.ledger.now())
    assert _look(driver, waiting).state is State.WAITING
    driver.shop.clock.skip(minutes=2)
    driver.sweep.run(driver.ledger.now())
    assert _look(driver, waiting).state is State.LAPSED
    assert automatic(driver) is Automatic.PAUSED
    assert _pause(driver) is PauseCode.UNCONFIRMED


# --- Requests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["link", "page"])
def test_a_request_whose_time_is_over_is_not_closed_before_stripe_was_asked(
    driver: BotDriver, way: str
) -> None:
    """The last moment's payment counts: it is looked for first."""
    driver.shop.clock.skip(seconds=1)
    if way == "link":
        asked = driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=U1, payer="U2", note="")
    else:
        asked = driver.payments.offer_page(driver.wallet_id, DOLLARS, asked_by=U1, saves_card=False)
    assert asked.expires_at is not None
    driver.shop.clock.set(asked.expires_at - timedelta(seconds=1))
    assert driver.shop.pay(SimpleNamespace(url=asked.url, id=asked.session_id))["ok"]
    driver.shop.clock.skip(seconds=2)
    driver.shop.arm(match="GET *", mode="status", status=503, times=50)
    driver.sweep.run(driver.ledger.now())
    assert _look(driver, asked).state is State.OFFERED
    driver.shop.arm(clear=True)

    driver.sweep.run(driver.ledger.now())

    assert _look(driver, asked).state is State.PAID
    assert driver.view().balance_micros == 2 * DOLLARS.micros


def test_a_request_to_connect_that_is_renewed_closes_the_one_before(driver: BotDriver) -> None:
    """Whoever has the old page cannot use it any more."""
    first = driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=U1, payer="U2")
    second = driver.payments.renew(driver.wallet_id, first.payment_id, by=U1)
    assert second is not None
    assert _look(driver, first).state is State.WITHDRAWN
    assert driver.shop.api.checkout.sessions.retrieve(first.session_id).status == "expired"
    assert _look(driver, second).state is State.OFFERED


def test_a_request_that_nobody_paid_has_no_receipt(driver: BotDriver) -> None:
    """One that was paid has; Stripe that does not answer has none to be had."""
    asked = driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=U1, payer="U2", note="")
    assert driver.payments.receipt_of(asked) == ""
    wish, _ = driver.charges.prepare(driver.wallet_id, DOLLARS, actor=U1)
    paid = driver.charges.charge(driver.wallet_id, wish, actor=U1)
    assert driver.payments.receipt_of(paid).startswith("http")
    driver.shop.arm(match="GET *", mode="status", status=503)
    assert driver.payments.receipt_of(paid) == ""


# --- News ----------------------------------------------------------------------------------------------------


def test_news_that_cannot_be_handled_are_kept_and_stop_no_other(
    driver: BotDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One breaks whoever handles it: its error is kept with it, and it is tried again."""
    (broken, first), (sound, second) = driver.paid(), driver.paid()
    real = driver.sync.paid_by

    def paid_by(intent_id: str) -> object:
        if intent_id == broken:
            raise ValueError("a bug")
        return real(intent_id)

    monkeypatch.setattr(driver.sync, "paid_by", paid_by)
    driver.hear_all([*first, *second])

    assert (driver.credited(broken), driver.credited(sound)) == (False, True)
    with driver.ledger.reading() as connection:
        errors = {row.error for row in connection.execute(select(inbox)) if row.handled_at is None}
    assert errors == {as_stored(Failed("ValueError", "a bug"))}
    monkeypatch.undo()
    driver.shop.clock.skip(hours=1)
    driver.news.handle_waiting(driver.ledger.now())
    assert driver.credited(broken)
