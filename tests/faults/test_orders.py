"""The news of one payment in every order, repeated and at once: one credit.

A payment that succeeded is heard of by webhook, poll, our own look at the page or the intent, and the sweep; each may
come first, often, or beside another. Stripe promises neither order nor uniqueness.
"""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import permutations, repeat

import pytest
from sqlalchemy import select

from bot.ports import EventSeen
from bot.tables import NIL_WALLET, inbox
from bot.wallets.named_values import named_value
from ledger import verify_books
from tests.faults.driver import DOLLARS, BotDriver, driver_in
from tests.sizes import size

ORDERS = size("orders", local=40, ci=40, full=2_000)
ORDERS_OF_WAYS = size("orders", local=20, ci=20, full=120)
PARTS = 4


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotDriver]:
    """One wallet, one Stripe."""
    with driver_in(tmp_path_factory.mktemp("orders")) as made:
        yield made


def test_every_order_of_the_ways_credits_once(driver: BotDriver) -> None:
    """One after the other, in a sample of all hundred and twenty orders."""
    orders = list(permutations(["webhook", "poll", "page", "intent", "sweep"]))
    chance = random.Random("ways")  # noqa: S311 - a fixed seed, so that a failure comes again
    for ways in chance.sample(orders, ORDERS_OF_WAYS):
        intent, events = driver.paid()
        for way in ways:
            for event in events:
                driver.hear(way, event, intent)
        assert driver.credited(intent), ways


@pytest.mark.parametrize("part", range(PARTS))
def test_any_order_and_repetition_at_once_credits_once(driver: BotDriver, part: int) -> None:
    """All news shuffled, from four threads; in every tenth order each piece comes one to five times."""
    chance = random.Random(part)  # noqa: S311 - a fixed seed, so that a failure comes again
    before = driver.shop.charges()
    for number in range(ORDERS // PARTS):
        intent, events = driver.paid()
        heard: list[tuple[str, EventSeen | None]] = []
        heard += [(way, event) for event in events for way in ("webhook", "page")]
        heard += [(way, None) for way in ("poll", "intent", "sweep")]
        heard = [one for one in heard for _ in range(chance.randint(1, 5) if number % 10 == 0 else 1)]
        chance.shuffle(heard)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(driver.hear, *zip(*heard, strict=True), repeat(intent)))

        assert driver.credited(intent), (number, heard)

    made = len(driver.shop.charges()) - len(before)
    assert made == ORDERS // PARTS
    with driver.ledger.reading() as connection:
        view, _ = driver.ledger.look(connection, driver.wallet_id)
        assert verify_books(connection) == []
    assert view.balance_micros == DOLLARS.micros * len(driver.shop.charges())


@pytest.mark.parametrize("days", [4, 35])
def test_after_a_long_sleep_nothing_is_missing(driver: BotDriver, days: int) -> None:
    """Nobody polled for days; the events are read on from the time of the last one that is known."""
    clock = driver.shop.clock
    driver.news.poll(driver.ledger.now() + timedelta(hours=1))
    intent, _ = driver.paid()
    clock.skip(days=days)

    for _ in range(2):
        driver.news.poll(driver.ledger.now())
        driver.news.handle_waiting(driver.ledger.now())
        clock.skip(hours=1)

    assert driver.credited(intent)
    with driver.ledger.reading() as connection:
        ids = connection.execute(select(inbox.c.event_id)).scalars().all()
        newest = named_value(connection, NIL_WALLET, "events")
    assert newest is not None
    assert newest.value in ids
    assert newest.at == clock.now() - timedelta(days=days, hours=2)
