"""A failed recharge ends with the money that closes its gap, and whoever was told nothing certain is told the rest."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from bot.notices import OutcomeKnown, PaidTwice, RechargeChanged, RechargeMade
from bot.operator.running_bot import Context
from bot.payment_rows import Payment, payments_of_recharge, shown_ref
from bot.payments.recharge_end import ended_by, failed_recharge
from bot.payments.top_ups import Charges
from bot.ports import IntentStatus, Ok
from bot.states.payment import State
from bot.states.recharge import RechargePhase
from bot.surfaces.failed_charges import failure_facts
from ledger import (
    MICROS,
    USD,
    Automatic,
    CreditKind,
    Money,
    PostMoney,
    RechargeRule,
)
from ledger.storage.schema import policies
from tests.faults.driver import BotDriver, automatic, driver_in
from tests.persons import owner

RULE = RechargeRule(threshold_micros=50 * MICROS, target_micros=200 * MICROS, spacing=timedelta(minutes=15))
FORTY = Money(40 * MICROS, USD)


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[BotDriver]:
    """One wallet with $20, a card that the bank declines and a rule, in front of one Stripe."""
    with driver_in(tmp_path) as made:
        page = made.payments.connect(made.wallet_id, USD, asked_by=owner("U1"))
        assert made.shop.pay(made.shop.api.checkout.sessions.retrieve(page.session_id))["ok"]
        assert made.sync.session(page.session_id)
        made.hear_all(made.paid()[1])
        with made.ledger.reading() as connection:
            _, policy = made.ledger.look(connection, made.wallet_id)
        on = replace(policy, automatic=Automatic.ON, rule=RULE)
        made.ledger.run(
            lambda tx: tx.book.set_policy(made.wallet_id, on, actor="U1", expected_version=None),
            wallet_id=made.wallet_id,
        )
        made.shop.arm(last4="4242", decline="insufficient_funds")
        yield made


def _fail(driver: BotDriver) -> tuple[Payment, Payment]:
    """Let the rule's charge be declined; gives the try and its link."""
    failed = driver.recharge.consider(driver.wallet_id)
    assert failed is not None
    assert failed.state is State.FAILED
    link = driver.recharge.rescue(driver.wallet_id, failed.payment_id)
    assert link is not None
    return failed, link


def _now(driver: BotDriver, payment: Payment) -> Payment:
    found = driver.payments.look(driver.wallet_id, payment.payment_id)
    assert found is not None
    return found


def _phase(driver: BotDriver, failed: Payment) -> RechargePhase:
    return failure_facts(driver.ledger, driver.wallet_id, failed.recharge_id).phase


def _pay(driver: BotDriver, payment: Payment) -> None:
    """Pay a link with a card that has money, and hear of it."""
    driver.shop.clock.skip(seconds=1)
    assert driver.shop.pay(SimpleNamespace(url=payment.url), "5555 5555 5555 4444")["ok"]
    driver.hear_all(driver.happened())


def _ask(driver: BotDriver) -> Payment:
    return driver.payments.ask(driver.wallet_id, FORTY, asked_by=owner("U1"), payer="U2", note="")


def _operator_credits(driver: BotDriver) -> None:
    context = Context(driver.ledger, [driver.wallet_id], lambda: nullcontext(None))  # type: ignore[arg-type]
    credit = PostMoney("operator", "credit:gift", CreditKind.PROMO, FORTY.micros, None)
    context.post(driver.wallet_id, credit, "credit")


CREDITS: dict[str, Callable[[BotDriver], object]] = {
    "a request that somebody paid": lambda driver: _pay(driver, _ask(driver)),
    "the operator's credit": _operator_credits,
}


@pytest.mark.parametrize("name", CREDITS)
def test_a_credit_that_closes_the_gap_withdraws_the_link(driver: BotDriver, name: str) -> None:
    """In its commit; Stripe's link is switched off by the request committed with it, and no try follows."""
    failed, link = _fail(driver)
    CREDITS[name](driver)
    assert _now(driver, link).state is State.WITHDRAWN
    assert _now(driver, failed).next_try_at is None
    assert _phase(driver, failed) is RechargePhase.CLOSED
    assert driver.shop.api.payment_links.retrieve(link.link_id).active

    driver.shop.clock.skip(minutes=2)
    driver.sweep.run(driver.ledger.now())
    assert not driver.shop.api.payment_links.retrieve(link.link_id).active
    driver.shop.arm(last4="4242", decline="")
    driver.shop.clock.skip(hours=2)
    assert driver.recharge.consider(driver.wallet_id) is None
    assert len(driver.told(RechargeChanged)) == 2  # the link was made, and withdrawn


def test_a_credit_that_leaves_a_gap_leaves_the_link(driver: BotDriver) -> None:
    """$40 of $50: the rule still wants money, and the retry stays planned."""
    failed, link = _fail(driver)
    driver.hear_all(driver.paid("5555 5555 5555 4444")[1])
    changed = driver.told(RechargeChanged)
    driver.recharge.heard_of_rule(driver.wallet_id)
    assert driver.told(RechargeChanged) == [*changed, RechargeChanged(failed.payment_id)]
    assert _now(driver, link).state is State.OFFERED
    assert _now(driver, failed).next_try_at is not None
    assert _phase(driver, failed) is RechargePhase.RETRYING
    assert driver.recharge.rescue(driver.wallet_id, failed.payment_id) == _now(driver, link)


def test_no_link_is_made_for_what_has_ended(driver: BotDriver) -> None:
    """The reaction to the failure comes late."""
    failed, _ = _fail(driver)
    _operator_credits(driver)
    assert driver.recharge.rescue(driver.wallet_id, failed.payment_id) is None


def test_a_correction_that_closes_the_gap_ends_the_recharge(driver: BotDriver) -> None:
    """It is booked by the platform's own commit, and heard of by its notice."""
    failed, link = _fail(driver)
    driver.ledger.carry_out(
        driver.wallet_id, [PostMoney("operator", "up", CreditKind.ADJUSTMENT_UP, FORTY.micros, None)]
    )
    assert _now(driver, link).state is State.OFFERED
    driver.recharge.heard_of_credit(driver.wallet_id, "operator", "up")
    assert _now(driver, link).state is State.WITHDRAWN
    facts = failure_facts(driver.ledger, driver.wallet_id, failed.recharge_id)
    assert facts.paid is not None
    assert facts.paid.amount == FORTY


def test_a_recharge_and_its_link_both_paid_are_credited_and_flagged_once(driver: BotDriver) -> None:
    """The link is paid at Stripe, nobody has heard of it, and the next try succeeds."""
    failed, link = _fail(driver)
    driver.shop.clock.skip(minutes=61)
    assert driver.shop.pay(SimpleNamespace(url=link.url), "5555 5555 5555 4444")["ok"]
    driver.shop.arm(last4="4242", decline="")
    assert driver.recharge.consider(driver.wallet_id) is not None
    assert _phase(driver, failed) is RechargePhase.PAID
    assert driver.told(PaidTwice) == []

    for _ in range(2):
        driver.hear_all(driver.happened())
    assert driver.view().balance_micros == (20 + 180 + 180) * MICROS
    assert [one.payment_id for one in driver.told(PaidTwice)] == [link.payment_id]
    assert _now(driver, link).state is State.PAID
    assert driver.told(RechargeMade) == []


def test_a_link_that_was_withdrawn_and_paid_all_the_same_is_flagged(driver: BotDriver) -> None:
    """Somebody had its page open when the gap was closed."""
    failed, link = _fail(driver)
    assert driver.shop.pay(SimpleNamespace(url=link.url), "5555 5555 5555 4444")["ok"]
    _operator_credits(driver)
    driver.hear_all(driver.happened())
    assert driver.view().balance_micros == (20 + 40 + 180) * MICROS
    assert len(driver.told(PaidTwice)) == 1
    assert _phase(driver, failed) is RechargePhase.PAID_BY_LINK


def test_a_paid_link_is_no_second_payment(driver: BotDriver) -> None:
    """It pays what failed: nothing is flagged, however often it is heard of, and no retry follows."""
    failed, link = _fail(driver)
    _pay(driver, link)
    driver.hear_all(driver.happened())
    assert driver.told(PaidTwice) == []
    assert _phase(driver, failed) is RechargePhase.PAID_BY_LINK
    assert _now(driver, failed).next_try_at is None
    with driver.ledger.reading() as connection:
        assert failed_recharge(connection, driver.wallet_id) is None
        assert ended_by(connection, driver.wallet_id, failed.recharge_id) is not None


def test_a_newer_recharge_takes_the_place_of_one_that_failed(driver: BotDriver) -> None:
    """There is one link for one gap."""
    driver.shop.arm(last4="4242", decline="lost_card")
    failed, link = _fail(driver)
    assert automatic(driver) is Automatic.PAUSED
    driver.hear_all(driver.paid("5555 5555 5555 4444")[1])  # somebody pays a part, and wakes the rule
    assert _phase(driver, failed) is RechargePhase.RESUMED
    with driver.ledger.reading() as connection:
        row = policies.c
        woken = select(row.changed_by, row.reason).order_by(row.version.desc()).limit(1)
        assert connection.execute(woken).one() == ("U2", "paid")
    driver.shop.clock.skip(minutes=16)
    newer = driver.recharge.consider(driver.wallet_id)
    assert newer is not None
    assert newer.recharge_id != failed.recharge_id
    assert _phase(driver, failed) is RechargePhase.REPLACED
    assert _now(driver, link).state is State.WITHDRAWN
    assert _phase(driver, newer) is RechargePhase.PAUSED


def test_every_try_and_the_link_are_shown_under_one_reference(driver: BotDriver) -> None:
    """That of the first try."""
    failed, link = _fail(driver)
    driver.shop.clock.skip(minutes=61)
    again = driver.recharge.consider(driver.wallet_id)
    assert again is not None
    with driver.ledger.reading() as connection:
        rows = payments_of_recharge(connection, driver.wallet_id, failed.recharge_id)
        assert [one.payment_id for one in rows] == [failed.payment_id, link.payment_id, again.payment_id]
        assert {shown_ref(connection, one) for one in rows} == {failed.ref}
        assert len({one.ref for one in rows}) == 3


def test_any_payment_of_a_persons_ends_the_wait_for_the_bank(driver: BotDriver) -> None:
    """$40 of $50: nobody has to confirm the old amount any more, and a new charge closes the rest."""
    driver.shop.arm(last4="4242", decline="authentication_required")
    waiting = driver.recharge.consider(driver.wallet_id)
    assert waiting is not None
    assert waiting.state is State.WAITING
    driver.hear_all(driver.paid("5555 5555 5555 4444")[1])
    assert (_now(driver, waiting).state, driver.view().trouble) == (State.WITHDRAWN, "")


# --- Whoever was told that nothing is known yet ---------------------------------------------------------------


def _charge(driver: BotDriver, **fault: Any) -> Payment:
    """Charge the saved card by a person's press, while a request goes wrong."""
    charges = Charges(driver.ledger, driver.payments, driver.served)
    wish, _ = charges.prepare(driver.wallet_id, FORTY, actor=owner("U1"))
    driver.shop.arm(match="POST /v1/payment_intents/*/confirm", **fault)
    return charges.charge(driver.wallet_id, wish, actor=owner("U1"))


@pytest.mark.parametrize("mode", ["reset_after", "reset_before"])
@pytest.mark.parametrize(("decline", "state"), [("", State.PAID), ("insufficient_funds", State.FAILED)])
def test_who_was_left_without_an_outcome_is_told_it_once(
    driver: BotDriver, mode: str, decline: str, state: State
) -> None:
    """The sweep finds out by the same key; news of the same charge tell nothing more."""
    driver.shop.arm(last4="4242", decline=decline)
    unknown = _charge(driver, mode=mode)
    assert unknown.state is State.COLLECTING
    assert driver.told(OutcomeKnown) == []
    driver.shop.clock.skip(minutes=2)
    driver.sweep.run(driver.ledger.now())
    driver.hear_all(driver.happened())
    driver.sweep.run(driver.ledger.now())
    assert _now(driver, unknown).state is state
    assert [(one.payment_id, one.told) for one in driver.told(OutcomeKnown)] == [(unknown.payment_id, "U1")]


def test_a_charge_that_is_given_up_is_told_and_told_again_if_it_was_made_after_all(
    driver: BotDriver,
) -> None:
    """Nobody could ask Stripe for a day: what exists there decides, and late news is believed."""
    driver.shop.arm(last4="4242", decline="")
    unknown = _charge(driver, mode="reset_before", times=1)
    driver.shop.clock.skip(hours=21)
    driver.sweep.run(driver.ledger.now())
    given_up = _now(driver, unknown)
    assert given_up.state is State.FAILED
    assert len(driver.told(OutcomeKnown)) == 1

    answer = driver.gateway.intent(given_up.intent_id)
    assert isinstance(answer, Ok)
    for _ in range(2):
        driver.sync.hear_intent(replace(answer.seen, status=IntentStatus.SUCCEEDED, received_minor=4_000))
    assert _now(driver, unknown).state is State.PAID
    assert len(driver.told(OutcomeKnown)) == 2


def test_an_outcome_that_is_answered_at_once_is_not_told_again(driver: BotDriver) -> None:
    """Paid or declined: who pressed has read it."""
    for decline in ("", "insufficient_funds"):
        driver.shop.arm(last4="4242", decline=decline)
        charges = Charges(driver.ledger, driver.payments, driver.served)
        wish, _ = charges.prepare(driver.wallet_id, FORTY, actor=owner("U1"))
        charges.charge(driver.wallet_id, wish, actor=owner("U1"))
    driver.hear_all(driver.happened())
    assert driver.told(OutcomeKnown) == []
