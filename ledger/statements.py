"""The statements of the hot path, in each database's own tongue: written once, run as they are by the driver.

Handing tuples to the driver costs a fifth of what units of work cost; everything that is not hot is written with
SQLAlchemy's expressions instead.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import msgspec
from sqlalchemy import Connection

from ledger.rows import IN_TRANSFERS, Hold, Transfer

_TRANSFER = Transfer._fields[:IN_TRANSFERS]
_TEXT = ("wallet_id", "seq", *Transfer._fields[IN_TRANSFERS:])
_CHANGING = ("amount", "state", "expires_at", "ended_at", "valid_until")
"""What may change of a hold after it was opened."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Statements:
    """The hot statements of one kind of database."""

    insert_transfers: str
    insert_texts: str
    keep_holds: str
    posted: str
    """Transfers with their text, by wallet, source and many ids."""
    numbered: str
    """Transfers with their text, by wallet and many numbers."""
    all_of_wallet: str
    """All transfers with their text, by wallet, in order."""
    holds: str
    """Holds by wallet and many ids."""


def statements_for(connection: Connection) -> Statements:
    """Give the statements that a connection's database understands."""
    return _statements(connection.dialect.name)


def many(values: Iterable[str] | Iterable[int]) -> str:
    """Pack many values into one parameter, so that a statement is the same for any number of them."""
    return _encode(list(values)).decode()


@cache
def _statements(dialect: str) -> Statements:
    assert dialect == "sqlite", f"{dialect} has no statements yet"
    # The names put together here are all written in this package, so S608 (injection) has nothing to find.
    columns = ", ".join([*(f"t.{name}" for name in _TRANSFER), *(f"x.{name}" for name in _TEXT[2:])])
    with_text = "transfers t JOIN texts x ON x.wallet_id = t.wallet_id AND x.seq = t.seq"
    # CROSS JOIN: read from the list to the rows. Left to itself, the planner reads all rows of a wallet and looks for
    # each in the list, which takes longer with every transfer.
    listed = f"SELECT {columns} FROM json_each(:list) j CROSS JOIN {with_text} WHERE t.wallet_id = :wallet_id"  # noqa: S608
    holds = ", ".join(f"h.{name}" for name in Hold._fields)
    changes = ", ".join(f"{name} = excluded.{name}" for name in _CHANGING)
    return Statements(
        insert_transfers=_insert("transfers", _TRANSFER),
        insert_texts=_insert("texts", _TEXT),
        keep_holds=f"{_insert('holds', Hold._fields)} ON CONFLICT (wallet_id, hold_id) DO UPDATE SET {changes}",
        posted=f"{listed} AND t.source = :source AND t.source_id = j.value",
        numbered=f"{listed} AND t.seq = j.value",
        all_of_wallet=f"SELECT {columns} FROM {with_text} WHERE t.wallet_id = :wallet_id ORDER BY t.seq",  # noqa: S608
        holds=f"SELECT {holds} FROM json_each(:list) j CROSS JOIN holds h "  # noqa: S608
        "WHERE h.wallet_id = :wallet_id AND h.hold_id = j.value",
    )


def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
