"""Sends content to Slack without what a workspace refuses: parts that it takes always arrive, at last the words alone.

What is refused now is remembered, once the rest was taken. A picture is waited for while Slack still processes it.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol, TypeVar

from bot.slack.failures import ContentRefused, FileNotReady, asking
from bot.slack.left_out import PICTURE, Attempts, Content, picture_key
from ledger import assert_outside_transaction

log = logging.getLogger("redbar.slack")
T = TypeVar("T")

PICTURE_WAITS = (0.5, 1.0, 2.0)
"""Seconds: a picture is processed after its upload, and until then a message that shows it is refused."""
PART_TIME, PICTURE_TIME = timedelta(days=1), timedelta(seconds=5)
"""For how long a part is left out after its first refusal. A picture may merely not be ready yet."""
REFUSALS_MAX = 4
"""After so many refusals a picture is not slow but gone: Slack has had it for minutes."""


class Refusals(Protocol):
    """What one workspace refused to show."""

    def known(self) -> frozenset[str]:
        """Give the keys of the parts that are left out for now."""
        ...

    def times(self, key: str) -> int:
        """Say how often a part was refused."""
        ...

    def remember(self, keys: Mapping[str, timedelta]) -> None:
        """Remember refused parts, each with the time for which it is left out after its first refusal."""
        ...


class NothingRemembered:
    """Every part is tried each time."""

    def known(self) -> frozenset[str]:
        """Give no keys."""
        return frozenset()

    def times(self, key: str) -> int:
        """Know of no refusal."""
        return 0

    def remember(self, keys: Mapping[str, timedelta]) -> None:
        """Forget at once."""


class ContentSending:
    """Sends content to one workspace."""

    def __init__(self, sleep: Callable[[float], None], refused: Refusals | None) -> None:
        self._sleep = sleep
        self._refused = refused or NothingRemembered()

    def send(self, content: Content, send: Callable[[Content], T], waits: Sequence[float]) -> T:
        """Send content without what the workspace refuses. Raises: NotTold.

        FileNotReady and ContentRefused are raised where not even the words are taken.
        """
        attempts = Attempts(content, self._refused.known())
        while True:
            shown = attempts.shown()
            try:
                answer = self._waiting_for_files(lambda shown=shown: send(shown), waits)  # type: ignore[misc]
            except FileNotReady:
                if not attempts.not_ready():
                    raise
            except ContentRefused as problem:
                log.error("Slack does not take what it should show, less of it is sent: %s", problem)
                if not attempts.refused(problem.messages):
                    raise
            else:
                learned = attempts.learned()
                if learned:
                    self._refused.remember({key: _time_of(key) for key in learned})
                return answer

    def refuses_picture(self, file_id: str) -> bool:
        """Say whether a picture is left out for now."""
        return picture_key(file_id) in self._refused.known()

    def lost_picture(self, file_id: str) -> bool:
        """Say whether a picture was refused so often that it is not slow but gone, and is worth a new upload."""
        return self._refused.times(picture_key(file_id)) >= REFUSALS_MAX

    def _waiting_for_files(self, send: Callable[[], T], waits: Sequence[float]) -> T:
        assert_outside_transaction()
        for wait in waits:
            try:
                with asking():
                    return send()
            except FileNotReady:
                self._sleep(wait)
        with asking():
            return send()


def _time_of(key: str) -> timedelta:
    return PICTURE_TIME if key.startswith(PICTURE) else PART_TIME
