"""Waiting for Ctrl-C, a polite kill, or the end of the terminal."""

import logging
import os
import signal
from contextlib import suppress
from datetime import timedelta
from queue import Empty, SimpleQueue
from threading import Thread

log = logging.getLogger("redbar")


class Ending:
    """Says whether somebody has asked this process to end.

    A handler runs between two steps of the main thread, also while that thread enters a wait. The lock of an event
    would then be held by the very thread that has to set it; a simple queue may be put to at any moment.
    """

    def __init__(self, drain: timedelta | None = None) -> None:
        """Listen to signals from now on. With `drain` the process ends that long after the first, or with the second.

        A crash loses nothing, and neither does that: what cannot end is not waited for, such as a database that is
        silent.
        """
        asked: SimpleQueue[int] = SimpleQueue()
        hurried: SimpleQueue[int] = SimpleQueue()
        self._asked = asked

        def ask(number: int, frame: object) -> None:
            asked.put(number)
            hurried.put(number)

        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Where SIGHUP is ignored, somebody used `nohup`: the process outlives its terminal.
            if name is not signal.SIGHUP or signal.getsignal(name) is not signal.SIG_IGN:
                signal.signal(name, ask)
        if drain is not None:
            Thread(target=_end, args=(hurried, drain), name="ending", daemon=True).start()

    def wait(self, longest: timedelta | None = None) -> bool:
        """Wait until somebody asks, or for so long; says whether somebody has."""
        try:
            self._asked.get(timeout=None if longest is None else longest.total_seconds())
        except Empty:
            return False
        return True


def _end(hurried: "SimpleQueue[int]", drain: timedelta) -> None:
    hurried.get()
    with suppress(Empty):
        hurried.get(timeout=drain.total_seconds())
    log.warning("the process ends while something still runs")
    logging.shutdown()
    os._exit(0)
