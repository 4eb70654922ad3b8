"""`python -m tests.long NAME`: looks that take longer than CI may, run once where something changed; figures are kept.

The same tests as in CI, with more of what they sample.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """A longer run of a test file."""

    says: str
    path: str
    environment: dict[str, str]


LOOKS = {
    "machine": Look(
        "2,000 walks of 50 commands on the model, SQLite and PostgreSQL",
        "tests/ledger/test_machine.py",
        {"REDBAR_MACHINE": "2000x50", "REDBAR_REQUIRE_ALL": "1"},
    ),
}


def main(argv: list[str] | None = None) -> int:
    """Run one look; gives the exit code of its tests."""
    parser = argparse.ArgumentParser(prog="python -m tests.long", description=__doc__)
    parser.add_argument(
        "name", choices=LOOKS, help="; ".join(f"{name}: {one.says}" for name, one in LOOKS.items())
    )
    look = LOOKS[parser.parse_args(argv).name]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--durations=5", look.path]
    return subprocess.run(command, env={**os.environ, **look.environment}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
