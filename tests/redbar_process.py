"""`redbar` commands as processes that are forked from one that has everything imported: starting Python anew for each
costs more than most commands. Tests of the start itself start Python (`tests/bot/test_cli.py`).

Run as a module it is the process that forks: it has no threads, and is asked through a socket in a folder. Each
command has a keeper between it and the process that forks, which says how it ended.
"""

import atexit
import gc
import json
import os
import pkgutil
import shutil
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp
from typing import IO

ROOT = Path(__file__).parent.parent
_WORDS_MAX = 65_536
_SECONDS_MAX = 60


class RedbarProcess:
    """A running command: what is needed of `subprocess.Popen`. Give its ends of pipes to `close`."""

    def __init__(self, words: list[str], environ: Mapping[str, str], cwd: Path | None = None) -> None:
        self._line = socket.socket(socket.AF_UNIX)
        self._line.connect(_server())
        order = {"words": words, "environ": dict(environ), "cwd": str(cwd or Path.cwd())}
        (out, its_out), (errors, its_errors) = os.pipe(), os.pipe()
        socket.send_fds(self._line, [json.dumps(order).encode()], [its_out, its_errors])
        os.close(its_out)
        os.close(its_errors)
        self.stdout: IO[bytes] = os.fdopen(out, "rb")
        self.stderr: IO[bytes] = os.fdopen(errors, "rb")
        self._said = self._line.makefile("r", encoding="utf-8")
        self.pid = int(self._said.readline())
        self._code: int | None = None

    def send_signal(self, how: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            if self._code is None:
                os.kill(self.pid, how)

    def wait(self, timeout: float) -> int:
        """Wait until it ended; gives its exit code, or the signal that ended it below zero. Raises: TimeoutError."""
        if self._code is None:
            self._line.settimeout(timeout)
            self._code = int(self._said.readline())
        return self._code

    def close(self) -> None:
        """Let go of the pipes."""
        for stream in (self.stdout, self.stderr, self._said, self._line):
            stream.close()


def redbar(*words: str, cwd: Path | None = None, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end with no other settings; gives all that it said."""
    ended = run_redbar(*words, cwd=cwd, **settings)
    out, errors = ended.stdout.decode(), ended.stderr.decode()
    return subprocess.CompletedProcess(words, ended.returncode, out, errors)


def run_redbar(*words: str, cwd: Path | None = None, **settings: str) -> "subprocess.CompletedProcess[bytes]":
    """The same, as bytes.

    It must say less as an error than a pipe holds.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REDBAR_")}
    running = RedbarProcess(list(words), {**clean, **settings}, cwd)
    late = threading.Timer(_SECONDS_MAX, running.send_signal, (signal.SIGKILL,))
    late.start()
    try:
        out, errors = running.stdout.read(), running.stderr.read()
        return subprocess.CompletedProcess(words, running.wait(_SECONDS_MAX), out, errors)
    finally:
        late.cancel()
        running.close()


@cache
def _server() -> str:
    """Start the process that forks, once; gives its address. It ends with the process that started it."""
    folder = mkdtemp(prefix="redbar-commands-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address = f"{folder}/socket"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REDBAR_")}
    started = subprocess.Popen(
        [sys.executable, "-m", "tests.redbar_process", address],
        cwd=ROOT,
        env={**clean, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdin is not None
    assert started.stdout is not None
    atexit.register(started.wait, 10)
    atexit.register(started.stdin.close)
    assert started.stdout.readline() == "ready\n"
    started.stdout.close()
    return address


# --- The process that forks --------------------------------------------------------------------------------


def _import_everything() -> None:
    for package in ("ledger", "bot"):
        for one in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            if "migrations" not in one.name:
                import_module(one.name)
    for late in ("alembic.command", "uvicorn.protocols.http.auto", "uvicorn.protocols.websockets.auto"):
        import_module(late)
    gc.collect()
    gc.freeze()  # what is never freed need not be copied into each child


def _serve(address: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are nobody's to wait for
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen()
    if os.fork() == 0:
        _end_when_the_tests_end(os.getppid())
    print("ready", flush=True)  # noqa: T201 - its answer to who started it
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(nothing, number)
    while True:
        line, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            os._exit(_keep(line))
        line.close()


def _end_when_the_tests_end(forking: int) -> None:
    sys.stdin.read()
    os.kill(forking, signal.SIGKILL)
    os._exit(0)


def _keep(line: socket.socket) -> int:
    """Fork a command, and say its process id and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    words, ends, _, _ = socket.recv_fds(line, _WORDS_MAX, 2)
    order = json.loads(words)
    child = os.fork()
    if child == 0:
        line.close()
        os._exit(_command(order["words"], order["environ"], order["cwd"], *ends))
    for end in ends:
        os.close(end)
    line.sendall(f"{child}\n".encode())
    _, status = os.waitpid(child, 0)
    line.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    return 0


def _command(words: list[str], environ: Mapping[str, str], cwd: str, out: int, errors: int) -> int:
    """Be the command; gives its exit code."""
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(cwd)
    for end, number in ((out, 1), (errors, 2)):
        os.dup2(end, number)
        os.close(end)
    sys.stdout, sys.stderr = os.fdopen(1, "w", encoding="utf-8"), os.fdopen(2, "w", encoding="utf-8")
    sys.argv = ["redbar", *words]
    import_module("ledger.failpoints").arm_from(environ)
    try:
        code = import_module("bot.__main__").main(words)
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:  # noqa: BLE001 - as Python itself would show it
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return int(code)


if __name__ == "__main__":
    _import_everything()
    _serve(sys.argv[1])
