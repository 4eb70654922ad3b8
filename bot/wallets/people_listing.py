"""Reads Slack's list of people into the stored one: page by page, outside any transaction, once an hour.

One run reads one page of a workspace and says when the next is due. So a listing of 50,000 people keeps one page in
memory, stays within Slack's limit of 20 pages a minute, and goes on at its cursor after a crash. Events change single
people between two listings.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, insert, select, update

from bot.ports import Directory, NotNow, NotTold, PeoplePage, PersonSeen
from bot.served import Served
from bot.tables import people_listings
from bot.wallets.workspace_people import forget_unlisted, is_news, keep_people
from ledger import Ledger, Tx, ahead_after, not_ahead

log = logging.getLogger("redbar.people")

LIST_EVERY = timedelta(hours=1)
"""From the end of a listing to the next, and the longest time after which one that was interrupted goes on."""
PAGE_EVERY = timedelta(seconds=3)
"""Slack takes 20 requests a minute for the list of people."""
LEASE = timedelta(minutes=2)
"""How long a process may take for one page before another process reads it too."""
PAUSE_MAX = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Claim:
    """One page that one process reads."""

    wallet_id: UUID
    cursor: str
    started_at: datetime
    """When its listing began."""
    asked_at: datetime
    """What the page says is at least as new as this."""
    lease_until: datetime
    tries: int


class PeopleListing:
    """Keeps the stored list of people as Slack's."""

    def __init__(self, ledger: Ledger, served: Served, directory: Directory) -> None:
        self._ledger = ledger
        self._served = served
        self._directory = directory

    def run_once(self, now: datetime) -> None:
        """Read a page for each workspace that is due."""
        for wallet_id in self._due():
            claim = self._ledger.run(partial(_claim, wallet_id=wallet_id), wallet_id=wallet_id)
            if claim is not None:
                self._read(claim)

    def hear(self, wallet_id: UUID, said: PersonSeen) -> None:
        """Take in an event about somebody.

        Slack may deliver an event late, so one that changes something is a reason to look. Only while Slack cannot be
        asked, the event itself is believed; the next listing corrects it.
        """
        self._directory.forget(said.user_id)
        with self._ledger.reading() as connection:
            if not is_news(connection, wallet_id, said):
                return
        try:
            seen = self._directory.person(said.user_id, fresh=True) or said
        except NotNow:
            seen = said
        self._ledger.run(lambda tx: keep_people(tx, wallet_id, [seen], tx.now), wallet_id=wallet_id)

    def _due(self) -> Sequence[UUID]:
        if self._ledger.doubt is not None:
            return ()
        now = self._ledger.now()
        due = _due_query(self._served.where_living(people_listings.c.wallet_id))
        with self._ledger.reading() as connection:
            return connection.execute(due, {"now": now, "ahead": ahead_after(now)}).scalars().all()

    def _read(self, claim: Claim) -> None:
        try:
            page = self._directory.page(claim.cursor)
        except NotTold as problem:
            log.warning("Slack could not list people: %s", problem)
            save = partial(_postpone, claim=claim, problem=problem)
        else:
            save = partial(_keep, claim=claim, page=page)
        self._ledger.run(save, wallet_id=claim.wallet_id)


@lru_cache(maxsize=64)  # a job asks it several times a second
def _due_query(among: ColumnElement[bool]) -> Select[UUID]:
    now = bindparam("now", type_=people_listings.c.due_at.type)
    return (
        select(people_listings.c.wallet_id)
        .where(people_listings.c.due_at <= now, among, not_ahead(people_listings.c.wallet_id))
        .order_by(people_listings.c.due_at, people_listings.c.wallet_id)
        .limit(100)
        .execution_options(cross_shard=True)
    )


def begin_listing(tx: Tx, wallet_id: UUID) -> None:
    """Have the people of a workspace listed, where that has not begun."""
    mine = people_listings.c.wallet_id == wallet_id
    if tx.connection.execute(select(people_listings.c.due_at).where(mine)).first() is None:
        first = {"wallet_id": wallet_id, "cursor": "", "started_at": tx.now, "due_at": tx.now, "tries": 0}
        tx.connection.execute(insert(people_listings).values(**first))


def _claim(tx: Tx, wallet_id: UUID) -> Claim | None:
    """Take the next page of a workspace, for the time of a lease; None when another process was faster."""
    row = tx.connection.execute(
        select(people_listings).where(people_listings.c.wallet_id == wallet_id)
    ).one_or_none()
    if row is None or row.due_at > tx.now:
        return None
    lease_until = tx.now + LEASE
    # Of a listing that was interrupted for long, the first pages would be old when it ends.
    cursor = row.cursor if tx.now - row.due_at <= LIST_EVERY else ""
    started_at = row.started_at if cursor else tx.now
    claim = Claim(wallet_id, cursor, started_at, tx.now, lease_until, row.tries)
    tx.connection.execute(
        update(people_listings)
        .where(people_listings.c.wallet_id == wallet_id)
        .values(cursor=cursor, started_at=started_at, due_at=lease_until)
    )
    return claim


def _keep(tx: Tx, claim: Claim, page: PeoplePage) -> None:
    """Keep a page, and say when the next is due."""
    values: dict[str, Any] = {"cursor": page.next_cursor, "tries": 0, "due_at": tx.now + PAGE_EVERY}
    if not page.next_cursor:
        values |= {"due_at": tx.now + LIST_EVERY, "listed_at": claim.started_at}
    if not _end(tx, claim, values):
        return
    keep_people(tx, claim.wallet_id, page.people, claim.asked_at)
    if not page.next_cursor:
        forget_unlisted(tx, claim.wallet_id, claim.started_at)


def _postpone(tx: Tx, claim: Claim, problem: NotTold) -> None:
    """Try again later: Slack did not list people."""
    pause = min(timedelta(seconds=2) * 2 ** min(claim.tries, 10), PAUSE_MAX)
    values: dict[str, Any] = {"tries": claim.tries + 1}
    if not isinstance(problem, NotNow):
        values["cursor"] = ""  # it may be the reason, and nothing says whether it is
    elif problem.retry_after is not None:
        pause = max(pause, problem.retry_after)
    _end(tx, claim, values | {"due_at": tx.now + pause})


def _end(tx: Tx, claim: Claim, values: dict[str, Any]) -> bool:
    """End a claim; False when its lease was over and another process took the page."""
    held = (people_listings.c.wallet_id == claim.wallet_id) & (people_listings.c.due_at == claim.lease_until)
    return bool(tx.connection.execute(update(people_listings).where(held).values(**values)).rowcount)
