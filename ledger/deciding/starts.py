"""Decides what may start and go on: holds opened, judged anew, extended and given back. Pure."""

from ledger.chart import check_usage_kind
from ledger.commands import INBOUND_CALL, ExtendHold, HoldAnswer, HoldReleased, OpenHold, ReleaseHold
from ledger.deciding.batch import Draft
from ledger.deciding.checks import check_amount, check_key, check_normal, check_same, check_text
from ledger.deciding.loaded import Loaded
from ledger.deciding.rows import HOLDS, Hold
from ledger.errors import HoldEnded, HoldUnknown
from ledger.instants import from_stamp, to_stamp
from ledger.standing import Permit, Reason, permit_at, standing_at


class Starts:
    """Decides the commands that ask and hold."""

    def __init__(self, draft: Draft, loaded: Loaded) -> None:
        self._draft = draft
        self._wallet = draft.wallet
        self._loaded = loaded

    def open_hold(self, command: OpenHold) -> HoldAnswer:
        """Decide whether work may start. Refuses: KindUnknown, TextUnfit, AmountOutOfRange, KeyReused."""
        check_usage_kind(command.kind)
        check_key("id", command.hold_id)
        check_text("reference", command.reference)
        if command.parent is not None:
            check_key("parent", command.parent)
        if command.estimate_micros is not None:
            check_amount(command.estimate_micros, least=0)
        known = self._loaded.holds.get(command.hold_id)
        if known is None:
            check_normal("id", command.hold_id)
        else:
            # The reference of a hold that ended may have been erased.
            erased = known.state != "open" and not known.reference
            check_same(
                command.hold_id,
                ("kind", known.kind, command.kind),
                ("estimate", known.asked, command.estimate_micros),
                ("reference", command.reference if erased else known.reference, command.reference),
                ("parent", known.parent, command.parent),
            )
        # From here on nothing may refuse: a "no" is an answer, and remembered.
        if self._loaded.cost_of(command.hold_id) is not None or (
            known is not None and known.state == "released"
        ):
            return self._never_again(command.hold_id, asked_before=known is not None)
        if known is not None and self._draft.stamp < known.valid_until:
            return known.answer(duplicate=True)
        return self._judge(command, known)

    def _judge(self, command: OpenHold, known: Hold | None) -> HoldAnswer:
        """Judge a question: a new one, or one whose answer may no longer be acted on."""
        draft, wallet = self._draft, self._wallet
        amount = command.estimate_micros
        if amount is None:
            amount = draft.policy.hold_for(command.kind)
        running = known if known is not None and known.live(draft.stamp) else None
        if running is not None:
            amount = max(amount, running.amount)
        parent = self._loaded.inbound_call(command.kind, command.parent)
        inbound = command.kind == INBOUND_CALL or (parent is not None and parent.live(draft.stamp))
        permit = self._permit(running, amount, inbound=inbound)
        before = known.generation if known is not None else 0
        expires_at = draft.now + draft.policy.hold_lifetime
        hold = Hold(
            wallet_id=draft.wallet_id,
            hold_id=command.hold_id,
            kind=command.kind,
            inbound=int(inbound),
            asked=command.estimate_micros,
            amount=amount if permit.allowed else 0,
            state="open" if permit.allowed else "refused",
            reference=command.reference,
            parent=command.parent,
            opened_at=draft.stamp if running is None else running.opened_at,
            expires_at=to_stamp(expires_at),
            ended_at=None if permit.allowed else draft.stamp,
            reason=permit.reason.value,
            standing=permit.standing.value,
            valid_until=to_stamp(permit.valid_until),
            generation=before if running is not None else before + 1,
        )
        wallet.last_asked_at = draft.now
        wallet.holds_used = True
        self._loaded.holds[hold.hold_id] = hold
        if running is None:
            draft.open_hold(hold) if permit.allowed else draft.keep(hold)
        elif permit.allowed:
            draft.renew_hold(running, hold)
        else:
            draft.end_hold(running, hold)
        if permit.allowed or running is not None:
            draft.follow((HOLDS, command.hold_id))
        ends_at = expires_at if permit.allowed else None
        return HoldAnswer(hold.hold_id, permit, hold.amount, expires_at=ends_at, duplicate=False)

    def _permit(self, running: Hold | None, amount: int, *, inbound: bool) -> Permit:
        """Judge a start or an extension; what a running hold holds already is its own."""
        wallet = self._wallet
        own = running.amount if running is not None else 0
        wallet.held -= own
        permit = permit_at(
            self._draft.now,
            wallet.funds(),
            inbound=inbound,
            estimate_micros=amount,
            lifetime=self._draft.policy.permit_lifetime,
        )
        wallet.held += own
        return permit

    def _never_again(self, hold_id: str, *, asked_before: bool) -> HoldAnswer:
        """Answer a question about work that is over."""
        now = self._draft.now
        permit = Permit(
            allowed=False,
            reason=Reason.ENDED if asked_before else Reason.ALREADY_CHARGED,
            standing=standing_at(now, self._wallet.funds()),
            valid_until=now + self._draft.policy.permit_lifetime,
        )
        return HoldAnswer(hold_id, permit, 0, expires_at=None, duplicate=True)

    def extend_hold(self, command: ExtendHold) -> HoldAnswer:
        """Decide whether running work may go on. Refuses: HoldUnknown, HoldEnded, AmountOutOfRange."""
        hold = self._live_hold(command.hold_id)
        if command.estimate_micros is not None:
            check_amount(command.estimate_micros, least=0)
        # From here on nothing may refuse: a "no" is an answer.
        draft, inbound = self._draft, bool(hold.inbound)
        self._wallet.last_asked_at = draft.now
        wanted = hold.amount if command.estimate_micros is None else max(hold.amount, command.estimate_micros)
        permit = self._permit(hold, wanted, inbound=inbound)
        if not permit.allowed and not inbound:
            ends_at = from_stamp(hold.expires_at)
            return HoldAnswer(
                hold.hold_id, permit, hold.amount, expires_at=ends_at, duplicate=False, end_by=ends_at
            )
        # An inbound call that runs may finish, on what it has.
        amount = wanted if permit.allowed else hold.amount
        expires_at = draft.now + draft.policy.hold_lifetime
        extended = hold._replace(
            amount=amount, expires_at=to_stamp(expires_at), valid_until=to_stamp(permit.valid_until)
        )
        if permit.reason is Reason.ALLOWED:
            # Work that began without a price has asked for its cost now.
            extended = extended._replace(reason=permit.reason.value, standing=permit.standing.value)
        self._loaded.holds[hold.hold_id] = extended
        draft.renew_hold(hold, extended)
        draft.follow((HOLDS, command.hold_id))
        going_on = Permit(True, Reason(extended.reason), permit.standing, permit.valid_until)
        return HoldAnswer(hold.hold_id, going_on, amount, expires_at=expires_at, duplicate=False)

    def release_hold(self, command: ReleaseHold) -> HoldReleased:
        """Give a hold back. Refuses: HoldUnknown, HoldEnded."""
        known = self._loaded.holds.get(command.hold_id)
        if known is not None and known.state == "released":
            return HoldReleased(command.hold_id, duplicate=True)
        hold = self._live_hold(command.hold_id)
        # From here on nothing may refuse.
        self._wallet.last_asked_at = self._draft.now
        ended = hold._replace(state="released", ended_at=self._draft.stamp)
        self._draft.end_hold(hold, ended)
        self._loaded.holds[hold.hold_id] = ended
        self._draft.follow((HOLDS, command.hold_id))
        return HoldReleased(command.hold_id, duplicate=False)

    def _live_hold(self, hold_id: str) -> Hold:
        hold = self._loaded.holds.get(hold_id)
        if hold is None:
            raise HoldUnknown
        if not hold.live(self._draft.stamp):
            raise HoldEnded(ending="expired" if hold.state == "open" else hold.state)
        return hold
