"""Holds: money set aside for work that runs, turned into usage, given back, or run out of time."""

from datetime import timedelta

import pytest

from ledger import (
    AI_TASK,
    INBOUND_CALL,
    OUTBOUND_CALL,
    CaptureHold,
    ExtendHold,
    HoldEnded,
    HoldReleased,
    HoldUnknown,
    KeyReused,
    OpenHold,
    PostUsage,
    Reason,
    Receipt,
    ReleaseHold,
    Standing,
    WalletPolicy,
)
from tests.ledger.wallet_driver import MORNING, WalletDriver, usd

LIFETIME = WalletPolicy().hold_lifetime
PERMIT = WalletPolicy().permit_lifetime


def test_a_start_sets_its_estimate_aside(driver: WalletDriver) -> None:
    """The balance stays, what is available falls."""
    driver.top_up("10")

    answer = driver.ask("h1", estimate="0.45")

    assert answer.permit.allowed
    assert answer.permit.reason is Reason.ALLOWED
    assert (answer.amount_micros, answer.expires_at) == (usd("0.45"), MORNING + LIFETIME)
    view = driver.view()
    assert (view.balance_micros, view.available_micros, view.open_holds) == (usd("10"), usd("9.55"), 1)


def test_a_start_without_an_estimate_takes_the_default(driver: WalletDriver) -> None:
    """Fifty cents."""
    driver.top_up("10")

    assert driver.ask("h1").amount_micros == usd("0.50")


def test_an_answer_may_be_acted_on_for_half_a_minute_and_money_is_held_for_five(driver: WalletDriver) -> None:
    """A yes and a no alike."""
    driver.top_up("10")

    yes, no = driver.ask("h1", estimate="1"), driver.ask("h2", estimate="11")

    assert yes.permit.valid_until == no.permit.valid_until == MORNING + PERMIT
    assert yes.expires_at == MORNING + LIFETIME


def test_the_same_question_gets_the_same_answer_while_it_may_be_acted_on(driver: WalletDriver) -> None:
    """And holds once, whatever became of the money meanwhile."""
    driver.top_up("10")
    first = driver.ask("h1", estimate="1")
    refused = driver.ask("h2", estimate="10")
    driver.clock.skip(seconds=29)
    driver.top_up("100")

    again, still_refused = driver.ask("h1", estimate="1"), driver.ask("h2", estimate="10")

    assert again.duplicate
    assert (again.expires_at, again.permit) == (first.expires_at, first.permit)
    assert (still_refused.duplicate, still_refused.permit) == (True, refused.permit)
    assert driver.view().held_micros == usd("1")


def test_a_question_asked_again_later_is_judged_anew_with_its_own_hold_as_its_own(
    driver: WalletDriver,
) -> None:
    """A yes renews the hold and the answer."""
    driver.top_up("1")
    driver.ask("h1", estimate="1")
    driver.clock.skip(seconds=30)

    again = driver.ask("h1", estimate="1")

    assert again.permit.allowed
    assert not again.duplicate
    now = driver.clock.at
    assert (again.permit.valid_until, again.expires_at) == (now + PERMIT, now + LIFETIME)
    assert (driver.view().held_micros, driver.view().open_holds) == (usd("1"), 1)


def test_a_no_later_gives_the_hold_back(driver: WalletDriver) -> None:
    """What was allowed and did not begin in time is refused, once the money is gone."""
    driver.top_up("1")
    driver.ask("h1", estimate="0.80")
    driver.use("0.50")
    driver.clock.skip(seconds=31)

    again = driver.ask("h1", estimate="0.80")

    assert (again.permit.allowed, again.permit.reason) == (False, Reason.INSUFFICIENT_AVAILABLE)
    assert (driver.view().held_micros, driver.view().open_holds) == (0, 0)
    assert isinstance(driver.refusal(ExtendHold("h1")), HoldEnded)


def test_a_hold_that_ran_out_opens_again_when_it_is_asked_for_again(driver: WalletDriver) -> None:
    """With all of its time."""
    driver.top_up("1")
    driver.ask("h1", estimate="1")
    driver.clock.skip(minutes=6)
    assert driver.view().held_micros == 0

    assert driver.ask("h1", estimate="1").expires_at == driver.clock.at + LIFETIME
    assert driver.view().held_micros == usd("1")
    driver.clock.skip(minutes=6)
    assert driver.capture("h1", "1").balance_after_micros == 0


@pytest.mark.parametrize("wait", [0, 40, 400])
def test_work_that_is_over_may_not_start_again(driver: WalletDriver, wait: int) -> None:
    """Charged or released: a late question is told so, at once and later."""
    driver.top_up("10")
    for name in ("captured", "named", "own id", "released"):
        driver.ask(name, estimate="1")
    driver.capture("captured", "0.10")
    driver.use("0.20", hold="named")
    driver.use("0.30", key="own id")
    driver.do(ReleaseHold("released"))
    driver.clock.skip(seconds=wait)

    for name in ("captured", "named", "own id", "released"):
        again = driver.ask(name, estimate="1")
        assert (again.permit.allowed, again.permit.reason) == (False, Reason.ENDED), name
        assert again.expires_at is None
    assert driver.view().held_micros == 0


def test_work_that_was_charged_before_it_asked_may_not_start(driver: WalletDriver) -> None:
    """Its own cost, or one that named it."""
    driver.top_up("10")
    driver.use("0.20", key="call-1")
    driver.use("0.30", key="record-2", hold="call-2")

    for name in ("call-1", "call-2"):
        answer = driver.ask(name)
        assert (answer.permit.allowed, answer.permit.reason) == (False, Reason.ALREADY_CHARGED)
        assert isinstance(driver.refusal(ExtendHold(name)), HoldUnknown)


@pytest.mark.parametrize(
    ("other", "field"),
    [
        (OpenHold("h1", AI_TASK, usd("1")), "kind"),
        (OpenHold("h1", OUTBOUND_CALL, usd("2")), "estimate"),
        (OpenHold("h1", OUTBOUND_CALL), "estimate"),
        (OpenHold("h1", OUTBOUND_CALL, usd("1"), "ref"), "reference"),
        (OpenHold("h1", OUTBOUND_CALL, usd("1"), parent="h0"), "parent"),
    ],
)
def test_the_same_hold_id_with_another_question_is_refused(
    driver: WalletDriver, other: OpenHold, field: str
) -> None:
    """It names what differs."""
    driver.top_up("10")
    driver.ask("h1", estimate="1")

    refusal = driver.refusal(other)

    assert isinstance(refusal, KeyReused)
    assert refusal.field == field


def test_exactly_what_is_available_may_be_held(driver: WalletDriver) -> None:
    """The next cent may not."""
    driver.top_up("5")

    assert driver.ask("h1", estimate="5").permit.allowed
    refused = driver.ask("h2", estimate="0.01")

    assert not refused.permit.allowed
    assert refused.permit.reason is Reason.INSUFFICIENT_AVAILABLE
    assert (refused.amount_micros, refused.expires_at) == (0, None)
    assert driver.view().available_micros == 0


def test_a_refusal_is_judged_anew_once_it_may_no_longer_be_relied_on(driver: WalletDriver) -> None:
    """Money that came since counts then; another id asks anew at once."""
    driver.top_up("1")
    driver.ask("h1", estimate="5")
    driver.top_up("100")

    again = driver.ask("h1", estimate="5")

    assert again.duplicate
    assert not again.permit.allowed
    assert driver.ask("h2", estimate="5").permit.allowed
    driver.clock.skip(seconds=30)
    assert driver.ask("h1", estimate="5").permit.allowed
    assert driver.view().held_micros == usd("10")


def test_work_without_a_price_starts_in_every_standing(driver: WalletDriver) -> None:
    """Even before the first money."""
    assert driver.view().standing is Standing.NOT_CONNECTED

    answer = driver.ask("h1", estimate="0")

    assert answer.permit.allowed
    assert answer.permit.reason is Reason.FREE_OF_CHARGE
    assert driver.capture("h1", "0").amount_micros == 0


def test_a_capture_is_one_transfer_of_the_real_amount(driver: WalletDriver) -> None:
    """Less or more than was held; the rest is free again."""
    driver.top_up("10")
    driver.ask("less", estimate="1")
    driver.ask("more", estimate="1")

    driver.capture("less", "0.25")
    driver.capture("more", "3")

    view = driver.view()
    assert (view.balance_micros, view.held_micros, view.open_holds) == (usd("6.75"), 0, 0)
    assert [row.amount_micros for row in driver.history()][:2] == [usd("-3"), usd("-0.25")]


def test_a_capture_twice_is_one_transfer(driver: WalletDriver) -> None:
    """A retry gets its receipt, another amount a conflict; also for an amount of nothing."""
    driver.top_up("10")
    driver.ask("h1")
    driver.ask("h2")
    first = driver.capture("h1", "0.30")
    driver.capture("h2", "0")

    assert driver.capture("h1", "0.30").seq == first.seq
    assert driver.capture("h2", "0").duplicate
    assert isinstance(driver.refusal(CaptureHold("h1", usd("0.31"), None)), KeyReused)
    assert driver.view().balance_micros == usd("9.70")


def test_a_released_hold_is_free_again(driver: WalletDriver) -> None:
    """Twice is once; what it costs after all is still booked."""
    driver.top_up("10")
    driver.ask("h1", estimate="4")

    first = driver.one(ReleaseHold("h1"), HoldReleased)
    again = driver.one(ReleaseHold("h1"), HoldReleased)

    assert (first.duplicate, again.duplicate) == (False, True)
    assert driver.view().available_micros == usd("10")
    assert driver.capture("h1", "1").balance_after_micros == usd("9")
    refusal = driver.refusal(ReleaseHold("nope"))
    assert isinstance(refusal, HoldUnknown)


@pytest.mark.parametrize("command", [ReleaseHold("nope"), ExtendHold("nope"), CaptureHold("nope", 1, None)])
def test_a_hold_that_never_was_is_unknown(
    driver: WalletDriver, command: ReleaseHold | ExtendHold | CaptureHold
) -> None:
    """Nothing is made up for it."""
    assert isinstance(driver.refusal(command), HoldUnknown)


def test_a_hold_runs_out_by_time_alone(driver: WalletDriver) -> None:
    """No sweep came by, and yet it holds nothing and cannot go on; its cost is still booked."""
    driver.top_up("10")
    driver.ask("h1", estimate="10")

    driver.clock.at += LIFETIME - timedelta(microseconds=1)
    assert driver.view().available_micros == 0
    driver.clock.at += timedelta(microseconds=1)

    assert driver.view().available_micros == usd("10")
    refusal = driver.refusal(ExtendHold("h1"))
    assert isinstance(refusal, HoldEnded)
    assert refusal.ending == "expired"
    assert driver.ask("h2", estimate="10").permit.allowed
    assert driver.capture("h1", "1").balance_after_micros == usd("9")


def test_usage_of_a_hold_that_ran_out_is_still_posted(driver: WalletDriver) -> None:
    """It happened, with our permission."""
    driver.top_up("1")
    driver.ask("h1", estimate="1")
    driver.clock.skip(minutes=6)
    driver.use("1")

    receipt = driver.use("0.90", hold="h1")

    assert not receipt.after_stop
    assert driver.view().balance_micros == usd("-0.90")


def test_an_extension_gives_time_and_money(driver: WalletDriver) -> None:
    """The new total is set aside, the time starts again."""
    driver.top_up("10")
    driver.ask("h1", estimate="1")
    driver.clock.skip(minutes=4)

    answer = driver.extend("h1", "2.50")

    assert answer.permit.allowed
    assert answer.end_by is None
    assert (answer.amount_micros, answer.expires_at) == (usd("2.50"), driver.clock.at + LIFETIME)
    driver.clock.skip(minutes=4)
    assert driver.view().held_micros == usd("2.50")


def test_an_extension_needs_no_money_for_what_is_held_already(driver: WalletDriver) -> None:
    """Everything is set aside, and more time costs nothing more."""
    driver.top_up("5")
    driver.ask("h1", estimate="5")

    assert driver.extend("h1").permit.allowed
    assert driver.extend("h1", "3").amount_micros == usd("5")


def test_an_extension_beyond_the_money_is_told_when_to_end(driver: WalletDriver) -> None:
    """The work may use up what it has."""
    driver.top_up("5")
    opened = driver.ask("h1", estimate="4")
    driver.clock.skip(minutes=2)

    answer = driver.extend("h1", "5.01")

    assert not answer.permit.allowed
    assert answer.end_by == opened.expires_at
    assert driver.view().held_micros == usd("4")


def test_a_running_inbound_call_may_go_on_after_the_stop(driver: WalletDriver) -> None:
    """It is never cut off; an outbound call is told to end."""
    driver.top_up("2")
    driver.ask("in", kind=INBOUND_CALL, estimate="1")
    driver.ask("out", estimate="1")
    driver.use("2")

    assert driver.extend("in").permit.allowed
    outbound = driver.extend("out")
    assert not outbound.permit.allowed
    assert outbound.permit.reason is Reason.EMPTY
    assert outbound.end_by is not None


def test_a_running_inbound_call_may_finish_even_when_everything_is_paused(driver: WalletDriver) -> None:
    """On what it has: more money is not set aside for it."""
    driver.set_policy(grace=timedelta())
    driver.top_up("2")
    driver.ask("in", kind=INBOUND_CALL, estimate="1")
    driver.use("2")
    assert driver.view().standing is Standing.PAUSED
    driver.clock.skip(minutes=4)

    answer = driver.extend("in", "1.50")

    assert answer.permit.allowed
    assert answer.end_by is None
    assert (answer.amount_micros, answer.expires_at) == (usd("1"), driver.clock.at + LIFETIME)


def test_work_inside_an_inbound_call_is_judged_as_inbound(driver: WalletDriver) -> None:
    """Only while that call runs."""
    driver.top_up("1")
    driver.ask("call", kind=INBOUND_CALL, estimate="0.50")
    driver.use("1")

    assert not driver.ask("alone", kind=AI_TASK).permit.allowed
    assert driver.ask("inside", kind=AI_TASK, parent="call").permit.allowed
    driver.capture("call", "0.20")
    assert not driver.ask("later", kind=AI_TASK, parent="call").permit.allowed


@pytest.mark.parametrize("kind", [OUTBOUND_CALL, "sms"])
def test_only_an_ai_task_may_name_an_inbound_call_to_be_judged_as_inbound(
    driver: WalletDriver, kind: str
) -> None:
    """In grace, other work inside a running inbound call is refused as it is alone."""
    driver.top_up("1")
    driver.ask("call", kind=INBOUND_CALL, estimate="0.50")
    driver.use("1")
    assert driver.view().standing is Standing.GRACE

    hidden = driver.ask("hidden", kind=kind, parent="call")

    assert (hidden.permit.allowed, hidden.permit.reason) == (False, Reason.EMPTY)
    assert driver.ask("inside", kind=AI_TASK, parent="call").permit.allowed


def test_a_parent_that_is_not_an_inbound_call_opens_nothing(driver: WalletDriver) -> None:
    """Neither a task that was judged as inbound, nor an outbound call, nor a task of its own, nor one unknown."""
    driver.top_up("2")
    driver.ask("call", kind=INBOUND_CALL, estimate="0.25")
    driver.ask("out", estimate="0.25")
    driver.ask("task", kind=AI_TASK, estimate="0.25")
    driver.use("2")
    assert driver.ask("inside", kind=AI_TASK, parent="call").permit.allowed

    for parent in ("inside", "out", "task", "unknown"):
        assert not driver.ask(f"in {parent}", kind=AI_TASK, parent=parent).permit.allowed


def test_an_outbound_call_inside_an_inbound_call_is_extended_as_outbound(driver: WalletDriver) -> None:
    """After the stop it is told to end; an AI task inside that call goes on."""
    driver.top_up("3")
    driver.ask("call", kind=INBOUND_CALL, estimate="1")
    driver.ask("hidden", estimate="1", parent="call")
    driver.ask("inside", kind=AI_TASK, estimate="1", parent="call")
    driver.use("3")

    assert driver.extend("hidden").end_by is not None
    assert driver.extend("inside").permit.allowed


def test_a_hold_opened_and_captured_in_one_batch_is_whole(driver: WalletDriver) -> None:
    """Later commands of a batch see what earlier ones did."""
    driver.top_up("1")

    outcomes = driver.do(
        OpenHold("a", OUTBOUND_CALL, usd("0.60")),
        OpenHold("b", OUTBOUND_CALL, usd("0.60")),
        CaptureHold("a", usd("0.30"), None),
        OpenHold("c", OUTBOUND_CALL, usd("0.60")),
        PostUsage("platform", "u", OUTBOUND_CALL, usd("0.10"), None, hold_id="c"),
    )

    allowed = [one.permit.allowed for one in outcomes if not isinstance(one, Receipt)]  # type: ignore[union-attr]
    assert allowed == [True, False, True]
    assert driver.view().balance_micros == usd("0.60")
    assert driver.view().held_micros == 0
