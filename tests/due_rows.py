"""`python -m tests.long due_rows`: what a round of jobs costs in books of many wallets, of which few are due.

Books are an SQLite file. A round is every job that looks for something due, but for those that ask Slack or Stripe.
Each figure is the processor time of the second of two rounds, the caches being warm.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from bot.app import open_ledger
from bot.delivering.courier import Courier
from bot.served import Served
from bot.stripe.gateway import StripeGateway
from bot.timers import Timers
from bot.use_cases import use_cases_of
from ledger import Ledger
from tests.blank_books import lay_books
from tests.due_books import add_wallets, let_fall_due
from tests.faults.driver import open_beside
from tests.sandbox.slack_place import SettableClock

SHARE = 100
"""One wallet in so many is due in the large books; in the small ones all are."""


def jobs_of_books(ledger: Ledger) -> Sequence[Callable[[datetime], object]]:
    """Give the jobs that look for something due."""
    served = Served(None)
    cases = use_cases_of(ledger, StripeGateway("sk_test_none", "http://127.0.0.1:9"), served)
    timers = Timers(ledger, served, cases.sweep, cases.recharge, cases.news)
    courier = Courier(ledger, timers.heard, lambda claim: None, served)
    return (
        timers.observe,
        timers.recharge,
        timers.sweep,
        timers.follow_pace,
        timers.tell_in_the_morning,
        timers.repeat_alarms,
        timers.clear,
        cases.cards.look_ahead,
        courier.run_once,
        courier.look,
    )


def measure(wallets: int, due: int) -> tuple[float, float]:
    """Give what a round costs with so many wallets of which so many are due, and with none due; in seconds."""
    with TemporaryDirectory() as folder:
        clock = SettableClock()
        ledger = open_ledger(f"sqlite:///{lay_books(Path(folder)) / 'redbar.db'}", clock)
        first = open_beside(ledger, "T0")
        ids: list[UUID] = []
        while len(ids) < wallets:
            ids += add_wallets(ledger, first, min(5_000, wallets - len(ids)))
        jobs = jobs_of_books(ledger)
        spent = []
        for number in range(3):
            if number < 2:
                let_fall_due(ledger, ids[:due])  # nothing of it is scheduled any more after a round
            began = time.process_time()
            for job in jobs:
                job(clock.now())
            spent.append(time.process_time() - began)
        ledger.close()
    return spent[1], spent[2]


def main(argv: list[str] | None = None) -> int:
    """Measure both books and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.long due_rows", description=__doc__)
    parser.add_argument("--wallets", type=int, default=100_000, help="in the large books")
    wallets = parser.parse_args(argv).wallets
    due = wallets // SHARE
    print("| wallets | due | a round | a round with none due |\n|---|---|---|---|")  # noqa: T201
    rounds = []
    for count in (due, wallets):
        busy, idle = measure(count, due)
        rounds.append(busy)
        print(f"| {count:,} | {due:,} | {busy:.2f} s | {idle * 1000:.1f} ms |", flush=True)  # noqa: T201
    print(f"large ÷ small: {rounds[1] / rounds[0]:.2f}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
