"""The SQLite file under a bot that runs as a process of its own: what the platform, the operator and people read."""

import os
import resource
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from bot.http.unavailable import NOT_KNOWN, NOT_READ, NOT_RECORDED
from ledger.clock import machine_ticks
from tests.journeys.process import Process, demo_process, is_whole
from tests.journeys.world import until

RECOVERS_IN = timedelta(seconds=5)
SLOWER = 4
"""Other work runs on the machine: what has to happen in five seconds is waited for so many times longer."""
FLOOD = 500
Undo = Callable[[], object]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, Path]]:
    """One demo for the whole module, with $100 in its wallet, and its file."""
    folder = tmp_path_factory.mktemp("lost")
    with demo_process(folder) as process:
        process.world.top_up_by_page("owner", "100.00")
        process.world.balance_is("100.00")
        yield process, folder / "redbar.db"


class Platform:
    """Posts usage, and remembers what was accepted."""

    def __init__(self, process: Process, name: str) -> None:
        self._client = process.client
        self._headers = {"Authorization": f"Bearer {process.world.api_key}"}
        self._name = name
        self._count = 0
        self.accepted: list[str] = []
        self.said: set[str] = set()
        """What refusals said."""

    def posts(self) -> int:
        """Post a usage; gives the status."""
        self._count += 1
        usage = {"id": f"{self._name}-{self._count}", "kind": "outbound_call", "amount": "0.000001"}
        answer = self._client.post("/v1/usage", json=usage, headers=self._headers)
        if answer.status_code == 200:
            (result,) = answer.json()["results"]
            assert result["status"] == "accepted"
            self.accepted.append(usage["id"])
        else:
            self.said.add(answer.json()["detail"])
            assert int(answer.headers["Retry-After"]) >= 1
        return answer.status_code

    def reads(self) -> int:
        """Look at the wallet; gives the status."""
        answer = self._client.get("/v1/wallet", headers=self._headers)
        assert answer.status_code == 200 or answer.json()["detail"] == NOT_READ
        return answer.status_code

    def still_has(self, usage_id: str) -> bool:
        """Say whether a usage that comes again is known."""
        usage = {"id": usage_id, "kind": "outbound_call", "amount": "0.000001"}
        answer = self._client.post("/v1/usage", json=usage, headers=self._headers)
        return bool(answer.json()["results"][0]["status"] == "duplicate")

    def health(self) -> str:
        """Give what is wrong with the database by health; empty when all is well."""
        answer = self._client.get("/readyz")
        said = " ".join(answer.json()["checks"]["database"].get("says", []))
        assert answer.status_code == 503 or not said
        return said


def _gone(process: Process, books: Path) -> Undo:
    away = books.rename(books.with_name("away.db"))
    return lambda: away.rename(books)


def _read_only(process: Process, books: Path) -> Undo:
    books.chmod(0o400)
    return lambda: books.chmod(0o600)


def _no_room(process: Process, books: Path) -> Undo:
    log = books.with_name(books.name + "-wal")
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, before[1]))
    return lambda: resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("begin", "sentence", "can_read", "refusal"),
    [
        (
            _gone,
            "is gone: it was deleted or moved while Redbar runs. Move this file back",
            False,
            NOT_RECORDED,
        ),
        (_read_only, "the file, its directory or its file system is read-only", True, NOT_RECORDED),
        (_no_room, "failed, or a limit of this user's space is reached: disk I/O error", True, NOT_KNOWN),
    ],
)
def test_file_trouble_is_answered_said_and_over_within_five_seconds(
    running: tuple[Process, Path],
    begin: Callable[[Process, Path], Undo],
    sentence: str,
    can_read: bool,
    refusal: str,
) -> None:
    """503 and words for the platform, the sentence in health, and no restart."""
    process, books = running
    platform = Platform(process, begin.__name__)
    assert platform.posts() == 200
    undo = begin(process, books)
    try:
        until(lambda: platform.posts() == 503 or None, lambda: "usage is still accepted")
        assert platform.reads() == (200 if can_read else 503)
        until(lambda: sentence in platform.health() or None, lambda: f"health says {platform.health()!r}")
        for _ in range(FLOOD):
            assert platform.posts() == 503
        assert platform.said == {refusal}
    finally:
        undo()

    ended_at = machine_ticks()
    until(lambda: platform.posts() == 200 or None, lambda: "usage is still refused")
    until(lambda: not platform.health() or None, lambda: f"health still says {platform.health()!r}")
    assert machine_ticks() - ended_at < SLOWER * RECOVERS_IN
    assert all(platform.still_has(one) for one in platform.accepted)


@contextmanager
def _small_disk(path: Path, size: str) -> Iterator[None]:
    """Mount a file system in memory of a size like "8m"; skips where this user may not."""
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_full_disk_is_said_and_over_when_there_is_room(tmp_path: Path) -> None:
    """The disk itself: a file fills it, and is removed."""
    with ExitStack() as stack:
        stack.enter_context(_small_disk(tmp_path / "disk", "24m"))
        data = tmp_path / "disk" / "demo"
        process = stack.enter_context(demo_process(data))
        process.world.top_up_by_page("owner", "100.00")
        platform = Platform(process, "full")
        assert platform.posts() == 200
        filler = tmp_path / "disk" / "filler"
        _fill(filler)
        until(lambda: platform.posts() == 503 or None, lambda: "usage is still accepted")
        assert platform.reads() == 200
        assert platform.said == {NOT_RECORDED}
        words = f"The disk of {data}/redbar.db is full. Free some space; Redbar goes on by itself."
        until(lambda: words in platform.health() or None, lambda: f"health says {platform.health()!r}")

        filler.unlink()

        until(lambda: platform.posts() == 200 or None, lambda: "usage is still refused")
        until(lambda: not platform.health() or None, lambda: f"health still says {platform.health()!r}")
        assert all(platform.still_has(one) for one in platform.accepted)
        process.interrupt()
        assert "whole" in is_whole(data)


def _fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


def test_log_has_a_line_a_minute_and_no_tracebacks(running: tuple[Process, Path]) -> None:
    """After all the refusals of this module."""
    process, _ = running
    os.set_blocking(process.stderr.fileno(), False)

    said = (process.stderr.read() or b"").decode()

    assert "Traceback" not in said
    assert 0 < len(said) < 5_000, said[-2_000:]


def test_files_of_a_demo_are_their_owners_alone(running: tuple[Process, Path]) -> None:
    """Books, documents, the wire log, the socket and the tokens."""
    _, books = running
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in books.parent.iterdir()}

    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}
