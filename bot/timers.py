"""What time brings: the table of jobs, each a plain function of now that is safe to run twice or never."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from bot.delivering.courier import Courier
from bot.delivering.repeats import Repeats
from bot.due_work import DueWork
from bot.housekeeping import Housekeeping
from bot.notices import RechargeFailed, RuleChanged, decode
from bot.payment_rows import next_lapse
from bot.payments.cards import Cards
from bot.payments.inbox import News
from bot.payments.recharge import Recharge
from bot.payments.runway_watch import RunwayWatch
from bot.payments.sweep import Sweep
from bot.reconciliation.run import Reconciliation
from bot.scheduler import Job
from bot.served import Served
from bot.slack.books_trouble import BooksTrouble
from bot.slack.homes import Homes
from bot.slack.presence import Presence
from bot.slack.senders.table import Senders
from bot.stripe.requests import NotMade
from bot.tables import payments
from bot.wallets.channel_watch import ChannelWatch
from bot.wallets.clock_watch import LOOK_EVERY, ClockWatch
from bot.wallets.pace_watch import PaceWatch
from bot.wallets.people_listing import PeopleListing
from ledger import (
    DueKind,
    Ledger,
    RechargeWanted,
    Tx,
    UsageCorrected,
    Waiting,
    next_due,
    unscheduled_wallets,
)
from ledger.storage.schema import wallet_schedule

log = logging.getLogger("redbar.timers")

STRIDE_MAX = timedelta(hours=12)
"""A clock that skips looks around at least this often, since the pace and its lines change with the hour."""


class Timers:
    """What is due at an instant, by rows."""

    def __init__(self, ledger: Ledger, served: Served, sweep: Sweep, recharge: Recharge, news: News) -> None:
        self._ledger = ledger
        self._due = DueWork(ledger, served)
        self._repeats = Repeats(ledger, served)
        self._pace = PaceWatch(ledger, served)
        self._runway = RunwayWatch(ledger, served, recharge)
        self._served = served
        self._sweep = sweep
        self._recharge = recharge
        self._news = news
        self._housekeeping = Housekeeping(ledger, served)
        self._looked_for_lost = False

    def observe(self, now: datetime) -> None:
        """Let wallets judge what time alone did."""
        if not self._looked_for_lost and self._ledger.doubt is None:
            self._find_lost()
        self._due.each_in_one(DueKind.TIME, _observe)

    def _find_lost(self) -> None:
        """Schedule, once after the start, what no row of the schedule knows of: nothing stays forgotten."""
        with self._ledger.reading() as connection:
            lost = unscheduled_wallets(connection)
        for wallet_id in lost:
            log.warning("wallet %s has work that was not scheduled", wallet_id)
            self._ledger.run(partial(_reschedule, wallet_id=wallet_id), wallet_id=wallet_id)
        self._looked_for_lost = True

    def hear_news(self, now: datetime) -> None:
        """Read what is new outside, and handle what waits."""
        now = self._ledger.now()
        self._news.poll(now)
        self._news.handle_waiting(now)

    def recharge(self, now: datetime) -> None:
        """Look at the wallets whose money is below their rule's threshold, and remind of what the bank asks."""
        self._recharge.run_due()
        self._recharge.remind(self._ledger.now())

    def sweep(self, now: datetime) -> None:
        """Finish what a crash or an outage left open."""
        self._sweep.run(self._ledger.now())

    def repeat_alarms(self, now: datetime) -> None:
        """Say the alarms again that nobody answers."""
        self._repeats.run_once(now)

    def follow_pace(self, now: datetime) -> None:
        """Draw the alert lines by the present pace, and tell of what costs far more than usual today."""
        self._pace.run_once(now)

    def tell_in_the_morning(self, now: datetime) -> None:
        """Tell of money that ends soon, where people want to hear of it."""
        self._runway.run_once(now)

    def clear(self, now: datetime) -> None:
        """Clear what ended long ago."""
        self._housekeeping.run_once(now)

    def heard(self, waiting: Waiting) -> None:
        """Do what a notice asks for inside the house, before anybody is told of it.

        The card is charged when the ledger says it is wanted; a charge that failed gets the link by which people can
        pay instead, and ends where a correction closed the gap.
        """
        wallet_id, notice = waiting.wallet_id, decode(waiting)
        if isinstance(notice, RechargeWanted):
            self._recharge.consider(wallet_id)
        elif isinstance(notice, RechargeFailed):
            with suppress(NotMade):  # the failure is told all the same, without a link
                self._recharge.rescue(wallet_id, notice.payment_id)
        elif isinstance(notice, UsageCorrected):
            self._recharge.heard_of_credit(wallet_id, notice.source, notice.source_id)
        elif isinstance(notice, RuleChanged):
            self._recharge.heard_of_rule(wallet_id)

    def next_moment(self, after: datetime, until: datetime) -> datetime:
        """Give the next instant up to a limit at which something falls due, for a clock that skips."""
        soonest = min(until, after + STRIDE_MAX)
        scheduled = self._served.where_living(wallet_schedule.c.wallet_id)
        with self._ledger.reading() as connection:
            found = [
                next_due(connection, after, among=scheduled),
                next_lapse(connection, after, among=self._served.where_own(payments.c.wallet_id)),
                *self._recharge.reminders_at(connection),
            ]
        return min((at for at in (*found, soonest) if at is not None and at > after), default=soonest)


@dataclass(frozen=True, slots=True)
class SurfaceRefresh:
    """Shows a wallet's messages and Home tabs anew while its workspace has the app installed."""

    ledger: Ledger
    served: Served
    senders: Senders
    homes: Homes
    team_id: str
    wallet_id: UUID

    def run_once(self, now: datetime) -> None:
        """Update what changed since it was shown."""
        if self._is_served():
            self.senders.episodes.refresh_open(self.wallet_id)
            self.senders.qr_codes.remove_useless(self.wallet_id)
            self.homes.refresh(self.wallet_id, self.team_id)

    def draw(self, now: datetime) -> None:
        """Upload the pictures that Home wants, and those that messages went without: no surface waits for the host."""
        self.homes.pictures.draw()
        if self._is_served():
            self.senders.qr_codes.follow(self.wallet_id)

    def _is_served(self) -> bool:
        """Say whether the workspace has the app installed, and its time is not in doubt."""
        with self.ledger.reading() as connection:
            lives = self.served.lives(connection, self.wallet_id)
            return lives and bool(self.ledger.believed(connection, [self.wallet_id]))


def jobs_of(
    tick: timedelta,
    timers: Timers,
    *,
    reconciliation: Reconciliation,
    cards: Cards,
    courier: Courier,
    presence: Presence,
    listing: PeopleListing,
    channels: ChannelWatch,
    refresh: SurfaceRefresh,
    clock: ClockWatch,
    books: BooksTrouble,
) -> Sequence[Job]:
    """Give every job with its interval."""
    return (
        Job("time", tick, timers.observe),
        Job("news", tick, timers.hear_news),
        Job("recharge", tick * 5, timers.recharge),
        Job("sweep", tick * 30, timers.sweep),
        Job("pace", timedelta(minutes=5), timers.follow_pace),
        Job("morning", timedelta(minutes=5), timers.tell_in_the_morning),
        Job("cards", timedelta(hours=1), cards.look_ahead),
        Job("reconcile", timedelta(minutes=10), reconciliation.run_if_due),
        Job("people", tick, listing.run_once),
        Job("repeats", tick * 30, timers.repeat_alarms),
        Job("channels", timedelta(minutes=1), channels.run_once),
        Job("courier", tick / 4, courier.run_once),
        Job("untold", tick * 10, courier.look),
        Job("showing", tick * 2, refresh.run_once),
        Job("pictures", tick * 2, refresh.draw),
        Job("presence", timedelta(minutes=1), presence.look),
        Job("clock", LOOK_EVERY, clock.look),
        Job("books", timedelta(seconds=1), books.look),
        Job("books told", tick * 5, books.tell),
        Job("housekeeping", timedelta(hours=1), timers.clear),
    )


def _observe(tx: Tx, wallet_id: UUID) -> None:
    tx.book.observe(wallet_id)
    if tx.schedule.is_due(wallet_id, DueKind.TIME):
        tx.book.reschedule(wallet_id)  # the row said otherwise than its wallet


def _reschedule(tx: Tx, *, wallet_id: UUID) -> None:
    tx.book.reschedule(wallet_id)
