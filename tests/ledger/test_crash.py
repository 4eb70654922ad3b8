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
from tests.conftest import REQUIRE_ALL
from tests.ledger.desk import Desk, usd

ROUNDS = 1_000 if REQUIRE_ALL else 40


def post_until_killed(desk: Desk, pipe: int, number: int) -> NoReturn:
    """Post from eight threads as fast as they can, and say of each answer that it came."""
    writer = Writer(open_store(desk.url), desk.clock)

    def post(thread: int) -> None:
        for count in range(100_000):
            key = f"{number}-{thread}-{count}"
            (outcome,) = writer.carry_out(
                desk.wallet_id, [PostUsage("platform", key, OUTBOUND_CALL, usd("0.01"), None)]
            )
            assert isinstance(outcome, Receipt)
            os.write(pipe, f"{key}\n".encode())

    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(post, range(8)))
    finally:
        os._exit(1)


def kill_while_posting(desk: Desk, number: int, answers: int) -> set[str]:
    """Run a child until it has answered so often, kill it, and give the keys it answered."""
    reader, pipe = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        post_until_killed(desk, pipe, number)
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


def test_what_was_answered_survives_a_kill(desk: Desk) -> None:
    """Also round after round in the same books."""
    chance = random.Random(118)  # noqa: S311 - a fixed seed, so that a failure comes again
    desk.top_up("10000")
    desk.ledger.close()
    answered: set[str] = set()

    for number in range(ROUNDS):
        answered |= kill_while_posting(desk, number, chance.randrange(1, 100))

    desk.reopen()
    posted = [row.source_id for row in desk.history(limit=10**6) if row.source == "platform"]
    assert answered <= set(posted)
    assert len(posted) == len(set(posted))
    assert desk.view().balance_micros == usd("10000") - len(posted) * usd("0.01")
    assert desk.findings() == []


@pytest.mark.parametrize("place", ["book.after_transfers", "book.before_commit"])
def test_a_kill_before_the_commit_leaves_nothing(desk: Desk, place: str) -> None:
    """No money without its notice, no notice without its money; the retry posts it once."""
    desk.top_up("100")
    desk.ledger.close()
    payment = PostMoney("stripe", "credit:pi_1", CreditKind.TOP_UP, usd("50"), None)

    child = os.fork()
    if child == 0:
        failpoints.arm(f"{place}=kill")
        Ledger(desk.url, desk.clock).carry_out(desk.wallet_id, [payment])
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL

    desk.reopen()
    assert desk.view().seq == 1
    with desk.ledger.reading() as connection:
        assert len(history(connection, desk.wallet_id)) == 1
        assert len(connection.execute(select(notices.c.seq)).all()) == 2
    assert not desk.one(payment, Receipt).duplicate
    assert desk.one(payment, Receipt).duplicate


@pytest.mark.backends("sqlite")
def test_a_second_process_is_refused_and_the_first_goes_on(desk: Desk, tmp_path: Path) -> None:
    """The lock is let go by the kill, not by a file that somebody has to remove."""
    desk.ledger.close()
    kill_while_posting(desk, 0, 1)
    desk.reopen()

    assert (tmp_path / "books.db.lock").exists()
    assert desk.top_up("1").balance_after_micros == desk.view().balance_micros
