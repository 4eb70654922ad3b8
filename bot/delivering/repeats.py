"""Says an alarm again that nobody answers: things have stopped, nobody has acknowledged it and nobody has paid."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, select

from bot.due_work import DueWork
from bot.notices import StillStopped
from bot.served import Served
from bot.tables import alert_messages
from bot.wallets.named_values import NamedValue, named_value, set_named_value
from ledger import DueKind, Episode, Ledger, Level, Tx, last_episode, look

STOPPED = "stopped:"
"""Begins the named value of an episode at zero: since when, and how often it was said again."""
DAY = timedelta(days=1)


def repeats_due(waited: timedelta, minutes: Sequence[int]) -> int:
    """Say how often an unanswered alarm is to have been said again after so long: at each minute, then daily. Pure."""
    count = sum(waited >= timedelta(minutes=one) for one in minutes)
    if not minutes or count < len(minutes):
        return count
    return count + (waited - timedelta(minutes=minutes[-1])) // DAY


def next_repeat(count: int, minutes: Sequence[int]) -> timedelta | None:
    """Say after how long the repeat after `count` others is due; None where none is ever due. Pure."""
    if not minutes:
        return None
    if count < len(minutes):
        return timedelta(minutes=minutes[count])
    return timedelta(minutes=minutes[-1]) + (count - len(minutes) + 1) * DAY


class Repeats:
    """Commits the repeats of alarms that nobody answers."""

    def __init__(self, ledger: Ledger, served: Served) -> None:
        self._due = DueWork(ledger, served)

    def run_once(self, now: datetime) -> None:
        """Look at the wallets whose repeat is due. Nobody is told while a wallet's time is in doubt."""
        self._due.each_in_one(DueKind.STOPPED, _repeat)


def _repeat(tx: Tx, wallet_id: UUID) -> None:
    """Say it again where that is due, and schedule the next repeat."""
    stopped = _stopped(tx.connection, wallet_id)
    if stopped is None:
        tx.schedule.set(wallet_id, DueKind.STOPPED, None)
        return
    said = _said(tx.connection, wallet_id, stopped, tx.now)
    minutes = tx.book.policy(wallet_id)[0].repeat_minutes
    number, is_answered = int(said.value), _answered(tx.connection, wallet_id, stopped)
    if not is_answered:
        number = repeats_due(tx.now - said.at, minutes)
    if number > int(said.value) or named_value(tx.connection, wallet_id, _name(stopped)) is None:
        set_named_value(tx, wallet_id, _name(stopped), str(number), at=said.at)
    if number > int(said.value):
        tx.outbox.add(wallet_id, StillStopped(episode_id=stopped.episode_id, number=number))
    # The alarm lasts, so the row stays: an admin may ask for repeats, and the operator may take an answer back.
    after = None if is_answered else next_repeat(number, minutes)
    tx.schedule.set(wallet_id, DueKind.STOPPED, said.at + after if after is not None else tx.now + DAY)


def _name(stopped: Episode) -> str:
    return f"{STOPPED}{stopped.episode_id}"


def _said(connection: Connection, wallet_id: UUID, stopped: Episode, now: datetime) -> NamedValue:
    """Give how often a stop was said again, and since when it lasts: a process that begins later counts from there."""
    found = named_value(connection, wallet_id, _name(stopped))
    return found or NamedValue("0", look(connection, wallet_id, now)[0].emptied_at or now)


def _stopped(connection: Connection, wallet_id: UUID) -> Episode | None:
    """Give the open episode of a wallet in which things have stopped."""
    found = last_episode(connection, wallet_id)
    is_stopped = found is not None and found.closed_at is None and found.level is Level.ZERO
    return found if is_stopped else None


def _answered(connection: Connection, wallet_id: UUID, stopped: Episode) -> bool:
    """Say whether somebody acknowledged that things have stopped; a lower level counts for nothing."""
    wanted = select(alert_messages.c.audience).where(
        alert_messages.c.wallet_id == wallet_id,
        alert_messages.c.episode_id == stopped.episode_id,
        alert_messages.c.acknowledged_level >= int(Level.ZERO),
    )
    return connection.execute(wanted).first() is not None
