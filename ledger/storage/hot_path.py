"""The hot path's hands on the database: open a wallet with what a batch names, write what the batch decided.

Everything here runs on the driver's own connection, inside the transaction that SQLAlchemy began: a lone caller pays
for each layer between.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from sqlalchemy import Connection

from ledger.deciding.batch import Draft
from ledger.deciding.planner import Loaded
from ledger.deciding.rows import IN_TRANSFERS, Hold, Transfer, WalletRow, saved
from ledger.deciding.wanted import Wanted
from ledger.failpoints import failpoint
from ledger.storage.statements import columns_of, many, statements_for

if TYPE_CHECKING:
    from ledger.storage.pipeline import Volley

GROWN_FROM = 5_000
"""Transfers of one wallet from which on a plan is one for large tables, and may be kept."""
_GROWN = "redbar_grown"
DECIDED_AHEAD = 64
"""Commands of a batch that are decided before the first of them are sent: PostgreSQL then writes on its own core."""


class Hands(Protocol):
    """What the book needs of a database."""

    def open(self, wallet_id: UUID, wanted: Wanted) -> tuple[WalletRow, Loaded] | None:
        """Lock a wallet and read what is wanted under the lock; None when there is no such wallet."""
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


def hands_for(connection: Connection) -> Hands:
    """Give the hands that fit a connection's database."""
    return SqliteHands(connection) if connection.dialect.name == "sqlite" else PostgresHands(connection)


class SqliteHands:
    """SQLite: a call is cheap, so statements go one by one."""

    def __init__(self, connection: Connection) -> None:
        self._driver: Any = connection.connection.driver_connection
        self._said = statements_for(connection)

    def open(self, wallet_id: UUID, wanted: Wanted) -> tuple[WalletRow, Loaded] | None:
        """Lock a wallet and read what is wanted under the lock; None when there is no such wallet."""
        run, said, mine = self._driver.execute, self._said, {"wallet_id": str(wallet_id)}
        row = run(said.locked_wallet, mine).fetchone()
        if row is None:
            return None
        posted = (
            run(said.posted, {**mine, "source": source, "list": many(ids)})
            for source, ids in wanted.keys.items()
        )
        held = run(said.holds, {**mine, "list": many(wanted.holds)}) if wanted.holds else ()
        numbered = run(said.numbered, {**mine, "list": many(wanted.seqs)}) if wanted.seqs else ()
        return WalletRow._make(row), _loaded(chain.from_iterable(posted), held, numbered)

    def ahead(self, draft: Draft) -> None:
        """Nothing: the database runs on this very thread."""

    def settle(self) -> None:
        """Nothing was sent."""

    def abandon(self) -> None:
        """Nothing was sent."""

    def write(self, draft: Draft, *, ends: bool) -> None:
        """Write a draft."""
        run, run_many, said = self._driver.execute, self._driver.executemany, self._said
        if draft.transfers:
            run_many(said.insert_transfers, [one[:IN_TRANSFERS] for one in draft.transfers])
            run_many(said.insert_texts, _texts(draft.transfers))
            failpoint("book.after_transfers")
            run_many(said.add_hours, _hours(draft))
        if draft.holds:
            run_many(said.keep_holds, list(draft.holds.values()))
        run(said.save_wallet, (*saved(draft.wallet, draft.stamp), draft.wallet_id))


class PostgresHands:
    """PostgreSQL: each wait for an answer costs, so statements go in two volleys, the commit with the second."""

    def __init__(self, connection: Connection) -> None:
        from ledger.storage.pipeline import Volley  # noqa: PLC0415 - its driver is installed on request

        driver: Any = connection.connection.driver_connection
        self._volley = partial(Volley, driver)
        self._said = statements_for(connection)
        self._info = connection.info
        self._on_its_way: Volley | None = None

    def open(self, wallet_id: UUID, wanted: Wanted) -> tuple[WalletRow, Loaded] | None:
        """Lock a wallet and read what is wanted under the lock; None when there is no such wallet."""
        said, mine, volley = self._said, str(wallet_id), self._volley()
        volley.begin()
        volley.ask(said.locked_wallet, (mine,))
        # Each statement sees what was committed when it began: these begin once the lock is ours. While tables are
        # small they are planned anew each time: a plan made on empty ones would read a wallet from end to end for ever.
        grown = _GROWN in self._info
        for source, ids in wanted.keys.items():
            volley.ask(said.posted, (mine, source, list(ids)), prepare=grown)
        if wanted.holds:
            volley.ask(said.holds, (mine, list(wanted.holds)), prepare=grown)
        if wanted.seqs:
            volley.ask(said.numbered, (mine, list(wanted.seqs)), prepare=grown)
        (row, *found) = volley.answers()
        if not row:
            return None
        numbered = found.pop() if wanted.seqs else ()
        held = found.pop() if wanted.holds else ()
        return WalletRow._make(row[0]), _loaded(chain.from_iterable(found), held, numbered)

    def ahead(self, draft: Draft) -> None:
        """Have the server insert what is decided so far, on its own core, while the rest is decided here."""
        self._on_its_way = self._volley_of(draft)
        self._on_its_way.go()

    def settle(self) -> None:
        """Wait for what was sent ahead. Raises: psycopg.Error."""
        volley, self._on_its_way = self._on_its_way, None
        if volley is not None:
            volley.answers()

    def abandon(self) -> None:
        """Read away the answers to what was sent ahead."""
        volley, self._on_its_way = self._on_its_way, None
        if volley is not None:
            volley.give_up()

    def _volley_of(self, draft: Draft) -> "Volley":
        """Give the volley under way, or a new one, with all transfers in it that are not sent yet."""
        volley = self._on_its_way
        if volley is None:
            volley = self._volley()
            volley.begin()
        fresh = draft.transfers[draft.sent :]
        if fresh:
            draft.sent += len(fresh)
            columns = columns_of(one[:IN_TRANSFERS] for one in fresh)
            volley.run(self._said.insert_transfers, (draft.wallet_id, *columns))
            if texts := _texts(fresh):
                volley.run(self._said.insert_texts, (draft.wallet_id, *columns_of(texts)))
        return volley

    def write(self, draft: Draft, *, ends: bool) -> None:
        """Write a draft, and the commit with it where the transaction ends."""
        said, mine = self._said, draft.wallet_id
        volley = self._volley_of(draft)
        self._on_its_way = None
        if draft.transfers:
            failpoint("book.after_transfers")
            volley.run(said.add_hours, (mine, *columns_of(_hours(draft))))
        if draft.holds:
            volley.run(said.keep_holds, (mine, *columns_of(draft.holds.values())))
        volley.run(said.save_wallet, (*saved(draft.wallet, draft.stamp), mine))
        if ends:
            failpoint("book.before_commit")
            volley.commit()
        volley.answers()
        if draft.wallet.seq > GROWN_FROM:
            self._info[_GROWN] = True


def _texts(transfers: Sequence[Transfer]) -> list[tuple[object, ...]]:
    return [(*one[:2], *one[IN_TRANSFERS:]) for one in transfers if one.salt]


def _hours(draft: Draft) -> list[tuple[str | int, ...]]:
    return [(draft.wallet_id, *hour, *added) for hour, added in draft.hourly.items()]


def _loaded(posted: Iterable[Any], held: Iterable[Any], numbered: Iterable[Any]) -> Loaded:
    loaded = Loaded()
    for row in posted:
        transfer = Transfer._make(row)
        loaded.transfers[transfer.source, transfer.source_id] = transfer
    for row in held:
        hold = Hold._make(row)
        loaded.holds[hold.hold_id] = hold
    loaded.by_seq = {transfer.seq: transfer for transfer in map(Transfer._make, numbered)}
    return loaded
