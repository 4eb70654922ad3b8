"""Where rounds of the fault matrix are played: a stand-in that outlives them all, and the states they begin from."""

import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast
from uuid import UUID

from bot.app import open_ledger
from bot.payments.inbox import News
from bot.payments.requests import Payments
from bot.payments.saved_cards import card_slots
from bot.payments.top_ups import Charges
from bot.sandbox.document_store import DocumentStore
from bot.served import Served
from bot.states.card_slot import CardSlot
from bot.stripe.gateway import StripeGateway
from bot.stripe.requests import NotReached
from bot.use_cases import use_cases_of
from bot.wallets.rules import Rules
from bot.wallets.workspaces import Workspaces
from ledger import Ledger, RechargeRule
from tests.blank_books import lay_books
from tests.faults.fork import Ended, ForkServer
from tests.faults.life import FIFTY, USD, Order, SharedClock
from tests.persons import owner
from tests.sandbox.slack_place import SettableClock, Stage
from tests.sandbox.stripe_place import KEY, MASTERCARD, VISA, Shop

CellT = TypeVar("CellT")
LANES = 1 if "PYTEST_XDIST_WORKER" in os.environ else 2
"""Rounds are played two at a time, unless the tests themselves run so."""
DISPUTED, SUSPECTED = "4000 0000 0000 0259", "4000 0000 0000 5423"
BEGAN = datetime.fromisoformat("2026-11-25T09:00:00+00:00")


@dataclass
class Start:
    """A prepared state: the books, Stripe's memory, and what a wish needs to know."""

    folder: Path
    wallet_id: UUID
    instant: datetime
    known: int
    targets: dict[str, str]


@dataclass
class Setting:
    """The hands that prepare a state."""

    shop: Shop
    clock: SharedClock
    ledger: Ledger
    payments: Payments
    news: News
    rules: Rules
    wallet_id: UUID
    known: int = 0
    card: str = ""

    def hear(self) -> None:
        """Let news come in."""
        self.clock.skip(minutes=11)
        self.news.poll(self.ledger.now())
        self.news.handle_waiting(self.ledger.now())

    def pay(self, payment: Any) -> None:
        """Pay what was offered, and hear of it."""
        self.known += 1
        assert self.shop.pay(SimpleNamespace(url=payment.url, id=payment.session_id))["ok"]
        self.hear()

    def fund(self) -> None:
        """Save a card, and bring in fifty dollars."""
        self.pay(self.payments.connect(self.wallet_id, USD, asked_by=owner("U1")))
        self.pay(self.payments.ask(self.wallet_id, FIFTY, asked_by=owner("U1"), payer="U2", note=""))

    def prepare(self, name: str) -> dict[str, str]:
        """Make a named state; gives the targets that wishes have there."""
        targets: dict[str, str] = {}
        if name not in ("bare", "customer unknown"):
            self.fund()
            with self.ledger.reading() as connection:
                self.card = targets["detach"] = card_slots(connection, self.wallet_id)[CardSlot.MAIN]
        match name:
            case "page offered":
                offered = self.payments.offer_page(
                    self.wallet_id, FIFTY, asked_by=owner("U1"), saves_card=True
                )
                targets["withdraw"] = str(offered.payment_id)
                self.known += 1
            case "link offered":
                asked = self.payments.ask(self.wallet_id, FIFTY, asked_by=owner("U1"), payer="U2", note="")
                targets["withdraw"] = str(asked.payment_id)
                self.known += 1
            case "about to charge" | "declining" | "asking":
                charges = Charges(self.ledger, self.payments, Served("T1"))
                targets["charge"], _ = charges.prepare(self.wallet_id, FIFTY, actor=owner("U1"))
            case "automatic":
                self.rules.turn_on(
                    self.wallet_id,
                    RechargeRule(threshold_micros=100_000_000, fixed_micros=50_000_000),
                    card_id=targets["detach"],
                    backup_id="",
                    actor=owner("U1"),
                    expected_version=None,
                )
            case _:
                self._prepare_reading(name)
        turned = {"declining": "insufficient_funds", "asking": "authentication_required"}
        if name in turned:
            self.shop.arm(last4="4242", decline=turned[name])
        return targets

    def _prepare_reading(self, name: str) -> None:
        """Let something happen at Stripe that nobody here has heard of."""
        match name:
            case "page paid":
                page = self.payments.offer_page(self.wallet_id, FIFTY, asked_by=owner("U1"), saves_card=True)
                self._pays(page)
            case "card connected":
                self._pays(self.payments.connect(self.wallet_id, USD, asked_by=owner("U1")), MASTERCARD)
            case "link paid, 8 days ago":
                self._pays(self._link())
                self.clock.skip(days=8)
            case "link paid, unheard":
                self.shop.arm(delay="*")
                self._pays(self._link())
                self.shop.arm(clear=True)
            case "refunded":
                self._claw_back("refund", charge=self.shop.charges()[-1]["id"], amount=700)
            case "disputed":
                self._pays(self._link(), DISPUTED)
            case "suspected":
                self._pays(self._link(), SUSPECTED)
            case "renewed":
                self.shop.arm(renew=self.card, exp_year=2041, last4="4343")
            case "customer unknown":
                self.shop.arm(match="POST /v1/customers", mode="status", status=500, do=True, stored=True)
                with suppress(NotReached):
                    self.payments.connect(self.wallet_id, USD, asked_by=owner("U1"))
            case "charge unknown":
                self.shop.arm(match="POST /v1/payment_intents/*/confirm", mode="reset_after")
                charges = Charges(self.ledger, self.payments, Served("T1"))
                charges.charge(
                    self.wallet_id,
                    charges.prepare(self.wallet_id, FIFTY, actor=owner("U1"))[0],
                    actor=owner("U1"),
                )
                self.clock.skip(hours=21)
            case "everything unheard":
                self._claw_back("refund", charge=self.shop.charges()[-1]["id"], amount=700)
                self._pays(self._link(), DISPUTED)
                self._pays(self._link())
            case _:
                return
        self.clock.skip(minutes=12)  # so that it is time to look

    def _link(self) -> Any:
        return self.payments.ask(self.wallet_id, FIFTY, asked_by=owner("U1"), payer="U2", note="")

    def _pays(self, payment: Any, number: str = VISA) -> None:
        target = SimpleNamespace(url=payment.url, id=payment.session_id)
        assert self.shop.pay(target, number)["ok"]

    def _claw_back(self, act: str, **wish: Any) -> None:
        self.shop.http.post("/sandbox/api/stripe/clawback", json={"act": act, **wish}).raise_for_status()


# --- Where rounds are played -------------------------------------------------------------------------------


class Doorman:
    """Lets requests in, and knows when none is inside any more."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._inside = 0
        self._changed = threading.Condition()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        with self._changed:
            self._inside += 1
        try:
            await self._app(scope, receive, send)
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def wait_until_empty(self) -> None:
        """Wait until requests that hang have come to their end."""
        with self._changed:
            assert self._changed.wait_for(lambda: not self._inside, timeout=30)


class Lane:
    """One stand-in with one process that forks, on which rounds are played one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.clock = SharedClock(folder / "clock")
        self.clock.set(BEGAN)
        self._stage = Stage()
        self.shop = Shop(self._stage, cast(SettableClock, self.clock), folder)
        self._own_shelf = self.shop.stand_in.state.store
        self._doorman = Doorman(self._stage.app)
        self._stage.app = self._doorman
        # Bound and never listening: whoever connects is refused, and nobody else can take the port.
        self._nobody = socket.socket()
        self._nobody.bind(("127.0.0.1", 0))
        self.forks = ForkServer()
        self._starts: dict[str, Start] = {}
        self._rounds = 0
        self._warm_up()

    def close(self) -> None:
        """Let go of everything."""
        self.shop.stand_in.state.store = self._own_shelf
        self.shop.close()
        self._stage.stop()
        self.forks.close()
        self._nobody.close()

    def _warm_up(self) -> None:
        """Have the process that forks live a life itself, so that what is imported and compiled late is there."""
        with self.round("about to charge") as (start, folder):
            order = self.order(start, folder, wish="page", restarts=True, automatic=True, patience=5)
            warmed = self.forks.live(order, forked=False)
            assert not warmed.heard("broken"), warmed.said

    def start(self, name: str) -> Start:
        """Give a prepared state, made on first need."""
        if name not in self._starts:
            folder = self._folder / name.replace(" ", "-")
            folder.mkdir()
            self._starts[name] = self._prepared(name, folder)
        return self._starts[name]

    def _prepared(self, name: str, folder: Path) -> Start:
        store = self.shop.stand_in.state.store = DocumentStore(folder / "stripe.db")
        self.clock.set(BEGAN)
        ledger = open_ledger(f"sqlite:///{lay_books(folder) / 'redbar.db'}", self.clock)
        gateway = StripeGateway(KEY, f"{self.shop.base_url}/stripe")
        workspaces = Workspaces(ledger)
        wallet_id = workspaces.open(
            team_id="T1", enterprise_id="", name="Matrix", bot_user_id="U0", currency=USD, zone="UTC"
        )
        made = use_cases_of(ledger, gateway, Served("T1"), return_url="https://slack.example/", webhook=False)
        setting = Setting(self.shop, self.clock, ledger, made.payments, made.news, Rules(ledger), wallet_id)
        targets = setting.prepare(name)
        ledger.close()
        gateway.close()
        store.close()
        return Start(folder, wallet_id, self.clock.now(), setting.known, targets)

    @contextmanager
    def round(self, name: str) -> Iterator[tuple[Start, Path]]:
        """Lay out copies of a prepared state; gives it and the folder that holds them."""
        start = self.start(name)
        self._rounds += 1
        folder = self._folder / f"round-{self._rounds}"
        shutil.copytree(start.folder, folder)
        store = self.shop.stand_in.state.store = DocumentStore(folder / "stripe.db", synchronous="NORMAL")
        self.clock.set(start.instant)
        try:
            yield start, folder
        finally:
            self.shop.stand_in.faults.clear()
            store.close()
            shutil.rmtree(folder)

    def order(
        self,
        start: Start,
        folder: Path,
        *,
        wish: str = "",
        operation: str = "",
        by_way_of: str = "",
        read_dies: str = "",
        restarts: bool = False,
        automatic: bool = False,
        catches_up: str = "",
        insists: str = "",
        failpoints: str = "",
        patience: int = 60,
    ) -> Order:
        """Order a life in a laid out state."""
        return Order(
            database=str(folder / "redbar.db"),
            clock=str(self.clock.path),
            stripe=f"{self.shop.base_url}/stripe",
            secret=KEY,
            nobody=self.nobody,
            operation=operation,
            by_way_of=by_way_of,
            read_dies=read_dies,
            wallet_id=str(start.wallet_id),
            wish=wish,
            target=start.targets.get(wish or insists, ""),
            restarts=restarts,
            automatic=automatic,
            known=start.known,
            catches_up=catches_up,
            insists=insists,
            failpoints=failpoints,
            patience=patience,
        )

    def live(self, order: Order) -> Ended:
        """Have a life lived, and wait until nothing of it is left at the stand-in."""
        ended = self.forks.live(order)
        self._doorman.wait_until_empty()
        return ended

    @property
    def nobody(self) -> str:
        """An address at which nobody listens."""
        host, port = self._nobody.getsockname()
        return f"http://{host}:{port}/stripe"


def on_lanes(
    lanes: Sequence[Lane],
    start: str,
    cells: Sequence[CellT],
    played: Callable[[Lane, Sequence[CellT]], list[str]],
) -> list[str]:
    """Play the cells that begin from one state on all lanes side by side; gives what is wrong."""
    for lane in lanes:
        lane.start(start)  # here, since migrations cannot run on two threads at once
    parts = [cells[number :: len(lanes)] for number in range(min(len(lanes), len(cells)))]
    with ThreadPoolExecutor(len(lanes)) as pool:
        return list(chain(*pool.map(played, lanes, parts)))
