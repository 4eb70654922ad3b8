"""Delivers committed notices to their recipients: in order per recipient, at least once, or set aside with an error.

A recipient who cannot be told is retried alone (`delivering/deliveries.py`) and delays nobody. A notice that fails as
a whole is retried with growing pauses and delays only later notices of its own wallet. After `TRIES_MAX` tries it is
set aside and logged, so that one bad notice cannot silence a wallet for ever.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from bot.causes import NameUnknown, as_stored, failed
from bot.delivering.deliveries import FanOut, due_deliveries, forget_told, take_delivery
from bot.notices import NoticeUnknown
from bot.served import Served
from bot.states.delivery import Recipient
from ledger import Ledger, Tx, Waiting, due_notices, read_notice

log = logging.getLogger("redbar.courier")

LEASE = timedelta(minutes=2)
TRIES_MAX = 12
PAUSE_MAX = timedelta(minutes=15)

React = Callable[[Waiting], None]
Deliver = Callable[[FanOut], None]


class Courier:
    """Claims notices, delivers them, backs off."""

    def __init__(self, ledger: Ledger, react: React, deliver: Deliver, served: Served) -> None:
        self._ledger = ledger
        self._react = react
        self._deliver = deliver
        self._served = served

    def run_once(self, now: datetime) -> int:
        """Deliver what is due; gives the number of notices and of recipients that were tried.

        Nobody is told of a wallet while its time is in doubt.
        """
        with self._ledger.reading() as connection:
            living = self._ledger.believed(connection, self._served.living(connection))
            again = due_deliveries(connection, self._ledger.now(), limit=50, wallet_ids=living)
        for wallet_id, notice_id, recipient in again:
            self._try_again(wallet_id, notice_id, recipient)
        with self._ledger.reading() as connection:
            living = self._ledger.believed(connection, self._served.living(connection))
            due = due_notices(connection, self._ledger.now(), limit=50, wallet_ids=living)
        for wallet_id, notice_id in due:
            take = partial(_take, wallet_id=wallet_id, notice_id=notice_id)
            waiting = self._ledger.run(take, wallet_id=wallet_id)
            if waiting is not None:
                self._one(waiting, now)
        return len(again) + len(due)

    def _try_again(self, wallet_id: UUID, notice_id: UUID, recipient: Recipient) -> None:
        """Tell one recipient who could not be told before."""
        take = partial(take_delivery, wallet_id=wallet_id, notice_id=notice_id, recipient=recipient)
        if not self._ledger.run(take, wallet_id=wallet_id):
            return
        with self._ledger.reading() as connection:
            notice = read_notice(connection, wallet_id, notice_id)
        to = FanOut(self._ledger, notice, only={recipient})
        try:
            self._deliver(to)
            to.over(recipient)
        except Exception as problem:  # noqa: BLE001 - the notice could not be put together for this recipient
            to.wait_for(recipient, problem)
        self._ledger.run(partial(forget_told, wallet_id=wallet_id, notice_id=notice_id), wallet_id=wallet_id)

    def _one(self, waiting: Waiting, now: datetime) -> None:
        try:
            self._react(waiting)
            self._deliver(FanOut(self._ledger, waiting))
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
            self._ledger.run(
                lambda tx: tx.outbox.again(waiting, now + pause, error), wallet_id=waiting.wallet_id
            )
        else:
            self._ledger.run(partial(_done, waiting=waiting), wallet_id=waiting.wallet_id)


def _done(tx: Tx, waiting: Waiting) -> None:
    if tx.outbox.done(waiting):
        forget_told(tx, waiting.wallet_id, waiting.notice_id)


def _take(tx: Tx, wallet_id: UUID, notice_id: UUID) -> Waiting | None:
    return tx.outbox.take(wallet_id, notice_id, lease=LEASE)
