"""Objects of Stripe that name what is ours, what is not here, what is another workspace's, or nothing at all."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from bot.causes import NamesNoPayment, PaymentUnknown
from bot.notices import CardConnected
from bot.payment_rows import Payment
from bot.payments.saved_cards import card_slots
from bot.payments.settlement import NotServed, Unattributed, save_card
from bot.ports import CardSeen, IntentSeen, Ok, RefundSeen
from bot.states.card_slot import CardSlot
from bot.states.payment import State
from bot.states.refund import RefundStatus
from bot.tables import cards
from ledger import CreditKind, KeyReused, PostMoney, new_id
from tests.faults.driver import DOLLARS, BotDriver, open_beside, rule_on
from tests.persons import owner
from tests.sandbox.stripe_place import VISA

U1 = owner("U1")


def _paid(driver: BotDriver) -> IntentSeen:
    """Have a link paid; gives its intent, of which nothing was heard yet."""
    answer = driver.gateway.intent(driver.paid()[0])
    assert isinstance(answer, Ok)
    return answer.seen


def _connect(driver: BotDriver, number: str = VISA) -> Payment:
    page = driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=U1)
    assert driver.shop.pay(driver.shop.api.checkout.sessions.retrieve(page.session_id), number)["ok"]
    assert driver.sync.session(page.session_id)
    return page


def test_what_stripe_does_not_know_is_done_with(driver: BotDriver) -> None:
    """There is nothing to wait for; a Stripe that does not answer is asked again."""
    assert driver.sync.session("cs_unknown")
    assert driver.sync.intent("pi_unknown")
    assert driver.sync.paid_by("pi_unknown") is None
    assert driver.refunds.sync("re_unknown")
    assert driver.disputes.sync("dp_unknown")
    driver.shop.arm(match="GET *", mode="status", status=503, times=5)
    assert not driver.sync.session("cs_unknown")
    assert not driver.sync.intent("pi_unknown")
    assert not driver.refunds.sync("re_unknown")
    assert not driver.disputes.sync("dp_unknown")
    refund = RefundSeen("re_1", RefundStatus.SUCCEEDED, 100, "USD", "pi_unknown", driver.ledger.now())
    assert not driver.refunds.hear(refund), "its payment cannot be looked at"
    assert driver.refunds.hear(replace(refund, intent_id="")), "it is not of a payment of ours"


@pytest.mark.parametrize(
    "named",
    [
        {"redbar_wallet": "", "redbar_payment": ""},
        {"redbar_wallet": "not an id"},
        {"redbar_payment": str(new_id())},
        {"redbar_payment": str(new_id()), "redbar_ref": ""},
    ],
    ids=["no ids", "no id of a wallet", "a payment that is not here", "nor its reference"],
)
def test_our_mark_on_something_that_names_no_payment_here_is_never_dropped(
    driver: BotDriver, named: dict[str, str]
) -> None:
    """It is money under our name: the error keeps the news under the best name there is, and nothing is booked."""
    seen = _paid(driver)
    marked = replace(seen, metadata={**seen.metadata, **named})
    with pytest.raises(Unattributed) as refused:
        driver.sync.hear_intent(marked)
    ref = marked.metadata["redbar_ref"] or named["redbar_payment"]
    is_named = named.get("redbar_payment") and "redbar_wallet" not in named
    assert refused.value.cause == (PaymentUnknown(ref) if is_named else NamesNoPayment())
    assert driver.view().balance_micros == 0


def test_another_installations_mark_is_none_of_ours(driver: BotDriver) -> None:
    """Two Redbars may share a Stripe account."""
    seen = _paid(driver)
    assert driver.sync.hear_intent(replace(seen, metadata={**seen.metadata, "redbar_install": "x"})) is None
    assert driver.view().balance_micros == 0
    assert driver.sync.hear_intent(seen) is not None


def test_what_belongs_to_another_workspace_is_left_to_its_process(driver: BotDriver) -> None:
    """Whose process books it and tells of it."""
    second = open_beside(driver.ledger, "T2")
    seen = _paid(driver)
    with pytest.raises(NotServed, match=str(second)):
        driver.sync.hear_intent(replace(seen, metadata={**seen.metadata, "redbar_wallet": str(second)}))
    assert driver.view().balance_micros == 0


def test_what_credited_a_wallet_of_another_workspace_is_left_to_its_process(driver: BotDriver) -> None:
    """An operator credited it there by hand, since it names no payment."""
    second = open_beside(driver.ledger, "T2")
    seen = replace(_paid(driver), metadata={})
    credit = PostMoney("stripe", f"credit:{seen.intent_id}", CreditKind.TOP_UP, DOLLARS.micros, None)
    driver.ledger.carry_out(second, [credit])
    with pytest.raises(NotServed, match=str(second)):
        driver.sync.hear_intent(seen)
    assert driver.view().balance_micros == 0


def test_a_refund_that_names_another_amount_than_before_is_refused(driver: BotDriver) -> None:
    """The first one is booked and stands; the error keeps the news until somebody has looked."""
    driver.hear_all(driver.paid()[1])
    made = driver.claw_back("refund", charge=driver.shop.charges()[0]["id"], amount=700)
    answer = driver.gateway.refund(made["id"])
    assert isinstance(answer, Ok)
    assert driver.refunds.hear(answer.seen)

    with pytest.raises(KeyReused, match="another amount"):
        driver.refunds.hear(replace(answer.seen, amount_minor=800))

    assert driver.refunds.hear(answer.seen)
    assert driver.view().balance_micros == 13_000_000


def test_a_card_of_another_workspace_is_left_to_its_process(driver: BotDriver) -> None:
    """News of it change nothing here."""
    _connect(driver)
    card_id = _slots(driver)[CardSlot.MAIN]
    second = open_beside(driver.ledger, "T2")
    moved = update(cards).where(cards.c.card_id == card_id).values(wallet_id=second)
    driver.ledger.run(lambda tx: tx.connection.execute(moved), wallet_id=second)
    with pytest.raises(NotServed, match=str(second)):
        driver.cards.sync(card_id)
    assert driver.cards.sync("pm_unknown")


def test_a_charge_that_waits_for_a_person_is_found_when_its_answer_was_lost(driver: BotDriver) -> None:
    """The look at the intent says what the answer would have said; the second look changes nothing."""
    _connect(driver)
    rule_on(driver)
    driver.hear_all(driver.paid()[1])
    driver.shop.arm(last4="4242", decline="authentication_required")
    driver.shop.arm(match="POST /v1/payment_intents/*/confirm", mode="reset_after")
    made = driver.recharge.consider(driver.wallet_id)
    assert made is not None
    assert made.state is State.COLLECTING
    for _ in range(2):
        assert driver.sync.intent(made.intent_id)
        found = driver.payments.look(driver.wallet_id, made.payment_id)
        assert found is not None
        assert found.state is State.WAITING


def test_a_card_that_is_saved_displaces_none(driver: BotDriver) -> None:
    """The same card, under whatever id, stays what it is; who asked for it is told, and nobody else."""
    page = _connect(driver)
    first = _slots(driver)[CardSlot.MAIN]

    def save(card_id: str, fingerprint: str) -> dict[CardSlot, str]:
        seen = CardSeen(card_id, "Visa", "4242", 12, 2034, fingerprint)
        driver.ledger.run(lambda tx: save_card(tx, page, seen), wallet_id=driver.wallet_id)
        return _slots(driver)

    assert save("pm_2", "other") == {CardSlot.MAIN: first, CardSlot.BACKUP: "pm_2"}
    assert save("pm_2", "other") == {CardSlot.MAIN: first, CardSlot.BACKUP: "pm_2"}
    assert save(first, "one") == {CardSlot.MAIN: first, CardSlot.BACKUP: "pm_2"}
    assert save("pm_3", "one") == {CardSlot.MAIN: "pm_3", CardSlot.BACKUP: "pm_2"}
    assert save("pm_4", "") == {CardSlot.MAIN: "pm_3", CardSlot.BACKUP: "pm_2"}, "a third one is spare"
    told = [(one.card_id, one.again) for one in driver.told(CardConnected)[-5:]]
    assert told == [("pm_2", False), ("pm_2", True), (first, True), ("pm_3", True), ("pm_4", False)]


def _slots(driver: BotDriver) -> dict[CardSlot, str]:
    with driver.ledger.reading() as connection:
        return card_slots(connection, driver.wallet_id)
