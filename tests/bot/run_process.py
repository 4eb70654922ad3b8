"""`redbar run` as a process, in front of the Slack and the Stripe of a demo."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from bot.operator import demo
from tests.redbar_process import RedbarProcess
from tests.sandbox.slack_place import unused_port

Outside = tuple[demo.Demo, dict[str, str]]
"""A demo whose stand-ins are asked, and the settings that lead there."""
PATIENCE_SECONDS = 30


class Running:
    """A bot, what it said, and its API."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.port = str(unused_port())
        environ = {**os.environ, **settings, "REDBAR_HTTP_PORT": self.port}
        self.process = RedbarProcess(["run"], environ, folder)

    def says(self, words: str) -> str:
        """Read until it says some words; gives all that it said."""
        said = ""
        while words not in said:
            line = self.process.stdout.readline().decode()
            assert line, said + self.process.stderr.read().decode()
            said += line
        return said

    def answers(self) -> int:
        """Ask the API without a key; gives the status."""
        return httpx.get(f"http://127.0.0.1:{self.port}/v1/wallet", trust_env=False).status_code


@contextmanager
def bot_running(folder: Path, settings: dict[str, str]) -> Iterator[Running]:
    running = Running(folder, settings)
    try:
        yield running
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(PATIENCE_SECONDS) == 0
    finally:
        running.process.send_signal(signal.SIGKILL)
        running.process.close()


def until_true(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)
