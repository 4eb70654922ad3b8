"""Growth: what a long history costs those who read it and those who check it."""

import os
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from sqlalchemy import make_url

from ledger import Ledger, SystemClock, audit_books, history, month_summary
from tests.benchmarks.contest import Contest, Done, Ratio, Work
from tests.benchmarks.work import batches, opened, timed_key, usage
from tests.postgres_server import Server

SHORT = 10_000
FILLED_AT_ONCE = 8_000
_MESSAGE = b"x" * 300
"""As long as what the chain hashes of a transfer."""


def growth(folder: Path, server: Server | None, rows: int) -> Iterator[Contest]:
    """Reading and checking, on each database."""
    yield _growth("SQLite", rows, lambda name: f"sqlite:///{folder / name}.db")
    if server is not None:
        yield _growth("PostgreSQL", rows, server.create)


def _growth(title: str, rows: int, make: Callable[[str], str]) -> Contest:
    long = f"{rows:,} transfers"
    contest = Contest(
        f"Growth, {title}",
        [
            Ratio(
                f"what {what} costs at {long} / at {SHORT:,}",
                f"{what}, {long}",
                f"{what}, {SHORT:,} transfers",
                1.5,
                1.2,
                at_most=True,
            )
            for what in ("the balance", "a month by kind", "the first page", "a page in the middle")
        ]
        + [
            Ratio(
                f"a batch of 1,000 after {long} / after {SHORT:,}",
                f"a batch of 1,000, {long}",
                f"a batch of 1,000, {SHORT:,} transfers",
                0.9,
            ),
            Ratio("verify / a bare loop of sha256", "verify, transfers", "a bare loop of sha256", 0.12),
        ],
    )
    for count in (SHORT, rows):
        url = make(f"history{count}")
        ledger, wallet_id = opened(url)
        _fill(ledger, wallet_id, count)
        ledger.close()
        _lie(url)
        ledger = Ledger(url, SystemClock())
        contest.at_end(ledger.close)
        for what, work in _reads(ledger, wallet_id, count):
            contest.add(f"{what}, {count:,} transfers", work)
    small, wallet_id = opened(make("verified"))
    contest.at_end(small.close)
    _fill(small, wallet_id, 100_000)
    contest.add("verify, transfers", _verify(small, wallet_id))
    contest.add("a bare loop of sha256", batches(10_000, _hash))
    return contest


def _fill(ledger: Ledger, wallet_id: UUID, count: int) -> None:
    done = 1
    while done < count:
        size = min(FILLED_AT_ONCE, count - done)
        ledger.carry_out(wallet_id, [usage(timed_key) for _ in range(size)])
        done += size


def _lie(url: str) -> None:
    """Have the system forget what it keeps of a file, as of one that has lain for a night."""
    path = make_url(url).database
    if path is None or not Path(path).exists():
        return  # a server keeps its files itself
    for name in (path, f"{path}-wal"):
        if Path(name).exists():
            with open(name, "rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _reads(ledger: Ledger, wallet_id: UUID, count: int) -> Iterator[tuple[str, Work]]:
    month = f"{ledger.now():%Y-%m}"

    def balance(_: int) -> None:
        with ledger.reading() as connection:
            ledger.look(connection, wallet_id)

    def summary(_: int) -> None:
        with ledger.reading() as connection:
            month_summary(connection, wallet_id, month)

    def page(before_seq: int | None) -> Callable[[int], None]:
        def look(_: int) -> None:
            with ledger.reading() as connection:
                history(connection, wallet_id, before_seq=before_seq, limit=50)

        return look

    yield "the balance", batches(1, balance)
    yield "a month by kind", batches(1, summary)
    yield "the first page", batches(1, page(None))
    yield "a page in the middle", batches(1, page(count // 2))
    yield (
        "a batch of 1,000",
        batches(1_000, lambda size: ledger.carry_out(wallet_id, [usage(timed_key) for _ in range(size)])),
    )


def _verify(ledger: Ledger, wallet_id: UUID) -> Work:
    def work(seconds: int) -> Done:
        started = time.perf_counter()
        with ledger.reading() as connection:
            (audit,) = audit_books(connection, wallet_id)
        assert not audit.findings
        return Done(audit.seq, time.perf_counter() - started)

    return work


def _hash(size: int) -> None:
    head = b""
    for _ in range(size):
        head = sha256(head + _MESSAGE).digest()
