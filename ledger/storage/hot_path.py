"""The hot path: read a wallet with the rows that a batch names, write what the batch decided.

Everything here runs on the driver's own connection, inside the transaction that SQLAlchemy began: each layer between
would slow down a lone caller.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from sqlalchemy import Connection

from ledger.commands import PLATFORM
from ledger.deciding.batch import Draft
from ledger.deciding.loaded import Loaded
from ledger.deciding.rows import IN_TRANSFERS, Hold, Transfer, WalletRow, moved, seldom
from ledger.deciding.wanted import Wanted
from ledger.failpoints import failpoint
from ledger.instants import from_stamp
from ledger.standing import Scope, Stop
from ledger.storage.statements import Statements, columns_of, many, postgres_statements, sqlite_statements

if TYPE_CHECKING:
    from ledger.storage.pipeline import Pipeline

_SEQ = Transfer._fields.index("seq")
GROWN_FROM = 5_000
"""Transfers of one wallet from which on a plan is one for large tables, and may be kept."""
_GROWN = "redbar_grown"
_HOLDS_USED = "redbar_holds_used"
DECIDED_AHEAD = 64
"""Commands of a batch that are decided before the first of them are sent: PostgreSQL then writes on its own core."""


class HotPath(Protocol):
    """What the book needs of a database."""

    def open(self, wallet_id: UUID, wanted: Wanted) -> tuple[WalletRow, Loaded] | None:
        """Lock a wallet and read what is wanted under the lock; None when there is no such wallet."""
        ...

    def corrections(self, wallet_id: UUID, seqs: Collection[int]) -> dict[int, list[Transfer]]:
        """Give what corrects transfers, in order, by their numbers."""
        ...

    def stops(self, wallet_id: UUID, after: int) -> list[Stop]:
        """Give the stops that ended after an instant."""
        ...

    def ahead(self, draft: Draft) -> None:
        """Let the database write what is decided so far, while the rest is decided."""
        ...

    def settle(self) -> None:
        """Wait for what was sent ahead: the connection is wanted for something else. Raises: what it met."""
        ...

    def abandon(self) -> None:
        """Give up what was sent ahead: the transaction will be rolled back."""
        ...

    def write(self, draft: Draft, *, ends: bool) -> None:
        """Write a draft, but for what was sent ahead; `ends` says that the transaction ends with it."""
        ...


def hot_path_for(connection: Connection) -> HotPath:
    """Give the hot path of a connection's database."""
    return SqliteHotPath(connection) if connection.dialect.name == "sqlite" else PostgresHotPath(connection)


class SqliteHotPath:
    """SQLite: a statement costs little, so they go one by one."""

    def __init__(self, connection: Connection) -> None:
        self._driver: Any = connection.connection.driver_connection
        self._statements = sqlite_statements()

    def open(self, wallet_id: UUID, wanted: Wanted) -> tuple[WalletRow, Loaded] | None:
        """Lock a wallet and read what is wanted under the lock; None when there is no such wallet."""
        run, sql, mine = self._driver.execute, self._statements, {"wallet_id": str(wallet_id)}
        row = run(sql.locked_wallet, mine).fetchone()
        if row is None:
            return None
        wallet, ids = WalletRow._make(row), wanted.holds | wanted.own | wanted.corrected
        # All that one id may be is looked up by one statement: each costs more than what it finds.
        together = bool(ids) and wallet.holds_used
        posted = chain.from_iterable(
            run(sql.posted, {**mine, "source": source, "list": many(sought)})
            for source, sought in wanted.keys.items()
            if not (together and source == PLATFORM)
        )
        if not together:
            return wallet, _loaded(posted, (), ())
        held, charged, own = [], {}, []
        for row in run(sql.named, {**mine, "list": many(ids), "source": PLATFORM}):
            named, charge, usage, hold = row[0], row[1], row[2], row[3:]
            if hold[0] is not None:
                held.append(hold)
            if charge is not None:
                charged[named] = charge
            if usage is not None:
                own.append(usage)
        by_seq = self._numbered(mine, {*charged.values(), *own})
        return wallet, _loaded(
            chain(posted, map(by_seq.__getitem__, own)),
            held,
            ((hold_id, *by_seq[seq]) for hold_id, seq in charged.items()),
        )

    def _numbered(self, mine: dict[str, str], seqs: set[int]) -> dict[int, tuple[Any, ...]]:
        if not seqs:
            return {}
        rows = self._driver.execute(self._statements.numbered, {**mine, "list": many(seqs)})
        return {row[_SEQ]: row for row in rows}

    def corrections(self, wallet_id: UUID, seqs: Collection[int]) -> dict[int, list[Transfer]]:
        """Give what corrects transfers, in order, by their numbers."""
        if not seqs:
            return {}
        mine = {"wallet_id": str(wallet_id), "list": many(seqs)}
        return _by_corrected(self._driver.execute(self._statements.corrections, mine))

    def stops(self, wallet_id: UUID, after: int) -> list[Stop]:
        """Give the stops that ended after an instant."""
        mine = {"wallet_id": str(wallet_id), "after": after}
        return list(map(_stop, self._driver.execute(self._statements.stops, mine)))

    def ahead(self, draft: Draft) -> None:
        """Nothing: the database runs on this very thread."""

    def settle(self) -> None:
        """Nothing was sent."""

    def abandon(self) -> None:
        """Nothing was sent."""

    def write(self, draft: Draft, *, ends: bool) -> None:
        """Write a draft."""
        run, run_many, sql = self._driver.execute, self._driver.executemany, self._statements
        if draft.transfers:
            run_many(sql.insert_transfers, [one[:IN_TRANSFERS] for one in draft.transfers])
            run_many(sql.insert_texts, _texts(draft.transfers))
            failpoint("book.after_transfers")
            run_many(sql.add_hours, _hours(draft))
        if draft.holds:
            run_many(sql.keep_holds, list(draft.holds.values()))
        if draft.charges:
            run_many(sql.insert_charges, _charges(draft))
        run(*_saving(sql, draft))


class PostgresHotPath:
    """PostgreSQL: each wait for an answer costs, so statements go in two pipelines, the commit with the second."""

    def __init__(self, connection: Connection) -> None:
        from ledger.storage.pipeline import Pipeline  # noqa: PLC0415 - its driver is installed on request

        driver: Any = connection.connection.driver_connection
        self._new_pipeline = partial(Pipeline, driver)
        self._statements = postgres_statements()
        self._info = connection.info
        self._holds_used: set[str] = self._info.setdefault(_HOLDS_USED, set())
        self._on_its_way: Pipeline | None = None

    def open(self, wallet_id: UUID, wanted: Wanted) -> tuple[WalletRow, Loaded] | None:
        """Lock a wallet and read what is wanted under the lock; None when there is no such wallet."""
        sql, mine, pipeline = self._statements, str(wallet_id), self._new_pipeline()
        pipeline.begin()
        pipeline.ask(sql.locked_wallet, (mine,))
        # Each statement sees what was committed when it began: these begin once the lock is ours. While tables are
        # small they are planned anew each time: a plan made on empty ones would read a wallet from end to end for ever.
        grown = _GROWN in self._info
        ids = wanted.holds | wanted.own | wanted.corrected
        # Whether an id can be a hold's stands in the row that is read only now. What was seen of it before is a hint.
        together = bool(ids) and mine in self._holds_used
        for source, sought in wanted.keys.items():
            if not (together and source == PLATFORM):
                pipeline.ask(sql.posted, (mine, source, list(sought)), prepare=grown)
        if together:
            self._ask_named(pipeline, mine, ids, wanted, prepare=grown)
        (row, *found) = pipeline.answers()
        if not row:
            return None
        wallet = WalletRow._make(row[0])
        if ids and wallet.holds_used and not together:
            self._holds_used.add(mine)
            pipeline = self._new_pipeline()
            self._ask_named(pipeline, mine, ids, wanted, prepare=grown)
            found += pipeline.answers()
            together = True
        if not together:
            return wallet, _loaded(chain.from_iterable(found), (), ())
        numbers, held = found.pop(), found.pop()
        by_seq = self._numbered(mine, {seq for _, seq, _ in numbers}, prepare=grown)
        return wallet, _loaded(
            chain(chain.from_iterable(found), (by_seq[seq] for _, seq, own in numbers if own)),
            held,
            ((hold_id, *by_seq[seq]) for hold_id, seq, own in numbers if not own),
        )

    def _ask_named(
        self, pipeline: "Pipeline", mine: str, ids: set[str], wanted: Wanted, *, prepare: bool
    ) -> None:
        pipeline.ask(self._statements.holds, (mine, list(ids)), prepare=prepare)
        own = wanted.keys.get(PLATFORM, ())
        pipeline.ask(self._statements.charged, (mine, list(ids), PLATFORM, list(own)), prepare=prepare)

    def _numbered(self, mine: str, seqs: set[int], *, prepare: bool) -> dict[int, Any]:
        if not seqs:
            return {}
        pipeline = self._new_pipeline()
        pipeline.ask(self._statements.numbered, (mine, list(seqs)), prepare=prepare)
        (rows,) = pipeline.answers()
        return {row[_SEQ]: row for row in rows}

    def corrections(self, wallet_id: UUID, seqs: Collection[int]) -> dict[int, list[Transfer]]:
        """Give what corrects transfers, in order, by their numbers."""
        if not seqs:
            return {}
        pipeline = self._new_pipeline()
        pipeline.ask(self._statements.corrections, (str(wallet_id), list(seqs)), prepare=False)
        (rows,) = pipeline.answers()
        return _by_corrected(rows)

    def stops(self, wallet_id: UUID, after: int) -> list[Stop]:
        """Give the stops that ended after an instant."""
        pipeline = self._new_pipeline()
        pipeline.ask(self._statements.stops, (str(wallet_id), after))
        (rows,) = pipeline.answers()
        return list(map(_stop, rows))

    def ahead(self, draft: Draft) -> None:
        """Have the server insert what is decided so far, on its own core, while the rest is decided here."""
        self._on_its_way = self._pipeline_of(draft)
        self._on_its_way.go()

    def settle(self) -> None:
        """Wait for what was sent ahead. Raises: psycopg.Error."""
        pipeline, self._on_its_way = self._on_its_way, None
        if pipeline is not None:
            pipeline.answers()

    def abandon(self) -> None:
        """Read away the answers to what was sent ahead."""
        pipeline, self._on_its_way = self._on_its_way, None
        if pipeline is not None:
            pipeline.give_up()

    def _pipeline_of(self, draft: Draft) -> "Pipeline":
        """Give the pipeline under way, or a new one, with all transfers in it that are not sent yet."""
        pipeline = self._on_its_way
        if pipeline is None:
            pipeline = self._new_pipeline()
            pipeline.begin()
        fresh = draft.transfers[draft.sent :]
        if fresh:
            draft.sent += len(fresh)
            columns = columns_of(one[:IN_TRANSFERS] for one in fresh)
            pipeline.run(self._statements.insert_transfers, (draft.wallet_id, *columns))
            if texts := _texts(fresh):
                pipeline.run(self._statements.insert_texts, (draft.wallet_id, *columns_of(texts)))
        return pipeline

    def write(self, draft: Draft, *, ends: bool) -> None:
        """Write a draft, and the commit with it where the transaction ends."""
        sql, mine = self._statements, draft.wallet_id
        pipeline = self._pipeline_of(draft)
        self._on_its_way = None
        if draft.transfers:
            failpoint("book.after_transfers")
            pipeline.run(sql.add_hours, (mine, *columns_of(_hours(draft))))
        if draft.holds:
            pipeline.run(sql.keep_holds, (mine, *columns_of(draft.holds.values())))
        if draft.charges:
            pipeline.run(sql.insert_charges, (mine, *columns_of(_charges(draft))))
        pipeline.run(*_saving(sql, draft))
        if ends:
            failpoint("book.before_commit")
            pipeline.commit()
        pipeline.answers()
        if draft.wallet.seq > GROWN_FROM:
            self._info[_GROWN] = True


def _saving(sql: Statements, draft: Draft) -> tuple[str, tuple[object, ...]]:
    always, rest = moved(draft.wallet, draft.stamp), seldom(draft.wallet)
    if rest == draft.wallet.seldom_read:
        return sql.save_moved, (*always, draft.wallet_id)
    return sql.save_wallet, (*always, *rest, draft.wallet_id)


def _texts(transfers: Sequence[Transfer]) -> list[tuple[object, ...]]:
    return [(*one[:2], *one[IN_TRANSFERS:]) for one in transfers if one.salt]


def _hours(draft: Draft) -> list[tuple[str | int, ...]]:
    return [(draft.wallet_id, *hour, *added) for hour, added in draft.hourly.items()]


def _charges(draft: Draft) -> list[tuple[str, str, int, int]]:
    return [(draft.wallet_id, *charge) for charge in draft.charges]


def _loaded(posted: Iterable[Any], held: Iterable[Any], charged: Iterable[Any]) -> Loaded:
    loaded = Loaded()
    for row in posted:
        transfer = Transfer._make(row)
        loaded.transfers[transfer.source, transfer.source_id] = transfer
    for row in held:
        hold = Hold._make(row)
        loaded.holds[hold.hold_id] = hold
    loaded.charges = {hold_id: Transfer._make(columns) for hold_id, *columns in charged}
    return loaded


def _stop(row: Any) -> Stop:
    scope, began_at, ended_at = row
    return Stop(Scope(scope), from_stamp(began_at), from_stamp(ended_at))


def _by_corrected(rows: Iterable[Any]) -> dict[int, list[Transfer]]:
    found: dict[int, list[Transfer]] = {}
    # Sorted here: asked for in order, SQLite would read the wallet from end to end instead of its index.
    for transfer in sorted(map(Transfer._make, rows), key=attrgetter("seq")):
        assert transfer.corrects_seq is not None
        found.setdefault(transfer.corrects_seq, []).append(transfer)
    return found
