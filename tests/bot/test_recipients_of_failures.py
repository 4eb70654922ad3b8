"""Who reads of an automatic payment that failed, and of the alarm beside it."""

from dataclasses import replace
from uuid import UUID

import pytest

from bot.delivering.recipients import Known, PaymentKnown, wanted
from bot.notices import ConfirmationDue, OutcomeKnown, RechargeChanged, RechargeFailed
from bot.states.delivery import Recipient, Side, Subject, SubjectKind
from bot.states.payment import State, Way
from ledger import Level, WalletEmptied, WalletLow, WalletRecovered
from tests.bot.view_facts import NOW

ID = UUID(int=7)
ADMIN, FINANCE, CHANNEL = Recipient.person("U1"), Recipient.person("U2"), Recipient.channel("C1")
KNOWN = Known(billing_admins=["U1"], finance=["U2"], owners=["U0"], left=[], channels=["C1"])
TRY = PaymentKnown(
    state=State.FAILED,
    way=Way.SAVED_CARD,
    asked_by="",
    payer="",
    is_card_alone=False,
    recharge_id="the first try",
    messages={"U1": Side.PAYER, "U9": Side.PAYER},
)


@pytest.mark.parametrize("level", [Level.WARNING, Level.CRITICAL, Level.ZERO])
@pytest.mark.parametrize("failed", [False, True])
def test_a_failed_charge_is_the_alarm_of_people_with_a_role(level: Level, failed: bool) -> None:
    """Channels read the alarm always, people while nothing failed, and at zero whatever failed."""
    low = WalletLow(ID, level, 1, 1)
    found = wanted(low, ID, replace(KNOWN, charge_failed=failed)).recipients
    people = [] if failed and level < Level.ZERO else [ADMIN, FINANCE]
    assert list(found) == [*people, CHANNEL]


@pytest.mark.parametrize(
    "notice", [WalletEmptied(ID, NOW, NOW, 0), WalletRecovered(ID)], ids=["emptied", "recovered"]
)
def test_what_is_worse_and_what_ends_an_alarm_is_told_to_everybody(
    notice: WalletEmptied | WalletRecovered,
) -> None:
    """A charge that failed takes the place of the alarm that money is low, and of no other."""
    found = wanted(notice, ID, replace(KNOWN, charge_failed=True)).recipients
    assert set(found) == {ADMIN, FINANCE, CHANNEL}


@pytest.mark.parametrize(
    "notice",
    [RechargeFailed(ID), RechargeChanged(ID), ConfirmationDue(ID, 6)],
    ids=lambda notice: notice.name,
)
def test_all_that_becomes_of_a_failed_charge_is_one_subject(
    notice: RechargeFailed | RechargeChanged | ConfirmationDue,
) -> None:
    """For people with a role, and who has its message without having one any more."""
    asked = wanted(notice, UUID(int=8), replace(KNOWN, payment=TRY))
    assert asked.subject == Subject(SubjectKind.RECHARGE, "the first try")
    assert list(asked.recipients) == [ADMIN, FINANCE, Recipient.person("U9")]


def test_an_outcome_is_told_to_who_was_left_without_it() -> None:
    """And to nobody else."""
    asked = wanted(OutcomeKnown(ID, "U5", NOW), ID, KNOWN)
    assert list(asked.recipients) == [Recipient.person("U5")]
