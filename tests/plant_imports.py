"""Plants one import after the other into a copy of the packages, and gives which contracts each breaks.

`test_house.py` runs it in the copy's folder, in a process of its own: the linter looks packages up as Python does. It
reads a JSON list of `[file, line]` from standard input, and writes a list of lists of contracts' names.
"""

import json
import sys
from pathlib import Path

from importlinter import configuration
from importlinter.application import use_cases


def broken(file: Path, line: str) -> list[str]:
    """Give the names of the contracts that are broken while a line stands at the end of a file."""
    before = file.read_text(encoding="utf-8") if file.exists() else None
    file.write_text(f"{before or ''}\n{line}\n", encoding="utf-8")
    try:
        report = use_cases.create_report(use_cases.read_user_options("pyproject.toml"), cache_dir=None)
    finally:
        if before is None:
            file.unlink()
        else:
            file.write_text(before, encoding="utf-8")
    assert not report.invalid_contract_options, report.invalid_contract_options
    return [contract.name for contract, check in report.get_contracts_and_checks() if not check.kept]


def main() -> None:
    """Answer standard input on standard output."""
    sys.path.insert(0, str(Path.cwd()))
    configuration.configure()
    use_cases._register_built_in_contract_types()
    planted = json.load(sys.stdin)
    out, sys.stdout = sys.stdout, sys.stderr  # the linter shows its progress
    json.dump([broken(Path(file), line) for file, line in planted], out)


if __name__ == "__main__":
    main()
