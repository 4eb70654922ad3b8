"""Rows that belong to no wallet, and what the database itself finds wrong with its file.

Checking each wallet passes over them: a wallet whose own row was taken away would be checked by nobody.
"""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, LargeBinary, Table, cast, select
from sqlalchemy.exc import DatabaseError

from ledger.storage.schema import metadata, wallets

_GUARDS = {
    "sqlite": (
        "SELECT i.name, c.name FROM pragma_index_list('transfers') i, pragma_index_info(i.name) c "
        'WHERE i."unique" = 1 AND i.partial = 0 ORDER BY i.name, c.seqno'
    ),
    "postgresql": (
        "SELECT i.indexrelid, a.attname "
        "FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) "
        "WHERE i.indrelid = to_regclass('transfers') AND i.indisunique AND i.indisvalid AND i.indpred IS NULL "
        "ORDER BY i.indexrelid, array_position(i.indkey::int2[], a.attnum)"
    ),
}


class OrphanRow(NamedTuple):
    """Rows that should not be there, or cannot be read."""

    wallet_id: str
    """As it is stored."""
    check: str
    seq: int | None
    words: str


def canonical(stored: str) -> bool:
    """Say whether text is an id as we write it."""
    try:
        return str(UUID(stored)) == stored
    except ValueError:
        return False


def wallets_of(connection: Connection) -> list[str]:
    """Give the ids of all wallets, as they are stored, in order."""
    mine = wallets.c.wallet_id
    if connection.dialect.name == "sqlite":
        # As bytes: one id that is no text any more must not hide the others.
        stored = select(cast(mine, LargeBinary)).order_by(mine).execution_options(cross_shard=True)
        return [one.decode("utf-8", "replace") for one in connection.execute(stored).scalars()]
    ids = connection.execute(select(mine).order_by(mine).execution_options(cross_shard=True)).scalars()
    return [str(one) for one in ids]


def orphan_rows(connection: Connection) -> Iterator[OrphanRow]:
    """Find rows without a wallet, ids that are none, and what is wrong with the file."""
    known = set(wallets_of(connection))
    for stored in sorted(known):
        if not canonical(stored):
            yield OrphanRow(stored, "wallet", None, "is no id of a wallet")
    for table in metadata.sorted_tables:
        if table is not wallets:
            yield from _without_wallet(connection, table, known)
    if connection.dialect.name == "sqlite":
        yield from _file(connection)


def _without_wallet(connection: Connection, table: Table, known: set[str]) -> Iterator[OrphanRow]:
    """Step from wallet to wallet along the key: as many look-ups as there are wallets, however many rows."""
    mine = table.c.wallet_id
    following = select(mine).order_by(mine).limit(1).execution_options(cross_shard=True)
    last: Any = None
    while True:
        try:
            last = connection.execute(following if last is None else following.where(mine > last)).scalar()
        except (DatabaseError, ValueError) as problem:
            if isinstance(problem, DatabaseError) and connection.dialect.name != "sqlite":
                raise
            yield OrphanRow("?", "unreadable", None, f"{table.name} has a row whose wallet cannot be read")
            return
        if last is None:
            return
        if str(last) not in known:
            yield OrphanRow(str(last), "wallet", None, f"{table.name} has rows of a wallet that is not there")


def _file(connection: Connection) -> Iterator[OrphanRow]:
    """Let SQLite check its pages, its indexes against their tables, and its constraints."""
    for (words,) in connection.exec_driver_sql("PRAGMA integrity_check(5)"):
        if words != "ok":
            yield OrphanRow("?", "file", None, str(words))


def keys_are_guarded(connection: Connection) -> bool:
    """Say whether the constraint is there that lets each key be posted once."""
    found = connection.exec_driver_sql(_GUARDS[connection.dialect.name])
    unique = groupby(found, key=itemgetter(0))
    return any([column for _, column in rows] == ["wallet_id", "source", "source_id"] for _, rows in unique)
