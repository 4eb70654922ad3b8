"""What the platform posts and asks, in the shapes of the HTTP API, turned into ledger commands and answers.

Pure but for `Usage`: parsing refuses with the field's name and what to do; nothing half-read reaches the ledger.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from ledger import (
    AI_TASK,
    INBOUND_CALL,
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
)

AnswerT = TypeVar("AnswerT", HoldAnswer, Receipt)

BATCH_MAX = 1_000
ID_MAX = 200
KINDS = (OUTBOUND_CALL, INBOUND_CALL, AI_TASK)
_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_FUTURE = timedelta(minutes=5)
_PAST = timedelta(days=400)


class FieldWrong(Refused):
    """A field of a request cannot be used; `field` names it."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        super().__init__(f"{field}: {reason}")


@dataclass(frozen=True, slots=True)
class UsageItem:
    """One posted usage as it came: text and numbers, nothing checked."""

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
        source_id=_id(item.id),
        kind=_kind(item.kind),
        amount_micros=_price("amount", item.amount, currency),
        occurred_at=_instant(item.occurred_at, now),
        quantity=_quantity(item.quantity),
        reference=_text("reference", item.reference, 200),
        description=_text("description", item.description, 500),
        hold_id=_id(item.hold, "hold") if item.hold is not None else None,
        parent=_id(item.parent, "parent") if item.parent is not None else None,
    )


def hold_command(question: Authorization, currency: Currency) -> OpenHold:
    """Read one question. Refuses: FieldWrong."""
    return OpenHold(
        hold_id=_id(question.id),
        kind=_kind(question.kind),
        estimate_micros=None
        if question.estimate is None
        else _price("estimate", question.estimate, currency),
        reference=_text("reference", question.reference, 200),
        parent=_id(question.parent, "parent") if question.parent is not None else None,
    )


def _id(text: str, field: str = "id") -> str:
    if not text or len(text) > ID_MAX:
        raise FieldWrong(field, f"has to have 1 to {ID_MAX} characters.")
    return _text(field, text, ID_MAX)


def _text(field: str, text: str, longest: int) -> str:
    if len(text) > longest:
        raise FieldWrong(field, f"has to have at most {longest} characters.")
    if "\0" in text or not _encodable(text):
        raise FieldWrong(field, "has characters that cannot be kept.")
    return text


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(text: str) -> str:
    if _KIND.fullmatch(text) is None:
        raise FieldWrong(
            "kind",
            "use outbound_call, inbound_call, ai_task, or a name in lower case letters, digits and underscores.",
        )
    return text


def _price(field: str, text: str, currency: Currency) -> int:
    try:
        return parse_machine_amount(text, currency).micros
    except Refused as refusal:
        raise FieldWrong(field, str(refusal)) from None


def _quantity(number: int | None) -> int | None:
    if number is not None and not 0 <= number <= 10**12:
        raise FieldWrong("quantity", "has to be a whole number, 0 or more.")
    return number


def _instant(at: datetime | None, now: datetime) -> datetime | None:
    if at is None:
        return None
    if at.tzinfo is None:
        raise FieldWrong("occurred_at", "needs its offset from UTC, such as 2026-11-23T14:30:00Z.")
    if at > now + _FUTURE:
        raise FieldWrong("occurred_at", "lies in the future.")
    if at < now - _PAST:
        raise FieldWrong("occurred_at", "lies more than 400 days back.")
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
            hold_id=_id(hold_id),
            amount_micros=_price("amount", amount, currency),
            occurred_at=None,
            quantity=_quantity(quantity),
            description=_text("description", description, 500),
        )
        return await self._one(wallet_id, command, Receipt)

    async def extend(
        self, wallet_id: UUID, hold_id: str, estimate: str | None, currency: Currency
    ) -> HoldAnswer:
        """Ask for more time, and with an estimate for more money. Refuses: FieldWrong, HoldUnknown, HoldEnded."""
        micros = None if estimate is None else _price("estimate", estimate, currency)
        return await self._one(
            wallet_id, ExtendHold(hold_id=_id(hold_id), estimate_micros=micros), HoldAnswer
        )

    async def release(self, wallet_id: UUID, hold_id: str) -> None:
        """Give a hold back. Refuses: HoldUnknown, HoldEnded."""
        (outcome,) = await self._ledger.carry_out_async(wallet_id, [ReleaseHold(hold_id=_id(hold_id))])
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
