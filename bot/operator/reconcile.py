"""`redbar reconcile`: compares Stripe with the books, and lists what differs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bot.causes import (
    AmountDiffers,
    DifferenceCause,
    Failed,
    InboxError,
    Legacy,
    NamesNoPayment,
    PaymentUnknown,
)
from bot.control import Answer, Arguments, Step
from bot.operator.restored import MOVED, OtherOwner
from bot.operator.running_bot import Context, Say, ask_or_do
from bot.reconciliation.difference import as_answer
from bot.slack.views.causes import difference_words, not_bookable_words
from bot.use_cases import UseCases
from ledger import Currency, Money, from_minor

NAME = "reconcile"


def reconcile(database_url: str, environ: Mapping[str, str], say: Say, step: Say, *, as_json: bool) -> int:
    """Compare Stripe with the books; gives 0 when they agree, 1 when not, 2 when nothing was compared."""
    answer = ask_or_do(database_url, environ, NAME, compare, {}, step)
    if "error" in answer:
        say(json.dumps(answer) if as_json else str(answer["error"]))
        return 2
    for line in [json.dumps(answer)] if as_json else lines_of(answer):
        say(line)
    return 1 if answer["differences"] or answer["parked"] else 0


def compare(context: Context, arguments: Arguments, step: Step) -> Answer:
    """Compare now, and tell how far it is."""
    with context.use_cases() as cases:
        refuse_stranger(cases)
        return as_answer(cases.reconciliation.run(context.ledger.now(), step))


def refuse_stranger(cases: UseCases) -> None:
    """Let nothing be held against an account that the books don't belong to. Refuses: OtherOwner."""
    cases.restored.learn_account()
    cases.restored.forget()
    found = cases.restored.now()
    if found is not None and found.cause in MOVED:
        raise OtherOwner(found)


def lines_of(told: Mapping[str, Any]) -> Sequence[str]:
    """Say a digest in lines, as the command line shows it."""
    lines = [f"Stripe and the books, {_short(told['since'])} to {_short(told['until'])} UTC"]
    for one in told["sums"]:
        ours, theirs = (
            Money(one[side], Currency.of(one["currency"])) for side in ("ours_micros", "theirs_micros")
        )
        same = "the same at Stripe" if ours == theirs else f"{theirs} at Stripe: {ours - theirs} apart"
        lines.append(f"  {one['what']:<16} {one['count']:>6}  {ours!s:>16}  {same}")
    for currency, minor in told["fees"].items():
        fee = from_minor(minor, Currency.of(currency))
        lines.append(f"  Stripe kept {fee} in fees, which are nobody's in the wallet.")
    if told["rebuilt"]:
        lines.append(f"Was not known, is made again from what Stripe keeps: {', '.join(told['rebuilt'])}.")
    for one in told["healed"]:
        amount = Money(one["amount_micros"], Currency.of(one["currency"]))
        lines.append(f"Was missed, is booked now: {one['reference']} {amount} ({one['key']}).")
    for one in told["differences"]:
        lines.append(f"Differs since {_short(one['found_at'])}: {one['key']}: {_difference(one['cause'])}.")
    for one in told["parked"]:
        lines.append(
            f"Parked since {_short(one['since'])}, tried {one['tries']} times: "
            f"{one['kind']} {one['object_id']}: {_error(one['error'])}"
        )
    if told["left"]:
        lines.append(f"Left as it is by hand, all in all: {told['left']}.")
    lines.append(f"{told['headline'][:1].upper()}{told['headline'][1:]}.")
    lines.append(
        f"Stripe was read {told['reads']:,} times this month, of {told['reads_allowed']:,} that it allows."
    )
    return lines


def _short(instant: str) -> str:
    return instant[:16].replace("T", " ")


def _difference(cause: Any) -> str:
    return difference_words(msgspec.convert(cause, DifferenceCause, strict=False))


def _error(error: Any) -> str:
    why: InboxError = msgspec.convert(error, InboxError)
    match why:
        case AmountDiffers() | NamesNoPayment() | PaymentUnknown():
            return not_bookable_words(why)
        case Failed():
            return f"{why.error}: {why.detail}"
        case Legacy():
            return why.text
