"""A ledger with one wallet and a clock that tests move, and short words for what tests do with it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import select

from ledger import (
    OUTBOUND_CALL,
    CaptureHold,
    Clock,
    Command,
    CreditKind,
    ExtendHold,
    HistoryRow,
    HoldAnswer,
    JudgedClock,
    Ledger,
    OpenHold,
    Outcome,
    PostMoney,
    PostUsage,
    Receipt,
    Refused,
    Tx,
    Waiting,
    WalletPolicy,
    WalletView,
    due_notices,
    history,
    new_wallet_id,
    unscheduled_wallets,
    verify_books,
)
from ledger.deciding.rows import Transfer
from ledger.storage.schema import notices
from ledger.storage.statements import statements_for

MORNING = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
"""A Monday."""
DOLLAR = 1_000_000

AnswerT = TypeVar("AnswerT")


def usd(text: str) -> int:
    """Give micro-units of dollars: usd("0.42")."""
    whole, _, cents = text.replace(",", "").partition(".")
    sign = -1 if whole.startswith("-") else 1
    return sign * (abs(int(whole)) * DOLLAR + int(cents.ljust(6, "0")))


def _take(tx: Tx, wallet_id: UUID, notice_id: UUID) -> Waiting | None:
    return tx.outbox.take(wallet_id, notice_id, lease=timedelta(minutes=2))


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime = MORNING) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def skip(self, **span: int) -> None:
        self.at += timedelta(**span)

    def port(self) -> Clock:
        """Give the clock that a ledger reads."""
        return self


class Machine(ManualClock):
    """A machine with a wall clock and a monotonic one: time passes for both, and `leap` moves the wall clock alone."""

    def __init__(self, at: datetime = MORNING) -> None:
        super().__init__(at)
        self.boot = "first"
        self.monotonic = timedelta(hours=1)

    def skip(self, **span: int) -> None:
        super().skip(**span)
        self.monotonic += timedelta(**span)

    def leap(self, **span: int) -> None:
        self.at += timedelta(**span)

    def ticks(self) -> timedelta:
        return self.monotonic

    def port(self) -> JudgedClock:
        """Give the clock of a process that starts now."""
        return JudgedClock(self, self.ticks, boot=self.boot)


class WalletDriver:
    """One wallet in a ledger of its own."""

    def __init__(
        self,
        url: str,
        *,
        zone: str = "America/New_York",
        policy: WalletPolicy | None = None,
        clock: ManualClock | None = None,
    ) -> None:
        self.url = url
        self.clock = clock or ManualClock()
        self.ledger = Ledger(self.url, self.clock.port())
        self.wallet_id = self.open_wallet(zone=zone, policy=policy)
        self.honest = True
        """False once a test has forged the books on purpose."""
        self._numbers = count(1)

    def open_wallet(
        self, *, currency: str = "USD", zone: str = "America/New_York", policy: WalletPolicy | None = None
    ) -> UUID:
        wallet_id = new_wallet_id()
        self.ledger.run(lambda tx: tx.book.create_wallet(wallet_id, currency, zone, policy))
        return wallet_id

    @property
    def sqlite(self) -> bool:
        """Whether it lies in SQLite."""
        return self.url.startswith("sqlite")

    def stored(self, wallet_id: UUID | str) -> object:
        """Give an id as this database keeps it."""
        return str(wallet_id) if self.sqlite else UUID(str(wallet_id))

    def close(self) -> None:
        self.ledger.close()

    def reopen(self) -> None:
        self.ledger.close()
        self.ledger = Ledger(self.url, self.clock.port())

    def do(self, *commands: Command) -> list[Outcome]:
        return self.ledger.carry_out(self.wallet_id, commands)

    def one(self, command: Command, kind: type[AnswerT]) -> AnswerT:
        (outcome,) = self.do(command)
        assert isinstance(outcome, kind), outcome
        return outcome

    def top_up(self, dollars: str, *, kind: CreditKind = CreditKind.TOP_UP, key: str = "") -> Receipt:
        return self.one(
            PostMoney("stripe", key or f"credit:{next(self._numbers)}", kind, usd(dollars), None), Receipt
        )

    def use(
        self,
        dollars: str,
        *,
        kind: str = OUTBOUND_CALL,
        key: str = "",
        hold: str | None = None,
        parent: str | None = None,
        at: datetime | None = None,
        quantity: int | None = None,
        reference: str = "",
        description: str = "",
    ) -> Receipt:
        return self.one(
            PostUsage(
                "platform",
                key or f"call-{next(self._numbers)}",
                kind,
                usd(dollars),
                at,
                quantity=quantity,
                reference=reference,
                description=description,
                hold_id=hold,
                parent=parent,
            ),
            Receipt,
        )

    def ask(
        self,
        hold_id: str,
        *,
        kind: str = OUTBOUND_CALL,
        estimate: str | None = None,
        parent: str | None = None,
    ) -> HoldAnswer:
        micros = None if estimate is None else usd(estimate)
        return self.one(OpenHold(hold_id, kind, micros, parent=parent), HoldAnswer)

    def extend(self, hold_id: str, estimate: str | None = None) -> HoldAnswer:
        micros = None if estimate is None else usd(estimate)
        return self.one(ExtendHold(hold_id, micros), HoldAnswer)

    def capture(self, hold_id: str, dollars: str) -> Receipt:
        return self.one(CaptureHold(hold_id, usd(dollars), None), Receipt)

    def refusal(self, command: Command) -> Refused:
        (outcome,) = self.do(command)
        assert isinstance(outcome, Refused), outcome
        return outcome

    def observe(self) -> None:
        self.ledger.run(lambda tx: tx.book.observe(self.wallet_id))

    def set_policy(self, **changes: object) -> None:
        def change(tx: Tx) -> None:
            policy, version = tx.book.policy(self.wallet_id)
            tx.book.set_policy(
                self.wallet_id,
                replace(policy, **changes),  # type: ignore[arg-type]
                actor="U1",
                expected_version=version,
            )

        self.ledger.run(change)

    def view(self) -> WalletView:
        with self.ledger.reading() as connection:
            view, _ = self.ledger.look(connection, self.wallet_id)
        return view

    def history(self, *, limit: int = 50) -> list[HistoryRow]:
        with self.ledger.reading() as connection:
            return history(connection, self.wallet_id, limit=limit)

    def transfers(self) -> list[Transfer]:
        """Give the rows themselves, in order."""
        with self.ledger.reading() as connection:
            statement = statements_for(connection).all_of_wallet
            rows = connection.exec_driver_sql(statement, {"wallet_id": str(self.wallet_id)})
            return [Transfer._make(row) for row in rows]

    def told(self) -> list[str]:
        """Give the names of all notices of the wallet, in order."""
        return [name for name, _ in self._notices()]

    def bodies(self, name: str) -> list[dict[str, object]]:
        """Give what notices of one name say, in order."""
        return [msgspec.json.decode(body) for one, body in self._notices() if one == name]

    def _notices(self) -> list[tuple[str, str]]:
        with self.ledger.reading() as connection:
            rows = connection.execute(
                select(notices.c.name, notices.c.body)
                .where(notices.c.wallet_id == self.wallet_id)
                .order_by(notices.c.seq)
            )
            return [(name, body) for name, body in rows]

    def claim(self) -> list[Waiting]:
        """Take what is due from the outbox."""
        with self.ledger.reading() as connection:
            due = due_notices(connection, self.clock.now(), limit=50)
        taken = [self.ledger.run(partial(_take, wallet_id=one, notice_id=other)) for one, other in due]
        return [one for one in taken if one is not None]

    def findings(self, *, everybody: bool = True) -> list[str]:
        """Give what is wrong with the books, in words; of this wallet alone where a database is shared."""
        with self.ledger.reading() as connection:
            found = verify_books(connection, None if everybody else self.wallet_id)
            assert self.wallet_id not in unscheduled_wallets(connection), "nobody would look at what is due"
            return [str(finding) for finding in found]
