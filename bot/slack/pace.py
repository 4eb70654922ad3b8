"""How fast one workspace is written to: within Slack's documented limits, and never while Slack asks to wait.

Limits (docs.slack.dev/apis/web-api/rate-limits) hold for each method, workspace and app: one message a second and
channel with short bursts, and an undocumented number for the workspace; fifty updates and deletions a minute. The
bursts allowed here, and the messages a minute of a workspace, are judgement: Slack tolerates what does not last.

A pace lives in memory. A process that starts anew knows of no `Retry-After` and learns it by one refused request.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Lock
from typing import NamedTuple

from bot.ports import NotNow, NotTold, Paced
from bot.slack.failures import FileNotReady

POST, UPDATE, DELETE = "chat.postMessage", "chat.update", "chat.delete"
CHANNELS_KEPT = 500
SILENT_AFTER = 4
"""So many requests in a row without an answer concern the workspace, not one recipient: then all of it waits."""
SILENT_MAX = timedelta(minutes=1)


class Limit(NamedTuple):
    """So often in the long run, and so many at once."""

    every: timedelta
    burst: int


A_CHANNEL = Limit(timedelta(seconds=1), 5)
LIMITS = {
    POST: Limit(timedelta(milliseconds=500), 30),
    UPDATE: Limit(timedelta(minutes=1) / 50, 20),
    DELETE: Limit(timedelta(minutes=1) / 50, 20),
}


class Pace:
    """Says when a request to one workspace may be sent."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = Lock()
        self._free_at: dict[tuple[str, str], datetime] = {}
        """By method and channel, when all that was sent would be within the limit without any burst."""
        self._held_until: dict[str, datetime] = {}
        """By method, until when Slack asked to wait; under the empty name for all methods."""
        self._unanswered = 0

    @contextmanager
    def sending(self, method: str, channel: str = "") -> Iterator[None]:
        """Count one request, and learn from its answer. Raises: Paced, where it must not be sent yet."""
        self._take(method, channel)
        try:
            yield
        except FileNotReady:
            self._answered()
            raise
        except NotNow as problem:
            self._learn(method, problem)
            raise
        except NotTold:
            self._answered()
            raise
        else:
            self._answered()

    def _take(self, method: str, channel: str) -> None:
        limits = [((method, ""), LIMITS[method])]
        if method == POST:
            limits.append(((method, channel), A_CHANNEL))
        with self._lock:
            now = self._now()
            held = max((self._held_until.get(one, now) for one in ("", method)), default=now)
            room = [self._free_at.get(key, now) - limit.every * (limit.burst - 1) for key, limit in limits]
            at = max(held, *room)
            if at > now:
                raise Paced("paced", at - now)
            for key, limit in limits:
                self._free_at[key] = max(self._free_at.get(key, now), now) + limit.every
            if len(self._free_at) > CHANNELS_KEPT:
                self._free_at = {key: free for key, free in self._free_at.items() if free > now}

    def _learn(self, method: str, problem: NotNow) -> None:
        with self._lock:
            if problem.retry_after is not None:
                self._unanswered = 0
                self._hold(method, problem.retry_after)
                return
            self._unanswered += 1
            if self._unanswered >= SILENT_AFTER:
                silence = timedelta(seconds=2) * 2 ** min(self._unanswered - SILENT_AFTER, 10)
                self._hold("", min(silence, SILENT_MAX))

    def _hold(self, method: str, span: timedelta) -> None:
        until = self._now() + span
        self._held_until[method] = max(until, self._held_until.get(method, until))

    def _answered(self) -> None:
        with self._lock:
            self._unanswered = 0
