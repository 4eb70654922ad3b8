"""When somebody's Home may be published: once a second at most, and not before Slack wants to be asked again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from bot.ports import NotNow, RecipientGone

AT_LEAST = timedelta(seconds=1)
"""Between two publications to one viewer."""
FIRST_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(minutes=10)
"""After a failure, doubled with each that follows."""
GONE_WAIT = timedelta(hours=1)
"""After an answer that is definite for this viewer."""
NO_WAIT = timedelta(0)


@dataclass(slots=True)
class _Viewer:
    lock: Lock = field(default_factory=Lock)
    newest: int = 0
    failures: int = 0
    not_before: datetime | None = None


class PublishPace:
    """Keeps the pace of one process. A viewer's failure makes that viewer wait; a limit makes everybody wait."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._viewers: dict[str, _Viewer] = {}
        self._limited_until: datetime | None = None

    @contextmanager
    def turn(self, user_id: str, *, waits: bool) -> Iterator[bool]:
        """Take the turn to publish to a viewer; gives whether it is ours.

        Who `waits` does so until nobody else publishes, and gives way to whoever came later. Who does not, gives way to
        whoever publishes.
        """
        viewer = self._viewer(user_id)
        mine = self._number(viewer) if waits else None
        if not viewer.lock.acquire(blocking=waits):
            yield False
            return
        try:
            yield mine in (None, viewer.newest)
        finally:
            viewer.lock.release()

    def _number(self, viewer: _Viewer) -> int:
        with self._lock:
            viewer.newest += 1
            return viewer.newest

    def wait(self, user_id: str, now: datetime) -> timedelta:
        """Say how long nothing is to be published to a viewer."""
        instants = (self._viewer(user_id).not_before, self._limited_until)
        return max((at - now for at in instants if at is not None and at > now), default=NO_WAIT)

    def published(self, user_id: str, now: datetime) -> None:
        """Note that a viewer's Home was published."""
        viewer = self._viewer(user_id)
        viewer.failures, viewer.not_before = 0, now + AT_LEAST

    def failed(self, user_id: str, problem: Exception, now: datetime) -> None:
        """Note that a viewer's Home could not be published, and why."""
        viewer = self._viewer(user_id)
        viewer.failures += 1
        wait = min(FIRST_WAIT * 2 ** min(viewer.failures - 1, 20), LONGEST_WAIT)
        if isinstance(problem, NotNow) and problem.retry_after is not None:
            self._limited_until = now + problem.retry_after
            wait = NO_WAIT
        elif isinstance(problem, RecipientGone):
            wait = GONE_WAIT
        viewer.not_before = now + max(wait, AT_LEAST)

    def _viewer(self, user_id: str) -> _Viewer:
        with self._lock:
            return self._viewers.setdefault(user_id, _Viewer())
