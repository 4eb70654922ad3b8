"""`python -m tests.long NAME`: everything that CI tries a sample of; run once where something changed, figures kept."""

import argparse
import os
import subprocess
import sys

LOOKS = {
    "clicks": "tests/journeys/test_page.py",  # 1,000 calls of a browser, 20,000 of six weeks
    "crash": "tests/ledger/test_crash.py",  # 1,000 kills of a process that posts, on each database
    "damage": "tests/ledger/test_damage.py",  # every damage in every row
    "dead_card": "tests/faults/test_dead_card.py",  # 20 restarts
    "export": "tests/ledger/test_export.py",  # 10,000 transfers of every kind in both formats
    "late_news": "tests/faults/test_late_news.py",  # every way to pay, age and fate of events
    "machine": "tests/ledger/test_machine.py",  # 2,000 walks on the model, SQLite and PostgreSQL
    "matrix": "tests/faults/test_matrix.py",  # every POST to Stripe, every trouble, every place of death
    "orders": "tests/faults/test_orders.py",  # 2,000 orders of one payment's news
    "pairs": "tests/journeys/test_alarm_pairs.py",  # 10,000 moves of a balance around its lines
    "restarts": "tests/ledger/test_server_troubles.py",  # 20 immediate restarts of PostgreSQL under load
    "reads": "tests/faults/test_reads.py",  # every GET from Stripe, every trouble
    "slack_away": "tests/faults/test_slack_away.py",  # every order of states while Slack is away
    "telling": "tests/faults/test_telling.py",  # every kind of message, every trouble, everybody who may be hit
}


MEASURES = {
    "due_rows": "tests.due_rows",  # what a round of jobs costs in books of 100,000 wallets; `--wallets` for others
}
"""What prints figures, and takes arguments of its own."""


def main(argv: list[str] | None = None) -> int:
    """Run one of them whole; gives its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.long", description=__doc__)
    parser.add_argument("name", choices=[*LOOKS, *MEASURES])
    given, more = parser.parse_known_args(argv)
    name = given.name
    if name in MEASURES:
        return subprocess.run([sys.executable, "-m", MEASURES[name], *more], check=False).returncode
    if more:
        parser.error(f"{name} takes no arguments")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--durations=5", LOOKS[name]]
    environment = {**os.environ, "REDBAR_FULL": name, "REDBAR_REQUIRE_ALL": "1"}
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
