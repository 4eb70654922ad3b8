"""Carries committed notices to people: each becomes one delivery a recipient, and each delivery is shown for itself.

A notice is handed out once: what it asks for inside the house is done first, then its recipients are written down in
the transaction that ends it. From then on every recipient is told, retried or set aside alone. No delivery is given
up for its age: it waits as long as Slack does.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, Connection

from bot.causes import NameUnknown, as_stored, failed
from bot.delivering.deliveries import Claim, claim, due_deliveries, fail, name_owners, want
from bot.delivering.known import read_known, silence_of
from bot.delivering.open_deliveries import untold_wallets
from bot.delivering.recipients import is_outdated, wanted
from bot.notices import NoticeUnknown, decode
from bot.ports import NotNow
from bot.served import Served
from bot.states.delivery import OWNERS
from bot.tables import deliveries
from ledger import Ledger, Tx, Waiting, due_notices
from ledger.storage.schema import notices

log = logging.getLogger("redbar.courier")

LEASE = timedelta(minutes=2)
TRIES_MAX = 12
PAUSE_MAX = timedelta(minutes=15)
SIDE_BY_SIDE = 4
"""Deliveries on their way at once: one that Slack answers slowly holds up nobody else."""
BATCH = 100
LOOK_SECONDS = 1.0
"""How often notices and deliveries are looked for while all that was found is on its way."""


class Due(Protocol):
    """Looks for what is due, as wallets and ids, of the wallets that a condition lets through."""

    def __call__(
        self,
        connection: Connection,
        now: datetime,
        *,
        limit: int,
        among: ColumnElement[bool],
    ) -> Sequence[tuple[UUID, UUID]]: ...


React = Callable[[Waiting], None]
Show = Callable[[Claim], None]
"""Shows one delivery to its recipient and ends its claim. Raises: NotTold, LeaseLost."""


class Courier:
    """Hands notices out to their recipients, and has each delivery shown."""

    def __init__(self, ledger: Ledger, react: React, show: Show, served: Served) -> None:
        self._ledger = ledger
        self._react = react
        self._show = show
        self._served = served
        self.problems_seen: Sequence[str] = ()
        """What `problems` said at the last look; health gives it, and must not wait for a database."""

    def run_once(self, now: datetime) -> int:
        """Hand out and show what is due, until nothing is; gives the number of notices and deliveries that were tried.

        A few deliveries are shown side by side. Whatever is committed meanwhile is handed out before the next few are
        chosen: an alarm waits neither for a long queue nor for a slow answer. Nobody is told of a wallet while its time
        is in doubt.
        """
        tried = 0
        queue: deque[tuple[UUID, UUID]] = deque()
        running: set[Future[None]] = set()
        with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="courier") as pool:
            while True:
                if not queue:
                    tried += self.hand_out()
                    queue.extend(self._due(due_deliveries, deliveries.c.wallet_id))
                while queue and len(running) < SIDE_BY_SIDE:
                    running.add(pool.submit(self._carry_one, *queue.popleft()))
                    tried += 1
                if not running:
                    return tried
                over, running = wait(running, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
                for one in over:
                    one.result()

    def look(self, now: datetime) -> None:
        """Look anew at what keeps people from being told."""
        self.problems_seen = self.problems()

    def problems(self) -> Sequence[str]:
        """Say what keeps people from being told, in words for the operator."""
        with self._ledger.reading() as connection:
            untold = untold_wallets(connection, self._served)
        return [
            f"Nobody can be told of wallet {wallet_id}: no billing admin can be reached, and no owner is known."
            for wallet_id in untold
        ]

    def hand_out(self) -> int:
        """Turn the due notices into deliveries; gives their number."""
        tried = 0
        while due := self._due(due_notices, notices.c.wallet_id):
            for wallet_id, notice_id in due:
                take = partial(_take, wallet_id=wallet_id, notice_id=notice_id)
                waiting = self._ledger.run(take, wallet_id=wallet_id)
                if waiting is not None:
                    self._hand_out(waiting)
                    tried += 1
        return tried

    def _due(self, look: Due, wallet_id: ColumnElement[UUID]) -> Sequence[tuple[UUID, UUID]]:
        """Look what is due of the living wallets whose time is not in doubt."""
        if self._ledger.doubt is not None:
            return ()
        among = self._served.where_living(wallet_id)
        with self._ledger.reading() as connection:
            return look(connection, self._ledger.now(), limit=BATCH, among=among)

    def _hand_out(self, waiting: Waiting) -> None:
        if self._is_outdated(waiting):
            self._ledger.run(lambda tx: tx.outbox.done(waiting), wallet_id=waiting.wallet_id)
            return
        try:
            self._react(waiting)
        except Exception:  # the job that it hurries comes by again; telling people must not wait for it
            log.exception("what %s asks for could not be done", waiting.name)
        try:
            self._ledger.run(partial(_fan_out, waiting=waiting), wallet_id=waiting.wallet_id)
        except Exception as problem:  # whatever fails, the notice is kept and the next wallet goes on
            is_unknown = isinstance(problem, NoticeUnknown)
            error = as_stored(NameUnknown(waiting.name) if is_unknown else failed(problem))
            # No retry makes an unknown name known, and an alarm must not wait behind it.
            if is_unknown or waiting.attempts + 1 >= TRIES_MAX:
                log.error("notice %s of wallet %s is given up: %s", waiting.name, waiting.wallet_id, error)
                self._ledger.run(lambda tx: tx.outbox.dead(waiting, error), wallet_id=waiting.wallet_id)
                return
            log.warning("notice %s waits: %s", waiting.name, error, exc_info=True)
            pause = min(timedelta(seconds=2) * 2**waiting.attempts, PAUSE_MAX)
            again = self._ledger.now() + pause
            self._ledger.run(lambda tx: tx.outbox.again(waiting, again, error), wallet_id=waiting.wallet_id)

    def _carry_one(self, wallet_id: UUID, delivery_id: UUID) -> None:
        claimed = claim(self._ledger, wallet_id, delivery_id)
        if claimed is None:
            return
        try:
            if claimed.recipient == OWNERS:
                self._name_owners(claimed)
                return
            if not self._is_outdated(claimed.waiting):
                self._show(claimed)
            if not claimed.is_over:
                claimed.done()  # there was nothing to show
        except Exception as problem:  # noqa: BLE001 - a failure for one recipient must not affect the others
            fail(claimed, problem)

    def _is_outdated(self, waiting: Waiting) -> bool:
        """Say whether a notice is left untold, since nobody could be told of it at its time."""
        try:
            notice = decode(waiting)
        except NoticeUnknown:
            return False
        with self._ledger.reading() as connection:
            return is_outdated(notice, waiting.created_at, silence_of(connection, waiting.wallet_id))

    def _name_owners(self, claimed: Claim) -> None:
        """Give what waits for the owners to each of them. Raises: NotNow, while none is known."""
        if name_owners(claimed):
            return
        if not claimed.tries:
            log.error(
                "nobody can be told of wallet %s: no admin to reach, and no owner is known", claimed.wallet_id
            )
        raise NotNow("no_owner_named")


def _take(tx: Tx, wallet_id: UUID, notice_id: UUID) -> Waiting | None:
    return tx.outbox.take(wallet_id, notice_id, lease=LEASE)


def _fan_out(tx: Tx, *, waiting: Waiting) -> None:
    """Write down who is shown what, and end the notice, in one transaction."""
    notice = decode(waiting)
    if tx.outbox.done(waiting):
        known = read_known(tx.connection, waiting.wallet_id, notice)
        want(tx, wanted(notice, waiting.notice_id, known), waiting)
