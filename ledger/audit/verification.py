"""Checks that the books are what they say they are. Only reads; a finding is an answer, never an exception.

The predicates are the ledger's invariants: every transfer has the two sides of its kind, so that all accounts sum to
zero (I1), is whole and follows the one before (I2, I3); what is cached equals what can be derived (I4); a key posts
once, a hold ends once, by one capture, in its time, and then holds nothing (I6, I7); recorded time never runs back
(I19), but where an operator accepted the present after a clock was wrong. That money was there when a hold was accepted
(I5) is decided under the wallet's lock and leaves no trace to check later; so do the alert lines, which the pace of
that day drew, and the ceiling of a grace.

Whatever stands in a damaged row must not keep the others from being checked: rows are read as they are stored.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    func,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.exc import DatabaseError

from ledger.audit.chain_walk import Walk, Watch, reads_what_it_can, sums_of_month, unwatched
from ledger.audit.charges import charged_under_own_id, holds_used_unlike, misfit_charges, misfit_stops
from ledger.audit.month_sums import Hour, Secret, Tally, month_of
from ledger.audit.orphan_rows import OrphanRow, canonical, keys_are_guarded, orphan_rows, wallets_of
from ledger.deciding.rows import ALLOWING, HOLDS
from ledger.errors import CurrencyUnknown, WalletUnknown
from ledger.instants import EPOCH, from_stamp, to_stamp
from ledger.money import Currency
from ledger.storage.accepted_times import AcceptedTimes, accepted_times
from ledger.storage.schema import (
    UtcInstant,
    UuidText,
    episodes,
    holds,
    hourly,
    notices,
    policies,
    transfers,
    wallets,
)
from ledger.time_judgement import BACK_MAX
from ledger.wallet_policy import WalletPolicy
from ledger.writing.time_acceptance import accepted_words

_LATEST = to_stamp(datetime.max.replace(tzinfo=EPOCH.tzinfo))


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be. `seq` is the first bad transfer, where one is to blame."""

    wallet_id: UUID | str
    """As it stands in the database, where that is no id."""
    check: str
    seq: int | None
    words: str

    def __str__(self) -> str:
        where = f"transaction {self.seq}" if self.seq is not None else "wallet"
        return f"{self.wallet_id}, {where}: {self.check}: {self.words}."


@dataclass(frozen=True, slots=True)
class Audit:
    """What checking one wallet gave: the head of its chain, and what was found."""

    wallet_id: UUID
    seq: int
    head: bytes
    recorded_at: datetime
    """When the wallet last changed."""
    findings: Sequence[Finding]
    notes: Sequence[Finding] = ()
    """What is worth knowing and nothing wrong: what an operator accepted, holds that were charged twice before that was
    impossible."""


def audit_books(
    connection: Connection,
    wallet_id: UUID | None = None,
    *,
    watch: Watch = unwatched,
    now: datetime | None = None,
) -> Iterator[Audit]:
    """Check one wallet, or all of them, one after the other. Refuses: WalletUnknown.

    With `now`, what is recorded in the future is found too.
    """
    there = wallets_of(connection)
    if wallet_id is not None and str(wallet_id) not in there:
        raise WalletUnknown
    guarded = keys_are_guarded(connection)
    for stored in there if wallet_id is None else [str(wallet_id)]:
        if canonical(stored):  # the others are found as orphan rows
            yield _audit(connection, UUID(stored), watch, guarded, now)


def audit_strays(connection: Connection) -> Iterator[Finding]:
    """Find what belongs to no wallet, so that checking each of them passes over it."""
    for row in orphan_rows(connection):
        yield _of_orphan(row)


def verify_books(connection: Connection, wallet_id: UUID | None = None) -> list[Finding]:
    """Check one wallet, or all of them and what belongs to none; gives what was found. Refuses: WalletUnknown."""
    found = [finding for audit in audit_books(connection, wallet_id) for finding in audit.findings]
    return found if wallet_id is not None else [*found, *audit_strays(connection)]


def _of_orphan(row: OrphanRow) -> Finding:
    return Finding(UUID(row.wallet_id) if canonical(row.wallet_id) else row.wallet_id, *row[1:])


def _audit(
    connection: Connection, wallet_id: UUID, watch: Watch, guarded: bool, now: datetime | None
) -> Audit:
    try:
        wallet = connection.execute(select(*_stored(wallets)).where(wallets.c.wallet_id == wallet_id)).one()
    except DatabaseError as problem:
        if not reads_what_it_can(connection):
            raise
        return Audit(wallet_id, 0, b"", EPOCH, [Finding(wallet_id, "unreadable", None, str(problem.orig))])
    accepted = _accepted(connection, wallet_id)
    check = _Check(connection, wallet_id, wallet, watch, guarded, accepted)
    findings = list(check.findings())
    if now is not None and wallet.touched_at > to_stamp(now + BACK_MAX):
        findings += _of_the_future(connection, wallet_id, wallet, now)
    check.notes += [Finding(wallet_id, "clock", seq, words) for seq, words in accepted_words(accepted)]
    touched_at = from_stamp(_clamped(wallet.touched_at))
    return Audit(wallet_id, wallet.seq, wallet.chain_head, touched_at, findings, check.notes)


def _accepted(connection: Connection, wallet_id: UUID) -> AcceptedTimes:
    try:
        return accepted_times(connection, wallet_id)
    except DatabaseError:
        if not reads_what_it_can(connection):
            raise
        return AcceptedTimes()  # what it excused is found


def _of_the_future(
    connection: Connection, wallet_id: UUID, wallet: Row[tuple[Any, ...]], now: datetime
) -> Iterator[Finding]:
    recorded = type_coerce(transfers.c.recorded_at, BigInteger)
    seq = connection.execute(
        select(func.min(transfers.c.seq)).where(
            transfers.c.wallet_id == wallet_id,
            transfers.c.seq > _accepted(connection, wallet_id).to_seq,
            recorded > to_stamp(now + BACK_MAX),
        )
    ).scalar_one()
    words = (
        f"last changed {_shown(wallet.touched_at)}, which is in the future: a clock was wrong; "
        "`redbar clock accept` takes the present time as true"
    )
    yield Finding(wallet_id, "clock", seq, words)


class _Check:
    """One wallet under examination."""

    def __init__(
        self,
        connection: Connection,
        wallet_id: UUID,
        wallet: Row[tuple[Any, ...]],
        watch: Watch,
        guarded: bool,
        accepted: AcceptedTimes,
    ) -> None:
        self._connection = connection
        self._wallet = wallet
        self._wallet_id = wallet_id
        self._watch = watch
        self._guarded = guarded
        self.notes: list[Finding] = []
        self._accepted = accepted
        self._secret = Secret(os.urandom(32))
        self._derived = Tally(self._secret)

    def findings(self) -> Iterator[Finding]:
        zone = self._zone()
        if isinstance(zone, Finding):
            yield zone
            zone = ZoneInfo("UTC")
        walk = Walk(self._connection, self._wallet_id, zone, self._derived, self._accepted)
        problem = walk.go(self._watch, self._wallet.seq)
        checks: list[Callable[[], Iterator[Finding]]] = [
            self._held,
            self._ended,
            self._policies,
            self._episode,
        ]
        if problem is not None:
            yield self._finding(problem.check, problem.words, seq=problem.seq)
        else:  # else what is derived from the transfers differs too, and says nothing new
            yield from self._cached(walk)
            checks += [lambda: self._rollups(zone), lambda: self._captured(walk)]
        for check in (*checks, self._keys, self._charges, self._stops, self._corrections, self._notices):
            try:
                yield from check()
            except DatabaseError as unreadable:
                if not reads_what_it_can(self._connection):
                    raise
                yield self._finding("unreadable", str(unreadable.orig))

    def _zone(self) -> ZoneInfo | Finding:
        try:
            return ZoneInfo(self._wallet.zone)
        except (KeyError, ValueError, OSError):  # whatever a damaged name may lead to
            return self._finding("zone", f"{self._wallet.zone!r} is no time zone")

    def _cached(self, walk: Walk) -> Iterator[Finding]:
        wallet = self._wallet
        if (wallet.seq, wallet.chain_head) != (walk.seq, walk.head):
            words = f"the wallet says it has {wallet.seq} transfers; the chain ends after {walk.seq}"
            yield self._finding("chain", words, seq=walk.seq + 1)
        for name, derived in (
            ("balance", walk.balance),
            ("funded", int(walk.funded)),
            ("emptied_at", walk.emptied_at),
            ("grace_cost", walk.grace_cost),
            ("after_stop_count", walk.after_stop_count),
        ):
            cached = getattr(wallet, name)
            if cached != derived:
                show = _shown if name == "emptied_at" else str
                yield self._finding(
                    name.removesuffix("_at"), f"cached {show(cached)}, derived {show(derived)}"
                )
        if not walk.recorded_at <= wallet.touched_at <= _LATEST:
            words = f"last changed {_shown(wallet.touched_at)}, its last transfer is of {_shown(walk.recorded_at)}"
            yield self._finding("time", words)
        try:
            Currency.of(wallet.currency)
        except CurrencyUnknown:
            yield self._finding("currency", f"{wallet.currency!r} is no currency")

    def _rollups(self, zone: ZoneInfo) -> Iterator[Finding]:
        kept = Tally(self._secret)
        for hour, sums in self._hours():
            kept.add(hour, *sums)
        for month in self._derived.months_unlike(kept):
            derived = sums_of_month(self._connection, self._wallet_id, zone, month, self._accepted)
            cached = {hour: sums for hour, sums in self._hours() if month_of(hour) == month}
            hour = min(one for one in derived.keys() | cached.keys() if derived.get(one) != cached.get(one))
            day, at, kind = hour
            words = f"{kind} on {day} at {at}: cached {cached.get(hour)}, derived {derived.get(hour)}"
            yield self._finding("rollup", words)
            return

    def _hours(self) -> Iterator[tuple[Hour, tuple[int, int, int]]]:
        c = hourly.c
        wanted = select(c.day, c.hour, c.kind, c.count, c.quantity, c.amount)
        for row in self._stream(wanted.where(c.wallet_id == self._wallet_id)):
            day, hour, kind, count, quantity, amount = tuple(row)
            yield (day, hour, kind), (count, quantity, amount)

    def _held(self) -> Iterator[Finding]:
        held, count, due = self._one(
            select(
                func.coalesce(func.sum(holds.c.amount), 0),
                func.count(),
                type_coerce(func.min(holds.c.expires_at), BigInteger),
            ).where(holds.c.wallet_id == self._wallet_id, holds.c.state == "open")
        )
        if self._wallet.held != int(held):
            yield self._finding("held", f"cached {self._wallet.held}, derived {held}")
        if self._wallet.open_holds != count:
            yield self._finding("held", f"cached {self._wallet.open_holds} open holds, derived {count}")
        looks = self._wallet.next_hold_expires_at
        if due is not None and (looks is None or looks > due):
            words = f"a hold expires at {_shown(due)}; the wallet looks again at {_shown(looks)}"
            yield self._finding("held", words)

    def _ended(self) -> Iterator[Finding]:
        """Each hold fits itself: it ended in its time, as what it was."""
        c = holds.c
        opened, expires, ended, valid = (
            type_coerce(one, BigInteger) for one in (c.opened_at, c.expires_at, c.ended_at, c.valid_until)
        )
        refused = c.state == "refused"
        wrong = or_(
            opened > expires,
            func.coalesce(ended, opened) < opened,
            func.coalesce(ended, opened) > max(self._wallet.touched_at, self._accepted.latest),
            and_(c.state == "expired", ended < expires),
            and_(c.state.in_(("captured", "released")), ended >= expires),
            refused == c.reason.in_(ALLOWING),
            and_(refused, c.amount != 0),
            and_(~refused, c.amount < func.coalesce(c.asked, 0)),
            valid < opened,
            c.generation < 1,
            c.inbound.not_in((0, 1)),
            c.asked < 0,
        )
        hold_id = self._connection.execute(
            select(c.hold_id).where(c.wallet_id == self._wallet_id, wrong).order_by(c.hold_id).limit(1)
        ).scalar_one_or_none()
        if hold_id is not None:
            yield self._finding("hold", f"hold {hold_id} does not fit its own times, amounts and end")

    def _charges(self) -> Iterator[Finding]:
        """What is remembered as a hold's charge is one, and the wallet knows that there are such ids."""
        for words in holds_used_unlike(self._connection, self._wallet_id, self._wallet.holds_used):
            yield self._finding("charge", words)
        for problem in misfit_charges(self._connection, self._wallet_id):
            yield self._finding(problem.check, problem.words, seq=problem.seq)
        for problem in charged_under_own_id(self._connection, self._wallet_id):
            self.notes.append(self._finding(problem.check, problem.words, seq=problem.seq))

    def _stops(self) -> Iterator[Finding]:
        """Each stop stops something for a while, and the wallet knows when the last one ended."""
        for words in misfit_stops(self._connection, self._wallet_id, self._wallet.stopped_until):
            yield self._finding("stop", words)

    def _captured(self, walk: Walk) -> Iterator[Finding]:
        """A capture has a hold that says so, and a hold that says so has its capture."""
        self.notes += [self._finding(one.check, one.words, seq=one.seq) for one in walk.twice]
        if walk.uncaptured is not None:
            yield self._finding(walk.uncaptured.check, walk.uncaptured.words, seq=walk.uncaptured.seq)
        ended, recorded = (
            type_coerce(one, BigInteger) for one in (holds.c.ended_at, transfers.c.recorded_at)
        )
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
                or_(
                    holds.c.kind.is_(None),
                    holds.c.kind != transfers.c.kind,
                    holds.c.state == "open",
                    and_(holds.c.state == "captured", ended != recorded),
                    ended > recorded,
                ),
            )
            .order_by(transfers.c.seq)
            .limit(1)
        ).one_or_none()
        if captured is not None:
            words = f"captures hold {captured.source_id}, which did not end then, or is of another kind"
            yield self._finding("hold", words, seq=captured.seq)
        count = self._connection.execute(
            select(func.count()).where(holds.c.wallet_id == self._wallet_id, holds.c.state == "captured")
        ).scalar_one()
        if count != walk.captured:
            yield self._finding("hold", f"{count} holds were captured, {walk.captured} of them by a transfer")

    def _policies(self) -> Iterator[Finding]:
        """Versions run from 1 without gap, each can be read, and grace lasts no longer than one of them allowed."""
        wallet, last, longest = self._wallet, 0, timedelta()
        for row in self._stream(
            select(*_stored(policies))
            .where(policies.c.wallet_id == self._wallet_id)
            .order_by(policies.c.version)
        ):
            last += 1
            try:
                longest = max(longest, msgspec.json.decode(row.body, type=WalletPolicy).grace)
            except (msgspec.DecodeError, ValueError):
                yield self._finding("policy", f"version {row.version} cannot be read")
                return
            if row.version != last or (last == 1 and row.changed_at != wallet.created_at):
                yield self._finding("policy", f"version {last} is not there, or not of its day")
                return
        if last != wallet.policy_version:
            words = f"the wallet follows version {wallet.policy_version}, the newest is {last}"
            yield self._finding("policy", words)
        if wallet.emptied_at is not None:
            lasted = wallet.grace_ends_at - wallet.emptied_at
            if not 0 <= lasted <= to_stamp(EPOCH + longest):
                yield self._finding("grace", f"ends at {_shown(wallet.grace_ends_at)}, later than it may")

    def _episode(self) -> Iterator[Finding]:
        """What the wallet says of its episode is what the open episode says of itself."""
        wallet = self._wallet
        there = self._connection.execute(
            select(*_stored(episodes)).where(
                episodes.c.wallet_id == self._wallet_id, episodes.c.closed_at.is_(None)
            )
        ).one_or_none()
        told = None if wallet.episode_id is None else (str(wallet.episode_id), wallet.episode_level)
        if told != (None if there is None else (str(there.episode_id), there.level)):
            yield self._finding("episode", "the wallet and its open episode differ")

    def _keys(self) -> Iterator[Finding]:
        """Each key is there once, also where the constraint that kept it so was taken away."""
        if self._guarded:
            return  # counting them costs a tenth of the walk
        c = transfers.c
        # Grouped as the index lies, and not put in another order: half the time.
        again = (
            select(func.max(c.seq))
            .where(c.wallet_id == self._wallet_id)
            .group_by(c.wallet_id, c.source, c.source_id)
            .having(func.count() > 1)
        )
        seq = self._connection.execute(again.limit(1)).scalar_one_or_none()
        if seq is not None:
            yield self._finding("key", "its key was posted before", seq=seq)

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
        count, last = self._one(
            select(func.count(), func.coalesce(func.max(notices.c.seq), 0)).where(
                notices.c.wallet_id == self._wallet_id
            )
        )
        told = self._wallet.notice_seq
        (cleared,) = self._one(
            select(wallets.c.notices_cleared).where(wallets.c.wallet_id == self._wallet_id)
        )
        if count + cleared != told or last > told or (not cleared and last != told):
            words = (
                f"the wallet told {told} notices, {count} are there, {cleared} cleared, the last is {last}"
            )
            yield self._finding("notices", words)

    def _one(self, wanted: Select[Any]) -> tuple[Any, ...]:
        return tuple(self._connection.execute(wanted).one())

    def _stream(self, wanted: Select[Any]) -> Iterator[Row[Any]]:
        with self._connection.execute(wanted, execution_options={"yield_per": 1_000}) as rows:
            yield from rows

    def _finding(self, check: str, words: str, *, seq: int | None = None) -> Finding:
        return Finding(self._wallet_id, check, seq, words)


def _stored(table: Any) -> list[ColumnElement[Any]]:
    """Give the columns of a table as they are stored: what cannot be an id or an instant must be read to be named."""
    return [type_coerce(column, _stored_type(column)).label(column.name) for column in table.columns]


def _stored_type(column: Column[Any]) -> Any:
    if isinstance(column.type, UtcInstant):
        return BigInteger()
    return Text() if isinstance(column.type, UuidText) else column.type


def _clamped(stamp: int) -> int:
    return max(0, min(stamp, _LATEST))


def _shown(stamp: int | None) -> str:
    if stamp is None:
        return "never"
    return from_stamp(stamp).isoformat() if stamp == _clamped(stamp) else str(stamp)
