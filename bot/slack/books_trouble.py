"""Tells the people who look after billing that the books cannot be written, and when they can be again.

Nothing can be committed then, so no notice carries this: the process sends it itself, to people whom it read while the
books could be read. It remembers in memory whom it told. A process that starts while the books cannot be used knows
nobody, and says it to its operator alone.
"""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from bot.ports import NotNow, NotTold
from bot.slack.client import SlackClient
from bot.slack.presence import Presence
from bot.slack.views import status
from bot.slack.views.blocks import Message
from bot.wallets.people import People
from ledger import Ledger

log = logging.getLogger("redbar.slack")
LASTS = timedelta(minutes=1)
"""A trouble that ends sooner is told to nobody."""
_READ_EVERY = timedelta(minutes=1)


class BooksTrouble:
    """Tells each trouble of the books once, and once that it is over."""

    def __init__(
        self, ledger: Ledger, presence: Presence, people: People, slack: SlackClient, wallet_id: UUID
    ) -> None:
        self._ledger = ledger
        self._presence = presence
        self._people = people
        self._slack = slack
        self._wallet_id = wallet_id
        self._readers: tuple[str, ...] = ()
        """Slack ids of those who would be told, as the books last named them."""
        self._read_at: datetime | None = None
        self._told: set[str] = set()
        """Who was told of the present trouble, and not yet that it is over."""
        self._done_with: set[str] = set()
        """Who needs not be told of the present trouble any more."""

    def look(self, now: datetime) -> None:
        """Look whether the database can be used; for a job of its own, so that nothing delays it."""
        self._ledger.store.look()

    def tell(self, now: datetime) -> None:
        """Tell what has lasted, or what is over; and read who would be told, while that can be read."""
        trouble = self._ledger.store.trouble()
        if trouble is None:
            over = status.books_written_again()
            for user_id in sorted(self._told):
                if self._is_sent(user_id, over):
                    self._told.discard(user_id)
            self._done_with.clear()
            if self._read_at is None or not timedelta() <= now - self._read_at < _READ_EVERY:
                self._readers, self._read_at = self._read(), now
        elif now - trouble.since >= LASTS:
            words = status.books_not_written(trouble.code)
            for user_id in self._readers:
                if user_id not in self._done_with and self._is_sent(user_id, words):
                    self._done_with.add(user_id)
                    self._told.add(user_id)

    def _read(self) -> tuple[str, ...]:
        if not self._presence.is_here():
            return ()
        found = self._people.facts(self._wallet_id)
        return tuple(found.billing_admins or found.owners)

    def _is_sent(self, user_id: str, message: Message) -> bool:
        """Send a message; says whether there is nothing more to try."""
        try:
            self._slack.post_message(user_id, message)
        except NotNow:
            return False
        except NotTold as problem:
            log.warning("%s was not told about the books: %s", user_id, problem)
        return True
