"""The telling matrix: each kind of message meets each trouble, and each of its readers is hit by it in turn.

A cell is held against the same message with nothing in its way: everybody else reads that once and in time, and the one
hit reads the present state when it can. Two copies are allowed only where no process could know of the first.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import get_args

import pytest

from bot.notices import AnyNotice
from tests.bot.test_notices_told import TOLD
from tests.faults.telling_cells import CELLS, KINDS, TROUBLES, Cell, Kind, sample
from tests.faults.telling_ground import Ground, ground_in
from tests.faults.telling_round import Calm, Round, calm
from tests.sizes import size

SEED = 20261130
NUMBER = size("telling", local=30, ci=30, full=len(CELLS))
PLAYED = sample(CELLS, NUMBER, SEED)


class Played:
    """A ground, and what its kinds look like where nothing goes wrong. After a cell that fails there is a new one."""

    def __init__(self, folders: Callable[[], Path]) -> None:
        self._folders = folders
        self._stack = ExitStack()
        self._ground: Ground | None = None
        self._calm: dict[Kind, tuple[Calm, Calm | None]] = {}

    def play(self, cell: Cell) -> list[str]:
        """Play a cell; gives what is wrong."""
        ground, self._ground = self._ground or self._stack.enter_context(ground_in(self._folders())), None
        wrong = Round(ground, cell, *self._calm_of(ground, cell.kind)).play()
        if not wrong:
            self._ground = ground
        return wrong

    def _calm_of(self, ground: Ground, kind: Kind) -> tuple[Calm, Calm | None]:
        if kind not in self._calm:
            moved = calm(ground, kind, moves=True) if kind.moves is not None else None
            self._calm[kind] = calm(ground, kind), moved
        return self._calm[kind]

    def close(self) -> None:
        """Close all grounds."""
        self._stack.close()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """One company for all cells: each begins when everybody has read everything."""
    with closing(Played(lambda: tmp_path_factory.mktemp("ground"))) as made:
        yield made


@pytest.mark.parametrize("cell", PLAYED, ids=str)
def test_whoever_meets_a_trouble_each_reader_reads_once_and_the_present(played: Played, cell: Cell) -> None:
    """One cell."""
    assert played.play(cell) == []


def test_the_matrix_is_whole() -> None:
    """Every class of notice that has recipients, every trouble; the sample has each of them."""
    assert set(TOLD) == set(get_args(AnyNotice))
    assert {kind.notice for kind in KINDS} == {notice for notice, one in TOLD.items() if one is not None}
    for cells in (CELLS, PLAYED):
        assert {cell.kind for cell in cells} == set(KINDS)
        assert {cell.trouble.name for cell in cells} == {one.name for one in TROUBLES}
