"""Slack's rate limits, kept by the sandbox's clock where a test asks for them.

From docs.slack.dev/apis/web-api/rate-limits: for each method of a workspace so many calls a minute, and one message a
second for each channel. By default nothing is limited: a clock that stands still would never let a second pass.
"""

import math
import threading
from collections import deque
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)
TIERS = {
    20: ("users.list", "conversations.list"),
    50: (
        "chat.update",
        "chat.delete",
        "conversations.info",
        "conversations.join",
        "conversations.open",
        "users.conversations",
        "files.delete",
    ),
    100: (
        "chat.postEphemeral",
        "users.info",
        "views.open",
        "views.publish",
        "views.push",
        "views.update",
        "files.completeUploadExternal",
        "files.getUploadURLExternal",
        "files.info",
    ),
}
"""Calls a minute, and the methods that take so many."""
PER_MINUTE = {method: calls for calls, methods in TIERS.items() for method in methods}
POST = "chat.postMessage"
POST_SPAN = timedelta(seconds=1)


class Rates:
    """Counts calls."""

    def __init__(self) -> None:
        self.enforced = False
        """Whether calls are limited."""
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, str], deque[datetime]] = {}

    def wait_seconds(self, method: str, channel: str, now: datetime) -> int:
        """Count a call; gives 0, or after how many seconds it is worth sending again. A limited call counts nothing."""
        if not self.enforced:
            return 0
        if method == POST:
            name, most, span = (method, channel), 1, POST_SPAN
        elif method in PER_MINUTE:
            name, most, span = (method, ""), PER_MINUTE[method], MINUTE
        else:
            return 0
        with self._lock:
            calls = self._calls.setdefault(name, deque())
            while calls and calls[0] + span <= now:
                calls.popleft()
            if len(calls) >= most:
                return max(1, math.ceil((calls[0] + span - now).total_seconds()))
            calls.append(now)
            return 0
