"""A process that holds the bot preloaded and forks for every life: starting Python anew would cost a second each.

It is started once and asked by lines of JSON. A life is a child of its own, so it may be killed like any process; the
process that asks has threads, and is never forked itself.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.life import Life, Order

ROOT = Path(__file__).parent.parent.parent
LIFE_SECONDS_MAX = 60


@dataclass(frozen=True, slots=True)
class Ended:
    """How a life ended, and what it said before."""

    exit_code: int
    said: Sequence[dict[str, Any]]

    def heard(self, name: str) -> list[Any]:
        """Give everything that was said under a name."""
        return [one[name] for one in self.said if name in one]


class ForkServer:
    """The process that forks, seen from outside."""

    def __init__(self) -> None:
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        environ.pop("REDBAR_FAILPOINTS", None)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.fork"],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def live(self, order: Order, *, forked: bool = True) -> Ended:
        """Have a life lived to its end. Unforked it only warms the process that forks."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"forked": forked, "order": order}), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        assert line, "the process that forks has died"
        answer = json.loads(line)
        return Ended(answer["exit_code"], answer["said"])

    def close(self) -> None:
        """Let the process end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.wait(10) == 0
        self._process.stdout.close()


def _serve() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        answer = _forked(asked["order"]) if asked["forked"] else _here(asked["order"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _here(order: Order) -> dict[str, Any]:
    said: list[dict[str, Any]] = []
    Life(order, said.append).live()
    gc.collect()
    gc.freeze()  # what is never freed need not be copied into each child
    return {"exit_code": 0, "said": said}


def _forked(order: Order) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os._exit(_child(order, writing))
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        said = [json.loads(line) for line in pipe]
    _, status = os.waitpid(child, 0)
    return {"exit_code": os.waitstatus_to_exitcode(status), "said": said}


def _child(order: Order, writing: int) -> int:
    signal.alarm(LIFE_SECONDS_MAX)
    gc.disable()  # a life is too short for it

    def say(what: dict[str, Any]) -> None:
        os.write(writing, json.dumps(what).encode() + b"\n")

    try:
        Life(order, say).live()
    except BaseException:  # noqa: BLE001 - whatever it was, the process that asked shows it
        say({"crash": traceback.format_exc()})
        return 1
    return 0


if __name__ == "__main__":
    _serve()
