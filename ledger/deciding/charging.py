"""Decides what work costs: usage booked once by whatever door its cost comes through, and corrected. Pure."""

from datetime import datetime, timedelta

from ledger.chart import CORRECTION, USAGE, Account, Recipe, check_usage_kind
from ledger.commands import (
    INBOUND_CALL,
    OUTBOUND_CALL,
    PLATFORM,
    CaptureHold,
    Correct,
    PostUsage,
    Receipt,
)
from ledger.deciding.batch import Draft
from ledger.deciding.checks import (
    check_amount,
    check_key,
    check_normal,
    check_occurred_at,
    check_posting,
    check_quantity,
    check_same,
)
from ledger.deciding.loaded import Loaded
from ledger.deciding.receipts import again, check_room, posted
from ledger.deciding.rows import HOLDS, Hold, Transfer
from ledger.errors import AboveItemMax, CorrectionTooLarge, HoldUnknown, KeyReused, UsageUnknown
from ledger.instants import from_stamp
from ledger.money import Currency, Money, format_money
from ledger.notices import StartedAfterStop, UsageCorrected
from ledger.standing import Reason, Scope, Standing, stop_before, stopped_by

_CALLS = (OUTBOUND_CALL, INBOUND_CALL)
_CALL_SECONDS_MAX = 24 * 60 * 60


class Charging:
    """Decides the commands that charge."""

    def __init__(self, draft: Draft, loaded: Loaded) -> None:
        self._draft = draft
        self._wallet = draft.wallet
        self._loaded = loaded

    def post_usage(self, command: PostUsage) -> Receipt:
        """Book usage once. Refuses: KindUnknown, TextUnfit, AmountOutOfRange, TimeUnfit, AboveItemMax, KeyReused."""
        check_usage_kind(command.kind)
        check_posting(command, command.reference)
        if command.hold_id is not None:
            check_key("hold", command.hold_id)
        if command.parent is not None:
            check_key("parent", command.parent)
        check_quantity(command.quantity)
        check_amount(command.amount_micros, least=0)
        known = self._loaded.transfers.get((command.source, command.source_id))
        if known is not None:
            return again(known, command, command.kind, reference=command.reference)
        hold_id = command.hold_id
        if self._wallet.holds_used or hold_id is not None:
            hold_id = self._charged_hold(command)
            charge = self._loaded.cost_of(hold_id) if hold_id is not None else None
            if charge is not None:
                return self._charged_again(charge, command, hold_id)
        return self._charge(command, hold_id)

    def _charged_hold(self, command: PostUsage) -> str | None:
        """Give the hold that usage charges: the one that it names, or the one whose id it has. Refuses: KeyReused."""
        own, named = command.source_id, command.hold_id
        if command.source != PLATFORM:
            return named
        charged = self._loaded.charges.get(own)
        if named is None or named == own:
            return own if charged is not None or named == own or own in self._loaded.holds else None
        # One id is one piece of work: it cannot be a hold, or the cost of one, and the cost of another.
        other = self._loaded.cost_of(named)
        if own in self._loaded.holds or (charged is not None and (other is None or other.seq != charged.seq)):
            raise KeyReused(key=own, field="hold")
        return named

    def _charged_again(self, charge: Transfer, command: PostUsage, hold_id: str | None) -> Receipt:
        """Answer a cost of what was charged already. Refuses: KeyReused."""
        own = command.source_id
        if (charge.source, charge.source_id) == (command.source, own):
            return again(charge, command, command.kind, reference=command.reference)
        _check_same_cost(charge, command, command.kind)
        if command.source == PLATFORM and own != hold_id and own not in self._loaded.charges:
            self._draft.charge(own, charge.seq, alias=True)
            self._loaded.charges[own] = charge
        return charge.receipt(duplicate=True)

    def _charge(self, command: PostUsage, hold_id: str | None) -> Receipt:
        """Book what is new."""
        check_normal("id", command.source_id)
        if hold_id is not None:
            check_normal("hold", hold_id)
        check_occurred_at(command.occurred_at, self._draft.now)
        policy = self._draft.policy
        if command.amount_micros > policy.item_max_micros:
            raise AboveItemMax(
                format_money(Money(policy.item_max_micros, Currency.of(self._wallet.currency)))
            )
        check_room(self._wallet.balance, command.amount_micros)
        # From here on nothing may refuse.
        wallet = self._wallet
        wallet.last_asked_at = self._draft.now
        hold = self._loaded.holds.get(hold_id) if hold_id is not None else None
        stop = self._stop_before(command, hold)
        if hold is not None and hold.live(self._draft.stamp):
            captured = hold._replace(state="captured", ended_at=self._draft.stamp)
            self._draft.end_hold(hold, captured)
            self._loaded.holds[hold.hold_id] = captured
        transfer = self._draft.move(
            USAGE,
            command.kind,
            command,
            command.amount_micros,
            reference=command.reference,
            quantity=command.quantity,
            hold_id=hold_id,
            parent=command.parent,
            after_stop=stop is not None,
        )
        if hold_id is not None:
            self._draft.charge(hold_id, transfer.seq, alias=False)
            self._loaded.charges[hold_id] = transfer
        if wallet.emptied_at is not None:
            # What there was no money for: all of it in grace, the part below zero of the charge that emptied it.
            wallet.grace_cost += min(command.amount_micros, -wallet.balance)
        self._draft.follow((command.source, command.source_id))
        if stop is not None:
            wallet.after_stop_count += 1
            if wallet.after_stop_count == 1:
                self._draft.notices.append(StartedAfterStop(kind=command.kind, since=stop))
        return posted(transfer, self._draft, self._loaded)

    def _stop_before(self, command: PostUsage, hold: Hold | None) -> datetime | None:
        """Give the stop after which work without our permission began; None when it was in order."""
        if command.amount_micros == 0:
            return None
        if hold is not None:
            # Work without a price is never refused: what it costs after all is judged as if it had been asked for.
            unasked = hold.state == "refused" or hold.reason == Reason.FREE_OF_CHARGE
            scope = Scope.INBOUND if hold.inbound else Scope.OTHERS
            if unasked and stopped_by(Standing(hold.standing), scope):
                return from_stamp(hold.opened_at if hold.ended_at is None else hold.ended_at)
            if hold.state != "refused":
                return None
        wallet = self._wallet
        if wallet.emptied_at is None and wallet.funded and not self._draft.stops and not self._loaded.stops:
            return None  # nearly always
        stops = (*wallet.stops_now(), *self._draft.stops, *self._loaded.stops)
        parent = self._loaded.inbound_call(command.kind, command.parent)
        # Posted when it is over: that call may have ended meanwhile, but it has to have been allowed to start.
        inbound = command.kind == INBOUND_CALL or (parent is not None and parent.state != "refused")
        stop = stop_before(
            began_at(command, self._draft.now), Scope.INBOUND if inbound else Scope.OTHERS, stops
        )
        return stop.began_at if stop is not None else None

    def capture_hold(self, command: CaptureHold) -> Receipt:
        """Charge a hold, once. Refuses: HoldUnknown, KeyReused, and what usage is refused for."""
        hold_id = command.hold_id
        hold, charge = self._loaded.holds.get(hold_id), self._loaded.cost_of(hold_id)
        if hold is None and charge is None:
            raise HoldUnknown
        reference, kind, parent = "", charge.kind if charge is not None else "", None
        if hold is not None:
            reference, kind, parent = hold.reference, hold.kind, hold.parent
        usage = PostUsage(
            source=HOLDS,
            source_id=hold_id,
            kind=kind,
            amount_micros=command.amount_micros,
            occurred_at=command.occurred_at,
            quantity=command.quantity,
            reference=command.reference or reference,
            description=command.description,
            hold_id=hold_id,
            parent=parent,
        )
        if charge is not None and charge.source == HOLDS and charge.source_id == hold_id:
            return again(charge, usage, kind, reference=usage.reference)
        return self.post_usage(usage)

    def correct(self, command: Correct) -> Receipt:
        """Lower what was booked. Refuses: UsageUnknown, CorrectionTooLarge, KeyReused, TextUnfit, AmountOutOfRange."""
        check_posting(command)
        check_key("corrects", command.corrects)
        check_amount(command.total_micros, least=0)
        original = self._loaded.cost_of(command.corrects)
        if original is None or original.credit != Account.USAGE:
            raise UsageUnknown
        given_back = self._loaded.corrections.setdefault(original.seq, [])
        known = self._loaded.transfers.get((command.source, command.source_id))
        if known is not None:
            total = original.amount - sum(one.amount for one in given_back if one.seq <= known.seq)
            check_same(
                command.source_id,
                ("corrects", known.corrects_seq, original.seq),
                ("amount", total, command.total_micros),
            )
            return known.receipt(duplicate=True)
        booked = original.amount - sum(one.amount for one in given_back)
        if command.total_micros > booked:
            raise CorrectionTooLarge(total_micros=command.total_micros, booked_micros=booked)
        if command.total_micros == booked:
            return (given_back[-1] if given_back else original).receipt(duplicate=True)
        check_occurred_at(command.occurred_at, self._draft.now)
        # From here on nothing may refuse.
        recipe = Recipe(original.debit, original.credit).turned()
        transfer = self._draft.move(
            recipe, CORRECTION, command, booked - command.total_micros, corrects_seq=original.seq
        )
        given_back.append(transfer)
        self._draft.notices.append(
            UsageCorrected(
                kind=original.kind,
                usage_id=command.corrects,
                total_micros=command.total_micros,
                given_back_micros=transfer.amount,
                balance_micros=transfer.balance_after,
                source=transfer.source,
                source_id=transfer.source_id,
            )
        )
        self._draft.follow((command.source, command.source_id))
        return posted(transfer, self._draft, self._loaded)


def began_at(command: PostUsage, now: datetime) -> datetime:
    """Say when work began that is posted when it is over: a call began its length ago."""
    if command.occurred_at is not None:
        return min(command.occurred_at, now)
    return now - timedelta(seconds=seconds_of(command))


def seconds_of(command: PostUsage) -> int:
    """Give how long a call took, a day at most; 0 of what is no call, or has no length that can be."""
    seconds = command.quantity
    if type(seconds) is not int or command.kind not in _CALLS:
        return 0
    return min(max(seconds, 0), _CALL_SECONDS_MAX)


def _check_same_cost(known: Transfer, command: PostUsage, kind: str) -> None:
    """Refuse another cost of what was charged before; what only one of the two says is not compared.

    Refuses: KeyReused, naming the first field that differs.
    """
    key, quantity, occurred_at = command.source_id, command.quantity, command.occurred_at
    check_same(key, ("kind", known.kind, kind), ("amount", known.amount, command.amount_micros))
    if known.quantity is not None and quantity is not None:
        check_same(key, ("quantity", known.quantity, quantity))
    if known.dated and occurred_at is not None:
        check_same(key, ("occurred_at", from_stamp(known.occurred_at), occurred_at))
