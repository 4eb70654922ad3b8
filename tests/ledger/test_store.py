"""Opening the database: what is refused with words, what is proved, and what two connections see."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, text

from ledger import Ledger, StoreBusy, StoreUnusable, failpoints, new_wallet_id, open_store
from ledger.deciding.rows import seldom, wallet_of
from ledger.storage import sqlite
from ledger.storage.migrations import migrate
from ledger.storage.schema import metadata, wallets
from ledger.storage.sqlite import sqlite_module, wal_is_safe
from ledger.storage.statements import statements_for
from ledger.writing.book import row_of
from tests.ledger.wallet_driver import ManualClock, WalletDriver

pytestmark = pytest.mark.backends("sqlite")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:///{here}", "cannot be read and written"),
        ("sqlite:///{here}/words.db", "is not a database of Redbar"),
        ("sqlite:///{here}/words.db/below.db", "cannot be used for the database"),
        ("postgresql://127.0.0.1:1/redbar", "The database redbar at 127.0.0.1:1 cannot be used"),
        ("mysql://127.0.0.1/redbar", "use sqlite:///FILE or postgresql://HOST/NAME"),
        ("no address", "Write it like sqlite:///redbar.db"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused_with_words(tmp_path: Path, url: str, words: str) -> None:
    """One sentence, no traceback, and nothing is left locked."""
    (tmp_path / "words.db").write_text("These are words. " * 100)

    with pytest.raises(StoreUnusable, match=words):
        open_store(url.format(here=tmp_path))


def test_a_second_writer_is_refused_and_told_so(driver: WalletDriver) -> None:
    """One process writes a file."""
    with pytest.raises(StoreBusy, match="Another Redbar is using"):
        open_store(driver.url)


def test_those_who_only_look_come_in_beside_the_writer(driver: WalletDriver) -> None:
    """And cannot write."""
    driver.top_up("5")

    looker = Ledger(driver.url, driver.clock, write=False)
    with looker.reading() as connection:
        assert looker.look(connection, driver.wallet_id)[0].balance_micros == 5_000_000
    with pytest.raises(StoreUnusable, match="looking only"):
        looker.run(lambda tx: tx.book.view(driver.wallet_id))
    looker.close()


def test_looking_at_a_database_that_is_not_there_makes_none(tmp_path: Path) -> None:
    """It says so instead."""
    with pytest.raises(StoreUnusable, match="There is no database"):
        open_store(f"sqlite:///{tmp_path}/none.db", write=False)

    assert list(tmp_path.iterdir()) == []


def test_a_database_of_a_newer_version_is_refused(driver: WalletDriver) -> None:
    """Older code does not touch it, and the lock is given back."""
    with driver.ledger.store.writing() as connection:
        present = connection.execute(text("SELECT version_num FROM alembic_version_ledger")).scalar_one()
        connection.execute(text("UPDATE alembic_version_ledger SET version_num = 'ledger_9999'"))
    driver.ledger.close()

    for _ in range(2):
        with pytest.raises(StoreUnusable, match="newer Redbar"):
            Ledger(driver.url, driver.clock)

    store = open_store(driver.url)
    with store.writing() as connection:
        connection.execute(
            text("UPDATE alembic_version_ledger SET version_num = :present"), {"present": present}
        )
    store.close()
    driver.reopen()


def test_what_was_written_is_there_after_opening_again(driver: WalletDriver) -> None:
    """Balance, history, notices."""
    driver.top_up("60")
    before = (driver.view(), driver.history(), driver.told())

    driver.reopen()

    assert (driver.view(), driver.history(), driver.told()) == before


@pytest.mark.parametrize("has_flock", [True, False])
def test_a_second_process_cannot_write_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_flock: bool
) -> None:
    """Also on a system without `flock`; the lock ends with the process that had it."""
    monkeypatch.setattr(sqlite, "HAS_FLOCK", has_flock)
    address = f"sqlite:///{tmp_path}/books.db"
    program = (
        "import sys; from ledger.storage import sqlite, store; sqlite.HAS_FLOCK = sys.argv[2] == 'True'; "
        "kept = store.open_store(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, address, str(has_flock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(StoreBusy, match="Another Redbar is using"):
            open_store(address)
        other.kill()
    open_store(address).close()


def test_closing_twice_is_closing_once(driver: WalletDriver) -> None:
    """Whoever cleans up need not ask."""
    driver.ledger.close()
    driver.ledger.close()
    driver.reopen()


def test_a_ledger_in_memory_works_alike(tmp_path: Path) -> None:
    """One connection does everything."""
    memory = Ledger("sqlite://", ManualClock())
    wallet_id = new_wallet_id()
    memory.run(lambda tx: tx.book.create_wallet(wallet_id, "EUR", "Europe/Berlin"))

    with memory.reading() as connection:
        assert memory.look(connection, wallet_id)[0].currency == "EUR"
    memory.close()


def test_readers_see_one_instant_while_others_write(driver: WalletDriver) -> None:
    """A read transaction does not change under its reader, and blocks nobody."""
    driver.top_up("5")
    with driver.ledger.reading() as connection:
        before = connection.execute(select(wallets.c.balance)).scalar_one()

        driver.use("1")

        assert connection.execute(select(wallets.c.balance)).scalar_one() == before
    assert driver.view().balance_micros == 4_000_000


def test_readers_cannot_write(driver: WalletDriver) -> None:
    """One function decides that."""
    with pytest.raises(Exception, match="readonly"), driver.ledger.reading() as connection:
        connection.execute(text("UPDATE wallets SET balance = 1"))


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 1), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
    ],
)
def test_libraries_with_the_log_bug_are_known(version: tuple[int, ...], safe: bool) -> None:
    """They get one connection for everything instead."""
    assert wal_is_safe(version) is safe


def test_the_library_in_use_is_durable_and_strict(driver: WalletDriver) -> None:
    """Write-ahead log, full sync, foreign keys, strict tables, rows without hidden ids where they are hot."""
    with driver.ledger.store.writing() as connection:
        said = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
        tables = {
            row.name: row
            for row in connection.execute(text("PRAGMA table_list"))
            if row.name in metadata.tables
        }

    assert said == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert set(tables) == set(metadata.tables)
    assert all(table.strict for table in tables.values())
    assert {name for name, table in tables.items() if table.wr} == {
        "transfers",
        "wallet_schedule",
        "texts",
        "holds",
        "hourly",
        "charges",
        "stops",
    }
    assert sqlite_module().sqlite_version_info >= (3, 37)


def test_the_migrated_schema_is_the_one_the_code_speaks_of(driver: WalletDriver) -> None:
    """Same tables, columns, constraints and indexes, by name."""
    with driver.ledger.reading() as connection:
        built: dict[str, str] = {
            row.name: row.sql
            for row in connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
        }
        indexes = set(
            connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'index'")).scalars()
        )

    for table in metadata.sorted_tables:
        for column in table.columns:
            assert f"{column.name} " in built[table.name].replace('"', ""), (table.name, column.name)
        for constraint in table.constraints:
            assert str(constraint.name) in built[table.name]
        assert {str(index.name) for index in table.indexes} <= indexes


def test_every_key_begins_with_the_wallet() -> None:
    """So that a wallet's rows lie together, and one day on one shard."""
    for table in metadata.sorted_tables:
        assert next(iter(table.primary_key.columns)).name == "wallet_id"
        for index in table.indexes:
            # What is due is looked for in all wallets.
            across = index.name == "ix_wallet_schedule_due"
            assert across or next(iter(index.columns)).name == "wallet_id"


def test_every_constraint_has_a_name() -> None:
    """Migrations of later years need it."""
    assert all(one.name for table in metadata.sorted_tables for one in table.constraints)


@pytest.mark.parametrize(
    ("name", "search"),
    [
        (
            "posted",
            "SEARCH t USING INDEX sqlite_autoindex_transfers_2 (wallet_id=? AND source=? AND source_id=?)",
        ),
        ("named", "SEARCH c USING PRIMARY KEY (wallet_id=? AND hold_id=?) LEFT-JOIN"),
        (
            "named",
            "SEARCH t USING INDEX sqlite_autoindex_transfers_2 "
            "(wallet_id=? AND source=? AND source_id=?) LEFT-JOIN",
        ),
        ("named", "SEARCH h USING PRIMARY KEY (wallet_id=? AND hold_id=?) LEFT-JOIN"),
        ("numbered", "SEARCH t USING PRIMARY KEY (wallet_id=? AND seq=?)"),
        ("corrections", "SEARCH t USING INDEX ix_transfers_corrects (wallet_id=? AND corrects_seq=?)"),
    ],
)
def test_a_batch_looks_up_only_what_it_names(driver: WalletDriver, name: str, search: str) -> None:
    """However long the history is: no statement of the hot path reads a wallet from end to end."""
    with driver.ledger.reading() as connection:
        statement = getattr(statements_for(connection), name)
        plan = connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN {statement}", {"wallet_id": "w", "source": "s", "list": "[]"}
        )
        steps = [step for *_, step in plan]

    assert search in steps
    assert all("SCAN t" not in step and "(wallet_id=?)" not in step for step in steps)


def test_what_seldom_changes_is_read_as_it_would_be_written(driver: WalletDriver) -> None:
    """On each database: what a batch left alone is known again, and not written once more."""
    driver.clock.skip(minutes=1)
    driver.top_up("100")
    driver.use("101")  # an alarm, an emptying, a grace
    for step in ("empty", "again above zero"):
        row = driver.ledger.run(lambda tx: row_of(tx.connection, driver.wallet_id))
        assert seldom(wallet_of(row)) == wallet_of(row).seldom_read, step
        driver.top_up("500")


def test_failpoints_do_what_they_are_armed_for() -> None:
    """Raise, wait, or nothing at all; and count who passes."""
    failpoints.arm("here=raise,there=delay:0")
    try:
        with pytest.raises(failpoints.FailpointHit):
            failpoints.failpoint("here")
        failpoints.failpoint("there")
        failpoints.failpoint("elsewhere")
    finally:
        failpoints.arm("")

    failpoints.failpoint("here")
    assert failpoints.passed["here"] == 2
    with pytest.raises(AssertionError, match="no action"):
        failpoints.arm("here=explode")


def test_another_programs_database_is_left_as_it_was(tmp_path: Path) -> None:
    """A file with tables of its own, one even named like ours, is refused before anything is written."""
    file = tmp_path / "theirs.db"
    with closing(sqlite3.connect(file)) as theirs:
        theirs.execute("CREATE TABLE wallets (id INTEGER)")
        theirs.commit()
    store = open_store(f"sqlite:///{file}")
    try:
        with pytest.raises(StoreUnusable, match="another program's tables"):
            migrate(store)
    finally:
        store.close()
    with closing(sqlite3.connect(file)) as theirs:
        assert theirs.execute("SELECT name FROM sqlite_master").fetchall() == [("wallets",)]
