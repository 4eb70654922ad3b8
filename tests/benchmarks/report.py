"""The table, as Markdown."""

import os
import platform
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path

import psycopg

from ledger.storage.sqlite import sqlite_module
from tests.benchmarks.contest import Contest, Ratio
from tests.postgres_server import Server


def machine(server: Server | None) -> str:
    """Say on what the figures were made."""
    cpu = "unknown processor"
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), cpu)
    parts = [
        f"{os.cpu_count()} cores of {cpu}",
        f"Python {platform.python_version()}",
        f"SQLite {sqlite_module().sqlite_version} (WAL, synchronous FULL)",
    ]
    if server is not None:
        with psycopg.connect(server.url("postgres")) as connection:
            found = connection.execute("SHOW server_version").fetchone()
        parts.append(f"PostgreSQL {found[0] if found else '?'} (fsync on)")
    return ", ".join(parts) + "."


def table(contests: Iterable[Contest]) -> str:
    """Give what each did, and how the claims stand."""
    return "\n\n".join("\n".join(_contest(contest)) for contest in contests)


def _contest(contest: Contest) -> Iterator[str]:
    yield f"**{contest.title}**\n"
    yield "| | per second | p50 / p99 |"
    yield "|---|---|---|"
    for one in contest.contestants.values():
        waits = f"{one.percentile(50):.2f} / {one.percentile(99):.2f} ms" if any(one.waits) else ""
        yield f"| {one.name} | {one.rate:,.0f} [{min(one.rates):,.0f}–{max(one.rates):,.0f}] | {waits} |"
    ratios = [line for ratio in contest.ratios if (line := _ratio(contest, ratio))]
    if ratios:
        yield "\n| ratio | measured | floor | stretch |"
        yield "|---|---|---|---|"
        yield from ratios


def _ratio(contest: Contest, ratio: Ratio) -> str:
    values = contest.by_round(ratio)
    if values is None:
        return ""
    middle = statistics.median(values)
    aims = " | ".join(_aim(middle, aim, at_most=ratio.at_most) for aim in (ratio.floor, ratio.stretch))
    return f"| {ratio.words} | {middle:.2f} [{min(values):.2f}–{max(values):.2f}] | {aims} |"


def _aim(value: float, aim: float | None, *, at_most: bool) -> str:
    if aim is None:
        return ""
    met = value <= aim if at_most else value >= aim
    return f"{'≤' if at_most else '≥'} {aim:g} {'✓' if met else '✗'}"
