"""One walk along all transfers of a wallet: whether each is whole and follows the one before, and what they add up to.

A long history is walked in a stream and takes no more memory than a short one.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, Protocol, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Connection, select, type_coerce
from sqlalchemy.exc import DatabaseError

from ledger.audit.month_sums import QUARTER, QUARTERS_AT_ONCE, Hour, Tally, local_hour, month_of
from ledger.chart import CORRECTION, MONEY, USAGE
from ledger.commands import AI_TASK, INBOUND_CALL, OUTBOUND_CALL
from ledger.deciding.chain import GENESIS, digest_of_text, link_covered
from ledger.deciding.rows import CHAINED, IN_TRANSFERS, Transfer
from ledger.storage.accepted_times import AcceptedTimes
from ledger.storage.schema import charges, holds

T = TypeVar("T")
Row = tuple[Any, ...]

_LOOKED_UP_AT_ONCE = 500
_BEYOND = 2**63
_numbers = count(1)
"""Of cursors, two of which are open on a connection."""
_RECIPES = {kind.value: tuple(recipe) for kind, recipe in MONEY.items()}
_USAGE = tuple(USAGE)
_COVERED = CHAINED + 1
"""How many values the chain covers of a row as it is read: its columns, and the digest of its text as it is written."""
_AS = {
    "sqlite": {"text_digest": "lower(hex(text_digest))"},
    "postgresql": {"text_digest": "encode(text_digest, 'hex')", "wallet_id": "%(wallet_id)s::text"},
}
"""How the database says what the chain covers in another form than it is stored in."""
_MARK = {"sqlite": ":wallet_id", "postgresql": "%(wallet_id)s::uuid"}


def _select(table: str, *columns: str) -> dict[str, str]:
    return {
        dialect: f"SELECT {', '.join(said.get(one, one) for one in columns)} FROM {table} "  # noqa: S608 - names of ours, no value
        f"WHERE wallet_id = {_MARK[dialect]} ORDER BY seq"
        for dialect, said in _AS.items()
    }


# The wallet's id stands in each row, so that what is hashed of it is one piece of it.
_TRANSFERS = _select("transfers", *Transfer._fields[:IN_TRANSFERS])
_TEXTS = _select("texts", "seq", *Transfer._fields[IN_TRANSFERS:])
# Walked side by side: joined by the database, the two take half as long again.
_FITTING = {(kind, *sides) for kind, sides in _RECIPES.items()} | {
    (kind, *_USAGE) for kind in (OUTBOUND_CALL, INBOUND_CALL, AI_TASK)
}
"""What needs no closer look."""
_FUNDING = frozenset(kind.value for kind, recipe in MONEY.items() if recipe.sign > 0)


class Watch(Protocol):
    """Passes rows on, and may show how many of a total have passed."""

    def __call__(self, pieces: Iterable[T], total: int, /) -> Iterator[T]:
        """Pass rows on."""
        ...


def unwatched(pieces: Iterable[T], total: int, /) -> Iterator[T]:
    """Pass rows on, and show nothing."""
    return iter(pieces)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a transfer."""

    check: str
    words: str
    seq: int


class Walk:
    """What a walk has derived from the transfers so far."""

    def __init__(
        self,
        connection: Connection,
        wallet_id: UUID,
        zone: ZoneInfo,
        tally: Tally,
        accepted: AcceptedTimes,
    ) -> None:
        self.seq = 0
        self.head = GENESIS
        self.balance = 0
        self.recorded_at = 0
        self.funded = False
        self.emptied_at: int | None = None
        self.grace_cost = 0
        self.after_stop_count = 0
        self.captured = 0
        """Holds that ended by being captured at the moment of a transfer that names them."""
        self.uncaptured: Problem | None = None
        """The first transfer that names a hold which was open then, and did not end by it."""
        self.twice: list[Problem] = []
        """Transfers that charged a hold again, in books of a time when that could happen."""
        self._connection = connection
        self._wallet_id = wallet_id
        self._zone = zone
        self._tally = tally
        self._accepted = accepted
        self._quarters: dict[tuple[int, str], list[int]] = {}
        self._named: dict[str, list[tuple[int, int]]] = {}
        """When, and by which transfers, holds were named lately."""
        self._named_at = 0
        self._texts: Generator[Row, None, None]
        self._text: Row | None = None
        """The next text."""
        self._lost = ""
        """Why it cannot be read."""

    def go(self, watch: Watch, total: int) -> Problem | None:
        """Walk to the end, or to the first bad transfer: everything after it follows from it."""
        rows = _rows(self._connection, _TRANSFERS, self._wallet_id)
        self._texts = _rows(self._connection, _TEXTS, self._wallet_id)
        try:
            self._text = self._first_text()
            problem = self._along(watch(rows, total))
        except DatabaseError as unreadable:
            if not reads_what_it_can(self._connection):
                raise
            problem = self._step_by_step(str(unreadable.orig))
        finally:
            # Else they stay open as long as somebody keeps the walk.
            rows.close()
            self._texts.close()
        if problem is None and self._text is not None:
            problem = Problem("text", "a text without its transfer", self._text[0])
        if problem is None:
            self._add_quarters()
            self._look_up_named()
        return problem

    def _step_by_step(self, words: str) -> Problem:
        """Go on row by row to the one that cannot be read: the driver read ahead and lost those before it."""
        rows = _singly(self._connection, _TRANSFERS, self._wallet_id, self.seq - 1)
        try:
            if self.seq:
                known = next(rows)
                self.balance, self.head = known[6], known[-1]
                self.recorded_at = self._accepted.of(self.seq, known[8])
            problem = self._along(rows)
        except DatabaseError as unreadable:
            words, problem = str(unreadable.orig), None
        return problem or Problem("unreadable", words, self.seq + 1)

    def _along(self, rows: Iterator[Row]) -> Problem | None:
        # One loop, on names of its own: every call and every attribute in it costs a hundredth of the walk.
        head, seq, balance, latest = self.head, self.seq, self.balance, self.recorded_at
        quarters, calm, text_seq = self._quarters, self._is_calm, self._text_seq
        accepted, accepted_to = self._accepted.of, self._accepted.to_seq
        try:
            for row in rows:
                (
                    _wallet_id,
                    number,
                    kind,
                    debit,
                    credit,
                    amount,
                    balance_after,
                    occurred_at,
                    recorded_at,
                    quantity,
                    _source,
                    _source_id,
                    hold_id,
                    _parent,
                    corrects_seq,
                    after_stop,
                    _dated,
                    digest,
                    its_hash,
                ) = row
                if number != seq + 1:
                    return _missing(seq + 1, number)
                effect = amount if credit == "balance" else -amount
                balance += effect
                if balance_after != balance:
                    return _unbalanced(number, balance_after, balance)
                if number <= accepted_to:
                    recorded_at, occurred_at = accepted(number, recorded_at), accepted(number, occurred_at)
                if recorded_at < latest:
                    return Problem("time", "was recorded before the one it follows", number)
                if link_covered(head, row[:_COVERED]) != its_hash:
                    return _unchained(number)
                fits = (kind, debit, credit) in _FITTING and corrects_seq is None and amount > 0
                if not fits and (problem := _misfit(number, kind, debit, credit, amount, corrects_seq)):
                    return problem
                if digest or text_seq <= number:
                    if problem := self._misworded(number, digest):
                        return problem
                    text_seq = self._text_seq
                head, latest, seq = its_hash, recorded_at, number
                sums = quarters.get((occurred_at // QUARTER, kind)) or self._new_quarter(occurred_at, kind)
                sums[0] += 1
                sums[2] += effect
                sums[1] += quantity or 0
                if hold_id is not None:
                    self._name(hold_id, row[8], number)  # as it was recorded: so is the hold's end
                if balance <= 0 or after_stop or not calm:
                    self.balance, self.recorded_at = balance, recorded_at
                    calm = self._cross_zero(kind, amount, after_stop, is_usage=credit == "usage")
        finally:
            self.head, self.seq, self.balance, self.recorded_at = head, seq, balance, latest
        return None

    @property
    def _is_calm(self) -> bool:
        """Whether nothing has to be kept but the balance: the wallet was funded, and isn't empty."""
        return self.funded and self.emptied_at is None

    @property
    def _text_seq(self) -> int:
        """Whose the next text is; beyond every transfer when there is none."""
        return self._text[0] if self._text is not None else _BEYOND

    def _misworded(self, seq: int, digest: str) -> Problem | None:
        """Say what is wrong with a transfer's text, and go on to the next."""
        text = self._text
        if text is None or text[0] > seq:
            if not digest:
                return None
            check, words = ("unreadable", self._lost) if self._lost else ("text", "its text is gone")
            return Problem(check, words, seq)
        number, salt, reference, description = text
        if number < seq:
            return Problem("text", "a text without its transfer", number)
        if not digest or (not salt and (reference or description)):
            return Problem("text", "its text was put in later", seq)
        if salt and digest_of_text(salt, reference, description).hex() != digest:
            return Problem("text", "its text was changed", seq)
        try:
            self._text = next(self._texts, None)
        except DatabaseError:
            if not reads_what_it_can(self._connection):
                raise
            self._text = self._text_after(number)
        return None

    def _first_text(self) -> Row | None:
        try:
            return next(self._texts, None)
        except DatabaseError:
            if not reads_what_it_can(self._connection):
                raise
            return self._text_after(0)

    def _text_after(self, after: int) -> Row | None:
        """Give the next text by a statement of its own: the driver read ahead and lost it."""
        self._texts = _singly(self._connection, _TEXTS, self._wallet_id, after)
        try:
            return next(self._texts, None)
        except DatabaseError as unreadable:
            # Nobody knows yet whose it is: the next transfer that has a text.
            self._lost = str(unreadable.orig)
            return None

    def _cross_zero(self, kind: str, amount: int, after_stop: int, *, is_usage: bool) -> bool:
        """Keep the books of an empty wallet, as the draft does; says whether it is calm again."""
        self.funded = self.funded or kind in _FUNDING
        if self.balance > 0:
            self.emptied_at = None
        elif self.emptied_at is None and self.funded:
            self.emptied_at = self.recorded_at
            self.grace_cost = self.after_stop_count = 0
        if self.emptied_at is not None and is_usage:
            self.grace_cost += min(amount, -self.balance)
        self.after_stop_count += after_stop
        return self._is_calm

    def _new_quarter(self, occurred_at: int, kind: str) -> list[int]:
        if len(self._quarters) >= QUARTERS_AT_ONCE:
            self._add_quarters()
        sums = self._quarters[occurred_at // QUARTER, kind] = [0, 0, 0]
        return sums

    def _add_quarters(self) -> None:
        for (quarter, kind), sums in self._quarters.items():
            self._tally.add(local_hour(quarter, kind, self._zone), *sums)
        self._quarters.clear()

    def _name(self, hold_id: str, recorded_at: int, seq: int) -> None:
        # A full set is looked up between two instants, since all that one commit wrote belongs together.
        if len(self._named) >= _LOOKED_UP_AT_ONCE and recorded_at != self._named_at:
            self._look_up_named()
        self._named_at = recorded_at
        self._named.setdefault(hold_id, []).append((recorded_at, seq))

    def _look_up_named(self) -> None:
        """Ask of each hold that was named whether it ended by that."""
        for some in _pieces(self._named, _LOOKED_UP_AT_ONCE):
            try:
                self._look_up(some)
            except DatabaseError as unreadable:
                if not reads_what_it_can(self._connection):
                    raise
                words = f"names holds that cannot be read: {unreadable.orig}"
                self._blame(min(seq for one in some for _, seq in self._named[one]), words)
        self._named.clear()

    def _look_up(self, hold_ids: list[str]) -> None:
        opened_at, ended_at = (type_coerce(one, BigInteger) for one in (holds.c.opened_at, holds.c.ended_at))
        rows = self._connection.execute(
            select(holds.c.hold_id, holds.c.state, opened_at, ended_at).where(
                holds.c.wallet_id == self._wallet_id, holds.c.hold_id.in_(hold_ids)
            )
        )
        for hold_id, state, opened, ended in rows:
            named = self._named[hold_id]
            self.captured += state == "captured" and any(at == ended for at, _ in named)
            for at, seq in named:
                # At the very instant of its opening or end, either may have come first.
                if opened < at and (ended is None or at < ended):
                    self._blame(seq, f"names hold {hold_id}, which was open and did not end by it")

        self._look_up_charges(hold_ids)

    def _look_up_charges(self, hold_ids: list[str]) -> None:
        """Each hold that a transfer names was charged by it, or by an earlier one."""
        rows = self._connection.execute(
            select(charges.c.hold_id, charges.c.seq).where(
                charges.c.wallet_id == self._wallet_id, charges.c.hold_id.in_(hold_ids)
            )
        )
        charged_by = {row.hold_id: row.seq for row in rows}
        for hold_id in hold_ids:
            first = charged_by.get(hold_id, _BEYOND)
            for _, seq in self._named[hold_id]:
                if seq > first:
                    self.twice.append(charged_twice(seq, hold_id, first))
                elif seq < first:
                    self._blame(seq, f"names hold {hold_id}, which is not remembered as charged by it")

    def _blame(self, seq: int, words: str) -> None:
        if self.uncaptured is None or seq < self.uncaptured.seq:
            self.uncaptured = Problem("hold", words, seq)


def charged_twice(seq: int, hold_id: str, first: int) -> Problem:
    """Name a transfer that charged again what an earlier one had charged."""
    return Problem("charged twice", f"charged {hold_id} again, which transaction {first} had charged", seq)


def _pieces(names: Iterable[str], size: int) -> Iterator[list[str]]:
    left = iter(names)
    while piece := list(islice(left, size)):
        yield piece


def _missing(seq: int, following: int) -> Problem:
    """Blame a missing number on the number that is missing."""
    return Problem("sequence", f"number {seq} is missing; {following} follows", seq)


def _unbalanced(seq: int, said: int, derived: int) -> Problem:
    return Problem("balance", f"says {said} after it; the transfers add up to {derived}", seq)


def _unchained(seq: int) -> Problem:
    return Problem("chain", "its hash does not fit what it says and what it follows", seq)


def _misfit(
    seq: int, kind: str, debit: str, credit: str, amount: int, corrects_seq: int | None
) -> Problem | None:
    """Say whether a transfer has the sides of its kind, and an amount."""
    if kind == CORRECTION:
        fits = (debit == "balance") != (credit == "balance") and corrects_seq is not None
    else:
        fits = (debit, credit) == _RECIPES.get(kind, _USAGE) and corrects_seq is None
    if not fits:
        return Problem("sides", f"a {kind} moves from {debit} to {credit}", seq)
    if amount <= 0 and (amount or credit != "usage"):
        return Problem("amount", f"moves {amount}", seq)
    return None


def _rows(connection: Connection, statement: dict[str, str], wallet_id: UUID) -> Generator[Row, None, None]:
    """Give rows in order from the driver itself: every layer between costs a tenth. Raises: DatabaseError."""
    driver: Any = connection.connection.driver_connection
    sql, mine = statement[connection.dialect.name], {"wallet_id": str(wallet_id)}
    with _as_sqlalchemy_says_it(connection, sql):
        if connection.dialect.name == "sqlite":
            with closing(driver.execute(sql, mine)) as cursor:
                yield from cursor
            return
        with driver.cursor(name=f"walk_{next(_numbers)}", binary=True) as cursor:
            cursor.itersize = 1_000
            yield from cursor.execute(sql, mine)


def _singly(
    connection: Connection, statement: dict[str, str], wallet_id: UUID, after: int
) -> Generator[Row, None, None]:
    """Give the rows after a number, each by a statement of its own; SQLite's alone. Raises: DatabaseError."""
    driver: Any = connection.connection.driver_connection
    sql = statement["sqlite"].replace("ORDER BY", "AND seq > :after ORDER BY") + " LIMIT 1"
    with _as_sqlalchemy_says_it(connection, sql):
        while row := driver.execute(sql, {"wallet_id": str(wallet_id), "after": after}).fetchone():
            yield row
            after = row[0] if statement is _TEXTS else row[1]


@contextmanager
def _as_sqlalchemy_says_it(connection: Connection, sql: str) -> Iterator[None]:
    try:
        yield
    except connection.dialect.loaded_dbapi.Error as problem:
        raise DatabaseError(sql, None, problem) from problem


def reads_what_it_can(connection: Connection) -> bool:
    """Say whether a row that cannot be read is that row's fault, and the others can still be read.

    PostgreSQL reads nothing more in a transaction in which something went wrong.
    """
    return connection.dialect.name == "sqlite"


def sums_of_month(
    connection: Connection, wallet_id: UUID, zone: ZoneInfo, month: str, accepted: AcceptedTimes
) -> dict[Hour, tuple[int, int, int]]:
    """Walk once more for one month alone: what its transfers add up to, exactly. The chain has to be whole."""
    sums: dict[Hour, tuple[int, int, int]] = {}
    for row in _rows(connection, _TRANSFERS, wallet_id):
        _, seq, kind, _, credit, amount, _, occurred_at, _, quantity = row[:10]
        hour = local_hour(accepted.of(seq, occurred_at) // QUARTER, kind, zone)
        if month_of(hour) == month:
            count, quantities, effect = sums.get(hour, (0, 0, 0))
            effect += amount if credit == "balance" else -amount
            sums[hour] = (count + 1, quantities + (quantity or 0), effect)
    return sums
