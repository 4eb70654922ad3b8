"""A bot without Slack in front of a Stripe that is served: what tests of news and money need, and no more."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import insert, select

from bot.app import open_ledger
from bot.notices import BotNotice
from bot.payments.cards import Cards
from bot.payments.disputes import Disputes
from bot.payments.inbox import News
from bot.payments.recharge import Recharge
from bot.payments.refunds import Refunds
from bot.payments.requests import Payments
from bot.payments.sending import RequestSender
from bot.payments.sweep import Sweep
from bot.payments.sync import Sync
from bot.payments.top_ups import Charges
from bot.ports import EventSeen, Ok
from bot.reconciliation.run import Reconciliation
from bot.served import Served
from bot.stripe.gateway import StripeGateway
from bot.tables import billing, workspaces
from bot.use_cases import use_cases_of
from bot.wallets.workspaces import Workspaces, begin_work
from ledger import (
    Automatic,
    Clock,
    Currency,
    Ledger,
    Money,
    RechargeRule,
    Tx,
    WalletView,
    new_wallet_id,
    transfer_by_key,
)
from ledger.storage.schema import notices
from tests.blank_books import lay_books
from tests.persons import owner
from tests.sandbox.slack_place import SettableClock, lent_stage
from tests.sandbox.stripe_place import KEY, VISA, Shop

DOLLARS = Money(20_000_000, Currency.of("USD"))
NoticeT = TypeVar("NoticeT", bound=BotNotice)


@dataclass
class BotDriver:
    """A bot without Slack in front of a Stripe that is served."""

    shop: Shop
    ledger: Ledger
    gateway: StripeGateway
    sender: RequestSender
    payments: Payments
    news: News
    sync: Sync
    sweep: Sweep
    refunds: Refunds
    disputes: Disputes
    cards: Cards
    charges: Charges
    recharge: Recharge
    reconciliation: Reconciliation
    served: Served
    wallet_id: UUID
    known: set[str] = field(default_factory=set)
    """The events that the tests have read."""
    known_until: datetime | None = None

    def paid(self, number: str = VISA) -> tuple[str, Sequence[EventSeen]]:
        """Have a link made and paid; gives the intent and the events that tell of it, none of them heard yet."""
        # Events are read by their second. On a clock that stands still each look would list all earlier ones again.
        self.shop.clock.skip(seconds=1)
        payment = self.payments.ask(self.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="")
        assert self.shop.pay(SimpleNamespace(url=payment.url), number)["ok"]
        events = self.happened()
        intent = [one.object_id for one in events if one.kind == "payment_intent.succeeded"][-1]
        return intent, events

    def happened(self) -> Sequence[EventSeen]:
        """Give the events since the last look, none of them heard yet."""
        since = self.known_until or self.ledger.now() - timedelta(minutes=1)
        answer = self.gateway.events(since)
        assert isinstance(answer, Ok)
        fresh = [one for one in answer.seen if one.event_id not in self.known]
        self.known |= {one.event_id for one in fresh}
        self.known_until = fresh[-1].created if fresh else since
        return fresh

    def claw_back(self, act: str, **wish: Any) -> dict[str, Any]:
        """Do what the account's owner, a bank or a network does to a charge."""
        answer = self.shop.http.post("/sandbox/api/stripe/clawback", json={"act": act, **wish})
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def hear_all(self, events: Sequence[EventSeen]) -> None:
        """Take events in and handle them."""
        self.news.take(events)
        self.news.handle_waiting(self.ledger.now())

    def told(self, kind: type[NoticeT]) -> list[NoticeT]:
        """Give the notices of one kind that were committed, oldest first."""
        mine = (notices.c.wallet_id == self.wallet_id) & (notices.c.name == kind.name)
        with self.ledger.reading() as connection:
            rows = connection.execute(select(notices.c.body).where(mine).order_by(notices.c.seq))
            return [msgspec.json.decode(body, type=kind) for body in rows.scalars()]

    def view(self) -> WalletView:
        """Look at the wallet."""
        with self.ledger.reading() as connection:
            return self.ledger.look(connection, self.wallet_id)[0]

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
                    self.sync.session(event.object_id)
            case "intent":
                self.sync.intent(intent)
            case "sweep":
                self.sweep.run(now)
            case _:
                raise AssertionError(f"no such way: {way}")

    def credited(self, intent: str) -> bool:
        """Say whether an intent was credited; that it was once, its key and the sum at the end prove."""
        with self.ledger.reading() as connection:
            return transfer_by_key(connection, self.wallet_id, "stripe", f"credit:{intent}") is not None


def rule_on(driver: BotDriver) -> None:
    """Turn automatic payments on: below $50 back to $200."""
    with driver.ledger.reading() as connection:
        _, policy = driver.ledger.look(connection, driver.wallet_id)
    rule = RechargeRule(
        threshold_micros=50_000_000,
        target_micros=200_000_000,
        fixed_micros=None,
        per_day_max=3,
        day_cap_micros=500_000_000,
        month_cap_micros=5_000_000_000,
    )
    on = replace(policy, automatic=Automatic.ON, rule=rule)
    driver.ledger.run(
        lambda tx: tx.book.set_policy(driver.wallet_id, on, actor="U1", expected_version=None),
        wallet_id=driver.wallet_id,
    )


def automatic(driver: BotDriver) -> Automatic:
    """Say whether automatic payments are on."""
    with driver.ledger.reading() as connection:
        return driver.ledger.look(connection, driver.wallet_id)[1].automatic


def open_beside(ledger: Ledger, team_id: str, *, name: str = "Two") -> UUID:
    """Open the wallet of another workspace in the same books, as versions did that did not refuse it."""
    wallet_id = new_wallet_id()

    def make(tx: Tx) -> None:
        tx.book.create_wallet(wallet_id, "USD", "UTC")
        tx.connection.execute(insert(billing).values(wallet_id=wallet_id, customer_id="", refs_given=0))
        tx.connection.execute(
            insert(workspaces).values(
                team_id=team_id,
                enterprise_id="",
                wallet_id=wallet_id,
                name=name,
                bot_user_id="U0",
                created_at=tx.now,
            )
        )
        begin_work(tx, wallet_id)

    ledger.run(make, wallet_id=None)
    return wallet_id


@contextmanager
def driver_in(
    folder: Path,
    url: str = "",
    *,
    clock: SettableClock | None = None,
    port: Clock | None = None,
    zone: str = "UTC",
) -> Iterator[BotDriver]:
    """Set up one wallet and one Stripe; the books are a file in the folder, or a database by its address.

    `clock` is the time of the outside, and of the bot where no `port` is its clock.
    """
    with ExitStack() as stack:
        clock = clock or SettableClock()
        shop = Shop(stack.enter_context(lent_stage()), clock, folder)
        stack.callback(shop.close)
        ledger = open_ledger(url or f"sqlite:///{lay_books(folder) / 'redbar.db'}", port or clock)
        gateway = StripeGateway(KEY, f"{shop.base_url}/stripe")
        stack.callback(gateway.close)
        stack.callback(ledger.close)
        workspaces = Workspaces(ledger)
        served = Served("T1")
        wallet_id = workspaces.open(
            team_id="T1",
            enterprise_id="",
            name="Orders",
            bot_user_id="U1",
            currency=DOLLARS.currency,
            zone=zone,
        )
        made = use_cases_of(ledger, gateway, served, return_url="https://slack.example/", webhook=True)
        yield BotDriver(
            shop=shop,
            ledger=ledger,
            gateway=gateway,
            sender=made.sender,
            payments=made.payments,
            news=made.news,
            sync=made.sync,
            sweep=made.sweep,
            refunds=made.refunds,
            disputes=made.disputes,
            cards=made.cards,
            charges=made.charges,
            recharge=made.recharge,
            reconciliation=made.reconciliation,
            served=served,
            wallet_id=wallet_id,
        )
