"""Writing: the ledger against the limits and against one transaction an event."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

from ledger import Ledger, OpenHold, Tx, permit_at
from ledger.commands import funds_of
from tests.benchmarks.contest import Contest, Ratio, Work
from tests.benchmarks.limits import PlainSqlite, RawPostgres, RawSqlite, pgbench, ungrouped
from tests.benchmarks.work import batches, in_threads, key, on_a_loop, one_at_a_time, opened, timed_key, usage
from tests.postgres_server import Server

UNGROUPED = "ours ungrouped, 64 threads, one mutex"


def direct(ledger: Ledger, wallet_id: UUID, make: Callable[[], str] = key) -> Callable[[int], object]:
    """Post batches from one caller."""
    return lambda size: ledger.carry_out(wallet_id, [usage(make) for _ in range(size)])


def with_repeats(ledger: Ledger, wallet_id: UUID) -> Callable[[int], object]:
    """Post batches in which one in ten was posted before."""
    before = [usage() for _ in range(1_000)]
    ledger.carry_out(wallet_id, before)
    return lambda size: ledger.carry_out(
        wallet_id, [before[number] if number % 10 == 0 else usage() for number in range(size)]
    )


def without_chain(once: Callable[[int], object]) -> Callable[[int], object]:
    """The same without hashing. The ledger has no switch for it: its two functions are put out of work."""

    def plain(size: int) -> object:
        with (
            patch("ledger.deciding.batch.link", lambda head, columns, digest: head),
            patch("ledger.deciding.batch.digest_of_text", lambda salt, reference, description: salt),
        ):
            return once(size)

    return plain


def sqlite_writing(folder: Path) -> Contest:
    """Everything on SQLite."""
    contest = Contest(
        "Writing, SQLite",
        [
            Ratio(
                "64 asyncio callers / raw executemany of 64",
                "ours, 64 asyncio callers",
                "raw, 64 rows",
                0.55,
                0.7,
            ),
            Ratio("256 asyncio callers / raw of 256", "ours, 256 asyncio callers", "raw, 256 rows", 0.6, 0.7),
            Ratio("batch of 1,000 / raw of 1,000", "ours, batches of 1,000", "raw, 1,000 rows", None, 0.9),
            Ratio("64 asyncio callers / the same ungrouped", "ours, 64 asyncio callers", UNGROUPED, 8),
            Ratio("64 threads / the same ungrouped", "ours, 64 threads", UNGROUPED, 4),
            Ratio(
                "one caller / the same ungrouped", "ours, 1 caller", "ours ungrouped, 1 caller", 0.85, 0.95
            ),
            Ratio("one caller / a plain transaction", "ours, 1 caller", "plain transactions, 1 caller"),
            Ratio(
                "64 asyncio callers / plain transactions, 64 connections",
                "ours, 64 asyncio callers",
                "plain transactions, 64 connections",
                None,
                40,
            ),
            Ratio("chain on / off, batches of 1,000", "ours, batches of 1,000", "ours, chain off", 0.85),
            Ratio("1 in 10 repeated / none", "ours, 1 in 10 repeated", "ours, batches of 1,000"),
            Ratio("keys ordered by time / random", "ours, keys by time", "ours, batches of 1,000"),
            Ratio(
                "what a permit check costs / a bare SELECT by key",
                "permit check",
                "bare SELECT by key",
                None,
                1.5,
                at_most=True,
            ),
            Ratio(
                "the same with 50,000 open holds",
                "permit check, 50,000 holds",
                "bare SELECT by key",
                None,
                1.5,
                at_most=True,
            ),
        ],
    )
    for size in (1, 64, 256, 1_000, 8_000):
        contest.add(_raw(size), batches(size, RawSqlite(folder / f"raw{size}.db").write))
    plain = PlainSqlite(folder / "plain.db")
    contest.add("plain transactions, 1 caller", batches(1, lambda _: plain.post()))
    contest.add("plain transactions, 64 connections", in_threads(64, plain.post))
    _ours(contest, lambda name: opened(f"sqlite:///{folder / name}.db"))
    return contest


def postgres_writing(server: Server) -> Contest:
    """Everything on PostgreSQL, on one wallet."""
    hot = server.create("hot")
    contest = Contest(
        "Writing, PostgreSQL, one wallet",
        [
            Ratio(
                "64 asyncio callers / pgbench, 64 clients",
                "ours, 64 asyncio callers",
                "pgbench, 64 clients",
                20,
                30,
            ),
            Ratio(
                "64 asyncio callers / pgbench, 8 clients",
                "ours, 64 asyncio callers",
                "pgbench, 8 clients",
                8,
                13,
            ),
            Ratio(
                "64 asyncio callers / pgbench, 1 client", "ours, 64 asyncio callers", "pgbench, 1 client", 8
            ),
            Ratio(
                "256 asyncio callers / pgbench, 8 clients",
                "ours, 256 asyncio callers",
                "pgbench, 8 clients",
                15,
            ),
            Ratio(
                "256 asyncio callers / raw unnest of 256", "ours, 256 asyncio callers", "raw, 256 rows", 0.55
            ),
            Ratio("chain on / off, batches of 1,000", "ours, batches of 1,000", "ours, chain off", 0.85),
            Ratio("1 in 10 repeated / none", "ours, 1 in 10 repeated", "ours, batches of 1,000"),
            Ratio(
                "what a permit check costs / a bare SELECT by key",
                "permit check",
                "bare SELECT by key",
                None,
                1.5,
                at_most=True,
            ),
            Ratio(
                "the same with 50,000 open holds",
                "permit check, 50,000 holds",
                "bare SELECT by key",
                None,
                1.5,
                at_most=True,
            ),
        ],
    )
    for size in (1, 64, 256, 1_000, 8_000):
        contest.add(_raw(size), batches(size, RawPostgres(server.create(f"raw{size}")).write))
    for clients in (1, 8, 64):
        name = "pgbench, 1 client" if clients == 1 else f"pgbench, {clients} clients"
        contest.add(name, pgbench(server, hot, clients))
    _ours(contest, lambda name: opened(server.create(name)))
    return contest


def _raw(size: int) -> str:
    return "raw, 1 row" if size == 1 else f"raw, {size:,} rows"


def _ours(contest: Contest, fresh: Callable[[str], tuple[Ledger, UUID]]) -> None:
    """Let the ledger take part, a database each, so that none has a longer history than another."""

    def add(name: str, work: Callable[[Ledger, UUID], Work]) -> None:
        ledger, wallet_id = fresh(f"db{len(contest.contestants)}")
        contest.at_end(ledger.close)
        contest.add(name, work(ledger, wallet_id))

    add("ours ungrouped, 1 caller", lambda ledger, wallet: batches(1, lambda _: ungrouped(ledger, wallet)()))
    add(UNGROUPED, lambda ledger, wallet: in_threads(64, one_at_a_time(ungrouped(ledger, wallet))))
    add("ours, 1 caller", lambda ledger, wallet: batches(1, direct(ledger, wallet)))
    for callers in (8, 64):
        add(f"ours, {callers} threads", partial(_threads, callers))
    for callers in (1, 8, 64, 256):
        name = "1 asyncio caller" if callers == 1 else f"{callers} asyncio callers"
        add(f"ours, {name}", partial(on_a_loop, callers))
    for size in (100, 1_000, 8_000):
        add(f"ours, batches of {size:,}", partial(_batches, size))
    add("ours, chain off", lambda ledger, wallet: batches(1_000, without_chain(direct(ledger, wallet))))
    add("ours, 1 in 10 repeated", lambda ledger, wallet: batches(1_000, with_repeats(ledger, wallet)))
    add("ours, keys by time", lambda ledger, wallet: batches(1_000, direct(ledger, wallet, timed_key)))
    add("a hold opened", lambda ledger, wallet: batches(1, lambda _: _hold(ledger, wallet)))
    add("permit check", lambda ledger, wallet: batches(1, lambda _: _may_start(ledger, wallet)))
    add("permit check, 50,000 holds", lambda ledger, wallet: batches(1, _with_holds(ledger, wallet)))
    add("bare SELECT by key", lambda ledger, wallet: batches(1, lambda _: _bare(ledger, wallet)))


def _threads(callers: int, ledger: Ledger, wallet_id: UUID) -> Work:
    return in_threads(callers, lambda: ledger.carry_out(wallet_id, [usage()]))


def _batches(size: int, ledger: Ledger, wallet_id: UUID) -> Work:
    return batches(size, direct(ledger, wallet_id))


def _hold(ledger: Ledger, wallet_id: UUID) -> object:
    return ledger.carry_out(wallet_id, [OpenHold(key(), "ai_task", 1)])


def _with_holds(ledger: Ledger, wallet_id: UUID) -> Callable[[int], object]:
    """Ask whether work may start, with 50,000 holds open."""

    def lasting(tx: Tx) -> None:
        policy, _ = tx.book.policy(wallet_id)
        policy = replace(policy, hold_lifetime=timedelta(days=1))
        tx.book.set_policy(wallet_id, policy, actor="benchmark", expected_version=None)

    ledger.run(lasting, wallet_id=wallet_id)
    for _ in range(50):
        ledger.carry_out(wallet_id, [OpenHold(key(), "ai_task", 1) for _ in range(1_000)])
    return lambda _: _may_start(ledger, wallet_id)


def _may_start(ledger: Ledger, wallet_id: UUID) -> bool:
    with ledger.reading() as connection:
        view, policy = ledger.look(connection, wallet_id)
    lifetime = policy.permit_lifetime
    return permit_at(
        ledger.now(), funds_of(view), inbound=False, estimate_micros=1, lifetime=lifetime
    ).allowed


def _bare(ledger: Ledger, wallet_id: UUID) -> Any:
    statement = "SELECT balance FROM wallets WHERE wallet_id = "
    with ledger.reading() as connection:
        mark = "?" if connection.dialect.name == "sqlite" else "%s"
        return connection.exec_driver_sql(statement + mark, (str(wallet_id),)).scalar_one()
