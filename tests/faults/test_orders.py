"""The news of one payment in every order, repeated and at once: one credit.

A payment that succeeded is heard of by webhook, poll, our own look at the page or the intent, and the sweep; each may
come first, often, or beside another. Stripe promises neither order nor uniqueness.
"""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import permutations, repeat
from types import SimpleNamespace
from uuid import UUID

import pytest
from sqlalchemy import select, update

from bot.app import open_ledger
from bot.flows.news import News
from bot.flows.payments import Payments
from bot.flows.wallets import Wallets
from bot.ports import EventSeen, Ok
from bot.stripe_gateway import StripeGateway
from bot.tables import NIL_WALLET, cursors
from ledger import Currency, Ledger, Money, transfer_by_key, verify_books
from tests.conftest import REQUIRE_ALL
from tests.sandbox.slack_place import SettableClock, Stage
from tests.sandbox.stripe_place import KEY, Shop

ORDERS = 2_000 if REQUIRE_ALL else 60
DOLLARS = Money(20_000_000, Currency.of("USD"))


@dataclass
class Desk:
    """A bot without Slack in front of a Stripe that is served."""

    shop: Shop
    ledger: Ledger
    gateway: StripeGateway
    payments: Payments
    news: News
    wallet_id: UUID
    last: str | None = None
    """The event up to which the tests have read."""

    def paid(self) -> tuple[str, Sequence[EventSeen]]:
        """Have a link made and paid; gives the intent and the events that tell of it, none of them heard yet."""
        payment = self.payments.ask(self.wallet_id, DOLLARS, asked_by="U1", payer="U2", note="")
        assert self.shop.pay(SimpleNamespace(url=payment.url))["ok"]
        answer = self.gateway.events(
            after_event_id=self.last, created_from=self.ledger.now() - timedelta(minutes=1)
        )
        assert isinstance(answer, Ok)
        self.last = answer.seen[-1].event_id
        ids = {name for one in answer.seen for name in (one.object_id, one.payment_intent_id or "")}
        (intent,) = {name for name in ids if name.startswith("pi_")}
        return intent, answer.seen

    def hear(self, way: str, event: EventSeen | None, intent: str) -> None:
        """Hear of a payment in one of the ways."""
        now = self.ledger.now()
        match way:
            case "webhook":
                assert event is not None
                self.news.take([event])
                self.news.handle_waiting(now)
            case "poll":
                self.news.poll(now)
                self.news.handle_waiting(now)
            case "page":
                assert event is not None
                if event.object_id.startswith("cs_"):
                    self.payments.sync_session(event.object_id)
            case "intent":
                self.payments.sync_intent(intent)
            case "sweep":
                self.payments.sweep(now)

    def credited(self, intent: str) -> bool:
        """Say whether an intent was credited; that it was once, its key and the sum at the end prove."""
        with self.ledger.reading() as connection:
            return transfer_by_key(connection, self.wallet_id, "stripe", f"credit:{intent}") is not None


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One wallet, one Stripe."""
    folder = tmp_path_factory.mktemp("orders")
    stage, clock = Stage(), SettableClock()
    shop = Shop(stage, clock, folder)
    ledger = open_ledger(f"sqlite:///{folder / 'redbar.db'}", clock)
    gateway = StripeGateway(KEY, f"{shop.base_url}/stripe")
    wallets = Wallets(ledger)
    payments = Payments(ledger, gateway, install=wallets.install_id(), return_url="https://slack.example/")
    wallet_id = wallets.open(
        team_id="T1", enterprise_id="", name="Orders", bot_user_id="U1", currency=DOLLARS.currency, zone="UTC"
    )
    yield Desk(shop, ledger, gateway, payments, News(ledger, gateway, payments, webhook=True), wallet_id)
    ledger.close()
    gateway.close()
    shop.close()
    stage.stop()


def test_every_order_of_the_ways_credits_once(desk: Desk) -> None:
    """One after the other, in all hundred and twenty orders."""
    for ways in permutations(["webhook", "poll", "page", "intent", "sweep"]):
        intent, events = desk.paid()
        for way in ways:
            for event in events:
                desk.hear(way, event, intent)
        assert desk.credited(intent), ways


def test_any_order_and_repetition_at_once_credits_once(desk: Desk) -> None:
    """Each piece of news one to five times, shuffled, from four threads."""
    chance = random.Random(20261125)  # noqa: S311 - a fixed seed, so that a failure comes again
    before = desk.shop.charges()
    for number in range(ORDERS):
        intent, events = desk.paid()
        heard: list[tuple[str, EventSeen | None]] = []
        heard += [(way, event) for event in events for way in ("webhook", "page")]
        heard += [(way, None) for way in ("poll", "intent", "sweep")]
        heard = [one for one in heard for _ in range(chance.randint(1, 5 if number % 10 == 0 else 2))]
        chance.shuffle(heard)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(desk.hear, *zip(*heard, strict=True), repeat(intent)))

        assert desk.credited(intent), (number, heard)

    made = len(desk.shop.charges()) - len(before)
    assert made == ORDERS
    with desk.ledger.reading() as connection:
        view, _ = desk.ledger.look(connection, desk.wallet_id)
        assert verify_books(connection) == []
    assert view.balance_micros == DOLLARS.micros * len(desk.shop.charges())


@pytest.mark.parametrize("days", [4, 35])
def test_after_a_long_sleep_nothing_is_missing(desk: Desk, days: int) -> None:
    """Nobody polled for days; after thirty, Stripe does not even know the last event that was read."""
    clock = desk.shop.clock
    desk.news.poll(desk.ledger.now() + timedelta(hours=1))
    intent, _ = desk.paid()
    if days > 30:
        with desk.ledger.store.writing() as connection:
            mine = (cursors.c.wallet_id == NIL_WALLET) & (cursors.c.name == "events")
            assert connection.execute(update(cursors).where(mine).values(value="evt_forgotten")).rowcount == 1
    clock.skip(days=days)

    for _ in range(2):
        desk.news.poll(desk.ledger.now())
        desk.news.handle_waiting(desk.ledger.now())
        clock.skip(hours=1)

    assert desk.credited(intent)
    with desk.ledger.reading() as connection:
        (kept,) = connection.execute(
            select(cursors.c.value).where(cursors.c.wallet_id == NIL_WALLET, cursors.c.name == "events")
        ).scalars()
    assert kept.startswith("evt_")
    assert kept != "evt_forgotten"
