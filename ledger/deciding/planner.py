"""Decides commands for one wallet, in order, in plain Python. Pure: rows in, outcomes and a draft of rows out.

Every command goes the same way: checks, each with its own refusal; then the line "from here on nothing may refuse";
then what it writes; then what follows from it. The book has loaded what is needed under the wallet's lock before, and
writes the draft after.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never

from ledger.chart import CORRECTION, MONEY, USAGE, Account, Recipe, check_usage_kind
from ledger.commands import (
    AI_TASK,
    INBOUND_CALL,
    OUTBOUND_CALL,
    Answer,
    CaptureHold,
    Command,
    Correct,
    ExtendHold,
    HoldAnswer,
    HoldReleased,
    OpenHold,
    Outcome,
    PostMoney,
    PostUsage,
    Receipt,
    ReleaseHold,
)
from ledger.deciding.batch import Draft
from ledger.deciding.checks import (
    check_amount,
    check_key,
    check_occurred_at,
    check_posting,
    check_quantity,
    check_same,
    check_text,
)
from ledger.deciding.rows import Hold, Transfer
from ledger.errors import (
    AmountOutOfRange,
    CorrectionTooLarge,
    HoldEnded,
    HoldUnknown,
    Refused,
    TransferUnknown,
)
from ledger.instants import from_stamp, to_stamp
from ledger.notices import StartedAfterStop, WalletCredited
from ledger.standing import permit_at

HOLDS = "hold"
"""The source of what is posted by capturing a hold; its id is the hold's."""
BALANCE_MAX = 2**62
_CALLS = (OUTBOUND_CALL, INBOUND_CALL)
_CALL_SECONDS_MAX = 24 * 60 * 60


@dataclass(slots=True)
class Loaded:
    """What the book found for a batch; the planner adds what it decides, so that later commands see it."""

    transfers: dict[tuple[str, str], Transfer] = field(default_factory=dict)
    """By key: what was posted before."""
    holds: dict[str, Hold] = field(default_factory=dict)
    by_seq: dict[int, Transfer] = field(default_factory=dict)
    """What is to be corrected."""
    corrected: dict[int, int] = field(default_factory=dict)
    """How much of it was given back already."""


class Planner:
    """Decides commands one after the other and drafts what is to be written."""

    def __init__(self, draft: Draft, loaded: Loaded) -> None:
        self._draft = draft
        self._wallet = draft.wallet
        self._loaded = loaded

    def decide(self, command: Command) -> Outcome:
        """Decide one command; a refusal changes nothing."""
        try:
            return self._decide(command)
        except Refused as refusal:
            return refusal

    def _decide(self, command: Command) -> Answer:
        match command:
            case PostUsage():
                return self._post_usage(command)
            case PostMoney():
                return self._post_money(command)
            case Correct():
                return self._correct(command)
            case OpenHold():
                return self._open_hold(command)
            case ExtendHold():
                return self._extend_hold(command)
            case CaptureHold():
                return self._capture_hold(command)
            case ReleaseHold():
                return self._release_hold(command)
            case _:
                assert_never(command)

    # --- Money ---------------------------------------------------------------------------------------------

    def _post_usage(self, command: PostUsage) -> Receipt:
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
            return _again(known, command, command.kind, reference=command.reference)
        check_occurred_at(command.occurred_at, self._draft.now)
        self._check_room(command.amount_micros)
        # From here on nothing may refuse.
        wallet = self._wallet
        wallet.last_asked_at = self._draft.now
        hold = self._loaded.holds.get(command.hold_id) if command.hold_id is not None else None
        stop = None if hold is not None and hold.state != "refused" else self._stopped_before(command)
        if hold is not None and hold.state == "open":
            self._loaded.holds[hold.hold_id] = self._draft.end_hold(hold, "captured")
        transfer = self._draft.move(
            USAGE,
            command.kind,
            command,
            reference=command.reference,
            quantity=command.quantity,
            hold_id=command.hold_id,
            parent=command.parent,
            after_stop=stop is not None,
        )
        if wallet.emptied_at is not None:
            # What there was no money for: all of it in grace, the part below zero of the charge that emptied it.
            wallet.grace_cost += min(command.amount_micros, -wallet.balance)
        self._draft.follow((command.source, command.source_id))
        if stop is not None:
            wallet.after_stop_count += 1
            if wallet.after_stop_count == 1:
                self._draft.notices.append(StartedAfterStop(kind=command.kind, since=stop))
        return self._posted(transfer)

    def _stopped_before(self, command: PostUsage) -> datetime | None:
        """Give the stop after which work without our permission began; None when it was in order."""
        wallet = self._wallet
        if wallet.emptied_at is None or command.amount_micros == 0:
            return None
        parent = self._inbound_call(command.kind, command.parent)
        # Posted when it is over: that call may have ended meanwhile, but it has to have been allowed to start.
        inbound = command.kind == INBOUND_CALL or (parent is not None and parent.state != "refused")
        stopped_at = wallet.grace_ends_at if inbound else wallet.emptied_at
        assert stopped_at is not None, "an empty wallet always carries the end of its grace"
        began_at = command.occurred_at
        if began_at is None:
            # Posted when it was over: a call began its length ago.
            seconds = command.quantity if command.kind in _CALLS and command.quantity else 0
            began_at = self._draft.now - timedelta(seconds=min(seconds, _CALL_SECONDS_MAX))
        return stopped_at if stopped_at <= min(began_at, self._draft.now) else None

    def _post_money(self, command: PostMoney) -> Receipt:
        check_posting(command, command.reference)
        check_amount(command.amount_micros)
        kind = command.kind.value
        known = self._loaded.transfers.get((command.source, command.source_id))
        if known is not None:
            return _again(known, command, kind, reference=command.reference)
        check_occurred_at(command.occurred_at, self._draft.now)
        self._check_room(command.amount_micros)
        # From here on nothing may refuse.
        recipe = MONEY[command.kind]
        policy = self._draft.policy
        settled = recipe.debit == Account.CARD and command.amount_micros >= policy.grace_refill_micros
        if recipe.sign > 0:
            self._wallet.funded = True
        transfer = self._draft.move(recipe, kind, command, reference=command.reference, refills_grace=settled)
        if recipe.sign > 0:
            self._draft.notices.append(
                WalletCredited(
                    kind=kind,
                    amount_micros=transfer.amount,
                    balance_micros=transfer.balance_after,
                    source=transfer.source,
                    source_id=transfer.source_id,
                    seq=transfer.seq,
                )
            )
        self._draft.follow((command.source, command.source_id))
        return self._posted(transfer)

    def _correct(self, command: Correct) -> Receipt:
        check_posting(command)
        check_amount(command.amount_micros)
        known = self._loaded.transfers.get((command.source, command.source_id))
        if known is not None:
            return _again(known, command, CORRECTION, corrects_seq=command.corrects_seq)
        check_occurred_at(command.occurred_at, self._draft.now)
        original = self._loaded.by_seq.get(command.corrects_seq)
        if original is None or original.corrects_seq is not None:
            raise TransferUnknown
        given_back = self._loaded.corrected.get(original.seq, 0)
        left = original.amount - given_back
        if command.amount_micros > left:
            raise CorrectionTooLarge(asked_micros=command.amount_micros, left_micros=left)
        self._check_room(command.amount_micros)
        # From here on nothing may refuse.
        self._loaded.corrected[original.seq] = given_back + command.amount_micros
        recipe = Recipe(original.debit, original.credit).turned()
        transfer = self._draft.move(recipe, CORRECTION, command, corrects_seq=original.seq)
        self._draft.follow((command.source, command.source_id))
        return self._posted(transfer)

    def _check_room(self, amount: int) -> None:
        if abs(self._wallet.balance) + amount >= BALANCE_MAX:
            raise AmountOutOfRange("The wallet cannot hold an amount of that size.")

    def _posted(self, transfer: Transfer) -> Receipt:
        self._loaded.transfers[transfer.source, transfer.source_id] = transfer
        return Receipt(
            seq=transfer.seq,
            source_id=transfer.source_id,
            amount_micros=transfer.amount,
            balance_after_micros=transfer.balance_after,
            recorded_at=self._draft.now,
            duplicate=False,
            after_stop=bool(transfer.after_stop),
        )

    # --- Holds ---------------------------------------------------------------------------------------------

    def _open_hold(self, command: OpenHold) -> HoldAnswer:
        check_usage_kind(command.kind)
        check_key("id", command.hold_id)
        check_text("reference", command.reference)
        if command.parent is not None:
            check_key("parent", command.parent)
        if command.estimate_micros is not None:
            check_amount(command.estimate_micros, least=0)
        known = self._loaded.holds.get(command.hold_id)
        if known is not None:
            # The reference of a hold that ended may have been erased.
            erased = known.state != "open" and not known.reference
            check_same(
                command.hold_id,
                ("kind", known.kind, command.kind),
                ("estimate", known.asked, command.estimate_micros),
                ("reference", command.reference if erased else known.reference, command.reference),
                ("parent", known.parent, command.parent),
            )
            return known.answer(duplicate=True)
        # From here on nothing may refuse: a "no" is an answer, and remembered.
        draft = self._draft
        asked = command.estimate_micros
        amount = draft.policy.hold_for(command.kind) if asked is None else asked
        parent = self._inbound_call(command.kind, command.parent)
        inbound = command.kind == INBOUND_CALL or (parent is not None and parent.live(draft.stamp))
        permit = permit_at(draft.now, self._wallet.funds(), inbound=inbound, estimate_micros=amount)
        expires_at = draft.now + draft.policy.hold_lifetime
        hold = Hold(
            wallet_id=draft.wallet_id,
            hold_id=command.hold_id,
            kind=command.kind,
            inbound=int(inbound),
            asked=asked,
            amount=amount if permit.allowed else 0,
            state="open" if permit.allowed else "refused",
            reference=command.reference,
            parent=command.parent,
            opened_at=draft.stamp,
            expires_at=to_stamp(expires_at),
            ended_at=None if permit.allowed else draft.stamp,
            reason=permit.reason.value,
            standing=permit.standing.value,
            valid_until=to_stamp(expires_at if permit.allowed else permit.valid_until),
        )
        self._wallet.last_asked_at = draft.now
        self._keep(hold)
        if permit.allowed:
            draft.set_aside(amount, until=expires_at)
            draft.follow((HOLDS, command.hold_id))
        return hold.answer(duplicate=False)

    def _inbound_call(self, kind: str, parent: str | None) -> Hold | None:
        """Give the inbound call that an AI task names as its parent; work of any other kind is judged by itself."""
        hold = self._loaded.holds.get(parent) if kind == AI_TASK and parent is not None else None
        return hold if hold is not None and hold.kind == INBOUND_CALL else None

    def _extend_hold(self, command: ExtendHold) -> HoldAnswer:
        hold = self._live_hold(command.hold_id)
        if command.estimate_micros is not None:
            check_amount(command.estimate_micros, least=0)
        # From here on nothing may refuse: a "no" is an answer.
        draft, wallet = self._draft, self._wallet
        wallet.last_asked_at = draft.now
        wanted = hold.amount if command.estimate_micros is None else max(hold.amount, command.estimate_micros)
        # Judged as if it were opened now: what it holds already is its own.
        wallet.held -= hold.amount
        permit = permit_at(draft.now, wallet.funds(), inbound=bool(hold.inbound), estimate_micros=wanted)
        wallet.held += hold.amount
        if not permit.allowed and not hold.inbound:
            ends_at = from_stamp(hold.expires_at)
            return HoldAnswer(
                hold.hold_id, permit, hold.amount, expires_at=ends_at, duplicate=False, end_by=ends_at
            )
        if not permit.allowed:
            wanted = hold.amount  # an inbound call that runs may finish, on what it has
        expires_at = draft.now + draft.policy.hold_lifetime
        stamp = to_stamp(expires_at)
        extended = hold._replace(amount=wanted, expires_at=stamp, valid_until=stamp)
        self._keep(extended)
        draft.set_aside(wanted - hold.amount, until=expires_at)
        draft.follow((HOLDS, command.hold_id))
        return extended.answer(duplicate=False)

    def _capture_hold(self, command: CaptureHold) -> Receipt:
        hold = self._loaded.holds.get(command.hold_id)
        if hold is None:
            raise HoldUnknown
        if (HOLDS, command.hold_id) not in self._loaded.transfers:
            self._live_hold(command.hold_id)
        return self._post_usage(
            PostUsage(
                source=HOLDS,
                source_id=command.hold_id,
                kind=hold.kind,
                amount_micros=command.amount_micros,
                occurred_at=command.occurred_at,
                quantity=command.quantity,
                reference=command.reference or hold.reference,
                description=command.description,
                hold_id=command.hold_id,
                parent=hold.parent,
            )
        )

    def _release_hold(self, command: ReleaseHold) -> HoldReleased:
        known = self._loaded.holds.get(command.hold_id)
        if known is not None and known.state == "released":
            return HoldReleased(command.hold_id, duplicate=True)
        hold = self._live_hold(command.hold_id)
        # From here on nothing may refuse.
        self._wallet.last_asked_at = self._draft.now
        self._loaded.holds[hold.hold_id] = self._draft.end_hold(hold, "released")
        self._draft.follow((HOLDS, command.hold_id))
        return HoldReleased(command.hold_id, duplicate=False)

    def _live_hold(self, hold_id: str) -> Hold:
        hold = self._loaded.holds.get(hold_id)
        if hold is None:
            raise HoldUnknown
        if not hold.live(self._draft.stamp):
            raise HoldEnded(ending="expired" if hold.state == "open" else hold.state)
        return hold

    def _keep(self, hold: Hold) -> None:
        self._loaded.holds[hold.hold_id] = hold
        self._draft.keep(hold)


def _again(
    known: Transfer,
    command: PostUsage | PostMoney | Correct,
    kind: str,
    *,
    reference: str = "",
    corrects_seq: int | None = None,
) -> Receipt:
    """Answer a key that came before: its first receipt, or a refusal that names what differs. Refuses: KeyReused."""
    usage = command if isinstance(command, PostUsage) else None
    key = command.source_id
    check_same(
        key,
        ("kind", known.kind, kind),
        ("amount", known.amount, command.amount_micros),
        ("quantity", known.quantity, usage.quantity if usage is not None else None),
        ("hold", known.hold_id, usage.hold_id if usage is not None else None),
        ("parent", known.parent, usage.parent if usage is not None else None),
        ("corrects_seq", known.corrects_seq, corrects_seq),
    )
    if not known.erased:
        check_same(
            key,
            ("reference", known.reference, reference),
            ("description", known.description, command.description),
        )
    if command.occurred_at is not None and known.dated:
        check_same(key, ("occurred_at", from_stamp(known.occurred_at), command.occurred_at))
    return known.receipt(duplicate=True)
