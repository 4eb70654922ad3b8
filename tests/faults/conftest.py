"""A driver for every test of a file that asks for no other, and lanes for the matrices."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bot.payments.recharge import Recharge
from tests.faults.driver import BotDriver, driver_in
from tests.faults.lane import LANES, Lane


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[BotDriver]:
    """One wallet, one Stripe."""
    with driver_in(tmp_path) as made:
        yield made


@pytest.fixture
def recharge(driver: BotDriver) -> Recharge:
    """Automatic payments."""
    return driver.recharge


@pytest.fixture(scope="module")
def lanes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Lane]]:
    """The places of all rounds, one a core."""
    made = [Lane(tmp_path_factory.mktemp("matrix")) for _ in range(LANES)]
    yield made
    for lane in made:
        lane.close()
