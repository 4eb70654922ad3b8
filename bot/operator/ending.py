"""Waiting for Ctrl-C, a polite kill, or the end of the terminal."""

import signal
from datetime import timedelta
from queue import Empty, SimpleQueue


class Ending:
    """Says whether somebody has asked this process to end.

    A handler runs between two steps of the main thread, also while that thread enters a wait. The lock of an event
    would then be held by the very thread that has to set it; a simple queue may be put to at any moment.
    """

    def __init__(self) -> None:
        asked: SimpleQueue[int] = SimpleQueue()
        self._asked = asked
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Where SIGHUP is ignored, somebody used `nohup`: the process outlives its terminal.
            if name is not signal.SIGHUP or signal.getsignal(name) is not signal.SIG_IGN:
                signal.signal(name, lambda number, frame: asked.put(number))

    def wait(self, longest: timedelta | None = None) -> bool:
        """Wait until somebody asks, or for so long; says whether somebody has."""
        try:
            self._asked.get(timeout=None if longest is None else longest.total_seconds())
        except Empty:
            return False
        return True
