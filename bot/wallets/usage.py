"""What the platform posts and asks, in the shapes of the HTTP API, turned into ledger commands and answers.

Pure but for `Usage`: parsing refuses with the field's name and what to do; nothing half-read reaches the ledger.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from ledger import (
    AI_TASK,
    INBOUND_CALL,
    OCCURRED_BACK_MAX,
    OUTBOUND_CALL,
    PLATFORM,
    CaptureHold,
    Command,
    Currency,
    ExtendHold,
    HoldAnswer,
    Ledger,
    Money,
    OpenHold,
    Outcome,
    Permit,
    PostUsage,
    Receipt,
    Refused,
    ReleaseHold,
    WalletPolicy,
    WalletView,
    decimal_text,
    funds_of,
    parse_machine_amount,
    permit_at,
    storable,
)

AnswerT = TypeVar("AnswerT", HoldAnswer, Receipt)

KINDS = (OUTBOUND_CALL, INBOUND_CALL, AI_TASK)
AHEAD_MAX = timedelta(minutes=5)
"""How far in the future something may have happened."""


class FieldWrong(Refused):
    """A field of a request cannot be used; `field` names it."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        super().__init__(f"{field}: {reason}")


@dataclass(frozen=True, slots=True)
class UsageItem:
    """One posted usage, inside the limits of its fields."""

    id: str
    kind: str
    amount: str
    quantity: int | None = None
    reference: str = ""
    description: str = ""
    occurred_at: datetime | None = None
    hold: str | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Authorization:
    """One question whether work may start."""

    id: str
    kind: str
    estimate: str | None = None
    reference: str = ""
    parent: str | None = None


def usage_command(item: UsageItem, currency: Currency, now: datetime) -> PostUsage:
    """Read one usage. Refuses: FieldWrong."""
    return PostUsage(
        source=PLATFORM,
        source_id=_text("id", item.id),
        kind=item.kind,
        amount_micros=_price("amount", item.amount, currency),
        occurred_at=_instant(item.occurred_at, now),
        quantity=item.quantity,
        reference=_text("reference", item.reference),
        description=_text("description", item.description),
        hold_id=_text("hold", item.hold) if item.hold is not None else None,
        parent=_text("parent", item.parent) if item.parent is not None else None,
    )


def hold_command(question: Authorization, currency: Currency) -> OpenHold:
    """Read one question. Refuses: FieldWrong."""
    return OpenHold(
        hold_id=_text("id", question.id),
        kind=question.kind,
        estimate_micros=None
        if question.estimate is None
        else _price("estimate", question.estimate, currency),
        reference=_text("reference", question.reference),
        parent=_text("parent", question.parent) if question.parent is not None else None,
    )


def _text(field: str, text: str) -> str:
    if not storable(text):
        raise FieldWrong(field, "has characters that cannot be kept.")
    return text


def _price(field: str, text: str, currency: Currency) -> int:
    try:
        return parse_machine_amount(text, currency).micros
    except Refused as refusal:
        raise FieldWrong(field, str(refusal)) from None


def _instant(at: datetime | None, now: datetime) -> datetime | None:
    if at is None:
        return None
    if at > now + AHEAD_MAX:
        raise FieldWrong("occurred_at", "lies in the future.")
    if at < now - OCCURRED_BACK_MAX:
        raise FieldWrong("occurred_at", f"lies more than {OCCURRED_BACK_MAX.days} days back.")
    return at


class Usage:
    """Posts usage and opens holds for one wallet at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def post(self, wallet_id: UUID, items: Sequence[UsageItem], currency: Currency) -> list[Outcome]:
        """Post usage; each item gets its own receipt or refusal, in order."""
        now = self._ledger.now()
        outcomes: list[Outcome | None] = []
        commands: list[Command] = []
        for item in items:
            try:
                commands.append(usage_command(item, currency, now))
                outcomes.append(None)
            except Refused as refusal:
                outcomes.append(refusal)
        answers = iter(await self._ledger.carry_out_async(wallet_id, commands) if commands else [])
        return [next(answers) if outcome is None else outcome for outcome in outcomes]

    async def authorize(self, wallet_id: UUID, question: Authorization, currency: Currency) -> HoldAnswer:
        """Ask whether work may start, and set its estimate aside. Refuses: FieldWrong, KeyReused."""
        return await self._one(wallet_id, hold_command(question, currency), HoldAnswer)

    async def capture(
        self,
        wallet_id: UUID,
        hold_id: str,
        amount: str,
        quantity: int | None,
        description: str,
        currency: Currency,
    ) -> Receipt:
        """Turn a hold into usage. Refuses: FieldWrong, HoldUnknown, HoldEnded."""
        command = CaptureHold(
            hold_id=_text("id", hold_id),
            amount_micros=_price("amount", amount, currency),
            occurred_at=None,
            quantity=quantity,
            description=_text("description", description),
        )
        return await self._one(wallet_id, command, Receipt)

    async def extend(
        self, wallet_id: UUID, hold_id: str, estimate: str | None, currency: Currency
    ) -> HoldAnswer:
        """Ask for more time, and with an estimate for more money. Refuses: FieldWrong, HoldUnknown, HoldEnded."""
        micros = None if estimate is None else _price("estimate", estimate, currency)
        return await self._one(
            wallet_id, ExtendHold(hold_id=_text("id", hold_id), estimate_micros=micros), HoldAnswer
        )

    async def release(self, wallet_id: UUID, hold_id: str) -> None:
        """Give a hold back. Refuses: HoldUnknown, HoldEnded."""
        (outcome,) = await self._ledger.carry_out_async(
            wallet_id, [ReleaseHold(hold_id=_text("id", hold_id))]
        )
        if isinstance(outcome, Refused):
            raise outcome

    async def _one(self, wallet_id: UUID, command: Command, kind: type[AnswerT]) -> AnswerT:
        (outcome,) = await self._ledger.carry_out_async(wallet_id, [command])
        if isinstance(outcome, Refused):
            raise outcome
        assert isinstance(outcome, kind)
        return outcome


def permits(view: WalletView, policy: WalletPolicy, now: datetime) -> dict[str, Permit]:
    """Say for each known kind whether a start at its default hold would be allowed now."""
    return {
        kind: permit_at(
            now,
            funds_of(view),
            inbound=kind == INBOUND_CALL,
            estimate_micros=policy.hold_for(kind),
            lifetime=policy.permit_lifetime,
        )
        for kind in KINDS
    }


def amount_text(micros: int, currency: Currency) -> str:
    """Write an amount as machines exchange it."""
    return decimal_text(Money(micros, currency))
