"""Checks that the books are what they say they are. Only reads; a finding is an answer, never an exception.

The predicates are the ledger's invariants: every transfer is whole and follows the one before (I1, I3), what is cached
equals what can be derived (I4), a hold ends once and then holds nothing (I7), recorded time never runs back (I19).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, func, select

from ledger.chain import GENESIS, digest_of_text, link
from ledger.chart import Account
from ledger.instants import from_stamp
from ledger.planning import HOLDS
from ledger.rows import CHAINED, Transfer
from ledger.statements import statements_for
from ledger.tables import holds, hourly, notices, transfers, wallets

Sums = dict[tuple[str, int, str], tuple[int, int, int]]


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


def verify_books(connection: Connection, wallet_id: UUID | None = None) -> list[Finding]:
    """Check one wallet, or all of them; gives what was found, nothing when all is well."""
    wanted = select(wallets).order_by(wallets.c.wallet_id).execution_options(cross_shard=True)
    if wallet_id is not None:
        wanted = wanted.where(wallets.c.wallet_id == wallet_id)
    found: list[Finding] = []
    for wallet in connection.execute(wanted).all():
        found.extend(_Check(connection, wallet).findings())
    return found


class _Check:
    """One wallet under examination."""

    def __init__(self, connection: Connection, wallet: Row[tuple[object, ...]]) -> None:
        self._connection = connection
        self._wallet = wallet
        self._wallet_id: UUID = wallet.wallet_id
        self._zone = ZoneInfo(wallet.zone)
        self._sums: Sums = {}
        self._hours: dict[int, tuple[str, int]] = {}

    def findings(self) -> Iterator[Finding]:
        yield from self._transfers()
        yield from self._rollups()
        yield from self._holds()
        yield from self._corrections()
        yield from self._notices()

    def _transfers(self) -> Iterator[Finding]:
        """Walk the chain; stop at the first bad row, since everything after it follows from it."""
        wallet = self._wallet
        head, balance, seq, recorded_at = GENESIS, 0, 0, 0
        walk = self._connection.execution_options(yield_per=1_000).exec_driver_sql(
            statements_for(self._connection).all_of_wallet, {"wallet_id": str(self._wallet_id)}
        )
        with walk:
            for row in walk:
                transfer = Transfer._make(row)
                seq += 1
                balance += transfer.effect
                problem = _problem(transfer, seq, head, balance, recorded_at)
                if problem is not None:
                    check, words = problem
                    # A missing number is blamed on the number that is missing.
                    yield self._finding(check, words, seq=seq)
                    return
                head, recorded_at = transfer.hash, transfer.recorded_at
                self._add(transfer)
        if (wallet.seq, wallet.chain_head) != (seq, head):
            words = f"the wallet says it has {wallet.seq} transfers; the chain ends after {seq}"
            yield self._finding("chain", words, seq=seq + 1)
        if wallet.balance != balance:
            yield self._finding("balance", f"cached {wallet.balance}, derived {balance}")

    def _add(self, transfer: Transfer) -> None:
        quarter = transfer.occurred_at // 900_000_000  # no zone's offset changes inside a quarter of an hour
        if quarter not in self._hours:
            local = from_stamp(transfer.occurred_at).astimezone(self._zone)
            self._hours[quarter] = (local.date().isoformat(), local.hour)
        key = (*self._hours[quarter], transfer.kind)
        count, quantity, amount = self._sums.get(key, (0, 0, 0))
        self._sums[key] = (count + 1, quantity + (transfer.quantity or 0), amount + transfer.effect)

    def _rollups(self) -> Iterator[Finding]:
        rows = self._connection.execute(
            select(
                hourly.c.day, hourly.c.hour, hourly.c.kind, hourly.c.count, hourly.c.quantity, hourly.c.amount
            ).where(hourly.c.wallet_id == self._wallet_id)
        )
        kept: Sums = {
            (day, hour, kind): (count, quantity, amount) for day, hour, kind, count, quantity, amount in rows
        }
        for key in sorted(kept.keys() | self._sums.keys()):
            if kept.get(key) != self._sums.get(key):
                day, hour, kind = key
                words = f"{kind} on {day} at {hour}: cached {kept.get(key)}, derived {self._sums.get(key)}"
                yield self._finding("rollup", words)
                return

    def _holds(self) -> Iterator[Finding]:
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


def _problem(
    transfer: Transfer, seq: int, head: bytes, balance: int, recorded_at: int
) -> tuple[str, str] | None:
    """Say what is wrong with one transfer, given what came before it."""
    if transfer.seq != seq:
        return "sequence", f"number {seq} is missing; {transfer.seq} follows"
    sides = (transfer.debit, transfer.credit)
    if Account.BALANCE not in sides or sides[0] == sides[1]:
        return "sides", f"moves from {sides[0]} to {sides[1]}"
    if transfer.balance_after != balance:
        return "balance", f"says {transfer.balance_after} after it; the transfers add up to {balance}"
    if transfer.recorded_at < recorded_at:
        return "time", "was recorded before the one it follows"
    if link(head, transfer[:CHAINED], transfer.text_digest) != transfer.hash:
        return "chain", "its hash does not fit what it says and what it follows"
    if transfer.erased:
        return (
            None
            if not (transfer.reference or transfer.description)
            else ("text", "its text was put in later")
        )
    if digest_of_text(transfer.salt, transfer.reference, transfer.description) != transfer.text_digest:
        return "text", "its text was changed"
    return None
