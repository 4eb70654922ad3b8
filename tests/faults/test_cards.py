"""What becomes of a saved card: changed by its bank, gone, soon to expire, removed by somebody."""

from datetime import date

import pytest
from sqlalchemy import select

from bot.notices import CardExpiring, CardGone
from bot.payments.cards import due_warning, last_day
from bot.surfaces.automatic import card_facts
from bot.tables import stripe_requests
from bot.wallets.rules import NoCard
from ledger import Automatic
from tests.faults.desk import DOLLARS, Desk, automatic, rule_on
from tests.sandbox.stripe_place import MASTERCARD, VISA


def _connect(desk: Desk, number: str = VISA) -> str:
    page = desk.payments.connect(desk.wallet_id, DOLLARS.currency, asked_by="U1")
    assert desk.shop.pay(desk.shop.api.checkout.sessions.retrieve(page.session_id), number)["ok"]
    assert desk.sync.session(page.session_id)
    return _slots(desk)["main"]


def _slots(desk: Desk) -> dict[str, str]:
    with desk.ledger.reading() as connection:
        return {slot: one.card_id for slot, one in card_facts(connection, desk.wallet_id).items()}


def test_a_card_that_is_gone_turns_automatic_payments_off(desk: Desk) -> None:
    """Detached in Stripe's own pages: heard of twice, told once; the backup is there for people to charge."""
    backup = _connect(desk, MASTERCARD)
    main = _connect(desk)
    rule_on(desk)
    desk.happened()
    desk.shop.api.payment_methods.detach(main)

    for _ in range(2):
        desk.hear_all(desk.happened())
        desk.cards.sync(main)

    assert _slots(desk) == {"main": backup}
    assert automatic(desk) is Automatic.OFF
    assert len(desk.told(CardGone)) == 1


def test_a_backup_that_is_gone_leaves_the_rule_alone(desk: Desk) -> None:
    """Only said."""
    backup = _connect(desk, MASTERCARD)
    main = _connect(desk)
    rule_on(desk)
    desk.happened()
    desk.shop.api.payment_methods.detach(backup)

    desk.hear_all(desk.happened())

    assert _slots(desk) == {"main": main}
    assert automatic(desk) is Automatic.ON
    assert len(desk.told(CardGone)) == 1


def test_somebody_removes_a_card_here_and_outside(desk: Desk) -> None:
    """One POST with a committed key; the card belongs to nobody at Stripe; a second time it is refused."""
    main = _connect(desk)
    rule_on(desk)

    desk.cards.remove(desk.wallet_id, main, actor="U1")

    assert _slots(desk) == {}
    assert desk.shop.api.payment_methods.retrieve(main).customer is None
    assert automatic(desk) is Automatic.OFF
    with desk.ledger.reading() as connection:
        made = connection.execute(
            select(stripe_requests.c.state, stripe_requests.c.object_id).where(
                stripe_requests.c.wallet_id == desk.wallet_id, stripe_requests.c.operation == "detach"
            )
        ).all()
    assert [tuple(one) for one in made] == [("done", main)]
    with pytest.raises(NoCard):
        desk.cards.remove(desk.wallet_id, main, actor="U1")


def test_without_an_answer_the_removal_goes_on(desk: Desk) -> None:
    """Nothing of ours charges it from that moment; the sweep asks Stripe again."""
    main = _connect(desk)
    desk.shop.arm(match="POST /v1/payment_methods/*/detach", mode="status", status=503)

    desk.cards.remove(desk.wallet_id, main, actor="U1")
    assert _slots(desk) == {}
    assert desk.shop.api.payment_methods.retrieve(main).customer is not None
    desk.shop.clock.skip(minutes=2)
    desk.sweep.run(desk.ledger.now())

    assert desk.shop.api.payment_methods.retrieve(main).customer is None


def test_a_card_that_the_network_renewed_is_known_by_its_new_date(desk: Desk) -> None:
    """Stripe's card updater gives it another last day and other digits."""
    main = _connect(desk)
    desk.happened()
    renewed = desk.shop.http.post(
        "/sandbox/api/stripe/script", json={"renew": main, "exp_year": 2041, "last4": "4343"}
    )
    assert renewed.json() == {"ok": True}

    desk.hear_all(desk.happened())

    with desk.ledger.reading() as connection:
        card = card_facts(connection, desk.wallet_id)["main"]
    assert (card.exp_year, card.last4) == (2041, "4343")


def test_people_are_told_before_a_card_expires_each_time_once(desk: Desk) -> None:
    """Thirty days before, seven, and one."""
    _connect(desk)
    with desk.ledger.reading() as connection:
        card = card_facts(connection, desk.wallet_id)["main"]
    left = (last_day(card.exp_year, card.exp_month) - desk.ledger.now().date()).days
    desk.shop.clock.skip(days=left - 40)
    told = []
    for _ in range(50):
        desk.cards.look_ahead(desk.ledger.now())
        desk.cards.look_ahead(desk.ledger.now())
        told.append(len(desk.told(CardExpiring)))
        desk.shop.clock.skip(days=1)

    assert [told.index(count) for count in (1, 2, 3)] == [10, 33, 39]
    assert told[-1] == 3


def test_which_warning_is_due() -> None:
    """The latest that applies; none when the day has passed."""
    assert [due_warning(days) for days in (31, 30, 8, 7, 2, 1, 0, -1)] == [None, 30, 30, 7, 7, 1, 1, None]
    assert last_day(2026, 12) == date(2026, 12, 31)
    assert last_day(2028, 2) == date(2028, 2, 29)
