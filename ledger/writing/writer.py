"""All writing, one transaction at a time: batches of commands, committed for all callers that wait, and functions.

Theory. There is one turn, and the thread that holds it writes. A caller puts its batch into the queue. If no thread
leads, the caller leads: it takes the turn and commits everything in the queue, so that all share the cost of a commit
and a lone caller needs no change of threads. The others sleep, each on a lock of its own, until their answer is there
or until they have to lead; a leader passes the lead to the oldest batch in the queue. Callers on an event loop never
block it: a thread of ours leads for them. A function takes the turn without leading. Nothing waits for a timer.

A batch that meets the unexpected is cut in halves until the one to blame stands alone: a poisonous command hurts only
its sender. When the database itself cannot be used, nobody is to blame: everybody who waits is refused at once, so that
no caller waits for a lock or a lost server longer than the first one did.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, groupby, islice
from operator import attrgetter
from time import perf_counter_ns
from typing import TypeGuard, TypeVar
from uuid import UUID

from sqlalchemy import Connection, bindparam, select

from ledger.clock import Clock
from ledger.commands import Command, Outcome, Receipt
from ledger.errors import Busy
from ledger.instants import EPOCH
from ledger.storage.schema import wallets
from ledger.storage.store import Store
from ledger.storage.trouble import StoreTroubled, TroubleCode
from ledger.time_judgement import BACK_MAX
from ledger.writing.book import Book, Unsure
from ledger.writing.outbox import Outbox
from ledger.writing.schedule import Schedule
from ledger.writing.throughput import Throughput

T = TypeVar("T")

WAITING_MAX = 50_000
"""Commands that may wait before callers are told to come back."""
TOGETHER_MAX = 4_000
"""Commands after which a commit takes no further batch."""
LOOKS = 100
"""So many commits look their keys up first, after one that met a key which was there."""
_LOCK = select(wallets.c.wallet_id).where(wallets.c.wallet_id == bindparam("wallet")).with_for_update()
_ANOTHER_TURN = "a function that runs in its transaction cannot ask for another turn"


class Closed(RuntimeError):
    """The ledger was closed; nothing more is taken in."""


@dataclass(frozen=True, slots=True)
class Tx:
    """What a flow's function may use inside its transaction. It may be run twice, so it keeps nothing outside."""

    connection: Connection
    book: Book
    outbox: Outbox
    now: datetime

    @property
    def schedule(self) -> Schedule:
        """The schedule inside this transaction."""
        return Schedule(self.connection, self.now)


@dataclass(slots=True, eq=False)
class _Batch:
    """Commands that wait, and what became of them."""

    wallet_id: UUID
    commands: Sequence[Command]
    asker: "asyncio.Future[list[Outcome]] | None" = None
    """Set when an event loop waits for the answer."""
    sleeper: "threading.Lock | None" = None
    """Set when a thread waits; held until it is answered or has to lead."""
    leads: bool = False
    outcomes: list[Outcome] | None = None
    problem: BaseException | None = None

    @property
    def answered(self) -> bool:
        return self.outcomes is not None or self.problem is not None

    def answer(self) -> list[Outcome]:
        if self.problem is not None:
            raise self.problem
        assert self.outcomes is not None, "nobody looks before the commit"
        return self.outcomes


class Writer:
    """Writes for everybody, one transaction at a time."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._last = EPOCH  # the first reading comes once the clock was judged
        self._turn = threading.Lock()
        self._writing_thread: int | None = None
        self._gate = threading.Lock()
        """Guards what waits, who leads, the clock's last word, and the closing; held for moments only."""
        self._waiting: deque[_Batch] = deque()
        self._waiting_commands = 0
        self._led = False
        self._closed = False
        self._looks_left = 0
        """Commits to come that look their keys up first."""
        self._beginning: set[asyncio.AbstractEventLoop] = set()
        """Event loops that will begin once the present round of theirs is over."""
        self.throughput = Throughput()
        self._lead_for_loops = threading.Event()
        self._for_loops: threading.Thread | None = None

    def now(self) -> datetime:
        """Give the present instant.

        A clock that is set back by a little is waited out. One that is set back by more was wrong before: each wallet
        waits for it at its own last instant, and nothing else has to.
        """
        with self._gate:
            now = self._clock.now()
            if not now < self._last <= now + BACK_MAX:
                self._last = now
            return self._last

    def run(self, function: Callable[[Tx], T], *, wallet_id: UUID | None = None) -> T:
        """Run a flow's function alone in its transaction, after the batches that wait, with its wallet locked.

        What it raises rolls back only itself and reaches the caller.
        """
        with self._my_turn():
            if self._closed:
                raise Closed("the ledger is closed")
            self._commit_waiting()
            return self._store.transact(lambda connection: function(self._tx(connection, wallet_id)))

    def carry_out(self, wallet_id: UUID, commands: Sequence[Command]) -> list[Outcome]:
        """Carry out commands; gives one outcome each once they are durable. Refuses: Busy, WalletUnknown."""
        assert self._writing_thread != threading.get_ident(), _ANOTHER_TURN
        batch = _Batch(wallet_id, commands, sleeper=threading.Lock())
        self._put(batch)
        while True:
            if batch.leads:
                self._lead(batch)
            if batch.answered:
                return batch.answer()
            self._sleep(batch)

    async def carry_out_async(self, wallet_id: UUID, commands: Sequence[Command]) -> list[Outcome]:
        """Carry out commands without blocking the event loop; as `carry_out`."""
        loop = asyncio.get_running_loop()
        asker: asyncio.Future[list[Outcome]] = loop.create_future()
        with self._gate:
            self._take_in(_Batch(wallet_id, commands, asker))
            if not self._led and loop not in self._beginning:
                # Once all callers of this round of the loop have asked: they go into one commit, by one wake-up.
                self._beginning.add(loop)
                loop.call_soon(self._begin_for, loop)
        return await asker

    @property
    def waiting(self) -> tuple[int, int]:
        """Give the numbers of callers and of commands that wait now, without those that are being written."""
        with self._gate:
            return len(self._waiting), self._waiting_commands

    def close(self) -> None:
        """Write what was taken in, then stop. May be called twice."""
        with self._gate:
            self._closed = True
        with self._my_turn():
            while self._waiting:
                self._commit_waiting()
        self._lead_for_loops.set()
        if self._for_loops is not None:
            self._for_loops.join()

    def _put(self, batch: _Batch) -> None:
        with self._gate:
            self._take_in(batch)
            if batch.sleeper is not None:
                batch.sleeper.acquire()
            if not self._led:
                self._led = True
                self._give_lead(batch)

    def _begin_for(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._gate:
            self._beginning.discard(loop)
            if self._waiting and not self._led:
                self._led = True
                self._give_lead(self._waiting[0])

    def _take_in(self, batch: _Batch) -> None:
        if self._closed:
            raise Closed("the ledger is closed")
        if self._waiting_commands + len(batch.commands) > WAITING_MAX:
            self.throughput.busy += 1
            raise Busy
        self._waiting.append(batch)
        self._waiting_commands += len(batch.commands)

    # --- Who leads -----------------------------------------------------------------------------------------

    def _lead(self, batch: _Batch | None) -> None:
        """Commit for everybody that waits, then hand the lead on."""
        try:
            with self._my_turn():
                self._commit_waiting()
        finally:
            with self._gate:
                self._hand_on(batch)

    def _sleep(self, batch: _Batch) -> None:
        """Sleep until the batch is answered or has to lead."""
        assert batch.sleeper is not None
        try:
            batch.sleeper.acquire()
        except BaseException:
            # Interrupted, it will not come back: the lead must not be given to it, nor end with it.
            with self._gate:
                batch.sleeper = None
                if batch.leads:
                    self._hand_on(batch)
            raise

    def _hand_on(self, batch: _Batch | None) -> None:
        if batch is not None:
            batch.leads = False
        if self._waiting:
            self._give_lead(self._waiting[0])
        else:
            self._led = False

    def _give_lead(self, batch: _Batch) -> None:
        if batch.sleeper is not None:
            batch.leads = True
            batch.sleeper.release()
            return
        if self._for_loops is None:
            self._for_loops = threading.Thread(target=self._serve_loops, name="ledger-writer", daemon=True)
            self._for_loops.start()
        self._lead_for_loops.set()

    def _serve_loops(self) -> None:
        while True:
            self._lead_for_loops.wait()
            self._lead_for_loops.clear()
            if self._closed:
                return
            self._lead(None)

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        me = threading.get_ident()
        assert self._writing_thread != me, _ANOTHER_TURN
        with self._turn:
            self._writing_thread = me
            try:
                yield
            finally:
                self._writing_thread = None

    # --- What is written -----------------------------------------------------------------------------------

    def _commit_waiting(self) -> None:
        """Commit what waits, as much as belongs into one transaction, and answer everybody."""
        with self._gate:
            taken: list[_Batch] = []
            commands = 0
            while self._waiting and commands < TOGETHER_MAX:
                taken.append(self._waiting.popleft())
                commands += len(taken[-1].commands)
            self._waiting_commands -= commands
        if not taken:
            return
        try:
            trouble = self._commit(taken)
            if trouble is not None:
                taken += self._refuse_waiting(trouble)
        except BaseException as problem:
            # The thread that writes was told to stop: nobody may be left waiting for it.
            for batch in taken:
                if not batch.answered:
                    batch.problem = problem
            raise
        finally:
            self._wake(taken)

    def _refuse_waiting(self, trouble: StoreTroubled) -> list[_Batch]:
        """Refuse everybody who waits; gives them."""
        with self._gate:
            refused = list(self._waiting)
            self._waiting.clear()
            self._waiting_commands = 0
        for batch in refused:
            batch.problem = trouble.for_others()
        return refused

    def _wake(self, batches: Sequence[_Batch]) -> None:
        """Tell everybody that the answer is there: threads one by one, event loops once each."""
        by_loop: dict[asyncio.AbstractEventLoop, list[_Batch]] = {}
        with self._gate:
            for batch in batches:
                if batch.asker is not None:
                    by_loop.setdefault(batch.asker.get_loop(), []).append(batch)
                elif batch.sleeper is not None and not batch.leads:  # who leads is awake
                    batch.sleeper.release()
        for loop, asked in by_loop.items():
            # A loop that was closed in the meantime has nobody left to tell; what was written stays written.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_resolve, asked)

    def _commit(self, batches: Sequence[_Batch]) -> StoreTroubled | None:
        """Commit batches, in one transaction where the database allows it, else in one a wallet.

        Gives why the database cannot be used, if that is so; then every batch has its answer all the same.
        """
        by_wallet: dict[UUID, list[_Batch]] = {}
        for batch in batches:
            by_wallet.setdefault(batch.wallet_id, []).append(batch)
        # In one order for all: two writers that lock the same wallets never wait for each other in a ring.
        ordered = [by_wallet[wallet_id] for wallet_id in sorted(by_wallet)]
        if self._store.commits_together:
            return self._commit_one([batch for mine in ordered for batch in mine])
        trouble = None
        for mine in ordered:
            if trouble is None:
                trouble = self._commit_one(mine)
                continue
            for batch in mine:
                batch.problem = trouble.for_others()
        return trouble

    def _commit_one(self, batches: Sequence[_Batch]) -> StoreTroubled | None:
        began = perf_counter_ns()
        try:
            outcomes = self._transact(batches)
        except Exception as problem:  # noqa: BLE001 - whatever it is, only its sender hears of it
            self.throughput.failures += 1
            trouble = problem if _hits_everybody(problem) else None
            if len(batches) == 1 or trouble is not None:
                for batch in batches:
                    batch.problem = problem
                return trouble
            middle = len(batches) // 2
            trouble = self._commit_one(batches[:middle])
            if trouble is None:
                return self._commit_one(batches[middle:])
            for batch in batches[middle:]:
                batch.problem = trouble.for_others()
            return trouble
        for batch, outcome in zip(batches, outcomes, strict=True):
            batch.outcomes = outcome
        self.throughput.count(outcomes, perf_counter_ns() - began)
        return None

    def _transact(self, batches: Sequence[_Batch]) -> list[list[Outcome]]:
        """Commit batches in one transaction.

        On a server, looking keys up costs a fifth of a commit, and nearly all are new: the unique key itself finds
        those that are not, and then all is decided again with a look. Where some were repeated, more will be.
        """
        if self._store.commits_together:
            return self._store.transact(lambda connection: self._write(connection, batches), keyed=True)
        runs = 0

        def write(connection: Connection) -> list[list[Outcome]]:
            nonlocal runs
            runs += 1  # whatever ended a run, the next one looks: it may find itself written
            return self._write(connection, batches, looks=runs > 1 or self._looks_left > 0)

        try:
            outcomes = self._store.transact(write, keyed=True)
        except Unsure:
            outcomes = self._store.transact(write, keyed=True)
        repeated = self._looks_left > 0 and any(map(_is_repeat, chain.from_iterable(outcomes)))
        self._looks_left = LOOKS if runs > 1 or repeated else max(0, self._looks_left - 1)
        return outcomes

    def _write(
        self, connection: Connection, batches: Sequence[_Batch], *, looks: bool = True
    ) -> list[list[Outcome]]:
        """Carry out batches, those of one wallet together; gives each one's outcomes, in order."""
        now = self.now()
        outcomes: list[list[Outcome]] = []
        for wallet_id, group in groupby(batches, key=attrgetter("wallet_id")):
            mine = list(group)
            commands = [command for batch in mine for command in batch.commands]
            ends = len(mine) == len(batches)
            answers = iter(Book(connection, now).carry_out(wallet_id, commands, ends=ends, looks=looks))
            outcomes += [list(islice(answers, len(batch.commands))) for batch in mine]
        return outcomes

    def _tx(self, connection: Connection, wallet_id: UUID | None) -> Tx:
        if wallet_id is not None and not self._store.commits_together:
            connection.execute(_LOCK, {"wallet": wallet_id})  # elsewhere the transaction is the lock
        now = self.now()
        return Tx(connection, Book(connection, now), Outbox(connection, now), now)


def _hits_everybody(problem: Exception) -> TypeGuard[StoreTroubled]:
    """Say whether the database itself cannot be used. A damaged page may be met by one wallet alone."""
    return isinstance(problem, StoreTroubled) and problem.code is not TroubleCode.DAMAGED


def _is_repeat(outcome: Outcome) -> bool:
    return isinstance(outcome, Receipt) and outcome.duplicate


def _resolve(batches: Sequence[_Batch]) -> None:
    for batch in batches:
        assert batch.asker is not None
        if batch.asker.done():  # its caller was cancelled
            continue
        if batch.problem is not None:
            batch.asker.set_exception(batch.problem)
        else:
            batch.asker.set_result(batch.answer())
