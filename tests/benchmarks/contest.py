"""Contestants that run in turn, and what is read off their figures."""

import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Done:
    """How many were done in how long, without what came before and after; and nanoseconds of single answers."""

    count: int
    seconds: float
    waits: Sequence[int] = ()


Work = Callable[[int], Done]
"""Does its work for about so many seconds."""


@dataclass
class Contestant:
    """Something that is measured. `rates` are per second, one a round; `waits` nanoseconds of single answers."""

    name: str
    work: Work
    rates: list[float] = field(default_factory=list)
    waits: list[list[int]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median per second."""
        return statistics.median(self.rates)

    def percentile(self, percent: int) -> float:
        """Give a percentile of the waits of all rounds, in milliseconds."""
        together = sorted(wait for waits in self.waits for wait in waits)
        return together[min(len(together) - 1, len(together) * percent // 100)] / 1e6


@dataclass(frozen=True)
class Ratio:
    """A claim: one contestant against another, and what is aimed at. `floor` is the least, `stretch` the aim."""

    words: str
    one: str
    other: str
    floor: float | None = None
    stretch: float | None = None
    at_most: bool = False
    """Whether smaller is better: the ratio of what one answer costs."""


@dataclass
class Contest:
    """Contestants of one kind, and the ratios between them."""

    title: str
    ratios: Sequence[Ratio]
    contestants: dict[str, Contestant] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def add(self, name: str, work: Work) -> None:
        """Let something take part."""
        self.contestants[name] = Contestant(name, work)

    def at_end(self, close: Callable[[], object]) -> None:
        """Let go of something once it is over."""
        self._stack.callback(close)

    def run(self, rounds: int, seconds: int, say: Callable[[str], None]) -> None:
        """Let each run once a round."""
        for number in range(1, rounds + 1):
            for one in self.contestants.values():
                done = one.work(seconds)
                one.rates.append(done.count / done.seconds)
                one.waits.append(list(done.waits))
                say(f"{self.title}, round {number}: {one.name}: {one.rates[-1]:,.0f}/s")

    def by_round(self, ratio: Ratio) -> list[float] | None:
        """Give a ratio's value in each round; None when one of the two did not take part."""
        one, other = self.contestants.get(ratio.one), self.contestants.get(ratio.other)
        if one is None or other is None:
            return None
        pairs = zip(one.rates, other.rates, strict=True)
        return [b / a if ratio.at_most else a / b for a, b in pairs]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
