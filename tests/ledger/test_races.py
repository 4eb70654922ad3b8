"""Many who ask at once for the last of the money: exactly what is affordable is accepted, and never a wrong no."""

import os
import random
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlsplit

import psycopg
import pytest

from ledger import (
    OUTBOUND_CALL,
    CreditKind,
    HoldAnswer,
    Ledger,
    OpenHold,
    OutcomeUnknown,
    PostMoney,
    PostUsage,
    Reason,
    Receipt,
    Tx,
    Writer,
    open_store,
)
from tests import statements
from tests.ledger.wallet_driver import WalletDriver, usd

PROCESSES = 8
ASKS = 40


def ask_until_no(driver: WalletDriver, writer: Writer, number: int) -> int:
    """Ask for holds of a dollar, one after the other; give how many were allowed. A no has to be for the money."""
    allowed = 0
    for count in range(ASKS):
        hold = OpenHold(f"{number}-{count}", OUTBOUND_CALL, usd("1"))
        (answer,) = writer.carry_out(driver.wallet_id, [hold])
        assert isinstance(answer, HoldAnswer)
        allowed += answer.permit.allowed
        assert answer.permit.allowed or answer.permit.reason is Reason.INSUFFICIENT_AVAILABLE
    return allowed


def test_64_threads_get_what_there_is(driver: WalletDriver) -> None:
    """Sixty-four who ask at once, for forty dollars."""
    driver.top_up("40")

    with ThreadPoolExecutor(64) as pool:
        allowed = list(pool.map(lambda number: ask_until_no(driver, driver.ledger.writer, number), range(64)))

    assert sum(allowed) == 40
    assert driver.view().available_micros == 0


@pytest.mark.backends("postgresql")
def test_8_processes_get_what_there_is(driver: WalletDriver) -> None:
    """The wallet's row is the lock: whichever process asks, there is one truth."""
    driver.top_up("100")
    driver.ledger.close()
    children = [in_a_process(driver, number) for number in range(PROCESSES)]

    allowed = [result_of(child) for child in children]

    driver.reopen()
    assert sum(allowed) == 100
    assert driver.view().available_micros == 0
    assert driver.view().open_holds == 100


def in_a_process(driver: WalletDriver, number: int) -> tuple[int, int]:
    """Ask in a process of its own; gives it and the pipe on which it answers."""
    reader, pipe = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(
                pipe, str(ask_until_no(driver, Writer(open_store(driver.url), driver.clock), number)).encode()
            )
        finally:
            os._exit(0)
    os.close(pipe)
    return child, reader


def result_of(child: tuple[int, int]) -> int:
    """Wait for a process and give what it answered; an empty answer is a crash."""
    with os.fdopen(child[1], "rb") as reader:
        said = reader.read()
    os.waitpid(child[0], 0)
    return int(said)


@pytest.mark.backends("postgresql")
def test_the_same_key_from_two_processes_posts_once(driver: WalletDriver) -> None:
    """Two replicas that hear the same news credit it once; both are told the same."""
    others = [Ledger(driver.url, driver.clock) for _ in range(4)]
    start = threading.Barrier(len(others))

    def post(ledger: Ledger) -> Receipt:
        start.wait()
        payment = PostMoney("stripe", "credit:pi_1", CreditKind.TOP_UP, usd("50"), None)
        (receipt,) = ledger.carry_out(driver.wallet_id, [payment])
        assert isinstance(receipt, Receipt)
        return receipt

    try:
        with ThreadPoolExecutor(len(others)) as pool:
            receipts = list(pool.map(post, others))
    finally:
        for ledger in others:
            ledger.close()

    assert [one.duplicate for one in receipts].count(False) == 1
    assert {(one.seq, one.balance_after_micros) for one in receipts} == {(1, usd("50"))}


# --- The line is cut -----------------------------------------------------------------------------------------


class Cutter:
    """Stands between a client and the server, and cuts the line on command."""

    def __init__(self, url: str) -> None:
        self._to = ("127.0.0.1", urlsplit(url).port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = url.replace(f":{self._to[1]}/", f":{self._listener.getsockname()[1]}/")
        self.cut_on = b""
        """The next answer of the server's that holds these bytes is swallowed, and the line cut."""
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._to)
            for one, other, back in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._carry, args=(one, other, back), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket, back: bool) -> None:
        try:
            while data := one.recv(65_536):
                if back and self.cut_on and self.cut_on in data:
                    self.cut_on = b""
                    self.cuts += 1
                    break
                other.sendall(data)
        except OSError:
            pass  # the other direction was cut
        for line in (one, other):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()


@pytest.fixture
def cutter(database: str) -> Iterator[Cutter]:
    """A line to the test's database that can be cut."""
    made = Cutter(database)
    yield made
    made.close()


@pytest.fixture
def far(cutter: Cutter) -> Iterator[WalletDriver]:
    """A driver at the far end of that line."""
    made = WalletDriver(cutter.url)
    yield made
    assert made.findings() == []
    made.close()


@pytest.mark.backends("postgresql")
def test_a_commit_whose_answer_was_lost_counts_once(far: WalletDriver, cutter: Cutter) -> None:
    """The server wrote it, nobody heard: asked again with the same key, it is found."""
    far.top_up("20")
    cutter.cut_on = b"COMMIT\0"

    receipt = far.use("1", key="lost")

    assert cutter.cuts == 1
    assert receipt.duplicate  # it had been written: the second try says so
    assert far.view().balance_micros == usd("19")


@pytest.mark.backends("postgresql")
@pytest.mark.parametrize("answer", ["COMMIT\0", "SELECT 1\0"], ids=["after the commit", "before the commit"])
def test_a_flow_whose_answer_was_lost_runs_once(far: WalletDriver, cutter: Cutter, answer: str) -> None:
    """It carries no keys, so the server is asked what became of its transaction."""
    runs: list[int] = []

    def flow(tx: Tx) -> str:
        cutter.cut_on = answer.encode() if not runs else b""
        runs.append(1)
        tx.book.audit(far.wallet_id, "U1", "tried", None, len(runs))
        tx.connection.exec_driver_sql("SELECT 1")
        return f"run {len(runs)}"

    said = far.ledger.run(flow)

    assert cutter.cuts == 1
    assert said == ("run 1" if answer == "COMMIT\0" else "run 2")
    with psycopg.connect(far.url) as connection:
        assert connection.execute("SELECT count(*) FROM audit_log WHERE action = 'tried'").fetchone() == (1,)


@pytest.mark.backends("postgresql")
def test_a_server_that_ends_every_session_is_waited_for(driver: WalletDriver) -> None:
    """An administrator, a restart, a failover: the callers notice nothing but the time."""
    driver.top_up("1000")
    stop, posted = threading.Event(), threading.Event()
    posted.set()

    def use(number: int) -> None:
        driver.use("1", key=f"call-{number}")
        posted.set()

    def end_sessions() -> None:
        with psycopg.connect(driver.url, autocommit=True) as connection:
            while not stop.wait(0.05):
                if not posted.is_set():
                    continue  # however slow the machine is, something is posted between two cuts
                posted.clear()
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND datname = current_database()"
                )

    killer = threading.Thread(target=end_sessions)
    killer.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(use, range(200)))
    finally:
        stop.set()
        killer.join()

    assert driver.view().balance_micros == usd("800")


@pytest.mark.backends("postgresql")
def test_statements_that_the_server_forgot_are_prepared_again(driver: WalletDriver) -> None:
    """A flow that rolled back, DDL, a pooler: whoever says DEALLOCATE, the next posting goes through."""
    driver.top_up("10")
    driver.use("1", key="call-a")
    driver.ledger.run(lambda tx: tx.connection.exec_driver_sql("DEALLOCATE ALL"))

    assert not driver.use("1", key="call-b").duplicate
    assert not driver.use("1", key="call-c").duplicate


@pytest.mark.backends("postgresql")
def test_transactions_that_the_server_gives_up_run_again(driver: WalletDriver) -> None:
    """Two flows that lock two wallets in opposite order: the server ends one, which then runs again."""
    wallets = [driver.wallet_id, driver.open_wallet()]
    other = Ledger(driver.url, driver.clock)
    both = threading.Barrier(2)
    tries: list[int] = []

    def crossing(ledger: Ledger, order: int) -> None:
        def flow(tx: Tx) -> None:
            tries.append(order)
            tx.book.set_trouble(wallets[order], f"by {order}")
            if len(tries) <= 2:
                both.wait(10)
            tx.book.set_trouble(wallets[1 - order], f"by {order}")

        ledger.run(flow)

    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(crossing, (driver.ledger, other), (0, 1)))
    finally:
        other.close()

    assert len(tries) == 3
    statements.found.clear()  # two wallets in one transaction, on purpose


@pytest.mark.backends("postgresql")
def test_what_is_not_known_is_said(
    far: WalletDriver, cutter: Cutter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can be asked any more: the caller is told that it may have happened."""
    monkeypatch.setattr("ledger.storage.postgres.WAIT_MAX", timedelta())

    def flow(tx: Tx) -> None:
        cutter.cut_on = b"COMMIT\0"
        tx.book.audit(far.wallet_id, "U1", "tried", None, None)

    with pytest.raises(OutcomeUnknown, match="Look whether it happened"):
        far.ledger.run(flow)


def test_any_mix_of_callers_and_batches_is_kept_apart(driver: WalletDriver) -> None:
    """Threads with batches that hold a poisonous command or a repeated one: everybody gets their own answers."""
    chance = random.Random(7)  # noqa: S311 - a fixed seed, so that a failure comes again
    driver.top_up("10000")
    batches = [
        [
            PostUsage("platform", f"{number}-{chance.randrange(6)}", OUTBOUND_CALL, usd("0.50"), None)
            for _ in range(chance.randrange(1, 9))
        ]
        for number in range(60)
    ]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda batch: driver.do(*batch), batches))

    for batch, answer in zip(batches, answers, strict=True):
        assert [one.source_id for one in answer if isinstance(one, Receipt)] == [
            one.source_id for one in batch
        ]
    different = {one.source_id for batch in batches for one in batch}
    assert driver.view().balance_micros == usd("10000") - len(different) * usd("0.50")
