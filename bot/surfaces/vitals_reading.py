"""Reads how a running bot is: its process from memory, its books in one read transaction."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bot.payment_rows import count_by_state
from bot.scheduler import Scheduler
from bot.served import Served
from bot.states.delivery import DeliveryState
from bot.states.stripe_request import CHARGING, RequestState
from bot.stripe.key_health import key_refused_at
from bot.stripe.read_budget import budget_of
from bot.surfaces.vitals import BookVitals, DeliveryVitals, JobVitals, ProcessVitals, Trouble, Vitals
from bot.tables import BOT_VERSION_TABLE, BOT_VERSIONS, NIL_WALLET, deliveries, differences, stripe_requests
from bot.wallets.clock_watch import ClockWatch
from bot.wallets.restored_mode import Restored
from ledger import Ledger, StoreUnusable, Throughput, is_current, machine_ticks, read_notice


class VitalSigns:
    """Gives how one process is. It waits for the database, so it is never asked on an event loop."""

    def __init__(
        self,
        ledger: Ledger,
        served: Served,
        scheduler: Scheduler,
        watch: ClockWatch,
        untold: Callable[[], Sequence[str]],
        mode: Callable[[], Restored | None],
        slack: Callable[[], Exception | None],
    ) -> None:
        """`mode` says why the books are restored for this process, `slack` why it is not connected."""
        self._ledger = ledger
        self._served = served
        self._scheduler = scheduler
        self._watch = watch
        self._untold = untold
        self._mode = mode
        self._slack = slack
        self._trouble: Trouble | None = None

    @property
    def throughput(self) -> Throughput:
        """What the writer did since the process began."""
        return self._ledger.writer.throughput

    def read(self) -> Vitals:
        """Read everything. What the database raises is a part of the answer."""
        process, store = self.process(), self._ledger.store
        if store.trouble() is not None:
            store.look()  # reading alone ends no trouble
        try:
            mode = self._mode()
            with self._ledger.reading() as connection:
                books = self._books(connection, process.at, mode)
        except (StoreUnusable, SQLAlchemyError) as problem:
            return self.unread(*self._words(problem))
        known = store.trouble()
        # It may be read, and refuse whatever is written.
        self._trouble = Trouble(known.code.value, known.sentence, known.since) if known is not None else None
        return Vitals(process, self._trouble or books)

    def unread(self, code: str, says: str) -> Vitals:
        """Give how the process is while its database cannot be read, and since when."""
        process, before = self.process(), self._trouble
        since = before.since if before is not None else process.at
        self._trouble = Trouble(code, says, since)
        return Vitals(process, self._trouble)

    def process(self) -> ProcessVitals:
        """Give what is known without the database."""
        ticks = machine_ticks()
        callers, commands = self._ledger.writer.waiting
        runs = self._scheduler.runs
        return ProcessVitals(
            at=self._ledger.now(),
            jobs=[
                JobVitals(
                    job.name,
                    job.every,
                    runs[job.name].ended,
                    runs[job.name].failed,
                    runs[job.name].failing,
                    runs[job.name].lasted,
                    ticks - runs[job.name].fresh_at,
                )
                for job in self._scheduler.jobs
            ],
            ticking=self._scheduler.started,
            beat_at=self._scheduler.beat_at,
            callers=callers,
            commands=commands,
            clock=self._watch.problems(),
            skew=self._watch.skew,
            telling=self._untold(),
            slack_away=self._slack() is not None,
        )

    def _words(self, problem: StoreUnusable | SQLAlchemyError) -> tuple[str, str]:
        """Give the code and the sentence of what keeps the books from being read: the one place that does."""
        if isinstance(problem, StoreUnusable):
            return type(problem).__name__, str(problem)
        if isinstance(problem, DBAPIError):
            return type(problem).__name__, self._ledger.store.why_unusable(problem)
        return type(problem).__name__, "The database's connections are all in use, or it does not answer."

    def _books(self, connection: Connection, now: datetime, mode: Restored | None) -> BookVitals:
        budget = budget_of(connection, now)
        return BookVitals(
            current=is_current(connection)
            and is_current(connection, versions=BOT_VERSIONS, version_table=BOT_VERSION_TABLE),
            waiting=self._deliveries(connection, DeliveryState.WAITING, now),
            set_aside=self._deliveries(connection, DeliveryState.ASIDE, now),
            restored=mode.cause.value if mode is not None else None,
            restored_at=mode.at if mode is not None else None,
            key_refused_at=key_refused_at(connection, NIL_WALLET),
            payments=count_by_state(connection),
            unknown_charges=connection.execute(_UNKNOWN_CHARGES).scalar_one(),
            differences=connection.execute(_OPEN_DIFFERENCES).scalar_one(),
            reads=budget.read,
            reads_allowed=budget.allowed,
        )

    def _deliveries(self, connection: Connection, state: DeliveryState, now: datetime) -> DeliveryVitals:
        mine: Any = (deliveries.c.state == state) & self._served.where_living(deliveries.c.wallet_id)
        count = select(func.count()).where(mine).execution_options(cross_shard=True)
        # A notice's id begins with its time, so the least is of the oldest notice.
        oldest = (
            select(deliveries.c.wallet_id, deliveries.c.notice_id)
            .where(mine)
            .order_by(deliveries.c.notice_id)
            .limit(1)
            .execution_options(cross_shard=True)
        )
        found = connection.execute(oldest).one_or_none()
        if found is None:
            return DeliveryVitals(0, timedelta())
        since = read_notice(connection, found.wallet_id, found.notice_id).created_at
        return DeliveryVitals(connection.execute(count).scalar_one(), max(now - since, timedelta()))


_UNKNOWN_CHARGES = (
    select(func.count())
    .where(
        stripe_requests.c.state == RequestState.UNKNOWN,
        stripe_requests.c.operation.in_([one.value for one in CHARGING]),
    )
    .execution_options(cross_shard=True)
)
_OPEN_DIFFERENCES = (
    select(func.count()).where(differences.c.ended_at.is_(None)).execution_options(cross_shard=True)
)
