"""`python -m tests.benchmarks`: limits, ledger and peers side by side in one run, as ratios.

Every round runs each contestant once, in turn; a ratio is made of the two figures of one round, and the table gives
the median over the rounds with the smallest and the largest. Nothing here is a test: figures belong to a machine.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.acknowledgements import acknowledgements_contest
from tests.benchmarks.contest import Contest
from tests.benchmarks.growth import growth
from tests.benchmarks.http import http_contest
from tests.benchmarks.peers import peers
from tests.benchmarks.report import machine, table
from tests.benchmarks.writing import postgres_writing, sqlite_writing
from tests.postgres_server import PostgresMissing, Server, postgres_server

PARTS = ("sqlite", "postgresql", "http", "slack", "growth", "peers")


def main(argv: list[str] | None = None) -> int:
    """Run what is wanted and print the table; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="one part (may be repeated)")
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    parser.add_argument(
        "--seconds", type=int, default=2, help="how long each contestant runs a round (default 2)"
    )
    parser.add_argument(
        "--rows", type=int, default=5_000_000, help="transfers of the long history (default 5 million)"
    )
    parser.add_argument("--folder", type=Path, help="where databases are made (default: a temporary folder)")
    wish = parser.parse_args(argv)
    wanted = wish.only or [part for part in PARTS if part != "peers"]
    with _folder(wish.folder) as folder, ExitStack() as stack:
        server = _server(stack) if {"postgresql", "growth", "peers"} & set(wanted) else None
        made_on = machine(server)
        contests = list(_contests(wanted, folder, server, wish.rows))
        for contest in contests:
            with contest:
                contest.run(wish.rounds, wish.seconds, say)
    print(made_on, table(contests), sep="\n\n")  # noqa: T201 - what the command is for
    return 0


def _contests(wanted: list[str], folder: Path, server: Server | None, rows: int) -> Iterator[Contest]:
    if "sqlite" in wanted:
        yield sqlite_writing(folder)
    if "postgresql" in wanted and server is not None:
        yield postgres_writing(server)
    if "http" in wanted:
        yield http_contest(folder)
    if "slack" in wanted:
        yield acknowledgements_contest(folder)
    if "growth" in wanted:
        yield from growth(folder, server, rows)
    if "peers" in wanted:
        yield peers(folder, server)


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with TemporaryDirectory(prefix="redbar-benchmarks-") as made:
        yield Path(made)


def _server(stack: ExitStack) -> Server | None:
    try:
        return stack.enter_context(postgres_server())
    except PostgresMissing:
        say("PostgreSQL is not installed here: its part is left out.")
        return None


def say(words: str) -> None:
    """Show what runs, where nothing reads the table."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
