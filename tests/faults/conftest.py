"""A desk for every test of a file that asks for no other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.desk import Desk, desk_in


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """One wallet, one Stripe."""
    with desk_in(tmp_path) as made:
        yield made
