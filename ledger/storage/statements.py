"""The statements of the hot path, in each database's own SQL: made once from the tables, run as they are by the driver.

Handing rows to the driver costs a fifth of what units of work cost; everything that is not hot is written with
SQLAlchemy's expressions instead. SQLite takes tuples, one a row; PostgreSQL takes arrays, one a column, because a row
a message is what a busy connection waits for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec
from sqlalchemy import Connection, Integer, LargeBinary

from ledger.deciding.rows import IN_TRANSFERS, MOVED, SELDOM, Hold, Transfer, WalletRow
from ledger.storage.schema import UtcInstant, UuidText, charges, hourly, metadata

_encode = msgspec.json.Encoder().encode
_TRANSFER = Transfer._fields[:IN_TRANSFERS]
_TEXT = ("wallet_id", "seq", *Transfer._fields[IN_TRANSFERS:])
_WALLET = WalletRow._fields[:-1]
_CHARGE = tuple(charges.c.keys())
_HOUR = tuple(hourly.primary_key.columns.keys())
_SUMS = tuple(column.name for column in hourly.c if not column.primary_key)
_CHANGING = tuple(
    name
    for name in Hold._fields
    if name not in ("wallet_id", "hold_id", "kind", "asked", "reference", "parent")
)
"""What may change of a hold: everything but what was asked."""


@dataclass(frozen=True, slots=True)
class Statements:
    """The hot statements of one kind of database. Those that write take rows or columns; see the module."""

    wallet: str
    """A wallet's row and the policy that holds, by wallet."""
    locked_wallet: str
    """The same, locked until the transaction ends."""
    save_wallet: str
    """The columns of `MOVED` and `SELDOM` in order, then the wallet."""
    save_moved: str
    """The columns of `MOVED` in order, then the wallet."""
    insert_transfers: str
    insert_texts: str
    keep_holds: str
    add_hours: str
    posted: str
    """Transfers with their text, by wallet, source and many ids."""
    corrections: str
    """Transfers with their text, by wallet and the numbers of what they correct."""
    stops: str
    """Stops that are over, by wallet and the instant after which they ended."""
    numbered: str
    """Transfers with their text, by wallet and many numbers."""
    insert_charges: str
    all_of_wallet: str
    """All transfers with their text, by wallet, in order."""


@dataclass(frozen=True, slots=True)
class SqliteStatements(Statements):
    """A statement costs more than a row: one says all that an id is."""

    named: str
    """The id, the numbers of what it was charged and of the usage with that id, and the hold; by wallet, the usage's
    source and many ids. What an id is not is NULL.
    """


@dataclass(frozen=True, slots=True)
class PostgresStatements(Statements):
    """Statements travel together, and simple ones keep to their index."""

    holds: str
    """Holds by wallet and many ids."""
    charged: str
    """The ids and numbers of what they were charged, and of usage, said by the last column; by wallet, many ids, the
    usage's source and many of its ids.
    """


def statements_for(connection: Connection) -> Statements:
    """Give the statements that a connection's database understands."""
    return sqlite_statements() if connection.dialect.name == "sqlite" else postgres_statements()


def many(values: Iterable[str] | Iterable[int]) -> str:
    """Pack many values into one parameter of SQLite's, so that a statement is the same for any number of them."""
    return _encode(list(values)).decode()


# The names put together here are all written in this package, so S608 (injection) has nothing to find.


@cache
def sqlite_statements() -> SqliteStatements:
    """Give SQLite's statements; named parameters where they read, tuples where they write."""
    columns, with_text = _joined("", "x''")
    # CROSS JOIN: read from the list to the rows. Left to itself, the planner reads all rows of a wallet and looks for
    # each in the list, which takes longer with every transfer.
    listed = f"SELECT {columns} FROM json_each(:list) j CROSS JOIN {with_text} WHERE t.wallet_id = :wallet_id"  # noqa: S608
    holds = ", ".join(f"h.{name}" for name in Hold._fields)
    wallet = _wallet("", ":wallet_id")

    def save(names: tuple[str, ...]) -> str:
        changed = ", ".join(f"{name} = ?" for name in names)
        return f"UPDATE wallets SET {changed} WHERE wallet_id = ?"  # noqa: S608

    return SqliteStatements(
        wallet=wallet,
        locked_wallet=wallet,  # the transaction is the lock
        save_wallet=save((*MOVED, *SELDOM)),
        save_moved=save(MOVED),
        insert_transfers=_insert("transfers", _TRANSFER),
        insert_texts=_insert("texts", _TEXT),
        keep_holds=f"{_insert('holds', Hold._fields)} {_OR_CHANGE}",
        add_hours=f"{_insert('hourly', (*_HOUR, *_SUMS))} {_OR_ADD}",
        posted=f"{listed} AND t.source = :source AND t.source_id = j.value",
        # Named, because the planner would rather read the wallet from end to end than trust an index on few rows.
        corrections=listed.replace("transfers t", "transfers t INDEXED BY ix_transfers_corrects")
        + " AND t.corrects_seq = j.value AND t.corrects_seq IS NOT NULL",
        stops="SELECT scope, began_at, ended_at FROM stops WHERE wallet_id = :wallet_id AND ended_at > :after "
        "ORDER BY began_at",
        insert_charges=_insert("charges", _CHARGE),
        all_of_wallet=f"SELECT {columns} FROM {with_text} WHERE t.wallet_id = :wallet_id ORDER BY t.seq",  # noqa: S608
        named=f"SELECT j.value, c.seq, t.seq, {holds} FROM json_each(:list) j "  # noqa: S608
        "LEFT JOIN charges c ON c.wallet_id = :wallet_id AND c.hold_id = j.value "
        "LEFT JOIN transfers t ON t.wallet_id = :wallet_id AND t.source = :source AND t.source_id = j.value "
        "LEFT JOIN holds h ON h.wallet_id = :wallet_id AND h.hold_id = j.value",
        numbered=f"{listed} AND t.seq = j.value",
    )


@cache
def postgres_statements() -> PostgresStatements:
    """Give PostgreSQL's statements; those of the hot path take numbered parameters, the others named ones.

    `= ANY` keeps to the index however the plan was made; a join with the list turned into a scan (facts: 59 ms).
    """
    columns, with_text = _joined("::text", "''::bytea")
    named, numbered = (_wallet("::text", mark) for mark in ("%(wallet_id)s", "$1::uuid"))
    listed = f"SELECT {columns} FROM {with_text} WHERE t.wallet_id ="  # noqa: S608
    holds = ", ".join(_read("holds", "h", name, "::text") for name in Hold._fields)

    def save(names: tuple[str, ...]) -> str:
        changed = ", ".join(
            f"{name} = ${number}{'::uuid' if _is_id('wallets', name) else ''}"
            for number, name in enumerate(names, start=1)
        )
        return f"UPDATE wallets SET {changed} WHERE wallet_id = ${len(names) + 1}::uuid"  # noqa: S608

    return PostgresStatements(
        wallet=named,
        locked_wallet=f"{numbered} FOR UPDATE OF w",
        save_wallet=save((*MOVED, *SELDOM)),
        save_moved=save(MOVED),
        insert_transfers=_unnest("transfers", _TRANSFER),
        insert_texts=_unnest("texts", _TEXT),
        keep_holds=f"{_unnest('holds', Hold._fields)} {_OR_CHANGE}",
        add_hours=f"{_unnest('hourly', (*_HOUR, *_SUMS))} {_OR_ADD}",
        posted=f"{listed} $1::uuid AND t.source = $2::text AND t.source_id = ANY($3::text[])",
        # Numbers alone: a join with what they number would be planned for longer than most are looked up.
        charged="SELECT hold_id, seq, 0 FROM charges WHERE wallet_id = $1::uuid AND hold_id = ANY($2::text[]) "
        "UNION ALL SELECT source_id, seq, 1 FROM transfers "
        "WHERE wallet_id = $1::uuid AND source = $3::text AND source_id = ANY($4::text[])",
        numbered=f"{listed} $1::uuid AND t.seq = ANY($2::int8[])",
        corrections=f"{listed} $1::uuid AND t.corrects_seq = ANY($2::int8[])",
        stops="SELECT scope, began_at, ended_at FROM stops WHERE wallet_id = $1::uuid AND ended_at > $2::int8 "
        "ORDER BY began_at",
        insert_charges=_unnest("charges", _CHARGE),
        all_of_wallet=f"{listed} %(wallet_id)s ORDER BY t.seq",
        holds=f"SELECT {holds} FROM holds h WHERE h.wallet_id = $1::uuid AND h.hold_id = ANY($2::text[])",  # noqa: S608
    )


_OR_CHANGE = "ON CONFLICT (wallet_id, hold_id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in _CHANGING
)
_OR_ADD = f"ON CONFLICT ({', '.join(_HOUR)}) DO UPDATE SET " + ", ".join(
    f"{name} = hourly.{name} + excluded.{name}" for name in _SUMS
)


def columns_of(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    """Turn rows into columns, without the first, which is the wallet's id and the same in all of them."""
    return [list(column) for column in list(zip(*rows, strict=True))[1:]]


def _joined(as_text: str, nothing: str) -> tuple[str, str]:
    names = [_read("transfers", "t", name, as_text) for name in _TRANSFER]
    # A transfer without words has no row of them.
    names += [f"coalesce(x.salt, {nothing})", "coalesce(x.reference, '')", "coalesce(x.description, '')"]
    return ", ".join(names), "transfers t LEFT JOIN texts x ON x.wallet_id = t.wallet_id AND x.seq = t.seq"


def _read(table: str, alias: str, name: str, as_text: str) -> str:
    return f"{alias}.{name}{as_text if _is_id(table, name) else ''}"


def _is_id(table: str, name: str) -> bool:
    return isinstance(metadata.tables[table].c[name].type, UuidText)


def _wallet(as_text: str, wallet_id: str) -> str:
    names = ", ".join(_read("wallets", "w", name, as_text) for name in _WALLET)
    return (
        f"SELECT {names}, p.body FROM wallets w "  # noqa: S608
        "JOIN policies p ON p.wallet_id = w.wallet_id AND p.version = w.policy_version "
        f"WHERE w.wallet_id = {wallet_id}"
    )


def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608


def _unnest(table: str, columns: tuple[str, ...]) -> str:
    """Insert columns: the wallet's id once, then an array each."""
    arrays = ", ".join(
        f"${number}::{_array(table, name)}" for number, name in enumerate(columns[1:], start=2)
    )
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT $1::uuid, u.* FROM unnest({arrays}) u"  # noqa: S608


def _array(table: str, name: str) -> str:
    kind = metadata.tables[table].c[name].type
    if isinstance(kind, Integer | UtcInstant):
        return "int8[]"
    return "bytea[]" if isinstance(kind, LargeBinary) else "text[]"
