"""Who is told of a notice, and who replaces somebody who cannot be reached. Pure.

Theory. Appointed billing admins hear of everything, finance of what concerns money, channels of alarms. Owners hear
where no billing admin is left who can be reached. Nobody known at all is a recipient too (`OWNERS`): it waits until the
workspace's owners are listed, since no recipient is no delivery.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never
from uuid import UUID

from bot import notices
from bot.notices import AnyNotice
from bot.states.delivery import OWNERS, DeliveryState, Recipient, Side, Subject, SubjectKind, Urgency
from bot.states.dispute import QUIET
from bot.states.payment import State, Way
from ledger import (
    CreditKind,
    Level,
    RechargeWanted,
    StartedAfterStop,
    UsageCorrected,
    WalletCredited,
    WalletEmptied,
    WalletLow,
    WalletPaused,
    WalletRecovered,
    WalletResumed,
)

BY_HAND = frozenset({CreditKind.PROMO, CreditKind.ADJUSTMENT_UP})
"""Credits that whoever runs Redbar gives; money from a card is told by its payment."""


ALARMS = (WalletLow, WalletEmptied, WalletPaused, WalletResumed, WalletRecovered)
"""Notices of an episode."""
URGENT = (
    StartedAfterStop,
    notices.StillStopped,
    notices.ChannelBack,
    notices.RechargeFailed,
    notices.ConfirmationDue,
    notices.CapReached,
)
OF_RECHARGES = (notices.RechargeFailed, notices.RechargeChanged, notices.ConfirmationDue)
"""Notices of an automatic payment that failed: one message to its end."""
AWAITED = (
    notices.RequestSent,
    notices.PaymentChanged,
    notices.RechargeChanged,
    notices.OutcomeKnown,
    notices.CardConnected,
    notices.RecipientLost,
    notices.ChannelAway,
    notices.AccessAsked,
    notices.CameBack,
)
"""Somebody waits for it, or it asks somebody to act."""
OF_ITS_TIME = (
    notices.StillStopped,
    notices.RechargeFailed,
    notices.ConfirmationDue,
    notices.CapReached,
    notices.CapNear,
    notices.RunwayShort,
    notices.CardExpiring,
)
"""What is no longer true once the app was removed and came back: automatic payments are off, nothing is tried again,
and a card's days are others. An alarm that goes on is shown as it stands, and repeated when it is due."""
ONE_OF_A_KIND: Mapping[type[AnyNotice], SubjectKind] = {
    StartedAfterStop: SubjectKind.AFTER_STOP,
    notices.ChargesSwitched: SubjectKind.CHARGES,
    notices.KeyRefused: SubjectKind.KEY,
    notices.KeyAccepted: SubjectKind.KEY,
}
"""Notices of which only the newest is told."""


@dataclass(frozen=True, slots=True)
class PaymentKnown:
    """What decides who hears of a payment."""

    state: State
    way: Way
    asked_by: str
    payer: str
    is_card_alone: bool
    """No money is asked for: a card is to be connected."""
    recharge_id: str
    """Names the automatic payment that it is a try of, or the link of; its own id otherwise."""
    messages: Mapping[str, Side]
    """Who has a message about it, or about that automatic payment, and as what."""


@dataclass(frozen=True, slots=True)
class Known:
    """The stored lists that a notice's recipients are chosen from. Ids are Slack's."""

    billing_admins: Sequence[str]
    """The appointed, the first appointed first."""
    finance: Sequence[str]
    owners: Sequence[str]
    """Empty also where they were never listed."""
    left: Collection[str]
    """People who left the workspace: posting into their DM succeeds, and nobody reads it."""
    channels: Sequence[str] = ()
    connectors: Sequence[str] = ()
    """Who connected a card that the rule may charge."""
    payment: PaymentKnown | None = None
    """The payment that the notice names."""
    posted: Sequence[Recipient] = ()
    """Who has a message about the notice's episode."""
    episode_id: UUID | None = None
    """The alarm that goes on, where one does."""
    charge_failed: bool = False
    """Whether automatic payments fail at the moment."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a notice asks for: that some recipients are shown a subject as it stands now."""

    subject: Subject
    urgency: Urgency
    recipients: Sequence[Recipient]


def wanted(notice: AnyNotice, notice_id: UUID, known: Known) -> Wanted:
    """Say who is told of a notice; nobody, where it is told by another one or asks nothing of anybody."""
    recipients = _recipients(notice, known)
    return Wanted(subject_of(notice, notice_id, known), urgency_of(notice), tuple(dict.fromkeys(recipients)))


@dataclass(frozen=True, slots=True)
class Silence:
    """When nobody could be told anything, though facts were committed."""

    came_back_at: datetime | None = None
    """When the app came back after it was removed; None where it never was."""
    rested: tuple[datetime, datetime] | None = None
    """From when to when the books were in restored mode last; None where they never were."""
    episode_id: UUID | None = None
    """The alarm that goes on, where one does and the books were in restored mode."""


def is_outdated(notice: AnyNotice, committed_at: datetime, silence: Silence) -> bool:
    """Say whether a notice is not told any more, since nobody could be told of it at its time.

    After a removal living subjects are told as they stand by then, and what stays true: money that moved, and what
    somebody changed. In restored mode, usage and payments of days come in anew and in another order: what an alarm
    said of it is told only if that alarm goes on.
    """
    removed = silence.came_back_at is not None and committed_at <= silence.came_back_at
    if removed and isinstance(notice, OF_ITS_TIME):
        return True
    began_at, ended_at = silence.rested or (None, None)
    if began_at is None or ended_at is None or not began_at <= committed_at <= ended_at:
        return False
    if isinstance(notice, WalletLow | WalletEmptied | WalletPaused):
        return notice.episode_id != silence.episode_id
    return isinstance(notice, StartedAfterStop | WalletResumed | WalletRecovered)


def subject_of(notice: AnyNotice, notice_id: UUID, known: Known) -> Subject:
    """Say what the message about a notice is about."""
    if isinstance(notice, ALARMS):
        return Subject(SubjectKind.EPISODE, str(notice.episode_id or ""))
    if isinstance(notice, notices.ChannelBack):
        return Subject(SubjectKind.EPISODE, str(known.episode_id or ""))
    if isinstance(notice, notices.StillStopped):
        return Subject(SubjectKind.REPEAT, str(notice.episode_id))
    if isinstance(notice, notices.RequestSent | notices.PaymentChanged):
        return Subject(SubjectKind.PAYMENT, str(notice.payment_id))
    if isinstance(notice, OF_RECHARGES):
        return Subject(SubjectKind.RECHARGE, _payment(known).recharge_id)
    kind = ONE_OF_A_KIND.get(type(notice))
    return Subject(kind) if kind is not None else Subject(SubjectKind.NOTICE, str(notice_id))


def urgency_of(notice: AnyNotice) -> Urgency:
    """Say which of two notices one recipient reads first."""
    if isinstance(notice, (*ALARMS, *URGENT)):
        return Urgency.ALARM
    return Urgency.AWAITED if isinstance(notice, AWAITED) else Urgency.LATER


def replacements(
    notice: AnyNotice, recipient: Recipient, known: Known, states: Mapping[Recipient, DeliveryState]
) -> Sequence[Recipient]:
    """Say who is told in place of a recipient who cannot be: the owners, once no billing admin is left for them.

    `states` are those of the same subject's deliveries, that of the recipient already set aside. Whoever asked, was
    asked or pressed a button is replaced by nobody, whatever their role.
    """
    admins = _people(known.billing_admins)
    if recipient not in admins or _is_own(notice):
        return ()
    reached = (DeliveryState.WAITING, DeliveryState.TOLD)
    if any(states.get(one) in reached for one in admins):
        return ()
    return _owners(known)


def stand_ins(known: Known, states: Mapping[Recipient, DeliveryState]) -> Sequence[Recipient]:
    """Say who is told what waits for the owners: those who are known by now, else who was appointed meanwhile.

    Nobody who was set aside for that subject; `states` are those of its deliveries.
    """
    there = [one for one in (known.owners or known.billing_admins) if one not in known.left]
    return [one for one in _people(there) if states.get(one) is not DeliveryState.ASIDE]


def lost(recipient: Recipient, said: str, known: Known, subject: Subject) -> notices.RecipientLost | None:
    """Say whom others must hear of who cannot be reached any more; None where nobody can mend anything."""
    if recipient.is_channel:
        return None  # what is known of a channel is kept with it, and told by that
    payment = known.payment
    if subject.kind is SubjectKind.PAYMENT and payment is not None and payment.payer == recipient.slack_id:
        return notices.RecipientLost(str(recipient), said, payment.asked_by)
    is_appointed = recipient.slack_id in (*known.billing_admins, *known.finance)
    return notices.RecipientLost(str(recipient), said) if is_appointed else None


def _is_own(notice: AnyNotice) -> bool:
    """Say whether a notice is for those alone who asked, were asked, or pressed a button."""
    match notice:
        case notices.RequestSent() | notices.PaymentChanged() | notices.OutcomeKnown():
            return True
        case notices.CardConnected():
            return notice.again
        case _:
            return False


def _recipients(notice: AnyNotice, known: Known) -> Sequence[Recipient]:
    if isinstance(notice, WalletLow) and known.charge_failed and notice.level < Level.ZERO:
        return _channels(known)  # The failed charge's own message is this alarm's for people with a role.
    match notice:
        case WalletLow() | WalletEmptied() | WalletPaused():
            return (*_with_role(known), *_channels(known))
        case WalletResumed(episode_id=None):
            return ()  # A wallet that is funded for the first time ends no alarm.
        case RechargeWanted():
            return ()  # The courier's reaction considers a charge, and that charge is told.
        case WalletRecovered() | WalletResumed():
            # People who lost their role and channels that were removed still learn how the episode ended.
            return (*_with_role(known), *_channels(known), *known.posted)
        case WalletCredited():
            return _with_role(known) if notice.kind in BY_HAND else ()
        case StartedAfterStop():
            return _managers(known)
        case UsageCorrected():
            return _with_role(known)
        case _:
            return _of_own(notice, known)


def _of_own(notice: notices.BotNotice, known: Known) -> Sequence[Recipient]:
    match notice:
        case notices.DisputeChanged():
            is_quiet = not notice.opened and not notice.moved_micros and notice.status in QUIET
            return () if is_quiet else _with_role(known)
        case notices.StillStopped():
            # By direct message only, and from the second time on to the owners too: those it went to are away.
            owners = _people([one for one in known.owners if one not in known.left])
            return (*_with_role(known), *(owners if notice.number > 1 else ()))
        case notices.ChannelBack():
            return [Recipient.channel(notice.channel_id)] if known.episode_id is not None else []
        case notices.RequestSent():
            return _people(_sides(known))
        case notices.PaymentChanged():
            return _people(_holders(known))
        case notices.CardConnected(again=True):
            return _people([_payment(known).asked_by])
        case notices.CardConnected():
            return (*_people([_payment(known).asked_by]), *_but(notice.actor, _with_role(known)))
        case notices.RechargeFailed() | notices.RechargeChanged() | notices.ConfirmationDue():
            # People who lost their role still learn what became of it.
            return (*_with_role(known), *_people([*_payment(known).messages]))
        case notices.OutcomeKnown():
            return _people([notice.told])
        case notices.RuleChanged() | notices.CardsArranged():
            return _but(notice.actor, (*_with_role(known), *_people(known.connectors)))
        case notices.RoleChanged():
            # Who lost a role hears of it too.
            return _but(notice.actor, (*_with_role(known), *_people([notice.user_id])))
        case notices.ChannelsChanged() | notices.CardGone():
            return _but(notice.actor, _with_role(known))
        case notices.RecipientLost():
            lost_one = Recipient.of(notice.recipient)
            return _but(lost_one.slack_id, (*_managers(known), *_people([notice.asked_by])))
        case (
            notices.RechargeMade()
            | notices.BooksDiffer()
            | notices.MoneyParked()
            | notices.AccessAsked()
            | notices.ChannelAway()
            | notices.CameBack()
        ):
            return _managers(known)  # finance has no part in it
        case (
            notices.PaidTwice()
            | notices.CardExpiring()
            | notices.CapReached()
            | notices.CapNear()
            | notices.SpikeSeen()
            | notices.RunwayShort()
            | notices.ChargesSwitched()
            | notices.SettingsChanged()
            | notices.RefundBooked()
            | notices.ManuallyCredited()
            | notices.KeyRefused()
            | notices.KeyAccepted()
        ):
            return _with_role(known)
        case _:
            assert_never(notice)


def _managers(known: Known) -> Sequence[Recipient]:
    """Give the billing admins who are still there, else the owners."""
    there = [one for one in known.billing_admins if one not in known.left]
    return _people(there) or _owners(known)


def _owners(known: Known) -> Sequence[Recipient]:
    return _people([one for one in known.owners if one not in known.left]) or (OWNERS,)


def _with_role(known: Known) -> Sequence[Recipient]:
    finance = [one for one in known.finance if one not in known.left]
    return (*_managers(known), *_people(finance))


def _channels(known: Known) -> Sequence[Recipient]:
    return [Recipient.channel(one) for one in known.channels]


def _sides(known: Known) -> Sequence[str]:
    return [_payment(known).payer, _payment(known).asked_by]


def _payment(known: Known) -> PaymentKnown:
    assert known.payment is not None, "a notice and its payment are committed together"
    return known.payment


def _holders(known: Known) -> Sequence[str]:
    """Give who learns what became of a payment: who was asked and who asked, or who paid on a page of their own."""
    payment = _payment(known)
    if payment.way is Way.SAVED_CARD:
        return []  # the listener has answered the person who pressed
    # A message to somebody who paid without a request already says what became of the payment.
    told = [one for one, side in payment.messages.items() if side is not Side.SELF]
    if payment.payer:
        return [*told, payment.payer, payment.asked_by]
    alone = payment.state is State.PAID and payment.way is Way.PAGE and not payment.is_card_alone
    return [*told, *([payment.asked_by] if alone and payment.asked_by not in payment.messages else [])]


def _people(user_ids: Sequence[str]) -> Sequence[Recipient]:
    return [Recipient.person(one) for one in user_ids if one]


def _but(slack_id: str, recipients: Sequence[Recipient]) -> Sequence[Recipient]:
    return [one for one in recipients if one.slack_id != slack_id]
