"""What becomes of a saved card: changed by its bank, gone, soon to expire, removed by somebody."""

from datetime import date

import pytest
from sqlalchemy import select

from bot.notices import CardExpiring, CardGone
from bot.payments.cards import due_warning, last_day
from bot.states.card_slot import CardSlot
from bot.surfaces.automatic import card_facts
from bot.tables import stripe_requests
from bot.wallets.rules import NoCard
from ledger import Automatic
from tests.faults.driver import DOLLARS, BotDriver, automatic, rule_on
from tests.persons import owner
from tests.sandbox.stripe_place import MASTERCARD, VISA


def _connect(driver: BotDriver, number: str = VISA) -> str:
    page = driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=owner("U1"))
    assert driver.shop.pay(driver.shop.api.checkout.sessions.retrieve(page.session_id), number)["ok"]
    assert driver.sync.session(page.session_id)
    return _slots(driver)[CardSlot.MAIN]


def _slots(driver: BotDriver) -> dict[str, str]:
    with driver.ledger.reading() as connection:
        return {slot: one.card_id for slot, one in card_facts(connection, driver.wallet_id).items()}


def test_a_card_that_is_gone_turns_automatic_payments_off(driver: BotDriver) -> None:
    """Detached in Stripe's own pages: heard of twice, told once; the backup is there for people to charge."""
    backup = _connect(driver, MASTERCARD)
    main = _connect(driver)
    rule_on(driver)
    driver.happened()
    driver.shop.api.payment_methods.detach(main)

    for _ in range(2):
        driver.hear_all(driver.happened())
        driver.cards.sync(main)

    assert _slots(driver) == {"main": backup}
    assert automatic(driver) is Automatic.OFF
    assert len(driver.told(CardGone)) == 1


def test_a_backup_that_is_gone_leaves_the_rule_alone(driver: BotDriver) -> None:
    """Only said."""
    backup = _connect(driver, MASTERCARD)
    main = _connect(driver)
    rule_on(driver)
    driver.happened()
    driver.shop.api.payment_methods.detach(backup)

    driver.hear_all(driver.happened())

    assert _slots(driver) == {"main": main}
    assert automatic(driver) is Automatic.ON
    assert len(driver.told(CardGone)) == 1


def test_somebody_removes_a_card_here_and_outside(driver: BotDriver) -> None:
    """One POST with a committed key; the card belongs to nobody at Stripe; a second time it is refused."""
    main = _connect(driver)
    rule_on(driver)

    driver.cards.remove(driver.wallet_id, main, actor=owner("U1"))

    assert _slots(driver) == {}
    assert driver.shop.api.payment_methods.retrieve(main).customer is None
    assert automatic(driver) is Automatic.OFF
    with driver.ledger.reading() as connection:
        made = connection.execute(
            select(stripe_requests.c.state, stripe_requests.c.object_id).where(
                stripe_requests.c.wallet_id == driver.wallet_id, stripe_requests.c.operation == "detach"
            )
        ).all()
    assert [tuple(one) for one in made] == [("done", main)]
    with pytest.raises(NoCard):
        driver.cards.remove(driver.wallet_id, main, actor=owner("U1"))


def test_without_an_answer_the_removal_goes_on(driver: BotDriver) -> None:
    """Nothing of ours charges it from that moment; the sweep asks Stripe again."""
    main = _connect(driver)
    driver.shop.arm(match="POST /v1/payment_methods/*/detach", mode="status", status=503)

    driver.cards.remove(driver.wallet_id, main, actor=owner("U1"))
    assert _slots(driver) == {}
    assert driver.shop.api.payment_methods.retrieve(main).customer is not None
    driver.shop.clock.skip(minutes=2)
    driver.sweep.run(driver.ledger.now())

    assert driver.shop.api.payment_methods.retrieve(main).customer is None


def test_a_card_that_the_network_renewed_is_known_by_its_new_date(driver: BotDriver) -> None:
    """Stripe's card updater gives it another last day and other digits."""
    main = _connect(driver)
    driver.happened()
    renewed = driver.shop.http.post(
        "/sandbox/api/stripe/script", json={"renew": main, "exp_year": 2041, "last4": "4343"}
    )
    assert renewed.json() == {"ok": True}

    driver.hear_all(driver.happened())

    with driver.ledger.reading() as connection:
        card = card_facts(connection, driver.wallet_id)[CardSlot.MAIN]
    assert (card.exp_year, card.last4) == (2041, "4343")


def test_people_are_told_before_a_card_expires_each_time_once(driver: BotDriver) -> None:
    """Thirty days before, seven, and one."""
    _connect(driver)
    with driver.ledger.reading() as connection:
        card = card_facts(connection, driver.wallet_id)[CardSlot.MAIN]
    left = (last_day(card.exp_year, card.exp_month) - driver.ledger.now().date()).days
    driver.shop.clock.skip(days=left - 40)
    told = []
    for _ in range(50):
        driver.cards.look_ahead(driver.ledger.now())
        driver.cards.look_ahead(driver.ledger.now())
        told.append(len(driver.told(CardExpiring)))
        driver.shop.clock.skip(days=1)

    assert [told.index(count) for count in (1, 2, 3)] == [10, 33, 39]
    assert told[-1] == 3


def test_which_warning_is_due() -> None:
    """The latest that applies; none when the day has passed."""
    assert [due_warning(days) for days in (31, 30, 8, 7, 2, 1, 0, -1)] == [None, 30, 30, 7, 7, 1, 1, None]
    assert last_day(2026, 12) == date(2026, 12, 31)
    assert last_day(2028, 2) == date(2028, 2, 29)
