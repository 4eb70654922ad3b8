"""Money that was taken back, in words: refunds, disputes, suspicions of fraud. Pure.

The operator handles refunds and disputes in Stripe; people in Slack read what they mean for the wallet.
"""

from bot.causes import DifferenceCause, Legacy, NotBookableCause
from bot.change_facts import CreditFacts
from bot.facts import DisputeFacts, RefundFacts, RequestFacts
from bot.rights import Role
from bot.slack.ids import Act
from bot.slack.views.blocks import GREEN, RED, Block, Message, barred, button, context, permitted, section
from bot.slack.views.cards import off_button
from bot.slack.views.causes import difference_words, not_bookable_words
from bot.slack.views.text import escape, moment, sentence, spoken
from bot.slack.views.words import kind_label
from bot.states.dispute import DisputeStatus
from ledger import Automatic


def refunded(f: RefundFacts) -> Message:
    """Say that a payment was given back, or that the bank sent a refund back."""
    to = f" to {f.card}" if f.card else ""
    if f.failed:
        head = f"*The refund of {f.amount}{to} failed.* The bank sent it back, so the money is in the wallet again."
    else:
        head = f"*{f.amount} was refunded*{to}."
    line = f"{head} The balance is {f.balance}."
    small = f"Ref {f.ref} · {f.refund_id}"
    return Message(text=spoken(line, small), blocks=[section(line), context(small)])


def credited(f: CreditFacts) -> Message:
    """Say that whoever runs Redbar gave a credit."""
    line = f"*{f.amount} was credited* by whoever runs Redbar. The balance is {f.balance}."
    return _given(line, f.why)


def corrected(f: CreditFacts) -> Message:
    """Say that a piece of work costs less than was booked."""
    assert f.total is not None
    what = f"{kind_label(f.kind)} {escape(f.usage_id)} costs {f.total} now"
    return _given(f"*{f.amount} was given back:* {what}. The balance is {f.balance}.", f.why)


def _given(line: str, why: str) -> Message:
    if not why:
        return Message(text=spoken(line), blocks=[section(line)])
    small = f"Because: {escape(why)}"
    return Message(text=spoken(line, small), blocks=[section(line), context(small)])


def disputed(f: DisputeFacts, role: Role) -> Message:
    """Say that a bank wants a payment back, asks about it, suspects it, or has decided."""
    small = [f"Ref {f.ref} · {f.dispute_id}"]
    match f.status:
        case DisputeStatus.WON | DisputeStatus.WARNING_CLOSED | DisputeStatus.PREVENTED:
            return barred(
                GREEN,
                _good_end(f),
                [_balance(f), _still_off(f)],
                buttons=permitted(role, *_on_again(f)),
                small=small,
            )
        case DisputeStatus.LOST:
            line = f"*The dispute about {_payment(f)} was lost:* the cardholder keeps the money."
            return barred(
                RED, line, [_balance(f), _still_off(f)], buttons=permitted(role, *_ways_on(f)), small=small
            )
        case DisputeStatus.SUSPECTED:
            return barred(
                RED,
                f"*The card network suspects that {_payment(f)} was fraud.*",
                [
                    "No money has moved. A refund now usually avoids a dispute; "
                    "whoever runs Redbar decides that, in Stripe.",
                ],
                buttons=permitted(role, off_button()) if f.automatic is Automatic.ON else [],
                small=small,
            )
        case DisputeStatus.WARNING_NEEDS_RESPONSE | DisputeStatus.WARNING_UNDER_REVIEW:
            line = f"*The cardholder's bank asks about {_payment(f)}.*"
            return barred(
                RED,
                line,
                ["No money has moved.", _stopped(f), _evidence(f)],
                buttons=permitted(role, button("Automatic payments", Act.AUTOMATIC)),
                small=small,
            )
        case _:
            return barred(
                RED,
                f"*The cardholder's bank disputes {_payment(f)}.*",
                [_taken(f), _stopped(f), _evidence(f)],
                buttons=permitted(role, *_ways_on(f)),
                small=small,
            )


def books_differ(count: int, key: str, cause: DifferenceCause, *, paused: bool, role: Role) -> Message:
    """Say that the books and Stripe have not the same, which nobody corrects by a program."""
    stopped = " Automatic payments are paused until somebody has looked." if paused else ""
    more = f" And {count - 1} more." if count > 1 else ""
    return barred(
        RED,
        "*The wallet's books and Stripe don't agree.*",
        [
            f"{sentence(difference_words(cause))}{more}",
            f"Nothing was changed.{stopped}",
        ],
        buttons=permitted(role, button("Automatic payments", Act.AUTOMATIC)) if paused else [],
        small=[f"Whoever runs Redbar sees it all with redbar reconcile · {key}"],
    )


def parked(object_id: str, cause: NotBookableCause | Legacy) -> Message:
    """Say that money moved at Stripe which cannot be booked by itself."""
    return barred(
        RED,
        "*Money moved at Stripe that Redbar can't put into the wallet by itself.*",
        [
            sentence(not_bookable_words(cause)),
            "It is kept, and nothing is lost: whoever runs Redbar has to decide about it.",
        ],
        small=[f"redbar settle {object_id} decides about it"],
    )


def manual_credit(f: RequestFacts, intent_id: str) -> Message:
    """Say that an operator put into the wallet what was paid at Stripe outside Redbar."""
    card = f" with {f.paid_with}" if f.paid_with else ""
    return barred(
        GREEN,
        f"*{f.amount} was put into the wallet by whoever runs Redbar.*",
        [
            f"It was paid at Stripe{card}, and not through a request of Redbar's.",
            f'They say: "{escape(f.note)}"',
            f"The balance is {f.balance}." if f.balance is not None else "",
        ],
        small=[f"Ref {f.ref} · {intent_id}"],
    )


def _payment(f: DisputeFacts) -> str:
    card = f" with {f.card}" if f.card else ""
    paid = f", made {moment(f.paid_at, f.zone)}" if f.paid_at is not None else ""
    return f"the payment of {f.amount}{card}{paid}"


def _good_end(f: DisputeFacts) -> str:
    if f.moved_back:
        return f"*The dispute about {_payment(f)} was won:* the money is back in the wallet."
    if f.status is DisputeStatus.WON:
        return f"*The dispute about {_payment(f)} was won.*"
    return f"*The bank's question about {_payment(f)} is settled:* the money stays."


def _taken(f: DisputeFacts) -> str:
    if f.moved_back:
        return f"{f.amount} was put back into the wallet. {_balance(f)}"
    if f.moved_out:
        return f"{f.amount} was taken out of the wallet until the bank decides. {_balance(f)}"
    return _balance(f)


def _balance(f: DisputeFacts) -> str:
    return f"The balance is {f.balance}."


def _stopped(f: DisputeFacts) -> str:
    match f.automatic:
        case Automatic.OFF:
            return "Automatic payments are off until an admin turns them on."
        case Automatic.PAUSED:
            return "Automatic payments are paused meanwhile."
        case Automatic.ON:
            return ""


def _still_off(f: DisputeFacts) -> str:
    return "" if f.automatic is Automatic.ON else _stopped(f).replace(" meanwhile", "")


def _evidence(f: DisputeFacts) -> str:
    if f.due_by is None:
        return ""
    return f"Evidence is taken until {moment(f.due_by, f.zone)}; whoever runs Redbar hands it in, in Stripe."


def _ways_on(f: DisputeFacts) -> list[Block]:
    return [
        button("Add balance", Act.ADD_BALANCE, style="primary"),
        button("Ask someone to pay", Act.ASK_TO_PAY),
        button("Automatic payments", Act.AUTOMATIC),
    ]


def _on_again(f: DisputeFacts) -> list[Block]:
    if f.automatic is Automatic.ON:
        return []
    return [button("Turn on automatic payments", Act.AUTOMATIC)]
