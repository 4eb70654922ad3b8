"""The SQLite file under an open ledger: gone, replaced, cut, read-only, full, locked. Nothing lost is answered yes."""

import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from ledger import (
    OUTBOUND_CALL,
    Ledger,
    OutcomeUnknown,
    PostUsage,
    Receipt,
    StoreTroubled,
    TroubleCode,
    open_store,
)
from ledger.audit.erasure import overwrite_erased
from ledger.clock import machine_ticks
from ledger.storage import trouble as troubles
from ledger.storage.sqlite import sqlite_module
from tests.ledger.wallet_driver import WalletDriver, usd

pytestmark = pytest.mark.backends("sqlite")
RECOVERS_IN = timedelta(seconds=5)
REFUSED_IN = timedelta(seconds=6)
"""Generous: the rule is 2 s, and other work runs on the machine."""


@pytest.fixture
def books(driver: WalletDriver, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a funded wallet, whose troubles are over after a fifth of a second without a failure."""
    monkeypatch.setattr(troubles, "_QUIET", timedelta(milliseconds=200))
    driver.top_up("100")
    return Path(driver.url.removeprefix("sqlite:///"))


def _refused(
    driver: WalletDriver, code: TroubleCode, sentence: str, *, unsure: bool = False
) -> StoreTroubled:
    """See that a posting is refused with a code and a sentence, and that the store says the same."""
    with pytest.raises(StoreTroubled, match=sentence) as refused:
        driver.use("1", key="refused")
    assert refused.value.code is code
    assert refused.value.nothing_written is not unsure
    trouble = driver.ledger.store.trouble()
    assert trouble is not None
    assert (trouble.code, trouble.sentence) == (code, str(refused.value))
    assert trouble.since == driver.clock.at
    return refused.value


def _recovers(driver: WalletDriver) -> None:
    """See that postings work at once, and that the trouble is over within five seconds by looks alone."""
    until = machine_ticks() + RECOVERS_IN + timedelta(seconds=5)
    assert not driver.use("1", key="refused").duplicate
    while driver.ledger.store.trouble() is not None:
        assert machine_ticks() < until, driver.ledger.store.trouble()
        driver.ledger.store.look()
        threading.Event().wait(0.2)
    assert driver.view().balance_micros == usd("99")


def _forgery(driver: WalletDriver) -> None:
    """The file under the driver is no longer its books: what it says at the end is not looked at."""
    driver.honest = False


def test_deleted_file_refuses_reads_and_writes(driver: WalletDriver, books: Path) -> None:
    """And no empty file appears in its place."""
    books.unlink()

    _refused(driver, TroubleCode.FILE_GONE, "is gone: it was deleted or moved")
    with pytest.raises(StoreTroubled, match="is gone"):
        driver.view()
    assert not books.exists()
    _forgery(driver)


def test_file_that_is_moved_back_is_used_again(driver: WalletDriver, books: Path) -> None:
    """The same inode: nothing was lost."""
    away = books.rename(books.with_name("away.db"))
    _refused(driver, TroubleCode.FILE_GONE, "Move this file back")

    away.rename(books)

    _recovers(driver)


def test_commit_into_a_file_that_is_gone_by_then_is_not_answered_yes(
    driver: WalletDriver, books: Path
) -> None:
    """Deleted while the transaction runs: nobody knows whether it will ever be found."""
    away = books.with_name("away.db")

    with pytest.raises(OutcomeUnknown, match="is gone"):
        driver.ledger.run(lambda tx: books.rename(away))

    away.rename(books)
    _recovers(driver)


def test_replaced_file_is_refused_until_a_restart(driver: WalletDriver, books: Path) -> None:
    """Also after the first file is back: what happened in between is unknown."""
    _forgery(driver)
    own = books.with_name("own.db")
    books.rename(own)
    shutil.copy(own, books)
    _refused(driver, TroubleCode.FILE_REPLACED, "Stop Redbar, run `redbar restore FILE`")

    own.replace(books)

    driver.ledger.store.look()
    _refused(driver, TroubleCode.FILE_REPLACED, "is not the file that Redbar opened")
    with pytest.raises(StoreTroubled):
        driver.view()


@pytest.mark.parametrize("size", [0, 8192])
def test_truncated_file_is_refused_until_a_restart(driver: WalletDriver, books: Path, size: int) -> None:
    """Whatever is left of it."""
    _checkpoint(driver)
    driver.use("1")
    os.truncate(books, size)

    _refused(driver, TroubleCode.FILE_TRUNCATED, "has become shorter: a part of it is lost. Stop Redbar")
    with pytest.raises(StoreTroubled, match="has become shorter"):
        driver.view()
    _forgery(driver)


def test_file_that_grew_and_was_cut_to_its_first_size_is_refused(driver: WalletDriver, books: Path) -> None:
    """What it has to hold is what it was last seen to hold."""
    first = books.stat().st_size
    _fill(driver)
    os.truncate(books, first)

    _refused(driver, TroubleCode.FILE_TRUNCATED, "has become shorter")
    _forgery(driver)


def _fill(driver: WalletDriver) -> None:
    """Let the file grow by a megabyte."""
    with driver.ledger.store.writing() as connection:
        connection.execute(text("CREATE TABLE filling (one BLOB)"))
        connection.execute(text("INSERT INTO filling VALUES (zeroblob(1000000))"))
    _checkpoint(driver)
    driver.use("1")


def test_file_that_was_written_anew_may_be_shorter(driver: WalletDriver, books: Path) -> None:
    """Erasing rewrites the file, and a later checkpoint cuts it."""
    _fill(driver)
    before = books.stat().st_size
    with driver.ledger.store.writing() as connection:
        connection.execute(text("DROP TABLE filling"))

    assert overwrite_erased(driver.ledger.store)

    assert books.stat().st_size < before - 900_000
    driver.use("1")
    assert driver.ledger.store.trouble() is None


def test_reads_are_answered_while_the_file_is_written_anew(driver: WalletDriver, books: Path) -> None:
    """They see the file become shorter before the writer is done with it."""
    _fill(driver)
    with driver.ledger.store.writing() as connection:
        connection.execute(text("DROP TABLE filling"))

    with driver.ledger.store.migrating() as connection:
        line: Any = connection.connection.driver_connection
        line.execute("VACUUM")
        line.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        assert driver.view().balance_micros == usd("99")


def test_log_that_was_deleted_is_noticed(driver: WalletDriver, books: Path) -> None:
    """The newest transactions stand in it alone."""
    log = books.with_name(books.name + "-wal")
    away = log.rename(log.with_name("away-wal"))

    driver.ledger.store.look()

    trouble = driver.ledger.store.trouble()
    assert trouble is not None
    assert "-wal is gone: the newest transactions stand in it" in trouble.sentence
    _refused(driver, TroubleCode.FILE_GONE, "-wal is gone")
    away.rename(log)
    _recovers(driver)


def test_read_only_file_refuses_writes_and_answers_reads(driver: WalletDriver, books: Path) -> None:
    """Connections that are open could still write; a restart could not."""
    books.chmod(0o400)
    _refused(driver, TroubleCode.READ_ONLY, "file, its directory or its file system is read-only")
    assert driver.view().balance_micros == usd("100")

    books.chmod(0o600)

    _recovers(driver)


def test_full_disk_refuses_writes_and_answers_reads(
    driver: WalletDriver, books: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small writes that still fit do not end the trouble at once; room does."""
    monkeypatch.setattr(troubles, "_QUIET", timedelta(seconds=3))
    pages = _sets_page_limit(driver, 1)
    big = "r" * 200
    outcome = None
    for number in range(1_000):
        outcome = _outcome(driver, f"call-{number}", reference=big)
        if isinstance(outcome, StoreTroubled):
            break
    assert str(outcome) == f"The disk of {books} is full. Free some space; Redbar goes on by itself."
    driver.ledger.store.look()
    trouble = driver.ledger.store.trouble()
    assert trouble is not None
    assert trouble.code is TroubleCode.FULL
    posted = driver.view().seq

    assert pages(2**30) > 0

    driver.use("1", key="room again")
    assert driver.view().seq == posted + 1
    until = machine_ticks() + 2 * RECOVERS_IN
    while driver.ledger.store.trouble() is not None:
        assert machine_ticks() < until
        driver.ledger.store.look()
        threading.Event().wait(0.2)


def _sets_page_limit(driver: WalletDriver, more: int) -> Callable[[int], int]:
    """Let the file grow by some pages alone; gives what lifts the limit."""

    def limit(pages: int) -> int:
        with driver.ledger.store.writing() as connection:
            return int(connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}").scalar_one())

    with driver.ledger.store.writing() as connection:
        limit_now = connection.exec_driver_sql("PRAGMA page_count").scalar_one() + more
    limit(limit_now)
    return limit


def _by_another(books: Path) -> Any:
    """Open the file as another program would; in one process only by the same library, or locks would be lost."""
    return sqlite_module().connect(str(books), isolation_level=None, timeout=30, check_same_thread=False)


def _checkpoint(driver: WalletDriver) -> None:
    """Write the log into the file, and cut both."""
    with driver.ledger.store.migrating() as connection:
        line: Any = connection.connection.driver_connection
        line.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def _held_by_another(books: Path) -> Iterator[None]:
    """Keep the write lock, as another program would."""
    with closing(_by_another(books)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_lock_that_somebody_keeps_is_waited_for_two_seconds(driver: WalletDriver, books: Path) -> None:
    """Reads go on; then writes do."""
    began_at = machine_ticks()
    with _held_by_another(books):
        _refused(driver, TroubleCode.LOCKED, "Another program keeps .* locked for longer than two seconds")
        assert driver.view().balance_micros == usd("100")
    took = machine_ticks() - began_at

    assert took < REFUSED_IN, took
    _recovers(driver)


def _outcome(driver: WalletDriver, key: str, *, reference: str = "") -> object:
    try:
        return driver.do(PostUsage("platform", key, OUTBOUND_CALL, usd("0.01"), None, reference=reference))
    except StoreTroubled as refused:
        return refused


def test_callers_who_waited_behind_a_lock_are_refused_together(
    driver: WalletDriver, books: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for two seconds of his own after the first did."""
    tries: list[object] = []
    waits = threading.Event()

    look = driver.ledger.store._before_writing

    def begins() -> None:
        look()
        tries.append(None)
        waits.set()

    monkeypatch.setattr(driver.ledger.store, "_before_writing", begins)
    with _held_by_another(books), ThreadPoolExecutor(12) as pool:
        first = pool.submit(_outcome, driver, "first")
        assert waits.wait(10)
        others = [pool.submit(_outcome, driver, f"call-{number}") for number in range(10)]
        answers = [one.result(30) for one in (first, *others)]

    assert {type(one) for one in answers} == {StoreTroubled}
    assert len(tries) == 1


def test_damaged_page_is_said_and_stays(driver: WalletDriver, books: Path) -> None:
    """Damage does not heal; health goes on saying it."""
    _forgery(driver)
    with driver.ledger.reading() as connection:
        page = connection.exec_driver_sql(
            "SELECT rootpage FROM sqlite_master WHERE name = 'wallets'"
        ).scalar_one()
    driver.ledger.close()
    with books.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(os.urandom(4096))
    store = open_store(driver.url)
    try:
        with (
            pytest.raises(StoreTroubled, match=r"is damaged: .*Stop Redbar, run") as refused,
            store.reading() as one,
        ):
            one.execute(text("SELECT * FROM wallets NOT INDEXED")).all()
        assert refused.value.code is TroubleCode.DAMAGED
        store.look()
        found = store.trouble()
        assert found is not None
        assert found.code is TroubleCode.DAMAGED
    finally:
        store.close()


def test_one_line_a_minute_stands_in_the_log(
    driver: WalletDriver, books: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the count of what was refused, and no traceback."""
    away = books.rename(books.with_name("away.db"))
    for _ in range(50):
        assert isinstance(_outcome(driver, "call"), StoreTroubled)
    monkeypatch.setattr(troubles, "_LOG_EVERY", timedelta())
    assert isinstance(_outcome(driver, "call"), StoreTroubled)
    away.rename(books)

    lines = [one for one in caplog.records if one.name == "redbar.store"]
    assert [one.getMessage().rpartition("(")[2] for one in lines] == ["1 refused)", "50 refused)"]
    assert not any(one.exc_info for one in lines)


def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    """Books, log, index and lock; the directories that were made for them."""
    path = tmp_path / "made" / "below" / "books.db"
    before = os.umask(0)
    try:
        driver = WalletDriver(f"sqlite:///{path}")
    finally:
        os.umask(before)
    try:
        assert {one.name: _mode(one) for one in path.parent.iterdir()} == {
            f"books.db{suffix}": 0o600 for suffix in ("", "-wal", "-shm", ".lock")
        }
        assert [_mode(one) for one in (path.parent, path.parent.parent)] == [0o700, 0o700]
    finally:
        driver.close()


def test_files_that_others_could_read_are_taken_from_them(driver: WalletDriver, books: Path) -> None:
    """Books of an older version were made with the rights that the shell gives."""
    driver.ledger.close()
    lock = books.with_name("books.db.lock")
    for one in (books, lock):
        one.chmod(0o666)

    driver.reopen()

    assert {_mode(one) for one in books.parent.iterdir()} == {0o600}


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_new_books_are_known_as_new(tmp_path: Path, driver: WalletDriver) -> None:
    """Once: the first opening makes the tables."""
    url = f"sqlite:///{tmp_path}/new.db"
    first = Ledger(url, driver.clock)
    first.close()
    again = Ledger(url, driver.clock)
    again.close()

    assert (first.is_new, again.is_new) == (True, False)
    assert first.store.place == f"{tmp_path}/new.db"


def test_connections_are_never_opened_in_the_place_of_a_deleted_file(
    driver: WalletDriver, books: Path
) -> None:
    """An empty file there would look like new books."""
    reader = driver.ledger.store._reader
    assert reader is not None
    reader.dispose()
    away = books.rename(books.with_name("away.db"))
    opened: list[object] = []
    event.listen(reader, "connect", lambda connection, record: opened.append(connection))

    with pytest.raises(Exception, match="unable to open"):
        reader.connect()

    assert (opened, books.exists()) == ([], False)
    away.rename(books)


def test_receipts_before_the_trouble_are_still_there_after_it(driver: WalletDriver, books: Path) -> None:
    """What was answered yes is durable, however often the file comes and goes."""
    answered = []
    for number in range(20):
        away = books.rename(books.with_name("away.db")) if number % 3 == 0 else None
        outcome = _outcome(driver, f"call-{number}")
        if away is not None:
            away.rename(books)
            assert isinstance(outcome, StoreTroubled)
            continue
        assert isinstance(outcome, list)
        answered += [one.source_id for one in outcome if isinstance(one, Receipt)]
    driver.reopen()

    posted = {row.source_id for row in driver.history() if row.source == "platform"}
    assert posted == set(answered)
    assert len(answered) == 13
