"""The tables of states: total, obeyed, and drawn as they are."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import bot.states
from bot.states import card_slot, dispute, payment, refund
from bot.states.card_slot import NEXT as CARD
from bot.states.card_slot import CardEvent, CardSlot, arranged, slot_for
from bot.states.delivery import NEXT as DELIVERY
from bot.states.delivery import DeliveryEvent, DeliveryState, Recipient, RecipientKind, Subject, SubjectKind
from bot.states.dispute import DisputeStatus, Phase
from bot.states.payment import IN_FLIGHT, OPEN, News, State
from bot.states.refund import RefundState, RefundStatus
from bot.states.stripe_request import NEXT as REQUEST
from bot.states.stripe_request import UNFINISHED, RequestOutcome, RequestState
from bot.states.transitions import NotTotal, Transitions
from tests import state_diagrams
from tests.state_diagrams import MACHINES, table_of


def _pairs() -> Iterator[Any]:
    for name, module in MACHINES.items():
        table = table_of(module)
        for state in table.states:
            for event in table.events:
                yield pytest.param(module, state, event, id=f"{name}: {state} after {event}")


@pytest.mark.parametrize(("module", "state", "event"), list(_pairs()))
def test_every_state_has_an_answer_to_every_event(module: ModuleType, state: StrEnum, event: StrEnum) -> None:
    """Nothing that can happen finds a row without an answer, and the same again changes nothing more."""
    table = table_of(module)
    after = table.after(state, event)
    assert after in table.states
    if module is not card_slot:  # of cards each event is one step, and two are two
        assert table.after(after, event) is after


def test_every_table_is_drawn_and_walked() -> None:
    """A module with a table that is added is drawn."""
    folder = Path(bot.states.__path__[0])
    with_table = {
        path.stem for path in folder.glob("*.py") if "\nNEXT = " in path.read_text(encoding="utf-8")
    }
    assert with_table == {module.__name__.rpartition(".")[2] for module in MACHINES.values()}


def test_the_diagrams_are_those_of_the_tables() -> None:
    """`python -m tests.state_diagrams` draws them anew."""
    assert state_diagrams.DOCUMENT.read_text(encoding="utf-8") == state_diagrams.rendered()


def test_a_table_with_a_gap_cannot_be_made() -> None:
    """It names what is missing."""

    class Light(StrEnum):
        RED = "red"
        GREEN = "green"

    class Turn(StrEnum):
        TURN = "turn"

    with pytest.raises(NotTotal, match="Light: green after turn"):
        Transitions(Light, Turn, {Light.RED: {Turn.TURN: Light.GREEN}, Light.GREEN: {}}, begins=[Light.RED])


# --- Payments ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
def test_a_success_is_a_success_whatever_was_believed_before(state: State) -> None:
    """Money is never argued with."""
    assert payment.NEXT.after(state, News.SUCCEEDED) is State.PAID


@pytest.mark.parametrize("news", News)
def test_nothing_undoes_a_payment(news: News) -> None:
    """Late or doubled news changes nothing; refunds are payments of their own."""
    assert payment.NEXT.after(State.PAID, news) is State.PAID


@pytest.mark.parametrize("state", [State.FAILED, State.LAPSED, State.WITHDRAWN])
@pytest.mark.parametrize("news", [one for one in News if one is not News.SUCCEEDED])
def test_an_end_is_an_end_for_everything_but_money(state: State, news: News) -> None:
    """Only a success reopens what was closed."""
    assert payment.NEXT.after(state, news) is state


def test_what_is_in_flight_is_open() -> None:
    """A charge that may be happening may still bring money."""
    assert IN_FLIGHT < OPEN


# --- Stripe requests ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", RequestOutcome)
def test_an_answer_finishes_a_request_unless_it_says_nothing(outcome: RequestOutcome) -> None:
    """Without an answer, or without our key being accepted, an earlier try may have been carried out."""
    settles = outcome not in (RequestOutcome.DENIED, RequestOutcome.UNKNOWN)
    for state in UNFINISHED:
        assert (REQUEST.after(state, outcome) not in UNFINISHED) is settles
    for state in set(RequestState) - UNFINISHED:
        assert REQUEST.after(state, outcome) is state


# --- Refunds and disputes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", RefundStatus)
def test_a_refund_is_booked_whatever_its_status_and_put_back_when_it_failed(status: RefundStatus) -> None:
    """A failed one is put back, once and for good."""
    failed = status in (RefundStatus.FAILED, RefundStatus.CANCELED)
    wanted = RefundState.PUT_BACK if failed else RefundState.TAKEN_OUT
    assert refund.NEXT.after(RefundState.UNBOOKED, status) is wanted
    assert refund.NEXT.after(RefundState.PUT_BACK, status) is RefundState.PUT_BACK


def test_words_of_stripes_that_this_version_does_not_know_are_read() -> None:
    """A new status must not stop the news."""
    assert RefundStatus("of_tomorrow") is RefundStatus.OTHER
    assert DisputeStatus("of_tomorrow") is DisputeStatus.OTHER


@pytest.mark.parametrize("before", [None, *DisputeStatus])
@pytest.mark.parametrize("seen", DisputeStatus)
def test_a_dispute_that_ended_opens_again_by_an_appeal_alone(
    before: DisputeStatus | None, seen: DisputeStatus
) -> None:
    """Every other open status after an end is an older look."""
    kept = dispute.after(before, seen)
    if before is None:
        assert kept is seen
        return
    was, looks = dispute.PHASE_OF[before], dispute.PHASE_OF[seen]
    of_a_warning = Phase.SUSPICION in (was, looks) and was is not looks
    is_old = was is Phase.ENDED and looks not in (Phase.ENDED, Phase.APPEAL)
    assert kept is (before if is_old or of_a_warning else seen)


def test_every_status_of_a_dispute_has_a_phase() -> None:
    """And each of Stripe's inquiries is one."""
    assert set(dispute.PHASE_OF) == set(DisputeStatus)
    inquiries = {one for one, phase in dispute.PHASE_OF.items() if phase is Phase.INQUIRY}
    assert inquiries == {one for one in DisputeStatus if one.startswith("warning_")} - {
        DisputeStatus.WARNING_CLOSED
    }


# --- Cards and deliveries ----------------------------------------------------------------------------------


M, B, S = CardSlot.MAIN, CardSlot.BACKUP, CardSlot.SPARE


@pytest.mark.parametrize(
    ("before", "backup_id", "after"),
    [
        ({"a": M}, "", {"a": M}),
        ({"a": M, "b": B}, "", {"a": B, "b": M}),
        ({"a": M, "b": S}, "", {"a": B, "b": M}),
        ({"a": M, "b": S, "c": B}, "", {"a": S, "b": M, "c": B}),
        ({"a": M, "b": S, "c": B}, "c", {"a": S, "b": M, "c": B}),
        ({"a": M, "b": S, "c": B}, "a", {"a": B, "b": M, "c": S}),
        ({"a": B, "b": M, "c": S}, "c", {"a": S, "b": M, "c": B}),
        ({"a": M, "b": B, "c": S}, "c", {"a": S, "b": M, "c": B}),
        ({"b": B}, "", {"b": M}),
    ],
)
def test_a_card_that_was_chosen_is_charged(
    before: dict[str, CardSlot], backup_id: str, after: dict[str, CardSlot]
) -> None:
    """The one before becomes the backup where no other one is it; no card is lost, and one is charged."""
    chosen = "b" if "b" in before else "a"
    assert arranged(before, main_id=chosen, backup_id=backup_id) == after


def test_a_card_that_is_saved_takes_the_place_that_is_free() -> None:
    """It displaces none."""
    assert [slot_for(one) for one in ({}, {"a": M}, {"a": B}, {"a": M, "b": B}, {"a": M, "b": S})] == [
        M,
        B,
        M,
        S,
        B,
    ]


@pytest.mark.parametrize("event", [one for one in CardEvent if one is not CardEvent.SAVED])
def test_a_removed_card_comes_back_by_being_saved_alone(event: CardEvent) -> None:
    """Nobody agreed to another charge of it."""
    assert CARD.after(CardSlot.REMOVED, event) is CardSlot.REMOVED


NOT_FAILURES = (DeliveryEvent.WANTED, DeliveryEvent.REVIVED, DeliveryEvent.REFUSED)


@pytest.mark.parametrize("event", [one for one in DeliveryEvent if one not in NOT_FAILURES])
@pytest.mark.parametrize("state", [DeliveryState.TOLD, DeliveryState.ASIDE])
def test_nobody_is_told_twice(state: DeliveryState, event: DeliveryEvent) -> None:
    """Whatever fails after a recipient was told, or was set aside."""
    assert DELIVERY.after(state, event) is state


@pytest.mark.parametrize("state", DeliveryState)
def test_something_newer_is_always_shown(state: DeliveryState) -> None:
    """Also to somebody who was set aside: Slack may take it by now."""
    assert DELIVERY.after(state, DeliveryEvent.WANTED) is DeliveryState.WAITING


@pytest.mark.parametrize("kind", SubjectKind)
def test_a_subject_is_read_as_it_was_written(kind: SubjectKind) -> None:
    """Also one without an id, or with a colon in it."""
    for of in ("", "0197", "a:b"):
        assert Subject.read(str(Subject(kind, of))) == Subject(kind, of)


@pytest.mark.parametrize("kind", RecipientKind)
def test_a_recipient_is_read_as_it_was_written(kind: RecipientKind) -> None:
    """Also one with a colon in its id."""
    for slack_id in ("", "U1", "a:b"):
        assert Recipient.of(str(Recipient(kind, slack_id))) == Recipient(kind, slack_id)


def test_a_recipient_is_named_by_its_id() -> None:
    """As rows keep it; only a channel shows no amounts."""
    person, channel = Recipient.person("U1"), Recipient.channel("C1")
    assert (str(person), str(channel)) == ("person:U1", "channel:C1")
    assert (person.is_channel, channel.is_channel) == (False, True)
