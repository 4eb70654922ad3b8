"""Fixtures of the ledger's tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import Ledger
from tests.ledger.desk import Desk, HandClock


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of the newest schema, to be copied: making one costs more than most tests."""
    path = tmp_path_factory.mktemp("blank") / "books.db"
    Ledger(f"sqlite:///{path}", HandClock()).close()
    return path


@pytest.fixture
def desk(tmp_path: Path, blank: Path) -> Iterator[Desk]:
    """One wallet in dollars, in New York, never funded, on a Monday morning; its books are right at the end."""
    made = Desk(Path(shutil.copy(blank, tmp_path)))
    yield made
    try:
        if made.honest:
            assert made.findings() == []
    finally:
        made.close()
