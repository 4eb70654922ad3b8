"""One life of a bot without Slack, told what to wish for and what befalls it; lived in a forked process."""

import http.client
import json
import logging
import mmap
import os
import signal
import struct
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict, cast
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import func, select

from bot.ports import PaymentGateway
from bot.reconciliation.run import NotReconciled
from bot.served import Served
from bot.slack.views.causes import difference_words
from bot.states.payment import State
from bot.states.stripe_request import Operation
from bot.stripe import requests as stripe_requests
from bot.stripe.gateway import StripeGateway
from bot.tables import billing, cards, disputes, inbox, payments
from bot.tables import stripe_requests as request_rows
from bot.use_cases import use_cases_of
from ledger import Currency, Ledger, Money, Refused, failpoints, verify_books
from ledger.storage.schema import transfers
from tests.persons import owner

MOMENT_SECONDS = 0.15
USD = Currency.of("USD")
FIFTY = Money(50_000_000, USD)
POSTS = {
    "create_customer": "customer",
    "create_session": "session",
    "expire_session": "expire_session",
    "create_link": "link",
    "deactivate_link": "deactivate_link",
    "create_intent": "intent",
    "confirm_intent": "confirm",
    "cancel_intent": "cancel_intent",
    "detach_card": "detach",
}
"""The gateway's methods that send a POST, with the operation of each."""
KEYS_FORGOTTEN = timedelta(hours=21)
"""After which a Stripe request that never got an answer is looked up instead of sent."""


class Order(TypedDict):
    """What happens in a life."""

    database: str
    clock: str
    stripe: str
    """Where Stripe is."""
    secret: str
    """The key to its API."""
    nobody: str
    """An address at which nobody listens."""
    operation: str
    """The Stripe request that goes wrong in this life, or the gateway's method that reads."""
    by_way_of: str
    """Where its first request goes: to "nobody", or where an "impatient" gateway waits but a moment; else empty."""
    read_dies: str
    """Whether the process dies "before" or "after" that reading; empty for not."""
    wallet_id: str
    wish: str
    """What is wished for; empty for nothing."""
    target: str
    """The payment, intent or card that it is about."""
    restarts: bool
    """Whether it goes on until nothing is left to do, instead of ending after the wish."""
    automatic: bool
    """Whether automatic payments are considered at each look."""
    known: int
    """How many payments there were before the first wish."""
    catches_up: str
    """A wish that is repeated for an hour, instead of going on until nothing is left to do; else empty."""
    insists: str
    """A wish that is repeated when all is quiet and it has come to nothing."""
    failpoints: str
    patience: int
    """How many looks, a minute apart, everything may take that Stripe answers sooner or later."""


class SharedClock:
    """A clock in a file: whoever opens it sees it stand still and move at the same moment."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(8))
        self.path = path
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 8)

    def now(self) -> datetime:
        """Give the instant at which it stands."""
        (micros,) = struct.unpack("<q", self._shared[:])
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)

    def set(self, instant: datetime) -> None:
        """Move to an instant."""
        micros = (instant - datetime(2026, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        self._shared[:] = struct.pack("<q", micros)

    def skip(self, **delta: float) -> None:
        """Move by a timedelta's arguments."""
        self.set(self.now() + timedelta(**delta))


class Witness:
    """The real gateway, watched: no POST without its committed row, and no second key while the first is unknown.

    One request of one operation can be led astray, and the process can die around one reading.
    """

    def __init__(
        self,
        ledger: Ledger,
        real: StripeGateway,
        astray: tuple[str, StripeGateway] | None,
        dies: tuple[str, str],
        say: Callable[[dict[str, Any]], None],
    ) -> None:
        self._ledger = ledger
        self._real = real
        self._astray = astray
        self._dies = dies
        self._say = say

    def __getattr__(self, name: str) -> Any:
        operation = POSTS.get(name)

        def post(*told: Any) -> Any:
            *given, key = told
            assert operation is not None
            self._watch(operation, given, key)
            return getattr(self._way(operation), name)(*told)

        def read(*told: Any, **named: Any) -> Any:
            self._die_if_due(name, "before")
            answer = getattr(self._way(name), name)(*told, **named)
            self._die_if_due(name, "after")
            return answer

        return post if operation is not None else read

    def _way(self, operation: str) -> StripeGateway:
        if self._astray is None or self._astray[0] != operation:
            return self._real
        (_, gateway), self._astray = self._astray, None
        self._say({"astray": operation})
        return gateway

    def _die_if_due(self, name: str, place: str) -> None:
        if self._dies == (name, place):
            os.kill(os.getpid(), signal.SIGKILL)

    def _watch(self, operation: str, given: list[Any], key: str) -> None:
        with self._ledger.reading() as connection:
            rows = connection.execute(select(request_rows)).mappings().all()
        (row,) = [one for one in rows if one["key"] == key]
        if row["state"] not in ("planned", "unknown") or row["operation"] != operation:
            self._say({"broken": f"{key} was sent though its row says {row['operation']} {row['state']}"})
        body = json.loads(row["body"])
        if given != [one for one in (row["object_id"], body) if one]:
            self._say({"broken": f"{key} was sent with {given}, and its row says {body}"})
        rivals = [
            one["key"]
            for one in rows
            if one["key"] != key
            and one["state"] in ("planned", "unknown")
            and (one["operation"], one["payment_id"]) == (operation, row["payment_id"])
        ]
        if rivals:
            self._say({"broken": f"{key} was sent while {rivals} are not known to have ended"})


class Life:
    """A process's work from its start to its end."""

    def __init__(self, order: Order, say: Callable[[dict[str, Any]], None]) -> None:
        self._order = order
        self._say = say
        failpoints.passed.clear()
        failpoints.arm(order["failpoints"])
        for name in ("redbar", "stripe"):
            logging.getLogger(name).addHandler(logging.NullHandler())
            logging.getLogger(name).propagate = False
        self._clock = SharedClock(Path(order["clock"]))
        self._began = self._clock.now()
        # Migrated already: what happens to requests is not about that, and it would take a third of a life.
        self._ledger = Ledger(f"sqlite:///{order['database']}", self._clock)
        key = order["secret"]
        self._real = StripeGateway(key, order["stripe"])
        self._others = {
            "nobody": StripeGateway(key, order["nobody"]),
            "impatient": StripeGateway(key, order["stripe"], timeout=(5, MOMENT_SECONDS)),
        }
        way = order["by_way_of"]
        astray = (order["operation"], self._others[way]) if way else None
        dies = (order["operation"], order["read_dies"])
        gateway = cast(PaymentGateway, Witness(self._ledger, self._real, astray, dies, say))
        made = use_cases_of(
            self._ledger, gateway, Served("T1"), return_url="https://slack.example/", webhook=False
        )
        self._payments, self._charges, self._recharge = made.payments, made.charges, made.recharge
        self._sync, self._sweep = made.sync, made.sweep
        self._news, self._reconciliation = made.news, made.reconciliation
        self._wallet_id = UUID(order["wallet_id"])

    def live(self) -> None:
        """Do what was ordered, say what became of it, and let go of everything."""
        try:
            if self._order["wish"]:
                self._wish(self._order["wish"], self._order["target"])
            if self._order["catches_up"]:
                self._catch_up(self._order["catches_up"])
                self._say({"books": self._books()})
            elif self._order["restarts"]:
                self._settle_down()
                self._insist()
                if self._pay_what_is_offered():
                    self._settle_down()
                self._hear_everything_again()
                self._say({"books": self._books()})
            self._say({"passed": dict(failpoints.passed)})
        finally:
            self._ledger.close()
            for gateway in (self._real, *self._others.values()):
                gateway.close()

    # --- Wishes --------------------------------------------------------------------------------------------

    def _wish(self, wish: str, target: str) -> None:
        try:
            self._fulfil(wish, target)
        except Refused as refused:
            self._say({"refusal": type(refused).__name__})

    def _fulfil(self, wish: str, target: str) -> None:
        wallet_id, flow = self._wallet_id, self._payments
        match wish:
            case "connect":
                flow.connect(wallet_id, USD, asked_by=owner("U1"))
            case "page":
                flow.offer_page(wallet_id, FIFTY, asked_by=owner("U1"), saves_card=True)
            case "ask":
                flow.ask(wallet_id, FIFTY, asked_by=owner("U1"), payer="U2", note="")
            case "withdraw":
                flow.withdraw(wallet_id, UUID(target), by=owner("U1"))
            case "ask and withdraw" | "page and withdraw":
                self._wish(wish.partition(" ")[0], target)
                self._wish("withdraw all", target)
            case "withdraw all":
                for one in self._payments_in(State.ASKED, State.OFFERED):
                    flow.withdraw(wallet_id, one.payment_id, by=owner("U1"))
            case "charge":
                self._charges.charge(wallet_id, target, actor=owner("U1"))
            case "recharge":
                self._recharge.consider(wallet_id)
            case "detach":
                self._ledger.run(
                    lambda tx: stripe_requests.intend(
                        tx, wallet_id, Operation.DETACH, {}, payment_id=None, object_id=target
                    ),
                    wallet_id=wallet_id,
                )
                self._clock.skip(minutes=2)
                self._sweep.run(self._ledger.now())
            case "hear":
                self._news.poll(self._ledger.now())
                self._news.handle_waiting(self._ledger.now())
            case "sweep":
                self._sweep.run(self._ledger.now())
            case "compare":
                with suppress(NotReconciled):
                    digest = self._reconciliation.run(self._ledger.now())
                    self._say({"differences": [difference_words(one.cause) for one in digest.differences]})
            case other:
                raise AssertionError(f"no such wish: {other}")

    def _catch_up(self, wish: str) -> None:
        """Be there for an hour in which nothing more goes wrong."""
        for _ in range(5):
            self._clock.skip(minutes=12)
            self._wish(wish, "")

    def _insist(self) -> None:
        """Be somebody who asks again, and once more, as long as nothing came of it."""
        for _ in range(2):
            if self._order["insists"] and self._came_to_nothing():
                self._wish(self._order["insists"], self._order["target"])
                self._settle_down()

    def _came_to_nothing(self) -> bool:
        if self._order["insists"] == "detach":
            with self._ledger.reading() as connection:
                return "detach" not in connection.execute(select(request_rows.c.operation)).scalars().all()
        made = self._payments_in(*State)[self._order["known"] :]
        return all(one.state == State.FAILED.value for one in made)

    def _pay_what_is_offered(self) -> bool:
        """Be the payer: open what was offered and press the button."""
        offered = self._payments_in(State.OFFERED)
        for one in offered:
            kind = "link" if one.link_id else "checkout"
            name = str(one.url).rpartition("/")[2] if one.link_id else one.session_id
            stripe = urlsplit(self._order["stripe"])
            assert stripe.hostname is not None
            line = http.client.HTTPConnection(stripe.hostname, stripe.port, timeout=20)
            form = {"card": "4242 4242 4242 4242", "exp": "12/34", "cvc": "123"}
            line.request(
                "POST",
                f"/sandbox/api/{kind}/{name}/pay",
                json.dumps(form),
                {"content-type": "application/json"},
            )
            answer = json.loads(line.getresponse().read())
            line.close()
            assert answer["ok"], answer
        return bool(offered)

    # --- What a running bot does ---------------------------------------------------------------------------

    def _look_around(self) -> None:
        now = self._ledger.now()
        self._news.poll(now)
        self._news.handle_waiting(now)
        self._sweep.run(now)
        if self._order["automatic"]:
            self._recharge.consider(self._wallet_id)

    def _settle_down(self) -> None:
        """Look around, a minute apart, until nothing is open that only waits for Stripe's answer."""
        for waits in range(2):
            for _ in range(self._order["patience"]):
                self._clock.skip(seconds=61)
                self._look_around()
                if self._is_quiet():
                    return
            if waits == 0:
                self._clock.set(self._clock.now() + KEYS_FORGOTTEN)
                self._say({"waited": True})
        self._say({"broken": "it never fell quiet"})

    def _hear_everything_again(self) -> None:
        """Read events once more, long after: nothing that is told twice acts twice."""
        with self._ledger.reading() as connection:
            ids = connection.execute(
                select(inbox.c.kind, inbox.c.object_id).where(inbox.c.taken_at > self._began)
            ).all()
        for kind, object_id in ids:
            if kind.startswith("checkout.session."):
                self._sync.session(object_id)
            elif kind.startswith("payment_intent."):
                self._sync.intent(object_id)
        self._clock.skip(minutes=11)
        self._look_around()
        if not self._is_quiet():
            self._say({"broken": "it did not stay quiet"})

    def _is_quiet(self) -> bool:
        with self._ledger.reading() as connection:
            waiting = connection.execute(
                select(func.count()).select_from(inbox).where(inbox.c.handled_at.is_(None))
            ).scalar_one()
            unfinished = stripe_requests.unfinished(connection)
        return not waiting and not unfinished and not self._payments_in(State.ASKED, State.COLLECTING)

    def _payments_in(self, *states: State) -> list[Any]:
        with self._ledger.reading() as connection:
            return list(
                connection.execute(
                    select(payments)
                    .where(payments.c.state.in_([state.value for state in states]))
                    .order_by(payments.c.created_at)
                ).all()
            )

    # --- What the books say --------------------------------------------------------------------------------

    def _books(self) -> dict[str, Any]:
        with self._ledger.reading() as connection:
            view, _ = self._ledger.look(connection, self._wallet_id)
            return {
                "findings": [str(one) for one in verify_books(connection)],
                "balance": view.balance_micros,
                "customer": connection.execute(select(billing.c.customer_id)).scalar_one(),
                "credits": [
                    [row.source_id, row.amount]
                    for row in connection.execute(select(transfers).where(transfers.c.source == "stripe"))
                ],
                "booked": sorted(
                    [row.kind, row.amount, row.source_id]
                    for row in connection.execute(select(transfers).where(transfers.c.source == "stripe"))
                ),
                "cards": sorted(
                    [row.card_id, row.slot, row.exp_year] for row in connection.execute(select(cards))
                ),
                "disputes": sorted(
                    [row.dispute_id, row.status] for row in connection.execute(select(disputes))
                ),
                "payments": [
                    {
                        name: row[name]
                        for name in "ref purpose state intent_id session_id link_id decline_code".split()
                    }
                    for row in connection.execute(select(payments).order_by(payments.c.created_at)).mappings()
                ],
                "requests": [
                    {
                        **{name: row[name] for name in "operation object_id key state tries answer".split()},
                        "payment": str(row["payment_id"]),
                        "body": json.loads(row["body"]),
                    }
                    for row in connection.execute(
                        select(request_rows).order_by(request_rows.c.created_at)
                    ).mappings()
                ],
                "unread": [row.error for row in connection.execute(select(inbox)) if row.error],
                "waiting": connection.execute(
                    select(func.count()).select_from(inbox).where(inbox.c.handled_at.is_(None))
                ).scalar_one(),
            }
