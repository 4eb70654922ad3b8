"""The hot path's statements and rows hold the tables' columns: a column that is added cannot be forgotten in one."""

import re
from dataclasses import astuple

import pytest

from ledger.deciding.rows import IN_TRANSFERS, MOVED, SELDOM, Hold, Transfer, WalletRow
from ledger.storage.schema import holds, metadata, stops, texts, transfers, wallets
from ledger.storage.statements import Statements, postgres_statements, sqlite_statements

WRITTEN = {"transfers", "texts", "holds", "hourly", "charges"}


@pytest.mark.parametrize(
    "statements", [sqlite_statements(), postgres_statements()], ids=["sqlite", "postgresql"]
)
def test_what_is_inserted_has_every_column(statements: Statements) -> None:
    """Named in the order of the values, and none left to a default."""
    inserted = {
        found[1]: found[2].split(", ")
        for one in astuple(statements)
        if (found := re.match(r"INSERT INTO (\w+) \(([^)]*)\)", one))
    }
    assert inserted.keys() == WRITTEN
    for table, names in inserted.items():
        assert set(names) == set(metadata.tables[table].c.keys()), table
        assert len(names) == len(set(names)), table


def test_rows_have_the_columns_of_their_tables() -> None:
    """A transfer with its text, a hold, a wallet with its policy."""
    assert set(Transfer._fields[:IN_TRANSFERS]) == set(transfers.c.keys())
    assert {"wallet_id", "seq", *Transfer._fields[IN_TRANSFERS:]} == set(texts.c.keys())
    assert set(Hold._fields) == set(holds.c.keys())
    assert set(WalletRow._fields[:-1]) <= set(wallets.c.keys())
    assert {*MOVED, *SELDOM} <= set(wallets.c.keys())


@pytest.mark.parametrize(
    "statements", [sqlite_statements(), postgres_statements()], ids=["sqlite", "postgresql"]
)
def test_stops_are_read_whole(statements: Statements) -> None:
    """But for the wallet, which is asked for."""
    (found,) = re.findall(r"SELECT (.*) FROM stops", statements.stops)
    assert {"wallet_id", *found.split(", ")} == set(stops.c.keys())
