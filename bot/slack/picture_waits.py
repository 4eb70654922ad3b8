"""When a picture is tried again that Slack did not take: soon at first, then more and more rarely. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_WAIT = timedelta(seconds=30)
"""After the first failure; doubled with each that follows."""
HOPELESS_WAIT = timedelta(hours=6)
"""After a failure that no wait mends, such as a workspace that takes no files: its administrators may change that."""


@dataclass(slots=True)
class PictureWait:
    """What one process knows of the tries to have one picture shown."""

    longest: timedelta
    troubles: int = 0
    not_before: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Say whether the next try is due."""
        return self.not_before is None or now >= self.not_before

    def failed(self, now: datetime, *, later: bool = True, retry_after: timedelta | None = None) -> None:
        """Wait for the next try: at least as long as Slack asks, and long where the same cannot succeed `later`."""
        wait = min(FIRST_WAIT * 2 ** min(self.troubles, 20), self.longest) if later else HOPELESS_WAIT
        self.troubles += 1
        self.not_before = now + max(wait, retry_after or wait)

    def succeeded(self) -> None:
        """Forget the failures."""
        self.troubles, self.not_before = 0, None
