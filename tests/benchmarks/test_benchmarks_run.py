"""The benchmarks' command works; what it measures is nobody's test."""

from pathlib import Path

import pytest

from tests.benchmarks.__main__ import main
from tests.benchmarks.contest import Contest, Done, Ratio
from tests.benchmarks.report import table


def test_a_short_run_prints_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each contestant has its row, and each ratio."""
    words = ["--only", "http", "--rounds", "1", "--seconds", "1", "--folder", str(tmp_path)]

    assert main(words) == 0

    said = capsys.readouterr().out
    assert "SQLite" in said
    assert "| usages, batches of 100 |" in said
    assert "| batches of 100, durable / doing nothing |" in said


def test_every_command_of_a_burst_is_acknowledged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also while there are more slow jobs than threads for them: the run ends, and has its rows."""
    words = ["--only", "slack", "--rounds", "1", "--seconds", "1", "--folder", str(tmp_path)]

    assert main(words) == 0

    said = capsys.readouterr().out
    assert "| Redbar, 25 slow jobs |" in said
    assert "| Redbar / an empty listener |" in said


def test_a_ratio_is_made_of_one_rounds_figures() -> None:
    """The median of the ratios, not the ratio of the medians; smaller is better where it says so."""
    contest = Contest(
        "C", [Ratio("a / b", "a", "b", 0.5, 1.0), Ratio("b costs", "b", "a", None, 0.6, at_most=True)]
    )
    for name, rates in (("a", [10, 20, 90]), ("b", [20, 10, 100])):
        contest.add(name, lambda seconds: Done(1, seconds))
        contest.contestants[name].rates = [float(rate) for rate in rates]
        contest.contestants[name].waits = [[]]

    said = table([contest])

    assert "| a / b | 0.90 [0.50–2.00] | ≥ 0.5 ✓ | ≥ 1 ✗ |" in said
    assert "| b costs | 0.90 [0.50–2.00] |  | ≤ 0.6 ✗ |" in said
