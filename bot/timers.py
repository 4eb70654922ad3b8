"""What time brings: the table of jobs, each a plain function of now that is safe to run twice or never."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, func, select

from bot.delivering.courier import Courier
from bot.delivering.repeats import Repeats
from bot.notices import RechargeFailed, RuleChanged, decode
from bot.payments.cards import Cards
from bot.payments.inbox import News
from bot.payments.outcomes import CONFIRM_LIFETIME
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
from bot.states.payment import Purpose, State
from bot.stripe.requests import NotMade
from bot.tables import payments
from bot.wallets.channel_watch import ChannelWatch
from bot.wallets.clock_watch import LOOK_EVERY, ClockWatch
from bot.wallets.people_listing import PeopleListing
from bot.wallets.spike_watch import SpikeWatch
from ledger import Ledger, RechargeWanted, Tx, UsageCorrected, Waiting, due_wallets, next_due

STRIDE_MAX = timedelta(hours=12)
"""A clock that skips looks around at least this often, since the pace and its lines change with the hour."""


class Timers:
    """What is due at an instant, by rows."""

    def __init__(self, ledger: Ledger, served: Served, sweep: Sweep, recharge: Recharge, news: News) -> None:
        self._ledger = ledger
        self._repeats = Repeats(ledger, served)
        self._spikes = SpikeWatch(ledger, served)
        self._runway = RunwayWatch(ledger, served, recharge)
        self._served = served
        self._sweep = sweep
        self._recharge = recharge
        self._news = news

    def observe(self, now: datetime) -> None:
        """Let wallets judge what time alone did."""
        with self._ledger.reading() as connection:
            due = due_wallets(connection, self._ledger.now(), wallet_ids=self._believed(connection))
        for wallet_id in due:
            self._ledger.run(partial(_observe, wallet_id=wallet_id), wallet_id=wallet_id)

    def hear_news(self, now: datetime) -> None:
        """Read what is new outside, and handle what waits."""
        now = self._ledger.now()
        self._news.poll(now)
        self._news.handle_waiting(now)

    def recharge(self, now: datetime) -> None:
        """Look at every wallet whose money is below its rule's threshold."""
        for wallet_id in self._awake():
            self._recharge.consider(wallet_id)
        self._recharge.remind(self._ledger.now())

    def sweep(self, now: datetime) -> None:
        """Finish what a crash or an outage left open."""
        self._sweep.run(self._ledger.now())

    def repeat_alarms(self, now: datetime) -> None:
        """Say the alarms again that nobody answers."""
        self._repeats.run_once(now)

    def look_for_spikes(self, now: datetime) -> None:
        """Tell of what costs far more than usual today."""
        self._spikes.run_once(now)

    def tell_in_the_morning(self, now: datetime) -> None:
        """Tell of money that ends soon, where people want to hear of it."""
        self._runway.run_once(now)

    def draw_lines(self, now: datetime) -> None:
        """Draw the alert lines anew from the present pace."""
        for wallet_id in self._awake():
            self._ledger.run(partial(_redraw, wallet_id=wallet_id), wallet_id=wallet_id)

    def _awake(self) -> Sequence[UUID]:
        """Give the wallets that time may do something to."""
        with self._ledger.reading() as connection:
            return self._believed(connection)

    def _believed(self, connection: Connection) -> Sequence[UUID]:
        return self._ledger.believed(connection, self._served.living(connection))

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
        with self._ledger.reading() as connection:
            own = self._served.own(connection)
            mine = payments.c.wallet_id.in_(own)
            found = [
                next_due(connection, after, wallet_ids=own),
                self._repeats.next_due(connection, own),
                self._runway.next_due(connection, own),
            ]
            for column, states in (
                (payments.c.expires_at, (State.OFFERED.value, State.WAITING.value)),
                (payments.c.next_try_at, (State.FAILED.value,)),
            ):
                found.append(
                    connection.execute(
                        select(func.min(column))
                        .where(mine, column > after, payments.c.state.in_(states))
                        .execution_options(cross_shard=True)
                    ).scalar_one_or_none()
                )
            last = connection.execute(
                select(func.max(payments.c.created_at))
                .where(mine, payments.c.purpose == Purpose.RECHARGE)
                .execution_options(cross_shard=True)
            ).scalar_one_or_none()
            waiting = connection.execute(
                select(payments.c.expires_at)
                .where(mine, payments.c.state == State.WAITING.value)
                .execution_options(cross_shard=True)
            ).scalars()
            kept = [self._ledger.look(connection, wallet_id)[1] for wallet_id in own]
            remind_hours = {one for policy in kept for one in policy.remind_hours}
            found += [at - CONFIRM_LIFETIME + timedelta(hours=one) for at in waiting for one in remind_hours]
        if last is not None:
            found += [last + policy.rule.spacing for policy in kept if policy.rule is not None]
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
        Job("lines", timedelta(minutes=5), timers.draw_lines),
        Job("spikes", timedelta(minutes=5), timers.look_for_spikes),
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
    )


def _observe(tx: Tx, *, wallet_id: UUID) -> None:
    tx.book.observe(wallet_id)


def _redraw(tx: Tx, *, wallet_id: UUID) -> None:
    tx.book.redraw_lines(wallet_id)
