"""`python -m tests.mutants PACKAGE`: changes one small thing of the product at a time, and lists what no test saw.

mutmut makes the changes, each inside one function, and runs for each the tests that reach that function. It works in a
copy, below a folder of its own. Tables at the top of a module are not changed: tests compare those row by row.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".mutants"
SEED = 7
SEEN = ("killed", "timeout", "segfault")
"""Outcomes of a change that the tests saw."""
NOT_CHANGED = (
    r"^\s*log\.",  # what is logged
    r"^\s*assert ",  # what is impossible
)
"""Lines whose change says nothing of the product's behaviour."""


class Package(NamedTuple):
    """Files that are changed, and the tests that have to see it."""

    files: Sequence[str]
    tests: Sequence[str]


PACKAGES: Mapping[str, Package] = {
    "policies": Package(
        (
            "ledger/currencies.py",
            "ledger/local_time.py",
            "ledger/recharge_policy.py",
            "ledger/spending.py",
            "ledger/standing.py",
            "ledger/time_judgement.py",
            "ledger/wallet_policy.py",
        ),
        (
            "tests/bot/test_currencies.py",
            "tests/bot/test_figures.py",
            "tests/bot/test_rehearsal.py",
            "tests/ledger/test_local_time.py",
            "tests/ledger/test_policy.py",
            "tests/ledger/test_spending.py",
            "tests/ledger/test_standing.py",
            "tests/ledger/test_time_judgement.py",
            "tests/ledger/test_wallet_policy.py",
        ),
    ),
    "alerts": Package(
        ("ledger/alert_policy.py",),
        (
            "tests/ledger/test_alert_policy.py",
            "tests/ledger/test_notices_story.py",
            "tests/ledger/test_policy.py",
        ),
    ),
    "money": Package(
        ("ledger/money.py", "ledger/instants.py"),
        ("tests/ledger/test_instants.py", "tests/ledger/test_money.py"),
    ),
    "deciding": Package(
        ("ledger/deciding/*.py",),
        (
            "tests/ledger/test_attacks.py",
            "tests/ledger/test_charged_once.py",
            "tests/ledger/test_holds.py",
            "tests/ledger/test_money_story.py",
            "tests/ledger/test_notices_story.py",
            "tests/ledger/test_planner.py",
            "tests/ledger/test_refusals.py",
            "tests/ledger/test_standing_story.py",
            "tests/ledger/test_stops.py",
        ),
    ),
    "rules": Package(
        (
            "bot/reconciliation/difference.py",
            "bot/rights.py",
            "bot/states/*.py",
            "bot/stripe/declines.py",
            "bot/stripe/keys.py",
            "bot/surfaces/figures.py",
        ),
        (
            "tests/bot/test_currencies.py",
            "tests/bot/test_declines.py",
            "tests/bot/test_difference.py",
            "tests/bot/test_figures.py",
            "tests/bot/test_rights.py::test_the_table_is_what_people_were_promised",
            "tests/bot/test_rights.py::test_what_is_somebodys_own_is_theirs_in_any_role_of_the_workspace",
            "tests/bot/test_rights.py::test_a_card_ties_to_what_its_connector_was_promised",
            "tests/bot/test_states.py",
            "tests/bot/test_keys_of_movements.py",
        ),
    ),
    "settlement": Package(
        (
            "bot/payments/disputes.py",
            "bot/payments/outcomes.py",
            "bot/payments/refunds.py",
            "bot/payments/settlement.py",
        ),
        (
            "tests/faults/test_money_out.py",
            "tests/faults/test_recharge_end.py",
            "tests/faults/test_recharge_rules.py",
            "tests/faults/test_settlement.py",
        ),
    ),
    "charges": Package(
        ("bot/payments/saved_cards.py", "bot/payments/top_ups.py"),
        (
            "tests/faults/test_charge_buttons.py",
            "tests/faults/test_daily_limit.py",
        ),
    ),
    "recharge": Package(
        (
            "bot/payments/charge_stops.py",
            "bot/payments/operator_stop.py",
            "bot/payments/recharge.py",
            "bot/payments/recharge_failure.py",
        ),
        (
            "tests/faults/test_recharge_caps.py",
            "tests/faults/test_recharge_end.py",
            "tests/faults/test_recharge_midnights.py",
            "tests/faults/test_recharge_rules.py",
        ),
    ),
    "news": Package(
        (
            "bot/payment_rows.py",
            "bot/payments/inbox.py",
            "bot/payments/open_checks.py",
            "bot/payments/requests.py",
            "bot/payments/sending.py",
            "bot/payments/sweep.py",
            "bot/payments/sync.py",
        ),
        (
            "tests/faults/test_customer.py",
            "tests/faults/test_failing_looks.py",
            "tests/faults/test_late_news.py",
            "tests/faults/test_objects_seen.py",
            "tests/faults/test_open_ends.py",
            "tests/faults/test_recharge_end.py",
            "tests/faults/test_refused_key.py",
            "tests/faults/test_settlement.py",
            "tests/faults/test_sweep.py",
        ),
    ),
    "cards": Package(
        ("bot/payments/cards.py",), ("tests/faults/test_cards.py", "tests/faults/test_recharge_rules.py")
    ),
}


def copied(name: str) -> Path:
    """Copy the repository's files to where a package is changed; what was found there before stays."""
    folder = FOLDER / name
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    known = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for one in filter(None, known):
        source, target = ROOT / one, folder / one
        if source.exists() and not (target.exists() and target.read_bytes() == source.read_bytes()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    (folder / "setup.cfg").write_text(_settings(PACKAGES[name]), encoding="utf-8")
    return folder


def _settings(package: Package) -> str:
    def lines(values: Sequence[str]) -> str:
        return "\n".join(["", *(f"    {one}" for one in values)])

    settings = {
        "source_paths": ("ledger", "bot"),
        "only_mutate": package.files,
        "do_not_mutate_patterns": NOT_CHANGED,
        "pytest_add_cli_args_test_selection": package.tests,
        # Each change is tried in a process of its own: a database server in each would cost more than it shows.
        "pytest_add_cli_args": ("-p", "no:cacheprovider", "-p", "no:xdist", "-k", "not postgresql"),
        "also_copy": ("README.md", "docs", "manifest.yml"),
    }
    written = "\n".join(f"{name} ={lines(values)}" for name, values in settings.items())
    # A change that loops for ever ends after (the tests' time + 20 s) × 3, also where the machine has other work.
    limits = "timeout_constant = 20\ntimeout_multiplier = 3"
    return f"[mutmut]\n{written}\n{limits}\nprocess_isolation = forkserver\n"


def names_in(folder: Path, package: Package) -> list[str]:
    """Name every change that mutmut makes in a package's files."""
    from mutmut.mutation.file_mutation import mutate_file_contents  # noqa: PLC0415 - reads its settings when used
    from mutmut.utils.format_utils import get_mutant_name  # noqa: PLC0415

    os.chdir(folder)
    return [
        get_mutant_name(path, name)
        for pattern in package.files
        for path in sorted(Path().glob(pattern))
        for name in mutate_file_contents(str(path), path.read_text(encoding="utf-8")).mutant_names
    ]


def results_in(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Give what became of each change that was tried: file, name and outcome."""
    from mutmut.stats import status_by_exit_code  # noqa: PLC0415

    for path in sorted((folder / "mutants").rglob("*.meta")):
        file = path.relative_to(folder / "mutants").as_posix().removesuffix(".meta")
        for name, code in json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"].items():
            if code is not None:
                yield file, name, status_by_exit_code[code]


def report(folder: Path) -> list[str]:
    """Say how many changes the tests saw, file by file, and name those that they did not."""
    found = list(results_in(folder))
    lines = []
    for file in sorted({file for file, _, _ in found}):
        outcomes = Counter(outcome for one, _, outcome in found if one == file)
        seen = sum(outcomes[one] for one in SEEN)
        lines.append(f"{file:<40} {seen:>5} of {outcomes.total():>5} seen")
    lines += [f"{outcome}: {name}" for _, name, outcome in found if outcome not in SEEN]
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Try the changes of one package; gives 1 where a test missed one."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("package", choices=PACKAGES)
    parser.add_argument(
        "--sample", type=int, default=0, help="try so many, chosen by the seed; all without it"
    )
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", default="", help="try those whose name contains this")
    parser.add_argument("--again", action="store_true", help="try those that no test saw the last time")
    parser.add_argument("--children", type=int, default=1, help="how many at a time")
    wish = parser.parse_args(argv)
    folder = copied(wish.package)
    names = [one for one in names_in(folder, PACKAGES[wish.package]) if wish.only in one]
    if 0 < wish.sample < len(names):
        names = sorted(random.Random(wish.seed).sample(names, wish.sample))  # noqa: S311 - the same for everybody
    if wish.again:
        names = [name for _, name, outcome in results_in(folder) if outcome not in SEEN]
    mutmut = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", str(wish.children)]
    subprocess.run([*mutmut, *names], cwd=folder, check=False)
    lines = report(folder)
    print("\n".join(lines))  # noqa: T201 - a command
    return int(any(": " in line for line in lines))


if __name__ == "__main__":
    sys.exit(main())
