"""The threads that do what people ask for in Slack, once Slack has its acknowledgement.

Quick work reads the ledger and answers. Slow work asks Stripe. Each has a pool of its own, so that no number of slow
requests keeps a quick one waiting.
"""

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

QUICK_THREADS = 8
SLOW_THREADS = 20
"""A request to Stripe that hangs holds its thread for 25 seconds (5 to connect, 20 to read)."""
HEAD_START_SECONDS, HEAD_START_MAX_SECONDS = 0.05, 0.25
"""How long work waits after the last acknowledgement, and after its own at the most. Of many commands at once, the last
is acknowledged before the work of the first competes with it for the interpreter."""


class Workers:
    """Runs work on the pool that it belongs to. Work handles its own exceptions."""

    def __init__(self, quick: Executor, slow: Executor) -> None:
        self._quick = quick
        self._slow = slow

    def start(self, work: Callable[[], None]) -> None:
        """Start work that asks Stripe for nothing. Returns at once."""
        self._quick.submit(work)

    def start_slow(self, work: Callable[[], None]) -> None:
        """Start work that waits for Stripe. Returns at once."""
        self._slow.submit(work)

    def stop(self) -> None:
        """Finish all work that was started: Slack was told that it arrived, and sends it to nobody else."""
        self._quick.shutdown(wait=True)  # first, because quick work starts slow work
        self._slow.shutdown(wait=True)


class _PatientPool(ThreadPoolExecutor):
    """A pool that begins work a moment after the last was submitted."""

    _submitted_at = 0.0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self._submitted_at = time.monotonic()
        latest = self._submitted_at + HEAD_START_MAX_SECONDS

        def run() -> Any:
            while (now := time.monotonic()) < (due := min(self._submitted_at + HEAD_START_SECONDS, latest)):
                time.sleep(due - now)
            return fn(*args, **kwargs)

        return super().submit(run)


def threads() -> Workers:
    """Make the pools of a running bot."""
    return Workers(
        _PatientPool(QUICK_THREADS, thread_name_prefix="quick"),
        ThreadPoolExecutor(SLOW_THREADS, thread_name_prefix="slow"),
    )
