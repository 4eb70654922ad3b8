"""One request to somebody, in sentences: who asks whom for what, until when, and what became of it. Pure."""

from bot.facts import RequestFacts, RequestState
from bot.slack.commands import NOTE_MAX
from bot.slack.views.text import escape, moment, time_first
from bot.states.payment import Withdrawer
from ledger import Money


def payer_line(f: RequestFacts) -> str:
    """Tell the payer what became of a request."""
    match f.state:
        case RequestState.PAID:
            return f"*Paid {f.amount}* with {f.paid_with or 'a card'} through this link{paid_rest(f)}"
        case RequestState.CONNECTED:
            return (
                f"*{f.paid_with or 'The card'} is connected* to the calling wallet through this link. "
                "Automatic payments stay off until an admin turns them on, and you will be told."
            )
        case RequestState.WITHDRAWN:
            return f"This request was withdrawn{by(f)}. {_nothing(f)}"
        case RequestState.EXPIRED:
            return f"This request to {what(f)} has expired. {_nothing(f)}"
        case RequestState.OPEN:
            return f"{asker(f)} asks you to {what(f)}{said(f)}"


def asker_line(f: RequestFacts) -> str:
    """Tell the asker what became of a request."""
    match f.state:
        case RequestState.PAID:
            return f"*{f.amount} was paid* with {f.paid_with or 'a card'} through {link_of(f)}{paid_rest(f)}"
        case RequestState.CONNECTED:
            return f"*{f.paid_with or 'The card'} is connected* through {link_of(f)}."
        case RequestState.WITHDRAWN:
            return f"The request to {whom(f)} to {what(f)} was withdrawn{by(f)}. Nothing was charged."
        case RequestState.EXPIRED:
            return f"The request to {whom(f)} to {what(f)} has expired. Nothing was charged."
        case RequestState.OPEN:
            return f"You asked {whom(f)} to {what(f)}."


def request_line(f: RequestFacts) -> str:
    """Say an open request in one line."""
    item = f"*{f.amount}*" if f.amount is not None else "*A card*"
    asked = f" by {asker(f)}" if f.asker_id else ""
    return f"{item} asked of {whom(f)}{asked} · {f.host} · until {moment(f.expires_at, f.zone)} · {f.ref}"


def qr_alt(host: str, amount: Money | None) -> str:
    """Describe a QR code by where it leads."""
    what = "connect a card" if amount is None else f"pay {amount}"
    return f"QR code that opens {host} to {what}"


def asker(f: RequestFacts) -> str:
    """Name who asks; Redbar itself asks where an automatic payment failed."""
    return f"<@{f.asker_id}>" if f.asker_id else "Redbar"


def whom(f: RequestFacts) -> str:
    """Name who is asked."""
    return f"<@{f.payer_id}>" if f.payer_id else "whoever has the link"


def link_of(f: RequestFacts) -> str:
    """Name the link by whom it was sent to."""
    return f"the link sent to <@{f.payer_id}>" if f.payer_id else "the link"


def said(f: RequestFacts) -> str:
    """Quote the asker's note, and end the sentence."""
    return f': "{escape(f.note, NOTE_MAX)}".' if f.note else "."


def what(f: RequestFacts) -> str:
    """Say what is asked for."""
    return "connect a card" if f.amount is None else f"pay {f.amount}"


def by(f: RequestFacts) -> str:
    """Say who or what withdrew it, where that is known."""
    if f.withdrawn_by == Withdrawer.APP_REMOVED:
        return ", since Redbar was removed from this workspace"
    if f.withdrawn_by == Withdrawer.RESTORED:
        return ", since Redbar's books were restored from a copy meanwhile"
    return f" by <@{f.withdrawn_by}>" if f.withdrawn_by else ""


def urgency(f: RequestFacts) -> str:
    """Say what happens if nobody pays."""
    if f.stopped:
        return "Outbound calls have stopped; a payment brings everything back at once."
    if f.stops_at is None:
        return ""
    return f"Outbound calls stop at about {time_first(f.stops_at, f.zone)}."


def paid_rest(f: RequestFacts) -> str:
    """Say when it was paid, with the receipt, and the balance for those who may see it."""
    parts = [f", {moment(f.paid_at, f.zone)}" if f.paid_at is not None else ""]
    if f.receipt_url:
        parts.append(f" · <{f.receipt_url}|Receipt>")
    if f.balance is not None:
        parts.append(f" · Balance {f.balance}")
    return "".join(parts)


def _nothing(f: RequestFacts) -> str:
    return "Nothing to do." if f.amount is None else "Nothing to pay."
