"""Checks that the books are what they say they are. Only reads; a finding is an answer, never an exception.

The predicates are the ledger's invariants: every transfer has two sides, so that all accounts sum to zero (I1), is
whole and follows the one before (I2, I3); what is cached equals what can be derived (I4); a usage id posts once and a
hold ends once, by one capture, and then holds nothing (I6, I7); recorded time never runs back (I19). That money was
there when a hold was accepted (I5) is decided under the wallet's lock and leaves no trace to check later.

A history is walked once, in a stream: a long one takes no more memory than a short one.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, func, select

from ledger.chain import GENESIS, NO_TEXT, digest_of_text, link
from ledger.chart import MONEY, Account
from ledger.errors import WalletUnknown
from ledger.instants import from_stamp, to_stamp
from ledger.planning import HOLDS
from ledger.rows import CHAINED, Transfer
from ledger.statements import statements_for
from ledger.tables import holds, hourly, notices, policies, transfers, wallets

T = TypeVar("T")
Sums = dict[tuple[str, int, str], list[int]]

_FUNDING = frozenset(kind.value for kind, recipe in MONEY.items() if recipe.sign > 0)
_LOOKED_UP_AT_ONCE = 500
_BALANCE = Account.BALANCE.value


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be. `seq` is the first bad transfer, where one is to blame."""

    wallet_id: UUID
    check: str
    seq: int | None
    words: str

    def __str__(self) -> str:
        where = f"transaction {self.seq}" if self.seq is not None else "wallet"
        return f"{self.wallet_id}, {where}: {self.check}: {self.words}."


class Watch(Protocol):
    """Passes rows on, and may show how many of a total have passed."""

    def __call__(self, pieces: Iterable[T], total: int, /) -> Iterator[T]:
        """Pass rows on."""
        ...


def _unwatched(pieces: Iterable[T], total: int, /) -> Iterator[T]:
    return iter(pieces)


@dataclass(frozen=True, slots=True)
class Audit:
    """What checking one wallet gave: the head of its chain, and what was found."""

    wallet_id: UUID
    seq: int
    head: bytes
    recorded_at: datetime
    """When the wallet last changed."""
    findings: Sequence[Finding]


def audit_books(
    connection: Connection, wallet_id: UUID | None = None, *, watch: Watch = _unwatched
) -> Iterator[Audit]:
    """Check one wallet, or all of them, one after the other. Refuses: WalletUnknown."""
    wanted = select(wallets).order_by(wallets.c.wallet_id).execution_options(cross_shard=True)
    if wallet_id is not None:
        wanted = wanted.where(wallets.c.wallet_id == wallet_id)
    found = connection.execute(wanted).all()
    if wallet_id is not None and not found:
        raise WalletUnknown
    for wallet in found:
        findings = list(_Check(connection, wallet, watch).findings())
        yield Audit(wallet.wallet_id, wallet.seq, wallet.chain_head, wallet.touched_at, findings)


def verify_books(connection: Connection, wallet_id: UUID | None = None) -> list[Finding]:
    """Check one wallet, or all of them; gives what was found, nothing when all is well. Refuses: WalletUnknown."""
    return [finding for audit in audit_books(connection, wallet_id) for finding in audit.findings]


class _Check:
    """One wallet under examination."""

    def __init__(self, connection: Connection, wallet: Row[tuple[object, ...]], watch: Watch) -> None:
        self._connection = connection
        self._wallet = wallet
        self._watch = watch
        self._wallet_id: UUID = wallet.wallet_id
        self._zone = ZoneInfo(wallet.zone)
        self._sums: Sums = {}
        self._quarters: dict[tuple[int, str], list[int]] = {}
        """The same sums, by quarter of an hour and kind."""
        self._named: dict[str, int] = {}
        """Holds that the last transfers named, and when."""
        self._named_at = 0
        self._captures = 0
        self._walked = False

    def findings(self) -> Iterator[Finding]:
        yield from self._transfers()
        if self._walked:  # else what is derived from the transfers differs too, and says nothing new
            yield from self._rollups()
            yield from self._captured()
        yield from self._held()
        yield from self._policy()
        yield from self._corrections()
        yield from self._notices()

    def _transfers(self) -> Iterator[Finding]:
        """Walk the chain; stop at the first bad row, since everything after it follows from it."""
        wallet = self._wallet
        head, balance, seq, recorded_at = GENESIS, 0, 0, 0
        funded, emptied_at = False, None
        for row in self._watch(_walk(self._connection, self._wallet_id), wallet.seq):
            # Taken apart once, since millions pass here; whatever is odd is looked at again in `_problem`.
            (
                _,
                number,
                kind,
                debit,
                credit,
                amount,
                after,
                occurred_at,
                recorded,
                quantity,
                _,
                _,
                hold_id,
            ) = row[:13]
            digest, link_after, salt, reference, description = row[CHAINED:]
            seq += 1
            effect = amount if credit == _BALANCE else -amount
            balance += effect
            if not (
                number == seq
                and after == balance
                and recorded >= recorded_at
                and (debit == _BALANCE) != (credit == _BALANCE)
                and link(head, row[:CHAINED], digest) == link_after
                and (
                    digest_of_text(salt, reference, description) == digest
                    if salt and digest
                    else not (salt or reference or description)
                )
            ):
                check, words = _problem(Transfer._make(row), seq, head, balance, recorded_at)
                # A missing number is blamed on the number that is missing.
                yield self._finding(check, words, seq=seq)
                return
            head, recorded_at = link_after, recorded
            self._add(kind, occurred_at, quantity or 0, effect)
            if hold_id is not None:
                self._name(hold_id, recorded_at)
            funded = funded or kind in _FUNDING
            if balance > 0:
                emptied_at = None
            elif emptied_at is None and funded:
                emptied_at = recorded_at
        self._look_up_named()
        self._walked = True
        if (wallet.seq, wallet.chain_head) != (seq, head):
            words = f"the wallet says it has {wallet.seq} transfers; the chain ends after {seq}"
            yield self._finding("chain", words, seq=seq + 1)
        yield from self._cached(balance, funded, None if emptied_at is None else from_stamp(emptied_at))

    def _cached(self, balance: int, funded: bool, emptied_at: datetime | None) -> Iterator[Finding]:
        wallet = self._wallet
        if wallet.balance != balance:
            yield self._finding("balance", f"cached {wallet.balance}, derived {balance}")
        if bool(wallet.funded) != funded:
            yield self._finding("funded", f"cached {bool(wallet.funded)}, derived {funded}")
        if wallet.emptied_at != emptied_at:
            yield self._finding("emptied", f"cached {wallet.emptied_at}, derived {emptied_at}")

    def _name(self, hold_id: str, recorded_at: int) -> None:
        # A full set is looked up between two instants, since all that one commit wrote belongs together.
        if len(self._named) >= _LOOKED_UP_AT_ONCE and recorded_at != self._named_at:
            self._look_up_named()
        self._named_at = recorded_at
        self._named.setdefault(hold_id, recorded_at)

    def _look_up_named(self) -> None:
        """Count the holds that ended by being captured at the moment of a transfer that names them."""
        if self._named:
            rows = self._connection.execute(
                select(holds.c.hold_id, holds.c.ended_at).where(
                    holds.c.wallet_id == self._wallet_id,
                    holds.c.hold_id.in_(self._named),
                    holds.c.state == "captured",
                )
            )
            self._captures += sum(self._named[hold_id] == to_stamp(ended_at) for hold_id, ended_at in rows)
            self._named.clear()

    def _add(self, kind: str, occurred_at: int, quantity: int, effect: int) -> None:
        # No zone's offset changes inside a quarter of an hour.
        where = (occurred_at // 900_000_000, kind)
        sums = self._quarters.get(where)
        if sums is None:
            local = from_stamp(occurred_at).astimezone(self._zone)
            hour = (local.date().isoformat(), local.hour, kind)
            sums = self._quarters[where] = self._sums.setdefault(hour, [0, 0, 0])
        sums[0] += 1
        sums[1] += quantity
        sums[2] += effect

    def _rollups(self) -> Iterator[Finding]:
        rows = self._connection.execute(
            select(
                hourly.c.day, hourly.c.hour, hourly.c.kind, hourly.c.count, hourly.c.quantity, hourly.c.amount
            ).where(hourly.c.wallet_id == self._wallet_id)
        )
        kept: Sums = {
            (day, hour, kind): [count, quantity, amount] for day, hour, kind, count, quantity, amount in rows
        }
        for key in sorted(kept.keys() | self._sums.keys()):
            if kept.get(key) != self._sums.get(key):
                day, hour, kind = key
                words = f"{kind} on {day} at {hour}: cached {kept.get(key)}, derived {self._sums.get(key)}"
                yield self._finding("rollup", words)
                return

    def _held(self) -> Iterator[Finding]:
        mine = holds.c.wallet_id == self._wallet_id
        held = self._connection.execute(
            select(func.coalesce(func.sum(holds.c.amount), 0), func.min(holds.c.expires_at)).where(
                mine, holds.c.state == "open"
            )
        ).one()
        if self._wallet.held != int(held[0]):
            yield self._finding("held", f"cached {self._wallet.held}, derived {held[0]}")
        due = self._wallet.next_hold_expires_at
        if held[1] is not None and (due is None or due > held[1]):
            yield self._finding("held", f"a hold expires at {held[1]}; the wallet looks again at {due}")

    def _captured(self) -> Iterator[Finding]:
        """A capture has a hold that says so, and a hold that says so has its capture."""
        captured = self._connection.execute(
            select(transfers.c.seq, transfers.c.source_id)
            .join(
                holds,
                (holds.c.wallet_id == transfers.c.wallet_id) & (holds.c.hold_id == transfers.c.source_id),
                isouter=True,
            )
            .where(
                transfers.c.wallet_id == self._wallet_id,
                transfers.c.source == HOLDS,
                func.coalesce(holds.c.state, "") != "captured",
            )
            .order_by(transfers.c.seq)
            .limit(1)
        ).one_or_none()
        if captured is not None:
            words = f"captures hold {captured.source_id}, which is not captured"
            yield self._finding("hold", words, seq=captured.seq)
        count = self._connection.execute(
            select(func.count()).where(holds.c.wallet_id == self._wallet_id, holds.c.state == "captured")
        ).scalar_one()
        if count != self._captures:
            yield self._finding("hold", f"{count} holds were captured, by {self._captures} transfers")

    def _policy(self) -> Iterator[Finding]:
        newest = self._connection.execute(
            select(func.max(policies.c.version)).where(policies.c.wallet_id == self._wallet_id)
        ).scalar_one()
        if newest != self._wallet.policy_version:
            words = f"the wallet follows version {self._wallet.policy_version}, the newest is {newest}"
            yield self._finding("policy", words)

    def _corrections(self) -> Iterator[Finding]:
        correcting = transfers.alias()
        row = self._connection.execute(
            select(transfers.c.seq, transfers.c.amount, func.sum(correcting.c.amount))
            .join(
                correcting,
                (correcting.c.wallet_id == transfers.c.wallet_id)
                & (correcting.c.corrects_seq == transfers.c.seq),
            )
            .where(transfers.c.wallet_id == self._wallet_id, correcting.c.corrects_seq.is_not(None))
            .group_by(transfers.c.seq, transfers.c.amount)
            .having(func.sum(correcting.c.amount) > transfers.c.amount)
            .order_by(transfers.c.seq)
            .limit(1)
        ).one_or_none()
        if row is not None:
            yield self._finding("correction", f"{row[2]} given back of {row[1]}", seq=row[0])

    def _notices(self) -> Iterator[Finding]:
        count, last = self._connection.execute(
            select(func.count(), func.coalesce(func.max(notices.c.seq), 0)).where(
                notices.c.wallet_id == self._wallet_id
            )
        ).one()
        if not count == last == self._wallet.notice_seq:
            words = (
                f"the wallet told {self._wallet.notice_seq} notices, {count} are there, the last is {last}"
            )
            yield self._finding("notices", words)

    def _finding(self, check: str, words: str, *, seq: int | None = None) -> Finding:
        return Finding(self._wallet_id, check, seq, words)


def _walk(connection: Connection, wallet_id: UUID) -> Iterator[tuple[Any, ...]]:
    """Give all transfers with their texts, in order, from the driver itself: every layer between costs a tenth."""
    driver: Any = connection.connection.driver_connection
    statement, mine = statements_for(connection).all_of_wallet, {"wallet_id": str(wallet_id)}
    if connection.dialect.name == "sqlite":
        with closing(driver.execute(statement, mine)) as cursor:
            yield from cursor
        return
    with driver.cursor(name="walk") as cursor:
        cursor.itersize = 1_000
        yield from cursor.execute(statement, mine)


def _problem(transfer: Transfer, seq: int, head: bytes, balance: int, recorded_at: int) -> tuple[str, str]:
    """Say what is wrong with a transfer that is, given what came before it."""
    if transfer.seq != seq:
        return "sequence", f"number {seq} is missing; {transfer.seq} follows"
    if (transfer.debit == _BALANCE) == (transfer.credit == _BALANCE):
        return "sides", f"moves from {transfer.debit} to {transfer.credit}"
    if transfer.balance_after != balance:
        return "balance", f"says {transfer.balance_after} after it; the transfers add up to {balance}"
    if transfer.recorded_at < recorded_at:
        return "time", "was recorded before the one it follows"
    if link(head, transfer[:CHAINED], transfer.text_digest) != transfer.hash:
        return "chain", "its hash does not fit what it says and what it follows"
    if not transfer.salt or transfer.text_digest == NO_TEXT:
        return "text", "its text was put in later"
    return "text", "its text was changed"
