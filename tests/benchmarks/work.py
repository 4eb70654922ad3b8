"""The work that is done: one usage after the other, in each of the ways in which callers come."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from random import Random
from uuid import UUID

from ledger import (
    OUTBOUND_CALL,
    CreditKind,
    Ledger,
    PostMoney,
    PostUsage,
    SystemClock,
    new_id,
    new_wallet_id,
)
from tests.benchmarks.contest import Done, Work

KINDS = (OUTBOUND_CALL, "inbound_call", "ai_task", "sms")
FILLED = 10**15
_numbers = count()
_random = Random()  # noqa: S311 - keys of a load generator


def key() -> str:
    """Make a random key of 36 characters: the worst case for a unique index, and what most platforms send.

    From a generator of our own: asking the system for each costs a third of what is measured.
    """
    drawn = f"{_random.getrandbits(128):032x}"
    return f"{drawn[:8]}-{drawn[8:12]}-{drawn[12:16]}-{drawn[16:20]}-{drawn[20:]}"


def timed_key() -> str:
    """Make a key that is ordered by time, as our own client does."""
    return str(new_id())


def usage(make: Callable[[], str] = key) -> PostUsage:
    """Make a usage, so short that it did not begin before its wallet had money."""
    number = next(_numbers)
    return PostUsage("platform", make(), KINDS[number % 4], 420_000 + number % 1000, None, quantity=1)


def opened(url: str) -> tuple[Ledger, UUID]:
    """Open a ledger with one wallet that has enough."""
    ledger, wallet_id = Ledger(url, SystemClock()), new_wallet_id()
    ledger.run(lambda tx: tx.book.create_wallet(wallet_id, "USD", "America/New_York"))
    ledger.carry_out(wallet_id, [PostMoney("stripe", "credit:pi_1", CreditKind.TOP_UP, FILLED, None)])
    return ledger, wallet_id


def until(seconds: int) -> Callable[[], bool]:
    """Give what says whether there is time left."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() < end


def batches(size: int, once: Callable[[int], object]) -> Work:
    """Call something again and again, each time for so many."""

    def work(seconds: int) -> Done:
        more, done, waits = until(seconds), 0, []
        started = time.perf_counter()
        while more():
            began = time.perf_counter_ns()
            once(size)
            waits.append(time.perf_counter_ns() - began)
            done += size
        return Done(done, time.perf_counter() - started, waits)

    return work


def in_threads(callers: int, once: Callable[[], object]) -> Work:
    """Let so many threads call something again and again."""

    def work(seconds: int) -> Done:
        more = until(seconds)
        waits: list[int] = []

        def one(_: int) -> int:
            done = 0
            while more():
                began = time.perf_counter_ns()
                once()
                waits.append(time.perf_counter_ns() - began)
                done += 1
            return done

        with ThreadPoolExecutor(callers) as pool:
            started = time.perf_counter()
            done = sum(pool.map(one, range(callers)))
            return Done(done, time.perf_counter() - started, waits)

    return work


def on_a_loop(callers: int, ledger: Ledger, wallet_id: UUID, make: Callable[[], str] = key) -> Work:
    """Let so many asyncio callers post one usage at a time, each waiting for its durable answer."""

    def work(seconds: int) -> Done:
        more = until(seconds)
        waits: list[int] = []

        async def one() -> int:
            done = 0
            while more():
                began = time.perf_counter_ns()
                await ledger.carry_out_async(wallet_id, [usage(make)])
                waits.append(time.perf_counter_ns() - began)
                done += 1
            return done

        async def all_of_them() -> int:
            return sum(await asyncio.gather(*[one() for _ in range(callers)]))

        started = time.perf_counter()
        done = asyncio.run(all_of_them())
        return Done(done, time.perf_counter() - started, waits)

    return work


def one_at_a_time(once: Callable[[], object]) -> Callable[[], None]:
    """Put a mutex in front of something."""
    mutex = threading.Lock()

    def alone() -> None:
        with mutex:
            once()

    return alone
