"""`redbar demo` as a process of its own, for stories in which it is killed."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.sandbox.loopback import loopback
from tests.blank_books import lay_books
from tests.journeys.world import World
from tests.redbar_process import RedbarProcess, redbar


class Process:
    """A running demo that can be killed and started again on the same data."""

    def __init__(self, data: Path, *, failpoints: str = "", port: int = 0) -> None:
        lay_books(data)
        environ = {name: value for name, value in os.environ.items() if name != "REDBAR_FAILPOINTS"}
        if failpoints:
            environ |= {"REDBAR_FAILPOINTS": failpoints, "REDBAR_ENV": "test"}
        words = ["demo", "--port", str(port), "--data", str(data), "--no-browser"]
        self._process = RedbarProcess(words, environ)
        self.pid = self._process.pid
        self.stderr = self._process.stderr
        self.said = self._process.stdout.readline().decode()
        assert "is ready" in self.said, self.said + self._process.stderr.read().decode()
        self.info = json.loads((data / "demo.json").read_text(encoding="utf-8"))
        self.client = loopback(self.info["url"], timeout=30)
        self.world = World(self.client, self.info["api_key"])

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.info["url"].rpartition(":")[2])

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._end(signal.SIGKILL)

    def interrupt(self) -> int:
        """End it with Ctrl-C; gives its exit code."""
        return self._end(signal.SIGINT)

    def wait(self) -> int:
        """Wait until it ended by itself; gives its exit code."""
        return self._end(None)

    def _end(self, how: signal.Signals | None) -> int:
        if how is not None:
            self._process.send_signal(how)
        code = self._process.wait(30)
        self._process.close()
        self.client.close()
        return code


@contextmanager
def demo_process(data: Path, *, failpoints: str = "") -> Iterator[Process]:
    """Run a demo and end it in any case."""
    process = Process(data, failpoints=failpoints)
    try:
        yield process
    finally:
        process.kill()


def is_whole(data: Path) -> str:
    """Ask `redbar verify` whether the books are whole; gives what it said."""
    result = redbar("verify", "--database", f"sqlite:///{data / 'redbar.db'}")
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
