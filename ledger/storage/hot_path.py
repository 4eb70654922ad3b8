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

from ledger.deciding.batch import Draft
from ledger.deciding.loaded import Loaded
from ledger.deciding.rows import IN_TRANSFERS, Hold, Transfer, WalletRow, saved
from ledger.deciding.wanted import Wanted
from ledger.failpoints import failpoint
from ledger.instants import from_stamp
from ledger.standing import Scope, Stop
from ledger.storage.statements import columns_of, many, statements_for

if TYPE_CHECKING:
    from ledger.storage.pipeline import Pipeline

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
        self._statements = statements_for(connection)

    def open(self, wallet_id: UUID, wanted: Wanted) -> tuple[WalletRow, Loaded] | None:
        """Lock a wallet and read what is wanted under the lock; None when there is no such wallet."""
        run, sql, mine = self._driver.execute, self._statements, {"wallet_id": str(wallet_id)}
        row = run(sql.locked_wallet, mine).fetchone()
        if row is None:
            return None
        posted = (
            run(sql.posted, {**mine, "source": source, "list": many(ids)})
            for source, ids in wanted.keys.items()
        )
        wallet, ids = WalletRow._make(row), wanted.holds | wanted.own | wanted.corrected
        if not ids or not wallet.holds_used:
            return wallet, _loaded(chain.from_iterable(posted), (), ())
        named = {**mine, "list": many(ids)}
        return wallet, _loaded(chain.from_iterable(posted), run(sql.holds, named), run(sql.charged, named))

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
        run(sql.save_wallet, (*saved(draft.wallet, draft.stamp), draft.wallet_id))


class PostgresHotPath:
    """PostgreSQL: each wait for an answer costs, so statements go in two pipelines, the commit with the second."""

    def __init__(self, connection: Connection) -> None:
        from ledger.storage.pipeline import Pipeline  # noqa: PLC0415 - its driver is installed on request

        driver: Any = connection.connection.driver_connection
        self._new_pipeline = partial(Pipeline, driver)
        self._statements = statements_for(connection)
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
        for source, ids in wanted.keys.items():
            pipeline.ask(sql.posted, (mine, source, list(ids)), prepare=grown)
        ids = wanted.holds | wanted.own | wanted.corrected
        # Whether an id can be a hold's stands in the row that is read only now. What was seen of it before is a hint.
        looks = bool(ids) and mine in self._holds_used
        if looks:
            self._ask_named(pipeline, mine, ids, prepare=grown)
        (row, *found) = pipeline.answers()
        if not row:
            return None
        wallet = WalletRow._make(row[0])
        if ids and wallet.holds_used and not looks:
            self._holds_used.add(mine)
            pipeline = self._new_pipeline()
            self._ask_named(pipeline, mine, ids, prepare=grown)
            found += pipeline.answers()
            looks = True
        charged = found.pop() if looks else ()
        held = found.pop() if looks else ()
        return wallet, _loaded(chain.from_iterable(found), held, charged)

    def _ask_named(self, pipeline: "Pipeline", mine: str, ids: set[str], *, prepare: bool) -> None:
        for question in (self._statements.holds, self._statements.charged):
            pipeline.ask(question, (mine, list(ids)), prepare=prepare)

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
        pipeline.run(sql.save_wallet, (*saved(draft.wallet, draft.stamp), mine))
        if ends:
            failpoint("book.before_commit")
            pipeline.commit()
        pipeline.answers()
        if draft.wallet.seq > GROWN_FROM:
            self._info[_GROWN] = True


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
