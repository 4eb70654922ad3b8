"""What lets one schema and one set of statements run on SQLite, PostgreSQL and Citus (DESIGN, Data)."""

import re
from contextlib import suppress
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import (
    Column,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import Constraint

import bot.tables
import ledger.storage.schema
from bot.tables import BOT_VERSIONS
from ledger import migrate, new_id, new_wallet_id
from ledger.audit.chain_walk import _TEXTS, _TRANSFERS
from ledger.storage.migrations.placing import placing
from ledger.storage.schema import notices, texts, transfers, wallets
from ledger.storage.statements import postgres_statements, sqlite_statements
from tests import statements
from tests.ledger.wallet_driver import WalletDriver
from tests.statements import Watch

LOOKED_UP_BEFORE_THE_WALLET = {"workspaces"}
"""Found by Slack's ids before the wallet is known: a reference table on Citus, read often and written seldom."""
TABLES = [*ledger.storage.schema.metadata.sorted_tables, *bot.tables.metadata.sorted_tables]
of_wallets = pytest.mark.parametrize(
    "table", [one for one in TABLES if one.name not in LOOKED_UP_BEFORE_THE_WALLET], ids=lambda one: one.name
)
all_tables = pytest.mark.parametrize("table", TABLES, ids=lambda one: one.name)


def first(columns: "list[Column[object]]") -> str:
    """Give the name of the first column."""
    return columns[0].name


@of_wallets
def test_the_wallet_leads_every_key(table: Table) -> None:
    """So that a wallet lies on one shard, and every uniqueness can be kept there."""
    assert first(list(table.primary_key.columns)) == "wallet_id"
    assert not table.columns["wallet_id"].nullable
    for one in table.constraints:
        if isinstance(one, UniqueConstraint):
            assert first(list(one.columns)) == "wallet_id", one.name
        for key in getattr(one, "elements", ()):
            assert key.parent.name == key.column.name == "wallet_id", "a foreign key carries the wallet"


INDEXES_OVER_ALL_WALLETS = {
    "ix_deliveries_due",
    "ix_keys_digest",
    "ix_named_values_name",
    "ix_payments_due",
    "ix_people_listings_due",
    "ix_stripe_requests_due",
    "ix_wallet_schedule_due",
}
"""A platform's key is looked up before its wallet is known; what is due is looked for in all wallets."""


@of_wallets
def test_the_wallet_leads_every_index(table: Table) -> None:
    """And no uniqueness reaches over wallets."""
    for one in table.indexes:
        if one.name not in INDEXES_OVER_ALL_WALLETS:
            assert next(iter(one.columns)).name == "wallet_id", one.name
        assert not (one.unique and one.name in INDEXES_OVER_ALL_WALLETS)


@all_tables
def test_the_database_numbers_and_stamps_nothing(table: Table) -> None:
    """No sequence, no identity, no function as a default: ids and instants come from us."""
    for column in table.columns:
        assert column.autoincrement is not True
        given = (column.identity, column.default, column.onupdate, column.server_onupdate, column.computed)
        assert given == (None,) * 5, column.name
        default = column.server_default
        assert default is None or re.fullmatch(r"'[^']*'|\d+", str(default.arg)), column.name  # type: ignore[attr-defined]


@all_tables
def test_everything_has_a_name(table: Table) -> None:
    """What has none gets another one on each shard, and cannot be dropped anywhere."""
    named: list[Constraint | Index] = [*table.constraints, *table.indexes]
    for one in named:
        if not (isinstance(one, PrimaryKeyConstraint) and not one.columns):
            assert one.name, one


def test_the_hot_statements_name_their_wallet() -> None:
    """Those that SQLAlchemy does not see, read as they stand."""
    hot = [
        (name, getattr(one, name))
        for one in (sqlite_statements(), postgres_statements())
        for name in one.__slots__
    ]
    walked = [("walk", statement) for one in (_TRANSFERS, _TEXTS) for statement in one.values()]
    for name, statement in (*hot, *walked):
        writes = statement.startswith("INSERT")
        assert (writes and "wallet_id" in statement) or re.search(
            r"\bwallet_id = +(:|%\(|\?|\$\d)", statement
        ), name
        assert not re.search(r"(?i)\b(now|random|clock_timestamp|gen_random_uuid)\(", statement), name


@pytest.mark.parametrize("versions", ["ledger", "bot"])
def test_the_migrations_make_what_the_tables_say(driver: WalletDriver, versions: str) -> None:
    """Nothing is left for a migration to do once all have run."""
    store = driver.ledger.store
    if versions == "bot":
        migrate(store, versions=BOT_VERSIONS, version_table="alembic_version_bot")
    mine: MetaData = {"ledger": ledger.storage.schema.metadata, "bot": bot.tables.metadata}[versions]

    with store.migrating() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_object": lambda thing, name, kind, *more: kind != "table" or name in mine.tables,
            },
        )
        assert compare_metadata(context, mine) == []


def test_every_table_knows_its_place() -> None:
    """Beside its wallet, but for those that are looked up before; append-only by right, where triggers cannot be.

    Read as they stand: no Citus runs here (facts/postgres-citus.md has the runs).
    """
    for table in TABLES:
        (how,) = [one for one in placing(table.name) if one.startswith("SELECT")]
        assert ("create_reference_table" in how) is (table.name in LOOKED_UP_BEFORE_THE_WALLET)
        assert ("colocate_with" in how) is (table.name not in {"wallets", *LOOKED_UP_BEFORE_THE_WALLET})
    assert [one.split()[0] for one in placing("transfers")] == ["DROP", "SELECT", "REVOKE"]


# --- The watch over statements ---------------------------------------------------------------------------------

WALLET, OTHER = new_wallet_id(), new_wallet_id()
FORBIDDEN: dict[str, list[Any]] = {
    "reads all wallets": [select(transfers.c.seq)],
    "writes to all wallets": [update(texts).values(reference="")],
    "locks over wallets": [select(wallets.c.seq).where(wallets.c.wallet_id.in_([WALLET])).with_for_update()],
    "lets the database tell the time": [
        update(notices).where(notices.c.wallet_id == WALLET).values(error=func.now())
    ],
    "draws lots": [update(notices).where(notices.c.wallet_id == WALLET).values(error=func.random())],
    "writes to two wallets at once": [
        update(notices).where(notices.c.wallet_id == one).values(error="") for one in (WALLET, OTHER)
    ],
    "looks over all wallets while it writes": [
        update(notices).where(notices.c.wallet_id == WALLET).values(error=""),
        select(wallets.c.seq).execution_options(cross_shard=True),
    ],
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_watch_sees_what_is_forbidden(what: str) -> None:
    """Each broken rule is caught; without that, its silence would mean nothing."""
    watch = Watch(one_wallet=True)
    for statement in FORBIDDEN[what]:
        compiled = statement.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
        watch.see(
            str(compiled),
            [compiled.params],
            cross_shard=bool(statement.get_execution_options().get("cross_shard")),
        )

    assert len(watch.found) == 1, watch.found


def test_the_watch_lets_pass_what_is_allowed() -> None:
    """One wallet's statements, a join on the wallet, rows that belong to no wallet."""
    watch = Watch(one_wallet=True)
    for statement in (
        select(transfers.c.seq).where(transfers.c.wallet_id == WALLET),
        update(notices).where(notices.c.wallet_id == WALLET).values(error=""),
        insert(notices).values(wallet_id=WALLET, notice_id=new_id()),
        select(bot.tables.workspaces),
    ):
        compiled = statement.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
        watch.see(str(compiled), [compiled.params], cross_shard=False)

    assert watch.found == []


def by_the_product(driver: WalletDriver, *forbidden: Any) -> list[str]:
    """Send statements from code that lies where the product's does; gives what the watch found."""
    source = "def send(connection, forbidden):\n    for one in forbidden:\n        connection.execute(one)\n"
    there: dict[str, Any] = {}
    exec(compile(source, str(statements.ROOT / "ledger" / "nowhere.py"), "exec"), there)  # noqa: S102
    try:
        with suppress(Seen), driver.ledger.store.writing() as connection:
            there["send"](connection, forbidden)
            raise Seen
        return list(statements.found)
    finally:
        statements.found.clear()


class Seen(Exception):
    """Ends a transaction that must not be committed."""


@pytest.mark.parametrize("what", [one for one in FORBIDDEN if one != "draws lots"])
def test_the_watch_is_awake(driver: WalletDriver, what: str) -> None:
    """It hears what real connections send, on each database; SQLite alone may write to many wallets at once."""
    quiet = driver.sqlite and what == "writes to two wallets at once"

    assert len(by_the_product(driver, *FORBIDDEN[what])) == (0 if quiet else 1)


def test_the_watch_lets_tests_do_what_they_like(driver: WalletDriver) -> None:
    """Else no test could look at the whole database."""
    with driver.ledger.reading() as connection:
        connection.execute(select(transfers.c.seq))

    assert statements.found == []
