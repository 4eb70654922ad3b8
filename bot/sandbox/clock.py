"""The sandbox's clock: real time plus what was skipped, kept across restarts."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path


class SandboxClock:
    """Real time with an offset that only grows."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._offset = timedelta()
        if path is not None and path.exists():
            self._offset = timedelta(microseconds=int(path.read_text(encoding="ascii")))

    def now(self) -> datetime:
        """Give the sandbox's present instant."""
        with self._lock:
            return datetime.now(UTC) + self._offset

    @property
    def offset(self) -> timedelta:
        """How far the sandbox is ahead of real time."""
        with self._lock:
            return self._offset

    def skip_to(self, instant: datetime) -> None:
        """Let time jump forward to an instant; an instant already past changes nothing."""
        with self._lock:
            ahead = instant - datetime.now(UTC)
            if ahead <= self._offset:
                return
            self._offset = ahead
            if self._path is not None:
                fresh = self._path.with_suffix(".new")
                fresh.write_text(str(ahead // timedelta(microseconds=1)), encoding="ascii")
                fresh.replace(self._path)
