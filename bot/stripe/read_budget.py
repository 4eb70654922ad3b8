"""How often Stripe is read: the pure pace of reads, and the month's count that the pace keeps to.

Stripe rations reads: 500 a payment, at least 10,000 a month for all programs of a company together
(docs.stripe.com/rate-limits). Two kinds of reads are paced here. A *poll* reads the events list; a *look* reads the
open requests themselves, so that money is credited also when its event comes late or never.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, func, select

from bot.states.payment import State
from bot.tables import NIL_WALLET, payments
from bot.wallets.named_values import named_value, set_named_value
from ledger import Ledger, Tx

READS_FLOOR, READS_A_PAYMENT = 10_000, 500
TIGHT_PERCENT, SPENT_PERCENT, LAST_PERCENT = 70, 90, 95
"""Shares of the month's ration: from the first on we poll less often, from the second on even urgent looks wait, and
the last is not passed. Other programs of the company need the rest."""
LOOKS_PERCENT = 80
"""The share of the ration up to which looks that are not urgent may bring the month's count."""
HEAD_START = timedelta(days=10)
"""How far ahead of the month's even pace such looks may be: most requests are paid within hours."""
TIGHT = 3
"""By how much less often, once the ration is tight."""

PRESSED_FOR = timedelta(minutes=10)
PRESSED_EVERY = timedelta(seconds=20)
URGENT_FOR = timedelta(minutes=30)
LOOK_EVERY = timedelta(seconds=110)
"""Two minutes, less what a tick, the reads and the commit take."""
THRIFTY_EVERY = timedelta(minutes=30)
SPENT_EVERY = timedelta(days=1)

WARM_EVERY = timedelta(minutes=2)
IDLE_EVERY = timedelta(minutes=10)
WEBHOOK_EVERY = timedelta(minutes=30)
_RESERVED_A_DAY = timedelta(days=1) // (TIGHT * IDLE_EVERY) + 8
"""What the polls of a tight ration and the nightly reconciliation read in a day."""
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Budget:
    """What was read this month (UTC) up to an instant, and how much may be read in all of it. Pure."""

    now: datetime
    read: int
    allowed: int

    @property
    def tight(self) -> bool:
        """Whether most of the ration is used up."""
        return self._is_past(TIGHT_PERCENT)

    @property
    def spent(self) -> bool:
        """Whether so little is left that even urgent looks have to share it out."""
        return self._is_past(SPENT_PERCENT)

    @property
    def ahead(self) -> bool:
        """Whether more was read than the elapsed part of the month gives to looks that are not urgent."""
        began, ended = _month_around(self.now)
        elapsed = (self.now - began + HEAD_START) // _SECOND
        whole = (ended - began + HEAD_START) // _SECOND
        return self.read * 100 * whole > self.allowed * LOOKS_PERCENT * elapsed

    def spread(self) -> timedelta:
        """Give the wait at which looks use up what is left exactly by the end of the month."""
        rest = _month_around(self.now)[1] - self.now
        reserved = _RESERVED_A_DAY * (rest // timedelta(days=1) + 1)
        left = self.allowed * LAST_PERCENT // 100 - self.read - reserved
        return rest // left if left > 0 else rest

    def _is_past(self, percent: int) -> bool:
        return self.read * 100 > self.allowed * percent


def poll_every(
    now: datetime, watched_at: datetime | None, *, webhook: bool, tight: bool = False
) -> timedelta:
    """Say how long to wait between two polls of the events list. Pure.

    An open request is watched closely while it is young or somebody pressed Pay a moment ago. An older one needs no
    more polls, since looks follow it. `tight` says that most of the ration is used up.
    """
    if tight:
        return TIGHT * poll_every(now, watched_at, webhook=webhook)
    if webhook:
        return WEBHOOK_EVERY
    is_urgent = watched_at is not None and now - watched_at < URGENT_FOR
    return WARM_EVERY if is_urgent else IDLE_EVERY


def look_every(budget: Budget, watched_at: datetime, *, webhook: bool, stopped: bool) -> timedelta:
    """Say how long to wait between two looks at what is open. Pure.

    Within two minutes, whatever the age of the request, unless the month's reads are ahead of its pace. Thrift waits
    for urgent looks: those of a request that was made or pressed a moment ago, and all while calls are stopped.
    A webhook tells at once in most cases, so nobody waits for the fastest looks there.
    """
    age = budget.now - watched_at
    wait = PRESSED_EVERY if age < PRESSED_FOR and not webhook else LOOK_EVERY
    if not budget.ahead:
        return wait
    if not (age < URGENT_FOR or stopped):
        return THRIFTY_EVERY
    if not budget.tight:
        return wait
    if age < URGENT_FOR and not budget.spent:
        return TIGHT * wait
    return max(TIGHT * wait, min(budget.spread(), SPENT_EVERY))


def reads_allowed(paid_lately: int) -> int:
    """Give how often Stripe lets a company read in thirty days in which so many payments succeeded. Pure."""
    return max(READS_FLOOR, READS_A_PAYMENT * paid_lately)


_PAID_SINCE = (
    select(func.count())
    .where(payments.c.state == State.PAID.value, payments.c.settled_at > bindparam("after"))
    .execution_options(cross_shard=True)
)
"""Made once, since a job asks it several times a second."""


def budget_of(connection: Connection, now: datetime) -> Budget:
    """Give the month's budget as it stands."""
    paid = connection.execute(_PAID_SINCE, {"after": now - timedelta(days=30)}).scalar_one()
    return Budget(now, _reads(connection, now), reads_allowed(paid))


def reads_of_month(ledger: Ledger, now: datetime) -> tuple[int, int]:
    """Give how often Stripe was read this month (UTC), and how often it may be."""
    with ledger.reading() as connection:
        budget = budget_of(connection, now)
    return budget.read, budget.allowed


def add_reads(tx: Tx, *, taken: int) -> None:
    """Add reads to the month's count."""
    set_named_value(tx, NIL_WALLET, _name_of(tx.now), str(_reads(tx.connection, tx.now) + taken))


def _reads(connection: Connection, now: datetime) -> int:
    counted = named_value(connection, NIL_WALLET, _name_of(now))
    return int(counted.value) if counted is not None else 0


def _name_of(now: datetime) -> str:
    return f"reads:{now:%Y-%m}"


def _month_around(now: datetime) -> tuple[datetime, datetime]:
    began = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return began, (began + timedelta(days=32)).replace(day=1)
