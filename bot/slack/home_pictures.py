"""The picture of a month's spend on Home: drawn and uploaded after the words are shown, and again when days change."""

from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from uuid import UUID

from bot.delivering.posted_messages import PostedMessages
from bot.facts import MonthFacts
from bot.slack.client import SlackClient
from bot.slack.picture_waits import HOPELESS_WAIT, PictureWait
from bot.slack.pictures import spend_by_day
from ledger import MICROS, Ledger

REDRAW = timedelta(minutes=1)
"""A month is drawn no more often than this while its days change."""


@dataclass(slots=True)
class _Drawing:
    """What this process knows of one month's picture."""

    spent: tuple[int, ...] = ()
    wait: PictureWait = field(default_factory=lambda: PictureWait(HOPELESS_WAIT))


class HomePictures:
    """Uploads the pictures that Home wants. Home never waits for them."""

    def __init__(self, ledger: Ledger, client: SlackClient, posted: PostedMessages) -> None:
        self._ledger = ledger
        self._client = client
        self._posted = posted
        self._lock = Lock()
        self._wanted: dict[tuple[UUID, str], MonthFacts] = {}
        self._drawings: dict[tuple[UUID, str], _Drawing] = {}

    def want(self, wallet_id: UUID, month: MonthFacts) -> None:
        """Have a month that somebody sees on Home drawn, if its picture is missing, old or refused."""
        if any(day.spent.micros for day in month.days):
            with self._lock:
                self._wanted[wallet_id, f"spend:{month.month}"] = month

    def draw(self) -> int:
        """Draw what is wanted; gives how many pictures were uploaded."""
        with self._lock:
            wanted, self._wanted = self._wanted, {}
        return sum(self._draw(wallet_id, name, month) for (wallet_id, name), month in wanted.items())

    def _draw(self, wallet_id: UUID, name: str, month: MonthFacts) -> bool:
        drawing = self._drawings.setdefault((wallet_id, name), _Drawing())
        now = self._ledger.now()
        if not drawing.wait.is_over(now):
            return False
        spent = tuple(day.spent.micros // MICROS for day in month.days)
        old = self._posted.picture(wallet_id, name)
        gone = old is not None and self._client.lost_picture(old[0])
        if old is not None and not gone and (drawing.spent == spent or now - old[1] < REDRAW):
            return False
        upload = self._client.try_upload(
            spend_by_day(month), filename=f"spend-{month.month}.png", title="Spend by day", alt="Spend by day"
        )
        if upload.file_id is None:
            drawing.wait.failed(now, later=upload.later, retry_after=upload.retry_after)
            return False
        if gone:
            drawing.wait.failed(now)
        else:
            drawing.wait.succeeded()
        self._posted.remember_picture(wallet_id, name, upload.file_id)
        drawing.spent = spent
        if old is not None:
            self._client.delete_file(old[0])
        return True
