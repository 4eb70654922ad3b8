"""What a succeeded payment brings: its amount once, in the wallet's currency, and news where it was paid twice."""

import random
from dataclasses import replace
from types import SimpleNamespace

import pytest

from bot.notices import PaidTwice, PaymentChanged, RequestSent
from bot.payment_rows import Payment
from bot.payments.settlement import AmountsDiffer
from bot.ports import IntentSeen, Ok
from bot.states.payment import State
from ledger import history, verify_books
from tests.faults.driver import DOLLARS, BotDriver
from tests.persons import owner

U1 = owner("U1")


def _offered(driver: BotDriver, way: str) -> Payment:
    """Ask for a payment by a link or on a page."""
    driver.shop.clock.skip(seconds=1)
    if way == "link":
        return driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=U1, payer="U2", note="")
    return driver.payments.offer_page(driver.wallet_id, DOLLARS, asked_by=U1, saves_card=False)


def _asked(driver: BotDriver, way: str) -> Payment:
    """Have a payment asked for in one of the ways, and paid; gives it as its first news left it."""
    if way == "charge":
        page = driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=U1)
        assert driver.shop.pay(driver.shop.api.checkout.sessions.retrieve(page.session_id))["ok"]
        assert driver.sync.session(page.session_id)
        wish, _ = driver.charges.prepare(driver.wallet_id, DOLLARS, actor=U1)
        payment = driver.charges.charge(driver.wallet_id, wish, actor=U1)
    else:
        payment = _offered(driver, way)
        assert driver.shop.pay(SimpleNamespace(url=payment.url, id=payment.session_id))["ok"]
        driver.hear_all(driver.happened())
    found = driver.payments.look(driver.wallet_id, payment.payment_id)
    assert found is not None
    assert (found.state, driver.view().balance_micros) == (State.PAID, DOLLARS.micros)
    return found


def _paid_by(driver: BotDriver, payment: Payment) -> None:
    """Compare what a paid request and its transfer say with what Stripe says of its intent."""
    answer = driver.gateway.intent(payment.intent_id)
    assert isinstance(answer, Ok)
    card, receipt = str(answer.seen.card), answer.seen.receipt_url
    assert receipt
    assert (payment.paid_with, payment.receipt_url) == (card, receipt)
    assert (payment.asked_by, payment.settled_at) == ("U1", driver.ledger.now())
    assert driver.told(PaymentChanged)[-1] == PaymentChanged(payment.payment_id)
    asked = [RequestSent(payment.payment_id)] if payment.payer else []
    assert driver.told(RequestSent) == asked, "a payer hears of it by a message"
    with driver.ledger.reading() as connection:
        (row,) = history(connection, driver.wallet_id, limit=9)
    assert (row.kind, row.reference, row.description) == ("top_up", payment.ref, card)


def _pay_again(driver: BotDriver, payment: Payment, cents: int = 2_000) -> str:
    """Have somebody pay the same request by another PaymentIntent; gives it."""
    metadata = driver.shop.api.payment_intents.retrieve(payment.intent_id).metadata
    assert metadata is not None
    customer, card = driver.shop.saved_card()
    intent = driver.shop.intent(customer, card, cents, metadata=metadata.to_dict())
    driver.shop.api.payment_intents.confirm(intent.id, {"off_session": True})
    return intent.id


@pytest.mark.parametrize("way", ["link", "page", "charge"])
def test_a_payment_made_twice_is_credited_twice_and_told_once(driver: BotDriver, way: str) -> None:
    """However it was asked for, and however often the news of it come."""
    payment = _asked(driver, way)
    assert driver.told(PaidTwice) == []
    _paid_by(driver, payment)
    second = _pay_again(driver, payment)

    heard = [*driver.happened()] * 3
    random.Random(7).shuffle(heard)  # noqa: S311 - a fixed order, so that a failure comes again
    for event in heard:
        driver.hear_all([event])
    assert driver.sync.intent(second)

    assert driver.told(PaidTwice) == [PaidTwice(payment_id=payment.payment_id)]
    with driver.ledger.reading() as connection:
        credited = {row.source_id for row in history(connection, driver.wallet_id, limit=9)}
        assert verify_books(connection) == []
    assert credited == {f"credit:{payment.intent_id}", f"credit:{second}"}
    assert driver.view().balance_micros == 2 * DOLLARS.micros


def test_a_payment_made_three_times_is_told_each_time_and_keeps_its_first_card(driver: BotDriver) -> None:
    """Each further payment is one to decide about; what the request says of itself stays."""
    payment = _asked(driver, "link")
    for cents in (2_000, 700):
        assert driver.sync.intent(_pay_again(driver, payment, cents))

    assert len(driver.told(PaidTwice)) == 2
    assert driver.view().balance_micros == 47_000_000
    assert driver.payments.look(driver.wallet_id, payment.payment_id) == payment


@pytest.mark.parametrize(
    ("currency", "received"), [("EUR", 2_000), ("JPY", 2_000), ("USD", 0), ("USD", -1)], ids=str
)
@pytest.mark.parametrize("way", ["link", "page"])
def test_what_is_not_money_of_the_wallets_currency_is_not_credited(
    driver: BotDriver, way: str, currency: str, received: int
) -> None:
    """Nothing is booked and nothing of the payment changes; the error keeps the news until somebody has looked."""
    asked = _offered(driver, way)
    assert driver.shop.pay(SimpleNamespace(url=asked.url, id=asked.session_id))["ok"]
    (intent,) = {one.object_id for one in driver.happened() if one.kind == "payment_intent.succeeded"}
    answer = driver.gateway.intent(intent)
    assert isinstance(answer, Ok)
    seen: IntentSeen = answer.seen

    with pytest.raises(AmountsDiffer, match=asked.ref):
        driver.sync.hear_intent(replace(seen, currency=currency, received_minor=received))

    assert driver.view().balance_micros == 0
    assert driver.payments.look(driver.wallet_id, asked.payment_id) == asked
    assert driver.sync.hear_intent(seen)
    assert driver.view().balance_micros == DOLLARS.micros


def test_what_was_received_is_credited_and_not_what_was_asked_for(driver: BotDriver) -> None:
    """Stripe says how much came; a cent is the least."""
    payment = _asked(driver, "link")
    assert driver.sync.intent(_pay_again(driver, payment, 1_999))
    assert driver.view().balance_micros == DOLLARS.micros + 19_990_000
