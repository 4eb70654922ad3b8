"""Who is told of each notice, who replaces whom, and what is said of those who cannot be reached. Pure functions."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import UUID

import pytest

from bot import notices as told
from bot.causes import Legacy
from bot.delivering.recipients import (
    Known,
    PaymentKnown,
    Silence,
    is_outdated,
    lost,
    replacements,
    stand_ins,
    subject_of,
    urgency_of,
    wanted,
)
from bot.notices import AnyNotice
from bot.rights import Role
from bot.states.alert_channel import ChannelPresence
from bot.states.delivery import OWNERS, DeliveryState, Recipient, Side, Subject, SubjectKind, Urgency
from bot.states.dispute import DisputeStatus
from bot.states.payment import State, Way
from ledger import (
    CapWindow,
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
    new_id,
)

AT = datetime(2026, 11, 30, tzinfo=UTC)
ID = new_id()
CALLS = Recipient.channel("CALLS")
ALL = ("A1", "A2", "F1")
KNOWN = Known(
    billing_admins=["A1", "A2"],
    finance=["F1"],
    owners=["O1", "O2"],
    left=frozenset(),
    channels=["CALLS"],
    connectors=["F1", "K1"],
)
ASKED = PaymentKnown(State.OFFERED, Way.LINK, "A1", "P1", is_card_alone=False, messages={}, recharge_id="r1")
RESUMED = WalletResumed(ID, AT, AT, 0, 1, "stripe", "credit:pi_1")
DISPUTED = told.DisputeChanged(ID, "dp_1", DisputeStatus.NEEDS_RESPONSE, True, 0)
HEARD: dict[AnyNotice, tuple[str, ...]] = {
    WalletLow(ID, Level.WARNING, 1, 1): (*ALL, "#CALLS"),
    WalletEmptied(ID, AT, AT, -1): (*ALL, "#CALLS"),
    WalletPaused(ID, AT, AT, -1): (*ALL, "#CALLS"),
    RESUMED: (*ALL, "#CALLS"),
    replace(RESUMED, episode_id=None): (),
    WalletRecovered(ID): (*ALL, "#CALLS"),
    WalletCredited(CreditKind.TOP_UP, 1, 1, "stripe", "credit:pi_1", 1): (),
    WalletCredited(CreditKind.PROMO, 1, 1, "hand", "1", 1): ALL,
    RechargeWanted(): (),
    StartedAfterStop("outbound_call", AT): ("A1", "A2"),
    UsageCorrected("outbound_call", "c", 1, 1, 1, "platform", "c"): ALL,
    told.CapReached("day_cap"): ALL,
    told.CapNear(CapWindow.DAY): ALL,
    told.SpikeSeen("2026-11-27", "outbound_call"): ALL,
    told.RunwayShort(): ALL,
    told.RuleChanged("A1", 1, 2): ("A2", "F1", "K1"),
    told.SettingsChanged("operator", 1, 2): ALL,
    told.PaidTwice(ID): ALL,
    told.RefundBooked(ID, "re_1", 1, False): ALL,
    DISPUTED: ALL,
    replace(DISPUTED, opened=False, status=DisputeStatus.UNDER_REVIEW): (),
    replace(DISPUTED, opened=False, status=DisputeStatus.UNDER_REVIEW, moved_micros=-1): ALL,
    told.BooksDiffer(1, "k", Legacy("x"), False): ("A1", "A2"),
    told.MoneyParked("pi_1", Legacy("x")): ("A1", "A2"),
    told.ManuallyCredited(ID): ALL,
    told.CardGone("pm_1", "F1", False): ("A1", "A2"),
    told.CardExpiring("pm_1", 7): ALL,
    told.RechargeMade(ID): ("A1", "A2"),
    told.OutcomeKnown(ID, "M1", AT): ("M1",),
    told.ChargesSwitched(True): ALL,
    told.KeyRefused(): ALL,
    told.KeyAccepted(): ALL,
    told.AccessAsked("M1"): ("A1", "A2"),
    told.StillStopped(ID, 1): ALL,
    told.StillStopped(ID, 2): (*ALL, "O1", "O2"),
    told.RoleChanged("A1", "F1", Role.FINANCE, None): ("A2", "F1"),
    told.RoleChanged("A1", "M1", None, Role.FINANCE): ("A2", "F1", "M1"),
    told.ChannelsChanged("F1", ("CALLS",), ()): ("A1", "A2"),
    told.ChannelAway("CALLS", ChannelPresence.IS_ARCHIVED): ("A1", "A2"),
    told.ChannelBack("CALLS"): (),
    told.CameBack(AT, AT): ("A1", "A2"),
    told.CardsArranged("A2", "pm_1", "", "pm_2", ""): ("A1", "F1", "K1"),
    told.RecipientLost("person:A1", "left_workspace"): ("A2",),
    told.RecipientLost("person:P1", "user_disabled", "F1"): ("A1", "A2", "F1"),
}
CHANGED = told.PaymentChanged(ID)
ALONE = replace(ASKED, payer="", way=Way.PAGE, state=State.PAID)
OF_PAYMENTS: list[tuple[AnyNotice, PaymentKnown, tuple[str, ...]]] = [
    (told.RequestSent(ID), ASKED, ("P1", "A1")),
    (told.RequestSent(ID), replace(ASKED, payer="A1"), ("A1",)),
    (CHANGED, replace(ASKED, state=State.PAID), ("P1", "A1")),
    (CHANGED, replace(ASKED, way=Way.SAVED_CARD), ()),
    (CHANGED, replace(ASKED, payer="", asked_by="", messages={"F1": Side.PAYER}), ("F1",)),
    (CHANGED, ALONE, ("A1",)),
    (CHANGED, replace(ALONE, state=State.LAPSED), ()),
    (CHANGED, replace(ALONE, messages={"A1": Side.SELF}), ()),
    (CHANGED, replace(ALONE, is_card_alone=True), ()),
    (told.RechargeFailed(ID), replace(ASKED, payer="", asked_by=""), ALL),
    (told.RechargeChanged(ID), replace(ASKED, messages={"EX": Side.PAYER}), (*ALL, "EX")),
    (told.ConfirmationDue(ID, 1), ASKED, ALL),
    (told.CardConnected("pm_1", ID, "A1"), ASKED, ("A1", "A2", "F1")),
    (told.CardConnected("pm_1", ID, "F1"), ASKED, ("A1", "A2")),
    (told.CardConnected("pm_1", ID, "F1", again=True), ASKED, ("A1",)),
]


def _names(recipients: Sequence[Recipient]) -> tuple[str, ...]:
    return tuple(f"#{one.slack_id}" if one.is_channel else one.slack_id for one in recipients)


def test_every_class_of_notice_is_in_the_lists() -> None:
    """A class that is added says here who hears of it."""
    kinds = {type(notice) for notice in HEARD} | {type(notice) for notice, _, _ in OF_PAYMENTS}
    assert kinds >= set(get_args(AnyNotice))


@pytest.mark.parametrize("number", range(len(HEARD)))
def test_each_notice_is_heard_by_whom_it_concerns(number: int) -> None:
    """In this order, each once."""
    notice, heard = list(HEARD.items())[number]
    assert _names(wanted(notice, ID, KNOWN).recipients) == heard, notice


def test_a_failed_charge_is_the_alarm_of_those_with_a_role_until_things_stop() -> None:
    """Three red messages in one second say less than one; a stop is told to everybody."""
    known = replace(KNOWN, charge_failed=True)
    assert _names(wanted(WalletLow(ID, Level.CRITICAL, 1, 1), ID, known).recipients) == ("#CALLS",)
    assert _names(wanted(WalletLow(ID, Level.ZERO, 1, 1), ID, known).recipients) == (*ALL, "#CALLS")


@pytest.mark.parametrize("number", range(len(OF_PAYMENTS)))
def test_each_notice_of_a_payment_is_heard_by_its_sides(number: int) -> None:
    """Payer and asker, also where neither has a message yet."""
    notice, payment, heard = OF_PAYMENTS[number]
    assert _names(wanted(notice, ID, replace(KNOWN, payment=payment)).recipients) == heard


def test_who_has_the_message_of_an_alarm_learns_its_end() -> None:
    """Also who lost the role, and a channel that was taken off the list."""
    posted = [Recipient.person("EX"), Recipient.channel("OLD"), Recipient.person("A1")]
    known = replace(KNOWN, posted=posted)
    assert _names(wanted(RESUMED, ID, known).recipients) == (*ALL, "#CALLS", "EX", "#OLD")


@pytest.mark.parametrize(
    ("known", "heard"),
    [
        (replace(KNOWN, left={"A1"}), ("A2", "F1")),
        (replace(KNOWN, left={"A1", "A2"}), ("O1", "O2", "F1")),
        (replace(KNOWN, left={"A1", "A2", "O1", "F1"}), ("O2",)),
        (replace(KNOWN, billing_admins=[]), ("O1", "O2", "F1")),
        (replace(KNOWN, billing_admins=[], owners=[]), ("", "F1")),
        (replace(KNOWN, billing_admins=[], left={"O1", "O2"}), ("", "F1")),
    ],
)
def test_owners_stand_in_where_no_admin_is_left(known: Known, heard: tuple[str, ...]) -> None:
    """And where no owner is known either, the notice waits for them: nobody is no recipient."""
    assert _names(wanted(told.CapReached("x"), ID, known).recipients) == heard


A1, A2, F1 = (Recipient.person(one) for one in ("A1", "A2", "F1"))
ASIDE, WAITING, TOLD = DeliveryState.ASIDE, DeliveryState.WAITING, DeliveryState.TOLD


@pytest.mark.parametrize(
    ("gone", "states", "instead"),
    [
        (A1, {A1: ASIDE, A2: WAITING}, ()),
        (A1, {A1: ASIDE, A2: TOLD}, ()),
        (A1, {A1: ASIDE, A2: ASIDE}, ("O1", "O2")),
        (A1, {A1: ASIDE}, ("O1", "O2")),
        (F1, {F1: ASIDE, A1: ASIDE, A2: ASIDE}, ()),
        (CALLS, {CALLS: ASIDE}, ()),
    ],
)
def test_the_last_admin_who_is_gone_is_replaced_by_the_owners(
    gone: Recipient, states: dict[Recipient, DeliveryState], instead: tuple[str, ...]
) -> None:
    """One who can be reached is enough."""
    assert _names(replacements(told.ChargesSwitched(True), gone, KNOWN, states)) == instead


@pytest.mark.parametrize(
    "answer",
    [
        told.RequestSent(ID),
        told.PaymentChanged(ID),
        told.OutcomeKnown(ID, "A1", AT),
        told.CardConnected("pm_1", ID, "A1", again=True),
    ],
)
def test_nobody_replaces_who_is_told_of_what_they_did(answer: told.AnyNotice) -> None:
    """The message says "You asked": an owner who reads it has asked nothing."""
    assert replacements(answer, A1, KNOWN, {A1: ASIDE}) == ()


def test_others_hear_of_the_lost_who_can_mend_it() -> None:
    """Of the appointed the admins, of a payer who was asked the asker; of nobody else here: a channel has its own."""
    alarm = Subject(SubjectKind.EPISODE, str(ID))
    request = Subject(SubjectKind.PAYMENT, str(ID))
    assert lost(CALLS, "is_archived", KNOWN, alarm) is None
    assert lost(F1, "user_disabled", KNOWN, alarm) == told.RecipientLost("person:F1", "user_disabled")
    payer = Recipient.person("P1")
    known = replace(KNOWN, payment=ASKED)
    assert lost(payer, "left", known, request) == told.RecipientLost("person:P1", "left", "A1")
    assert lost(payer, "left", KNOWN, alarm) is None


def test_alarms_go_before_what_somebody_waits_for_and_that_before_the_rest() -> None:
    """Of what waits for one recipient."""
    assert urgency_of(WalletEmptied(ID, AT, AT, -1)) is urgency_of(told.StillStopped(ID, 1)) is Urgency.ALARM
    assert (
        urgency_of(told.RequestSent(ID)) is urgency_of(told.RecipientLost("person:A", "x")) is Urgency.AWAITED
    )
    assert urgency_of(told.CardExpiring("pm", 7)) is Urgency.LATER


def test_an_alarm_that_goes_on_is_told_in_a_channel_that_is_back() -> None:
    """As the alarm's own message, which is updated from then on."""
    asked = wanted(told.ChannelBack("CALLS"), new_id(), replace(KNOWN, episode_id=ID))
    assert asked.subject == Subject(SubjectKind.EPISODE, str(ID))
    assert asked.recipients == (CALLS,)
    assert asked.urgency is Urgency.ALARM


def test_what_belongs_together_is_one_subject() -> None:
    """Each other fact is told for itself."""

    def subject(notice: AnyNotice) -> Subject:
        return subject_of(notice, new_id(), replace(KNOWN, payment=ASKED))

    assert subject(WalletLow(ID, Level.WARNING, 1, 1)) == subject(RESUMED)
    assert subject(told.RequestSent(ID)) == subject(told.PaymentChanged(ID))
    assert subject(told.RechargeFailed(ID)) == subject(told.ConfirmationDue(new_id(), 6))
    assert subject(told.KeyRefused()) == subject(told.KeyAccepted())
    assert subject(told.CapReached("x")) != subject(told.CapReached("x"))
    assert OWNERS.slack_id == ""


OF_ITS_TIME = {
    told.StillStopped(ID, 1),
    told.StillStopped(ID, 2),
    told.RechargeFailed(ID),
    told.ConfirmationDue(ID, 1),
    told.CapReached("day_cap"),
    told.CapNear(CapWindow.DAY),
    told.RunwayShort(),
    told.CardExpiring("pm_1", 7),
}


@pytest.mark.parametrize(
    ("back_at", "outdated"), [(None, set()), (AT, OF_ITS_TIME), (AT - timedelta(microseconds=1), set())]
)
def test_what_a_removal_made_untrue_is_not_told_after_the_return(
    back_at: datetime | None, outdated: set[AnyNotice]
) -> None:
    """Of all notices from before the return these; money, changes and what lives are told as they stand."""
    everything = [*HEARD, *(notice for notice, _, _ in OF_PAYMENTS)]
    assert {one for one in everything if is_outdated(one, AT, Silence(back_at))} == outdated


ALARMS: set[AnyNotice] = {
    WalletLow(ID, Level.ZERO, 0, 0),
    WalletEmptied(ID, AT, AT, 0),
    WalletPaused(ID, AT, AT, 0),
}
"""What is told of an alarm only while it goes on, if it was raised on restored books."""
MADE_UP: set[AnyNotice] = {
    StartedAfterStop("outbound_call", AT),
    WalletResumed(ID, AT, AT, 0, 0, "stripe", "credit:pi_1"),
    WalletRecovered(ID),
}
"""What restored books say only because usage came before the payments."""


@pytest.mark.parametrize(
    ("goes_on", "committed", "outdated"),
    [
        (None, AT, ALARMS | MADE_UP),
        (ID, AT, MADE_UP),
        (None, AT - timedelta(microseconds=1), set()),
        (None, AT + timedelta(minutes=5), ALARMS | MADE_UP),
        (None, AT + timedelta(minutes=5, microseconds=1), set()),
    ],
)
def test_what_restored_books_made_up_is_not_told(
    goes_on: UUID | None, committed: datetime, outdated: set[AnyNotice]
) -> None:
    """Usage of days comes in before the payments of those days: alarms that are over are nobody's news."""
    silence = Silence(rested=(AT, AT + timedelta(minutes=5)), episode_id=goes_on)
    everything = {*HEARD, *(notice for notice, _, _ in OF_PAYMENTS), *ALARMS, *MADE_UP}
    kinds = tuple(type(one) for one in (*ALARMS, *MADE_UP))
    others = {one for one in everything if not isinstance(one, kinds)}
    assert not {one for one in others if is_outdated(one, committed, silence)}
    assert {one for one in ALARMS | MADE_UP if is_outdated(one, committed, silence)} == outdated


O1, O2 = Recipient.person("O1"), Recipient.person("O2")


@pytest.mark.parametrize(
    ("known", "states", "there"),
    [
        (KNOWN, {}, ("O1", "O2")),
        (replace(KNOWN, left={"O1"}), {O2: ASIDE}, ()),
        (replace(KNOWN, owners=[]), {}, ("A1", "A2")),
        (replace(KNOWN, owners=[]), {A1: ASIDE, A2: WAITING}, ("A2",)),
        (replace(KNOWN, owners=[], billing_admins=[]), {}, ()),
    ],
)
def test_what_waits_for_owners_goes_to_admins_appointed_meanwhile_where_no_owner_is_known(
    known: Known, states: dict[Recipient, DeliveryState], there: tuple[str, ...]
) -> None:
    """Nobody who was set aside for it."""
    assert _names(stand_ins(known, states)) == there
