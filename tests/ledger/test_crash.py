"""SIGKILL in the middle of writing: nothing that was answered is missing, nothing is doubled."""

import os
import random
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import select

from ledger import (
    OUTBOUND_CALL,
    CreditKind,
    Ledger,
    PostMoney,
    PostUsage,
    Receipt,
    Writer,
    failpoints,
    history,
    open_store,
)
from ledger.storage.schema import notices
from tests.ledger.wallet_driver import WalletDriver, usd
from tests.sizes import size

ROUNDS = size("crash", local=24, ci=24, full=1_000)


def post_until_killed(driver: WalletDriver, pipe: int, number: int) -> NoReturn:
    """Post from eight threads as fast as they can, and say of each answer that it came."""
    writer = Writer(open_store(driver.url), driver.clock)

    def post(thread: int) -> None:
        for count in range(100_000):
            key = f"{number}-{thread}-{count}"
            (outcome,) = writer.carry_out(
                driver.wallet_id, [PostUsage("platform", key, OUTBOUND_CALL, usd("0.01"), None)]
            )
            assert isinstance(outcome, Receipt)
            os.write(pipe, f"{key}\n".encode())

    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(post, range(8)))
    finally:
        os._exit(1)


def kill_while_posting(driver: WalletDriver, number: int, answers: int) -> set[str]:
    """Run a child until it has answered so often, kill it, and give the keys it answered."""
    reader, pipe = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        post_until_killed(driver, pipe, number)
    os.close(pipe)
    heard = b""
    with os.fdopen(reader, "rb", buffering=0) as said:
        while heard.count(b"\n") < answers and (more := said.read(65_536)):
            heard += more
        os.kill(child, signal.SIGKILL)
        heard += said.read()
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    return set(heard.decode().splitlines()[: heard.count(b"\n")])


def test_what_was_answered_survives_a_kill(driver: WalletDriver) -> None:
    """Also round after round in the same books."""
    chance = random.Random(118)  # noqa: S311 - a fixed seed, so that a failure comes again
    driver.top_up("10000")
    driver.ledger.close()
    answered: set[str] = set()

    for number in range(ROUNDS):
        answered |= kill_while_posting(driver, number, chance.randrange(1, 100))

    driver.reopen()
    posted = [row.source_id for row in driver.history(limit=10**6) if row.source == "platform"]
    assert answered <= set(posted)
    assert len(posted) == len(set(posted))
    assert driver.view().balance_micros == usd("10000") - len(posted) * usd("0.01")
    assert driver.findings() == []


@pytest.mark.parametrize("place", ["book.after_transfers", "book.before_commit"])
def test_a_kill_before_the_commit_leaves_nothing(driver: WalletDriver, place: str) -> None:
    """No money without its notice, no notice without its money; the retry posts it once."""
    driver.top_up("100")
    driver.ledger.close()
    payment = PostMoney("stripe", "credit:pi_1", CreditKind.TOP_UP, usd("50"), None)

    child = os.fork()
    if child == 0:
        failpoints.arm(f"{place}=kill")
        Ledger(driver.url, driver.clock).carry_out(driver.wallet_id, [payment])
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL

    driver.reopen()
    assert driver.view().seq == 1
    with driver.ledger.reading() as connection:
        assert len(history(connection, driver.wallet_id)) == 1
        assert len(connection.execute(select(notices.c.seq)).all()) == 2
    assert not driver.one(payment, Receipt).duplicate
    assert driver.one(payment, Receipt).duplicate


@pytest.mark.backends("sqlite")
def test_a_second_process_is_refused_and_the_first_goes_on(driver: WalletDriver, tmp_path: Path) -> None:
    """The lock is let go by the kill, not by a file that somebody has to remove."""
    driver.ledger.close()
    kill_while_posting(driver, 0, 1)
    driver.reopen()

    assert (tmp_path / "books.db.lock").exists()
    assert driver.top_up("1").balance_after_micros == driver.view().balance_micros
