"""The rows that a batch is decided on: the wallet, its transfers and holds. Pure.

Transfers and holds are tuples of exactly what is stored (ids as text, instants as integer microseconds, truth as 0 and
1), because a thousand of them are made, hashed and written in one commit. The wallet is unfolded into the facts that
rules speak of.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple
from uuid import UUID

from ledger.alert_policy import Lines, Moment, Watch
from ledger.chart import Account
from ledger.commands import HoldAnswer, Receipt
from ledger.deciding.chain import NO_TEXT
from ledger.instants import from_stamp, to_stamp
from ledger.notices import Level
from ledger.standing import Funds, Permit, Reason, Scope, Standing, Stop, Stretch, grace_end, grace_spent
from ledger.wallet_policy import WalletPolicy

HOLDS = "hold"
"""The source of what is posted by capturing a hold; its id is the hold's."""
_NONE_SPENT = "[]"
ALLOWING = (Reason.ALLOWED.value, Reason.FREE_OF_CHARGE.value)


class Transfer(NamedTuple):
    """One row of the books, followed by its row of text."""

    wallet_id: str
    seq: int
    kind: str
    debit: str
    credit: str
    amount: int
    balance_after: int
    occurred_at: int
    recorded_at: int
    quantity: int | None
    source: str
    source_id: str
    hold_id: str | None
    parent: str | None
    corrects_seq: int | None
    after_stop: int
    dated: int
    """Whether its sender said when it happened; a replay then has to say the same."""
    text_digest: bytes
    hash: bytes
    salt: bytes
    reference: str
    description: str

    @property
    def effect(self) -> int:
        """What it did to the balance, signed."""
        return self.amount if self.credit == Account.BALANCE else -self.amount

    @property
    def erased(self) -> bool:
        """Whether its text was erased; the chain keeps the digest."""
        return not self.salt and self.text_digest != NO_TEXT

    def receipt(self, *, duplicate: bool) -> Receipt:
        """Give what its sender is told."""
        return Receipt(
            seq=self.seq,
            source_id=self.source_id,
            amount_micros=self.amount,
            balance_after_micros=self.balance_after,
            recorded_at=from_stamp(self.recorded_at),
            duplicate=duplicate,
            after_stop=bool(self.after_stop),
        )


CHAINED = Transfer._fields.index("text_digest")
"""How many of a transfer's columns the chain covers one by one; their text follows as its digest."""
IN_TRANSFERS = Transfer._fields.index("salt")
"""How many of them are columns of `transfers`; the rest are of `texts`."""


class Hold(NamedTuple):
    """Money set aside, or a remembered refusal: one row of `holds`."""

    wallet_id: str
    hold_id: str
    kind: str
    inbound: int
    asked: int | None
    amount: int
    state: str
    reference: str
    parent: str | None
    opened_at: int
    expires_at: int
    ended_at: int | None
    reason: str
    standing: str
    valid_until: int
    generation: int
    """How many times it was opened."""

    def live(self, now: int) -> bool:
        """Say whether it holds anything; judged by time, never by whether a sweep came by."""
        return self.state == "open" and now < self.expires_at

    def answer(self, *, duplicate: bool) -> HoldAnswer:
        """Give what its sender was told when it was opened or last extended."""
        permit = Permit(
            allowed=self.reason in ALLOWING,
            reason=Reason(self.reason),
            standing=Standing(self.standing),
            valid_until=from_stamp(self.valid_until),
        )
        return HoldAnswer(
            hold_id=self.hold_id,
            permit=permit,
            amount_micros=self.amount,
            expires_at=from_stamp(self.expires_at) if permit.allowed else None,
            duplicate=duplicate,
        )


class WalletRow(NamedTuple):
    """One row of `wallets`, followed by the policy that holds."""

    wallet_id: str
    currency: str
    zone: str
    created_at: int
    touched_at: int
    balance: int
    held: int
    next_hold_expires_at: int | None
    seq: int
    chain_head: bytes
    funded: int
    emptied_at: int | None
    grace_ends_at: int | None
    grace_spent: str
    ceiling: int
    grace_cost: int
    after_stop_count: int
    last_asked_at: int | None
    policy_version: int
    trouble: str
    warning_line: int
    critical_line: int
    announced: int
    episode_id: str | None
    episode_level: int
    paused_said: int
    recharge_said: int
    notice_seq: int
    ceiling_month: int
    ceiling_hit_at: int | None
    stopped_until: int | None
    open_holds: int
    holds_used: int
    announced_line: int
    falls_at: int | None
    time_due_at: int | None
    pace_due_at: int | None
    policy: str


@dataclass(slots=True)
class Wallet:
    """The wallet's row, as it changes while a batch is decided."""

    wallet_id: UUID
    currency: str
    zone: str
    created_at: datetime
    balance: int
    held: int
    next_hold_expires_at: datetime | None
    seq: int
    chain_head: bytes
    funded: bool
    emptied_at: datetime | None
    grace_ends_at: datetime | None
    grace_spent: tuple[Stretch, ...]
    ceiling: int
    grace_cost: int
    after_stop_count: int
    last_asked_at: datetime | None
    trouble: str
    lines: Lines
    watch: Watch
    ceiling_month: int
    """The local month that the ceiling was drawn in, as `month_number` counts."""
    ceiling_hit_at: datetime | None
    """When the ceiling was reached while grace was left; None while it is not."""
    stopped_until: datetime | None
    """When the last stop that is over ended."""
    open_holds: int
    holds_used: bool
    """Whether an id may be a hold's, or another name of what was charged."""
    time_due_at: int | None
    """When somebody looks at what time alone changes, as it is scheduled: a stamp, since nearly no batch needs more."""
    pace_due_at: int | None
    """When somebody looks at the pace of spending, the same."""
    seldom_read: tuple[object, ...]
    """The columns of `SELDOM` as they were read."""

    def funds(self) -> Funds:
        """Give the facts that standing is judged by."""
        return Funds(
            balance_micros=self.balance,
            held_micros=self.held,
            funded=self.funded,
            emptied_at=self.emptied_at,
            grace_ends_at=self.grace_ends_at,
            ceiling_micros=self.ceiling,
        )

    def moment(self) -> Moment:
        """Give the wallet at this instant."""
        return Moment(
            funds=self.funds(),
            lines=self.lines,
            trouble=bool(self.trouble),
            grace_cost_micros=self.grace_cost,
        )

    def changes_at(self) -> datetime | None:
        """Give the next instant at which time alone changes the wallet: a hold expires, grace ends, an alarm falls."""
        found = self.next_hold_expires_at
        falls_at = self.watch.falls_at
        if falls_at is not None and (found is None or falls_at < found):
            found = falls_at
        ends_at = self.grace_ends_at
        if ends_at is not None and not self.watch.paused_said and (found is None or ends_at < found):
            found = ends_at
        return found

    def stops_now(self) -> tuple[Stop, ...]:
        """Give the stops that have not ended. One that time alone will begin is among them."""
        if not self.funded:
            return Stop(Scope.INBOUND, self.created_at, None), Stop(Scope.OTHERS, self.created_at, None)
        if self.emptied_at is None or self.grace_ends_at is None:
            return ()
        inbound_at = min(self.grace_ends_at, self.ceiling_hit_at or self.grace_ends_at)
        return Stop(Scope.INBOUND, inbound_at, None), Stop(Scope.OTHERS, self.emptied_at, None)

    def fund(self, now: datetime) -> tuple[Stop, ...]:
        """Take the first money in: gives the stops that end by it."""
        ended = () if self.funded else self._ended(self.stops_now(), now)
        self.funded = True
        return ended

    def cross_zero(
        self, now: datetime, policy: WalletPolicy, ceiling: int | None, *, refills_grace: bool
    ) -> tuple[Stop, ...]:
        """Keep the books of standing after a move: when it emptied, until when grace lasts, what of it was spent.

        Gives the stops that ended by the move.
        """
        ended: tuple[Stop, ...] = ()
        if self.balance <= 0 and self.emptied_at is None and self.funded:
            self.emptied_at = now
            assert ceiling is not None, "known wherever a batch can empty the wallet"
            self.ceiling = ceiling
            self.grace_ends_at = grace_end(now, self.grace_spent, policy.grace)
            self.grace_cost = 0
            self.after_stop_count = 0
        elif self.balance > 0 and self.emptied_at is not None:
            assert self.grace_ends_at is not None, "an empty wallet always carries the end of its grace"
            ended = self._ended(self.stops_now(), now)
            spent = grace_spent(
                self.grace_spent,
                emptied_at=self.emptied_at,
                grace_ends_at=self.grace_ends_at,
                refilled_at=now,
            )
            self.grace_spent = () if refills_grace else spent
            self.emptied_at = self.grace_ends_at = self.ceiling_hit_at = None
        return ended + self.touch_ceiling(now)

    def touch_ceiling(self, now: datetime) -> tuple[Stop, ...]:
        """See whether an empty wallet has reached the ceiling or come back above it; gives the stop that ended."""
        if self.emptied_at is None or self.grace_ends_at is None or now >= self.grace_ends_at:
            return ()
        if self.balance <= -self.ceiling:
            self.ceiling_hit_at = self.ceiling_hit_at or now
        elif self.ceiling_hit_at is not None:
            stop = Stop(Scope.INBOUND, self.ceiling_hit_at, None)
            self.ceiling_hit_at = None
            return self._ended((stop,), now)
        return ()

    def _ended(self, stops: tuple[Stop, ...], now: datetime) -> tuple[Stop, ...]:
        ended = tuple(replace(stop, ended_at=now) for stop in stops if stop.began_at < now)
        if ended:
            self.stopped_until = now
        return ended


def wallet_of(row: WalletRow) -> Wallet:
    """Unfold a wallet's row."""
    return Wallet(
        wallet_id=UUID(row.wallet_id),
        currency=row.currency,
        zone=row.zone,
        created_at=from_stamp(row.created_at),
        balance=row.balance,
        held=row.held,
        next_hold_expires_at=_instant(row.next_hold_expires_at),
        seq=row.seq,
        chain_head=row.chain_head,
        funded=bool(row.funded),
        emptied_at=_instant(row.emptied_at),
        grace_ends_at=_instant(row.grace_ends_at),
        grace_spent=_stretches(row.grace_spent),
        ceiling=row.ceiling,
        grace_cost=row.grace_cost,
        after_stop_count=row.after_stop_count,
        last_asked_at=_instant(row.last_asked_at),
        trouble=row.trouble,
        lines=Lines(row.warning_line, row.critical_line),
        watch=Watch(
            announced=Level(row.announced),
            announced_line_micros=row.announced_line,
            falls_at=_instant(row.falls_at),
            episode_id=None if row.episode_id is None else UUID(row.episode_id),
            episode_level=Level(row.episode_level),
            paused_said=bool(row.paused_said),
            recharge_said=bool(row.recharge_said),
        ),
        ceiling_month=row.ceiling_month,
        ceiling_hit_at=_instant(row.ceiling_hit_at),
        stopped_until=_instant(row.stopped_until),
        open_holds=row.open_holds,
        holds_used=bool(row.holds_used),
        time_due_at=row.time_due_at,
        pace_due_at=row.pace_due_at,
        seldom_read=_seldom_in(row),
    )


MOVED = (
    "touched_at",
    "balance",
    "held",
    "next_hold_expires_at",
    "seq",
    "chain_head",
    "last_asked_at",
    "open_holds",
    "holds_used",
)
"""The columns of `wallets` that nearly every batch changes."""
SELDOM = (
    "funded",
    "emptied_at",
    "grace_ends_at",
    "grace_spent",
    "ceiling",
    "grace_cost",
    "after_stop_count",
    "announced",
    "episode_id",
    "episode_level",
    "paused_said",
    "recharge_said",
    "ceiling_month",
    "ceiling_hit_at",
    "stopped_until",
    "announced_line",
    "falls_at",
    "time_due_at",
    "pace_due_at",
)
"""Those that a batch may change, too: writing them all costs as much again."""
_seldom_in = itemgetter(*map(WalletRow._fields.index, SELDOM))


def moved(wallet: Wallet, now: int) -> tuple[object, ...]:
    """Fold a wallet into the columns of `MOVED`."""
    return (
        now,
        wallet.balance,
        wallet.held,
        _stamp(wallet.next_hold_expires_at),
        wallet.seq,
        wallet.chain_head,
        _stamp(wallet.last_asked_at),
        wallet.open_holds,
        int(wallet.holds_used),
    )


def seldom(wallet: Wallet) -> tuple[object, ...]:
    """Fold a wallet into the columns of `SELDOM`."""
    watch = wallet.watch
    return (
        int(wallet.funded),
        _stamp(wallet.emptied_at),
        _stamp(wallet.grace_ends_at),
        _folded(wallet.grace_spent),
        wallet.ceiling,
        wallet.grace_cost,
        wallet.after_stop_count,
        int(watch.announced),
        None if watch.episode_id is None else str(watch.episode_id),
        int(watch.episode_level),
        int(watch.paused_said),
        int(watch.recharge_said),
        wallet.ceiling_month,
        _stamp(wallet.ceiling_hit_at),
        _stamp(wallet.stopped_until),
        watch.announced_line_micros,
        _stamp(watch.falls_at),
        wallet.time_due_at,
        wallet.pace_due_at,
    )


def _stretches(text: str) -> tuple[Stretch, ...]:
    if text == _NONE_SPENT:  # nearly always
        return ()
    return tuple(Stretch(from_stamp(began), from_stamp(ended)) for began, ended in json.loads(text))


def _folded(stretches: tuple[Stretch, ...]) -> str:
    if not stretches:
        return _NONE_SPENT
    return json.dumps([[to_stamp(one.began_at), to_stamp(one.ended_at)] for one in stretches])


def _instant(stamp: int | None) -> datetime | None:
    return None if stamp is None else from_stamp(stamp)


def _stamp(instant: datetime | None) -> int | None:
    return None if instant is None else to_stamp(instant)
