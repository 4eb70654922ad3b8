"""Work that began after its kind was stopped: who is marked, and who is not, however late it is posted."""

from datetime import timedelta

import pytest

from ledger import (
    AI_TASK,
    INBOUND_CALL,
    OUTBOUND_CALL,
    CaptureHold,
    CreditKind,
    OpenHold,
    PostMoney,
    PostUsage,
    Reason,
    Receipt,
    Standing,
)
from tests.ledger.wallet_driver import MORNING, WalletDriver, usd


def at(minute: int) -> timedelta:
    """Give minutes after the beginning of a test."""
    return timedelta(minutes=minute)


def stopped_and_back(driver: WalletDriver) -> None:
    """Empty at minute 10, inbound stopped at 25, paid at 30; the clock stands at 40."""
    driver.top_up("10")
    driver.clock.skip(minutes=10)
    driver.use("10")
    driver.clock.skip(minutes=20)
    driver.top_up("50")
    driver.clock.skip(minutes=10)


@pytest.mark.parametrize(
    ("kind", "minute", "marked"),
    [
        (OUTBOUND_CALL, 9, False),
        (OUTBOUND_CALL, 10, True),
        (AI_TASK, 29, True),
        ("sms", 29, True),
        (OUTBOUND_CALL, 30, False),
        (INBOUND_CALL, 24, False),
        (INBOUND_CALL, 25, True),
        (INBOUND_CALL, 29, True),
        (INBOUND_CALL, 30, False),
    ],
)
def test_a_stop_that_is_over_is_remembered(
    driver: WalletDriver, kind: str, minute: int, marked: bool
) -> None:
    """What began inside it is marked, by the scope that was stopped then."""
    stopped_and_back(driver)

    receipt = driver.use("1", kind=kind, at=MORNING + at(minute))

    assert receipt.after_stop is marked
    assert driver.told().count("usage.after_stop") == marked
    assert driver.view().after_stop_count == marked


def test_a_call_that_is_posted_when_it_is_over_began_its_length_ago(driver: WalletDriver) -> None:
    """Its quantity says when."""
    stopped_and_back(driver)

    assert driver.use("1", quantity=11 * 60).after_stop
    assert not driver.use("1", quantity=9 * 60).after_stop


@pytest.mark.parametrize(("days", "marked"), [(6, True), (8, False)])
def test_stops_are_remembered_for_a_week(driver: WalletDriver, days: int, marked: bool) -> None:
    """Then nobody posts what began in them any more."""
    stopped_and_back(driver)
    driver.clock.skip(days=days)

    assert driver.use("1", at=MORNING + at(15)).after_stop is marked


def test_before_the_first_money_everything_is_stopped(driver: WalletDriver) -> None:
    """And stays so for what began then and is posted later."""
    assert driver.use("1").after_stop
    assert driver.use("1", kind=INBOUND_CALL).after_stop
    assert driver.told().count("usage.after_stop") == 1
    driver.clock.skip(minutes=10)
    driver.top_up("10")
    driver.clock.skip(minutes=10)

    assert driver.use("1", at=MORNING + at(9)).after_stop
    assert not driver.use("1", at=MORNING + at(10)).after_stop


def test_the_ceiling_stops_inbound_calls_until_some_of_it_is_paid(driver: WalletDriver) -> None:
    """Money that does not bring the wallet above zero ends that stop, and not the other one."""
    driver.top_up("10")
    driver.use("35")
    assert driver.view().standing is Standing.PAUSED
    driver.clock.skip(minutes=5)
    driver.top_up("5", kind=CreditKind.PROMO)
    assert driver.view().standing is Standing.GRACE
    driver.clock.skip(minutes=5)

    assert driver.use("0.10", kind=INBOUND_CALL, at=MORNING + at(4)).after_stop
    assert not driver.use("0.10", kind=INBOUND_CALL, at=MORNING + at(5)).after_stop
    assert driver.use("0.10", at=MORNING + at(5)).after_stop


def test_work_without_a_price_is_never_refused_and_counts_when_it_costs(driver: WalletDriver) -> None:
    """Marked by the standing in which it asked; free work that stays free never is."""
    free = driver.ask("before", estimate="0")
    assert free.permit.reason is Reason.FREE_OF_CHARGE
    driver.top_up("10")
    driver.ask("open", estimate="0")
    driver.use("10")
    driver.ask("grace", estimate="0")
    driver.ask("inbound", kind=INBOUND_CALL, estimate="0")
    driver.ask("still free", estimate="0")

    marked = [driver.capture(name, "1").after_stop for name in ("before", "open", "grace", "inbound")]

    assert marked == [True, False, True, False]
    assert not driver.capture("still free", "0").after_stop


def test_free_work_that_asks_for_its_cost_has_asked(driver: WalletDriver) -> None:
    """An extension with a price that was allowed is a permission."""
    driver.ask("h", estimate="0")
    driver.top_up("10")
    driver.extend("h", "1")

    assert not driver.capture("h", "1").after_stop


def test_a_start_that_was_refused_by_standing_is_marked_and_one_for_too_little_money_is_not(
    driver: WalletDriver,
) -> None:
    """By what it was told, whenever its cost comes."""
    driver.top_up("10")
    driver.ask("little", estimate="11")
    driver.use("10")
    driver.ask("empty", estimate="1")
    driver.top_up("50")
    driver.clock.skip(minutes=1)

    assert not driver.capture("little", "1").after_stop
    assert driver.capture("empty", "1").after_stop


def test_a_start_that_was_allowed_after_all_is_not_marked(driver: WalletDriver) -> None:
    """Refused, asked again after a payment, and allowed."""
    driver.ask("h", estimate="1")
    driver.top_up("50")
    driver.clock.skip(seconds=30)
    assert driver.ask("h", estimate="1").permit.allowed

    assert not driver.capture("h", "1").after_stop


def test_a_dialler_that_asks_and_holds_down_to_eight_cents(driver: WalletDriver) -> None:
    """What it is told at each step; the first inbound call that is charged begins grace."""
    driver.top_up("1.08")
    for name in ("a", "b"):
        assert driver.ask(name).permit.allowed
        driver.capture(name, "0.50")
    assert driver.view().balance_micros == usd("0.08")

    for kind in (OUTBOUND_CALL, AI_TASK, "sms"):
        assert driver.ask(f"no {kind}", kind=kind).permit.reason is Reason.INSUFFICIENT_AVAILABLE
    assert driver.view().standing is Standing.OPEN
    inbound = driver.ask("in", kind=INBOUND_CALL)
    assert (inbound.permit.allowed, inbound.permit.standing) == (True, Standing.OPEN)
    driver.clock.skip(minutes=1)
    driver.capture("in", "0.30")

    view = driver.view()
    assert (view.standing, view.balance_micros) == (Standing.GRACE, usd("-0.22"))
    assert view.grace_ends_at == driver.clock.at + timedelta(minutes=15)
    assert driver.ask("out").permit.reason is Reason.EMPTY
    assert driver.ask("in 2", kind=INBOUND_CALL).permit.allowed
    assert driver.told()[-1] == "wallet.grace_started"


def test_inbound_calls_use_the_ceiling_while_the_wallet_is_open(driver: WalletDriver) -> None:
    """Down to 25 below zero with everything that is held, and not a micro-unit further."""
    driver.top_up("10")
    driver.ask("out", estimate="10")

    assert driver.ask("in", kind=INBOUND_CALL, estimate="25").permit.allowed
    refused = driver.ask("more", kind=INBOUND_CALL, estimate="0.000001")
    assert (refused.permit.allowed, refused.permit.reason) == (False, Reason.OVERDRAFT_CEILING)


def test_the_ceiling_is_drawn_for_each_local_month(driver: WalletDriver) -> None:
    """By the first look of it as by the first commit."""
    driver.set_policy(item_max_micros=usd("2000"))
    driver.top_up("4000")
    driver.use("2000")
    assert driver.view().ceiling_micros == usd("25")
    driver.clock.skip(days=7, hours=19)  # 30 November, 23:00 in New York
    assert driver.view().ceiling_micros == usd("25")
    driver.clock.skip(hours=1)

    assert driver.view().ceiling_micros == usd("100")
    assert driver.ask("in", kind=INBOUND_CALL, estimate="2100").permit.allowed
    driver.clock.skip(days=31)
    assert driver.view().ceiling_micros == usd("25")


def test_a_stop_inside_one_batch_is_seen_by_what_follows(driver: WalletDriver) -> None:
    """Paid and posted in one commit."""
    driver.top_up("10")
    driver.use("10")
    driver.clock.skip(minutes=5)

    outcomes = driver.do(
        _money("50"),
        PostUsage("platform", "late", OUTBOUND_CALL, usd("1"), MORNING + at(3)),
        PostUsage("platform", "fine", OUTBOUND_CALL, usd("1"), None),
        OpenHold("h", OUTBOUND_CALL, usd("1")),
        CaptureHold("h", usd("1"), None, quantity=600),
    )

    assert [one.after_stop for one in outcomes if isinstance(one, Receipt)] == [False, True, False, False]


def _money(dollars: str) -> PostMoney:
    return PostMoney("stripe", "credit:pi_back", CreditKind.TOP_UP, usd(dollars), None)
