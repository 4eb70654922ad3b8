"""An automatic payment that failed, in words: one message from the first decline to its end. Pure."""

from bot.facts import FailureFacts, PaidFacts, RequestFacts, RequestState
from bot.rights import Role
from bot.slack.ids import Act
from bot.slack.views.blocks import GREEN, RED, Block, Message, barred, button, permitted, picture, section
from bot.slack.views.causes import decline_words
from bot.slack.views.text import counted, moment, spoken, time_first
from bot.slack.views.words import short
from bot.states.recharge import OVER, RechargePhase
from ledger import Automatic, CreditKind, decimal_text

_WAIT = "Automatic payments wait until someone confirms."
_STAY_PAUSED = "Automatic payments stay paused until an admin turns them on."
_STAY_OFF = "Automatic payments are off."
_ON_AGAIN = "Automatic payments are on again."


def charge_failed(f: FailureFacts, role: Role) -> Message:
    """Tell how a failed automatic payment stands: why, how it goes on and ways to help; at last what became of it."""
    if f.phase in OVER:
        return barred(GREEN, _headline(f), [_rest(f)], small=[_ref(f)])
    return barred(
        GREEN if f.phase is RechargePhase.RESUMED else RED,
        _headline(f),
        [" ".join(filter(None, [_goes_on(f), _lasts(f)]))],
        buttons=permitted(role, *_ways_out(f)),
        small=[*_link_words(f), _ref(f)],
        image=_qr(f),
    )


def news_of_charge(f: FailureFacts) -> Message:
    """Say in one line, for the thread of that message, what people wait for: an update in place notifies nobody."""
    match f.phase:
        case RechargePhase.CONFIRM if f.waited_hours:
            since = counted(f.waited_hours, "hour", "hours")
            line = f"*The bank has waited {since} for somebody to confirm {f.amount} on {f.card}.* {_WAIT}"
        case RechargePhase.PAUSED:
            line = f"*Automatic payments are paused:* {_why(f)}. {_lasts(f)}".strip()
        case RechargePhase.CONFIRM:
            line = f"{_headline(f)} {_WAIT}"
        case _:
            line = f"{_headline(f)} {_rest(f)}".strip()
    return Message(text=spoken(line), blocks=[section(line)])


def paid_twice(f: FailureFacts) -> Message:
    """Tell that an automatic payment had ended, and was paid all the same."""
    balance = f"The balance is {f.balance}." if f.balance is not None else ""
    return barred(
        RED,
        f"*An automatic payment of {f.amount} was paid although it was not needed any more.*",
        [
            f"{_what_ended(f)} Everything that was paid is in the wallet, once each. {balance}".strip(),
            "If one of the payments should go back, refund it in Stripe: it is then taken out of the wallet by itself.",
        ],
        small=[_ref(f)],
    )


# --- What is so --------------------------------------------------------------------------------------------


def _headline(f: FailureFacts) -> str:
    match f.phase:
        case RechargePhase.CONFIRM:
            return f"*The bank wants you to confirm a payment of {f.amount}.*"
        case RechargePhase.PAID:
            return f"*The automatic payment of {f.amount} went through* with {f.card}{_at(f)}."
        case RechargePhase.PAID_BY_LINK:
            card = f" with {f.paid.card}" if f.paid is not None and f.paid.card else ""
            return f"*{f.amount} was paid*{card} through the link{_at(f)}."
        case RechargePhase.CLOSED:
            return f"*No longer needed.* {_closed_by(f)}".strip()
        case RechargePhase.REPLACED:
            return f"*A newer automatic payment took the place of this one of {f.amount}.*"
        case RechargePhase.RESUMED:
            # Somebody turned them on again, or chose another card while they were on.
            return (
                f"*Automatic payments are on.* The payment of {f.amount} that failed is not tried any more."
            )
        case _:
            return f"*The automatic payment of {f.amount} failed: {_why(f)}.* Nothing was charged."


def _why(f: FailureFacts) -> str:
    if f.unconfirmed:
        return f"nobody confirmed it on {f.card} at the bank in time"
    return decline_words(f.decline, f.card)


def _rest(f: FailureFacts) -> str:
    """Say what the end of it means."""
    balance = f"The balance is {f.balance}." if f.balance is not None else ""
    if f.phase is RechargePhase.REPLACED:
        return "Its link was withdrawn. Nothing was charged for it." if f.pay is not None else ""
    if f.phase is RechargePhase.RESUMED:
        return ""
    state = {Automatic.ON: _ON_AGAIN, Automatic.PAUSED: _STAY_PAUSED, Automatic.OFF: _STAY_OFF}[f.automatic]
    shown = "" if f.phase is RechargePhase.CLOSED else balance
    return " ".join(filter(None, [shown, state]))


def _closed_by(f: FailureFacts) -> str:
    link = "; the link was withdrawn" if f.pay is not None and f.pay.state is RequestState.WITHDRAWN else ""
    if f.paid is None:
        return "The link was withdrawn." if link else ""
    return f"{_added(f.paid)}{_at(f)}{link}."


def _added(paid: PaidFacts) -> str:
    match paid.kind:
        case CreditKind.TOP_UP if paid.payer_id:
            return f"<@{paid.payer_id}> paid {paid.amount}"
        case CreditKind.TOP_UP if paid.asker_id:
            return f"<@{paid.asker_id}> added {paid.amount}"
        case CreditKind.PROMO | CreditKind.ADJUSTMENT_UP:
            return f"Whoever runs Redbar credited {paid.amount}"
        case CreditKind.RECHARGE:
            return f"An automatic payment added {paid.amount}"
        case _:
            return f"{paid.amount} came in"


def _what_ended(f: FailureFacts) -> str:
    if f.paid is None:
        return "A newer automatic payment had taken its place."
    return f"{_added(f.paid)}{_at(f)}."


def _at(f: FailureFacts) -> str:
    return f" at {moment(f.paid_at, f.zone, day=False)}" if f.paid_at is not None else ""


# --- How it goes on ----------------------------------------------------------------------------------------


def _goes_on(f: FailureFacts) -> str:
    match f.phase:
        case RechargePhase.CONFIRM:
            return f"Nothing was charged yet. {_WAIT}"
        case RechargePhase.TRYING:
            return "It is being tried again now."
        case RechargePhase.RETRYING if f.next_try_at is not None:
            after = f.tries_left - 1 - bool(f.backup)
            more = f"; {counted(after, 'more try', 'more tries')} after that" if after > 0 else ""
            backup = f", then the backup card {f.backup}" if f.backup else ""
            return f"Next try {moment(f.next_try_at, f.zone)}{more}{backup}."
        case RechargePhase.OFF:
            return f"{_STAY_OFF} It is not tried again."
        case RechargePhase.STOPPED:
            return "It was stopped before it could be tried again; nothing is on its way."
        case RechargePhase.RESUMED:
            return "When the wallet is low, the rule charges again."
        case _:
            return "Automatic payments are paused until a payment succeeds, or an admin turns them on again."


def _lasts(f: FailureFacts) -> str:
    return (
        f"The wallet lasts until about {time_first(f.lasts_until, f.zone)}."
        if f.lasts_until is not None
        else ""
    )


def _ways_out(f: FailureFacts) -> list[Block]:
    link = _open_link(f)
    if link is not None:
        words = "Confirm on Stripe's page" if f.phase is RechargePhase.CONFIRM else f"Pay {short(f.amount)}"
        first = button(words, Act.OPEN_PAGE, url=link.url, style="primary")
    else:
        first = button(
            f"Pay {short(f.amount)}", Act.PAY_BY_LINK, value=decimal_text(f.amount), style="primary"
        )
    buttons = [first, button("Use another card", Act.CONNECT_CARD)]
    if f.phase in (RechargePhase.PAUSED, RechargePhase.OFF):
        buttons.append(button("Turn on again", Act.AUTOMATIC))
    return [*buttons, button("Ask someone to pay", Act.ASK_TO_PAY, value=decimal_text(f.amount))]


def _open_link(f: FailureFacts) -> RequestFacts | None:
    is_open = f.pay is not None and f.pay.state is RequestState.OPEN and bool(f.pay.url)
    return f.pay if is_open else None


def _link_words(f: FailureFacts) -> list[str]:
    link = _open_link(f)
    if link is not None:
        return [f"Opens {link.host} · works once · until {moment(link.expires_at, f.zone)}"]
    if f.pay is None or f.pay.state is RequestState.OPEN:
        return []
    over = {RequestState.EXPIRED: "The link has expired.", RequestState.WITHDRAWN: "The link was withdrawn."}
    return [over[f.pay.state]] if f.pay.state in over else []


def _qr(f: FailureFacts) -> Block | None:
    link = _open_link(f)
    if link is None or link.qr_file_id is None:
        return None
    return picture(link.qr_file_id, f"QR code that opens {link.host} to pay {f.amount}")


def _ref(f: FailureFacts) -> str:
    return f"Ref {f.ref}"
