"""Money and its consequences: a double-entry ledger of prepaid wallets that can be embedded in any program.

Amounts are integer micro-units (10⁻⁶ of a dollar), instants aware and in UTC. A wallet is opened once, by an id
of ours:

>>> ledger = Ledger("sqlite://", SystemClock())
>>> wallet_id = new_wallet_id()
>>> opened = ledger.run(lambda tx: tx.book.create_wallet(wallet_id, "USD", "Europe/Berlin"))

Commands come in batches; each gets a durable receipt, answer or refusal of its own. A key that comes again gets its
first receipt:

>>> paid = PostMoney("stripe", "credit:pi_1", CreditKind.TOP_UP, 25 * MICROS, None)
>>> call = PostUsage("platform", "call-1", OUTBOUND_CALL, 420_000, None, quantity=61)
>>> first, second, again = ledger.carry_out(wallet_id, [paid, call, call])
>>> second.balance_after_micros, again.duplicate
(24580000, True)

A hold asks "may this start?" and sets its estimate aside:

>>> (answer,) = ledger.carry_out(wallet_id, [OpenHold("call-2", OUTBOUND_CALL, 30 * MICROS)])
>>> answer.permit.allowed, answer.permit.reason.value
(False, 'insufficient_available')

Reading sees one instant, and takes the same time however long the history is:

>>> with ledger.reading() as connection:
...     view, policy = ledger.look(connection, wallet_id)
...     rows = history(connection, wallet_id, limit=10)
...     findings = verify_books(connection)
>>> format_money(Money(view.available_micros, USD)), view.standing.value, len(rows), findings
('$24.58', 'open', 2, [])
>>> ledger.close()

The package has five rooms, each of which imports only from those below it: `audit` proves that the books are whole,
`reading` answers questions, `writing` carries out commands, `storage` knows the databases, and `deciding` decides a
batch on facts that are passed in. Below them stand the nouns of the field, which are pure, and `clock`, `ids` and
`failpoints`.
"""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection

from ledger.alert_policy import Lines, Moment, lines_for, short_runway
from ledger.audit.checkpoints import (
    Checkpoint,
    CheckpointUnreadable,
    checkpoint_of,
    compare,
    read_checkpoint,
)
from ledger.audit.erasure import erase_before, erase_numbers, erase_reference, overwrite_erased
from ledger.audit.lost_history import LostHistory, history_lost_to
from ledger.audit.verification import Audit, Finding, audit_books, audit_strays, verify_books
from ledger.chart import CORRECTION, CREDITS, USAGE_KIND, Account
from ledger.clock import Clock, JudgedClock, SystemClock, machine_ticks
from ledger.commands import (
    AI_TASK,
    INBOUND_CALL,
    OUTBOUND_CALL,
    PLATFORM,
    Answer,
    CaptureHold,
    Command,
    Correct,
    CreditKind,
    ExtendHold,
    HistoryRow,
    HoldAnswer,
    HoldReleased,
    KindSum,
    OpenHold,
    Outcome,
    PostMoney,
    PostUsage,
    Receipt,
    ReleaseHold,
    WalletView,
    funds_of,
)
from ledger.currencies import OFFERED, Scale, offered_currency, rounded_up, scale_of
from ledger.deciding.checks import BACK_MAX as OCCURRED_BACK_MAX
from ledger.deciding.checks import QUANTITY_MAX, storable
from ledger.due_work import DueKind
from ledger.errors import (
    AboveItemMax,
    AmountOutOfRange,
    AmountUnreadable,
    Busy,
    ClockInDoubt,
    CorrectionTooLarge,
    CurrencyMismatch,
    CurrencyNotOffered,
    CurrencyUnknown,
    HoldEnded,
    HoldUnknown,
    KeyReused,
    KindUnknown,
    NotCardExact,
    PolicyChanged,
    PolicyUnfit,
    Refused,
    TextUnfit,
    TimeUnfit,
    UsageUnknown,
    WalletUnknown,
)
from ledger.failpoints import failpoint
from ledger.ids import new_id, new_wallet_id
from ledger.instants import EPOCH
from ledger.local_time import day_bounds, local_day, month_before, month_bounds, next_month
from ledger.money import (
    CENT,
    MACHINE_AMOUNT,
    MICROS,
    USD,
    Currency,
    Money,
    decimal_text,
    format_money,
    from_minor,
    parse_amount,
    parse_machine_amount,
    to_minor,
)
from ledger.notices import (
    Level,
    Notice,
    RechargeWanted,
    StartedAfterStop,
    UsageCorrected,
    WalletCredited,
    WalletEmptied,
    WalletLow,
    WalletPaused,
    WalletRecovered,
    WalletResumed,
)
from ledger.reading.database_time import database_time
from ledger.reading.due import due_wallets, next_due, unscheduled_wallets
from ledger.reading.export import BooksBroken, Extract, beancount_lines, csv_lines, extract_of
from ledger.reading.history import (
    Episode,
    HoldStory,
    TransferStory,
    episode,
    history,
    hold_story,
    last_episode,
    transfer_by_key,
    transfer_story,
    transfers_of_source,
)
from ledger.reading.summaries import (
    daily,
    hours_of,
    look,
    month_summary,
    months_of,
    references_of,
    spikes_of,
)
from ledger.recharge_policy import (
    CapWindow,
    RechargeBlock,
    RechargeDecision,
    RechargePast,
    admits_full_charge,
    recharge_decision,
    recharge_wanted,
)
from ledger.spending import Burn, Spike, cost_ahead, runway
from ledger.standing import Funds, Permit, Reason, Standing, permit_at
from ledger.storage.migrations import is_current, migrate
from ledger.storage.spend_query import burn_of
from ledger.storage.store import assert_outside_transaction, open_store
from ledger.storage.trouble import (
    OutcomeUnknown,
    StoreBusy,
    StoreLost,
    StoreTroubled,
    StoreUnusable,
    Trouble,
    TroubleCode,
)
from ledger.storage.wallets_ahead import ahead_after, ahead_of, not_ahead
from ledger.sums import ASK_EXAMPLE_DOLLARS, PRESETS_DOLLARS, TOP_UP_EXAMPLE_DOLLARS
from ledger.time_judgement import BACK_MAX, Anchor, Dated, Doubt, Known
from ledger.wallet_policy import (
    Automatic,
    Pause,
    PauseCode,
    RechargeRule,
    WalletPolicy,
    charge_bounds,
    threshold_min_micros,
    within_one_charge,
)
from ledger.writing.book import REDBAR, policy_of
from ledger.writing.clearing import clear_notices, clear_refused_holds
from ledger.writing.outbox import Outbox, Waiting, any_waiting, due_notices, read_notice
from ledger.writing.rescaling import policies_that_do_not_fit, rescale_policy
from ledger.writing.schedule import DueClaim, LeaseLost
from ledger.writing.throughput import DURATIONS, SIZES, Throughput
from ledger.writing.time_acceptance import FutureRows, accept_present
from ledger.writing.writer import WAITING_MAX, Tx, Writer

T = TypeVar("T")


class Ledger:
    """An open ledger: one writer, many readers."""

    def __init__(self, url: str, clock: Clock, *, write: bool = True) -> None:
        """Open a database and bring it to the newest schema; `write=False` only looks, beside the one who writes.

        Raises: StoreBusy, StoreUnusable.
        """
        self.store = open_store(url, write=write, clock=clock)
        self.is_new = False
        """Whether this opening made the books: the database held no tables before."""
        try:
            if write:
                self.is_new = migrate(self.store)
                self.store.prove_locking()
        except BaseException:
            self.store.close()
            raise
        self.clock = clock
        self.writer = Writer(self.store, clock)

    def now(self) -> datetime:
        """Give the present instant; in doubt, the last one that was believed."""
        return self.writer.now()

    @property
    def doubt(self) -> Doubt | None:
        """Why the time is in doubt; None while it is believed, and with a clock that nobody judges."""
        return self.clock.doubt if isinstance(self.clock, JudgedClock) else None

    def believed(self, connection: Connection, wallet_ids: Sequence[UUID]) -> list[UUID]:
        """Give those wallets whose time is not in doubt: only for them may time do anything, and money be charged.

        A wallet's own time is in doubt while it is ahead of the clock by more than a set-back that is waited out.
        """
        if self.doubt is not None:
            return []
        ahead = ahead_of(connection, ahead_after(self.now()), wallet_ids)
        return [wallet_id for wallet_id in wallet_ids if wallet_id not in ahead]

    def require_believed(self, connection: Connection, wallet_id: UUID) -> None:
        """Keep money from being charged while the time is in doubt. Refuses: ClockInDoubt."""
        if not self.believed(connection, [wallet_id]):
            raise ClockInDoubt

    def run(self, function: Callable[[Tx], T], *, wallet_id: UUID | None = None) -> T:
        """Run a function alone in its own write transaction; what it raises rolls back and reaches the caller.

        `wallet_id` names the wallet whose rows it decides on: it is locked before the function reads, in all processes.
        """
        return self.writer.run(function, wallet_id=wallet_id)

    def carry_out(self, wallet_id: UUID, commands: Sequence[Command]) -> list[Outcome]:
        """Carry out commands; one durable outcome each. Refuses: Busy, WalletUnknown."""
        return self.writer.carry_out(wallet_id, commands)

    def carry_out_async(
        self, wallet_id: UUID, commands: Sequence[Command]
    ) -> Coroutine[object, None, list[Outcome]]:
        """Carry out commands without blocking the event loop; to be awaited, and otherwise as `carry_out`."""
        return self.writer.carry_out_async(wallet_id, commands)

    def reading(self) -> AbstractContextManager[Connection]:
        """Give a connection that sees one instant."""
        return self.store.reading()

    def look(self, connection: Connection, wallet_id: UUID) -> tuple[WalletView, WalletPolicy]:
        """Give a wallet as it is now, with its policy. Refuses: WalletUnknown."""
        return look(connection, wallet_id, self.now())

    def close(self) -> None:
        """Write what was taken in, and let go of the database. May be called twice."""
        self.writer.close()
        self.store.close()
