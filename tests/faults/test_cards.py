"""What becomes of a saved card: changed by its bank, gone, soon to expire, removed by somebody."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import Executable, insert, select, update

from bot.notices import CardExpiring, CardGone, CardsArranged
from bot.payment_rows import Payment, last_recharge_try
from bot.payments.cards import due_warning, last_day
from bot.payments.settlement import NotServed
from bot.ports import Ok
from bot.rights import Person, Role, Tie
from bot.states.card_slot import CardSlot
from bot.surfaces.automatic import card_facts
from bot.tables import cards, people, stripe_requests
from bot.wallets.entitled import NotEntitled
from bot.wallets.rules import NoCard, OffCode
from ledger import Automatic, Pause, PauseCode, Tx
from ledger.storage.schema import audit_log, policies
from tests.faults.cells import error
from tests.faults.driver import DOLLARS, BotDriver, automatic, open_beside, rule_on
from tests.persons import owner
from tests.sandbox.stripe_place import MASTERCARD, VISA


def _connect(driver: BotDriver, number: str = VISA) -> str:
    page = driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=owner("U1"))
    assert driver.shop.pay(driver.shop.api.checkout.sessions.retrieve(page.session_id), number)["ok"]
    assert driver.sync.session(page.session_id)
    return _slots(driver)[CardSlot.MAIN]


def _connect_two(driver: BotDriver) -> tuple[str, str]:
    """Connect a main card and its backup."""
    main = _connect(driver)
    _connect(driver, MASTERCARD)
    return main, _slots(driver)[CardSlot.BACKUP]


def _slots(driver: BotDriver) -> dict[str, str]:
    with driver.ledger.reading() as connection:
        return {slot: one.card_id for slot, one in card_facts(connection, driver.wallet_id).items()}


def _keep(driver: BotDriver, card_id: str, *, wallet_id: UUID | None = None, **other: object) -> None:
    """Have a card in the books that nobody saved by a page."""
    values = {
        "wallet_id": wallet_id or driver.wallet_id,
        "card_id": card_id,
        "brand": "Visa",
        "last4": "1111",
        "exp_month": 12,
        "exp_year": 2040,
        "fingerprint": card_id,
        "slot": CardSlot.MAIN,
        "connected_by": "U9",
        "connected_at": driver.ledger.now(),
        **other,
    }
    driver.ledger.run(partial(_execute, insert(cards).values(**values)), wallet_id=driver.wallet_id)


def _execute(statement: Executable, tx: Tx) -> None:
    tx.connection.execute(statement)


def _changed(driver: BotDriver) -> tuple[str, str]:
    """Say who changed the settings last, and why."""
    row = policies.c
    with driver.ledger.reading() as connection:
        newest = connection.execute(
            select(row.changed_by, row.reason)
            .where(row.wallet_id == driver.wallet_id)
            .order_by(row.version.desc())
            .limit(1)
        ).one()
    return newest.changed_by, newest.reason


def test_a_card_that_is_gone_turns_automatic_payments_off(driver: BotDriver) -> None:
    """Detached in Stripe's own pages: heard of twice, told once; the backup is there for people to charge."""
    main, backup = _connect_two(driver)
    rule_on(driver)
    driver.happened()
    driver.shop.api.payment_methods.detach(main)

    for _ in range(2):
        driver.hear_all(driver.happened())
        driver.cards.sync(main)

    assert _slots(driver) == {"main": backup}
    assert automatic(driver) is Automatic.OFF
    assert driver.told(CardGone) == [CardGone(card_id=main, actor="", stopped=True)]
    assert _changed(driver) == ("redbar", OffCode.CARD_GONE)


def test_without_a_backup_a_spare_card_takes_the_place_of_the_main_one(driver: BotDriver) -> None:
    """The one that was saved first: people can charge it, no rule does."""
    main = _connect(driver)
    for card_id in ("pm_later", "pm_latest"):
        _keep(driver, card_id, slot=CardSlot.SPARE)
    driver.cards.remove(driver.wallet_id, main, actor=owner("U1"))
    assert _slots(driver) == {"main": "pm_later"}


@pytest.mark.parametrize("state", Automatic)
def test_an_admin_chooses_the_card_that_is_charged(driver: BotDriver, state: Automatic) -> None:
    """It is told by name, a planned retry on the card before is not waited for, and no rule is woken by it."""
    main, backup = _connect_two(driver)
    rule_on(driver)
    driver.shop.arm(last4="4242", decline="insufficient_funds")
    assert driver.recharge.consider(driver.wallet_id) is not None
    failed = _newest_try(driver)
    assert failed.next_try_at is not None
    _turn(driver, state)

    for _ in range(2):
        driver.cards.charge_from_now_on(driver.wallet_id, backup, actor=owner("U1"))

    assert _slots(driver) == {"main": backup, "backup": main}
    assert automatic(driver) is state
    assert _newest_try(driver).next_try_at is None
    assert driver.told(CardsArranged) == [CardsArranged("U1", main, backup, backup, main)]
    driver.shop.clock.skip(minutes=20)
    driver.recharge.consider(driver.wallet_id)
    assert _newest_try(driver).card_id == (backup if state is Automatic.ON else main)


def test_a_card_that_was_removed_is_not_chosen(driver: BotDriver) -> None:
    """Its button may stand in a message of before."""
    _, backup = _connect_two(driver)
    driver.cards.remove(driver.wallet_id, backup, actor=owner("U1"))
    with pytest.raises(NoCard):
        driver.cards.charge_from_now_on(driver.wallet_id, backup, actor=owner("U1"))


def test_connecting_a_card_wakes_no_rule(driver: BotDriver) -> None:
    """And leaves the card that it charges."""
    main = _connect(driver)
    rule_on(driver)
    _turn(driver, Automatic.PAUSED)
    _connect(driver, MASTERCARD)
    assert automatic(driver) is Automatic.PAUSED
    assert _slots(driver)[CardSlot.MAIN] == main


def _turn(driver: BotDriver, state: Automatic) -> None:
    with driver.ledger.reading() as connection:
        _, policy = driver.ledger.look(connection, driver.wallet_id)
    pause = Pause(PauseCode.DECLINED) if state is Automatic.PAUSED else None
    turned = replace(policy, automatic=state, pause=pause)
    driver.ledger.run(
        lambda tx: tx.book.set_policy(driver.wallet_id, turned, actor="U1", expected_version=None),
        wallet_id=driver.wallet_id,
    )


def _newest_try(driver: BotDriver) -> Payment:
    with driver.ledger.reading() as connection:
        found = last_recharge_try(connection, driver.wallet_id)
    assert found is not None
    return found


def test_a_backup_that_is_gone_leaves_the_rule_alone(driver: BotDriver) -> None:
    """Only said."""
    main, backup = _connect_two(driver)
    rule_on(driver)
    driver.happened()
    driver.shop.api.payment_methods.detach(backup)

    driver.hear_all(driver.happened())

    assert _slots(driver) == {"main": main}
    assert automatic(driver) is Automatic.ON
    assert driver.told(CardGone) == [CardGone(card_id=backup, actor="", stopped=False)]


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
        did = connection.execute(
            select(audit_log.c.actor, audit_log.c.before).where(audit_log.c.action == "card_removed")
        ).one()
    assert [tuple(one) for one in made] == [("done", main)]
    assert (did.actor, json.loads(did.before)) == ("U1", {"card_id": main})
    assert driver.told(CardGone) == [CardGone(card_id=main, actor="U1", stopped=True)]
    assert _changed(driver) == ("U1", OffCode.CARD_GONE)
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


def test_what_the_network_changed_is_kept_of_that_card_alone(driver: BotDriver) -> None:
    """All that is shown of it, and its fingerprint; the same card of another wallet, and other cards, are not its."""
    main, backup = _connect_two(driver)
    beside = open_beside(driver.ledger, "T2")
    _keep(driver, main, wallet_id=beside)
    _keep(driver, "pm_theirs", wallet_id=beside, slot=CardSlot.BACKUP)
    with pytest.raises(NotServed, match=str(beside)):
        driver.cards.sync("pm_theirs")
    blank = {"brand": "", "last4": "", "exp_month": 1, "exp_year": 2001, "fingerprint": ""}
    driver.ledger.run(
        lambda tx: tx.connection.execute(update(cards).values(**blank)), wallet_id=driver.wallet_id
    )

    assert driver.cards.sync(main)

    seen = driver.gateway.card(main)
    assert isinstance(seen, Ok)
    card = seen.seen.card
    with driver.ledger.reading() as connection:
        rows = {(row.wallet_id, row.card_id): row for row in connection.execute(select(cards))}
    kept = {name: getattr(rows[driver.wallet_id, main], name) for name in blank}
    assert kept == {name: getattr(card, name) for name in blank}
    assert (card.brand, card.last4) == ("Visa", "4242")
    for other in ((driver.wallet_id, backup), (beside, main)):
        assert {name: getattr(rows[other], name) for name in blank} == blank


def test_a_card_is_followed_as_far_as_stripe_answers(driver: BotDriver) -> None:
    """No answer changes nothing and is asked for again; a card that Stripe does not know is gone."""
    main = _connect(driver)
    driver.shop.arm(match="GET /v1/payment_methods/*", mode="status", status=503)
    assert not driver.cards.sync(main)
    assert _slots(driver) == {"main": main}
    assert driver.cards.sync(main)
    assert _slots(driver) == {"main": main}

    driver.shop.arm(match="GET /v1/payment_methods/*", **error(404, "resource_missing"))
    assert driver.cards.sync(main)
    assert _slots(driver) == {}
    assert driver.told(CardGone) == [CardGone(card_id=main, actor="", stopped=False)]
    before = driver.shop.wire.entries(limit=1_000)
    assert driver.cards.sync(main)
    assert driver.shop.wire.entries(limit=1_000) == before, "nobody asks about a card that is out of use"


def test_a_card_taken_out_leaves_the_cards_of_other_wallets(driver: BotDriver) -> None:
    """The same customer may have it twice: the other wallet's cards keep their slots."""
    main = _connect(driver)
    beside = open_beside(driver.ledger, "T2")
    for card_id, slot in ((main, CardSlot.MAIN), ("pm_backup", CardSlot.BACKUP)):
        _keep(driver, card_id, wallet_id=beside, slot=slot)

    driver.cards.remove(driver.wallet_id, main, actor=owner("U1"))

    assert _slots(driver) == {}
    with driver.ledger.reading() as connection:
        rows = connection.execute(select(cards.c.slot, cards.c.card_id).where(cards.c.wallet_id == beside))
        assert {row.slot: row.card_id for row in rows} == {"main": main, "backup": "pm_backup"}


def test_a_card_ties_to_whoever_connected_it_while_it_is_in_use(driver: BotDriver) -> None:
    """One card, or any of them; once it is out of use it ties nobody."""
    main = _connect(driver)
    _keep(driver, "pm_other", connected_by="U2", slot=CardSlot.BACKUP)
    _keep(driver, "pm_nobody", connected_by="", slot=CardSlot.REMOVED)
    flow, wallet_id = driver.cards, driver.wallet_id
    connector = frozenset({Tie.CONNECTOR})

    assert flow.connectors(wallet_id) == {main: "U1", "pm_other": "U2"}
    assert [flow.ties_to(wallet_id, "U1", card) for card in (main, "pm_other")] == [connector, frozenset()]
    assert [flow.ties_to_any(wallet_id, user) for user in ("U1", "U2", "U3", "")] == [
        *(connector, connector),
        *(frozenset(), frozenset()),
    ]

    with pytest.raises(NotEntitled):
        flow.remove(wallet_id, main, actor=Person("U2", Role.MEMBER))
    flow.remove(wallet_id, main, actor=Person("U1", Role.MEMBER))
    assert flow.connectors(wallet_id) == {"pm_other": "U2"}
    assert (flow.ties_to(wallet_id, "U1", main), flow.ties_to_any(wallet_id, "U1")) == (frozenset(),) * 2
    assert flow.ties_to_any(open_beside(driver.ledger, "T2"), "U2") == frozenset()

    now = driver.ledger.now()
    named = {"role": Role.BILLING_ADMIN, "appointed_by": "U1", "appointed_at": now}
    appoint = insert(people).values(wallet_id=wallet_id, user_id="U3", **named)
    driver.ledger.run(partial(_execute, appoint), wallet_id=wallet_id)
    flow.remove(wallet_id, "pm_other", actor=Person("U3", Role.MEMBER))
    assert flow.connectors(wallet_id) == {}


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
    assert driver.told(CardExpiring) == [
        CardExpiring(card_id=card.card_id, days_left=days) for days in (30, 7, 1)
    ]


def test_a_card_out_of_use_does_not_expire_and_a_renewed_one_expires_anew(driver: BotDriver) -> None:
    """After a long sleep the latest warning is given, with the days that are left."""
    main = _connect(driver)
    _keep(driver, "pm_old", slot=CardSlot.REMOVED, exp_year=2026, exp_month=12)
    for year in (2034, 2041):
        of_main = update(cards).where(cards.c.card_id == main).values(exp_year=year, exp_month=2)
        driver.ledger.run(partial(_execute, of_main), wallet_id=driver.wallet_id)
        driver.shop.clock.set(datetime(year, 2, 25, 23, tzinfo=UTC))
        for _ in range(2):
            driver.cards.look_ahead(driver.ledger.now())
    assert driver.told(CardExpiring) == [CardExpiring(card_id=main, days_left=3)] * 2


def test_which_warning_is_due() -> None:
    """The latest that applies; none when the day has passed."""
    assert [due_warning(days) for days in (31, 30, 8, 7, 2, 1, 0, -1)] == [None, 30, 30, 7, 7, 1, 1, None]
    assert last_day(2026, 12) == date(2026, 12, 31)
    assert last_day(2028, 2) == date(2028, 2, 29)
