"""Zero, grace, pause and resume, as the ledger lives through them."""

from datetime import timedelta

import pytest

from ledger import (
    AI_TASK,
    INBOUND_CALL,
    OUTBOUND_CALL,
    Correct,
    CreditKind,
    DueKind,
    Reason,
    Receipt,
    Standing,
    due_wallets,
    next_due,
)
from tests.ledger.wallet_driver import MORNING, WalletDriver, usd

GRACE = timedelta(minutes=15)


def empty(driver: WalletDriver, dollars: str = "10") -> None:
    driver.top_up(dollars)
    driver.use(dollars)


def test_the_very_posting_that_empties_the_wallet_stops_outbound(driver: WalletDriver) -> None:
    """Inbound goes on, for the grace."""
    empty(driver)

    view = driver.view()
    assert view.standing is Standing.GRACE
    assert (view.emptied_at, view.grace_ends_at) == (MORNING, MORNING + GRACE)
    assert driver.ask("o").permit.reason is Reason.EMPTY
    assert driver.ask("a", kind=AI_TASK).permit.reason is Reason.EMPTY
    assert driver.ask("i", kind=INBOUND_CALL).permit.allowed


def test_grace_runs_out_by_time_alone(driver: WalletDriver) -> None:
    """Nobody looked, and yet nothing starts."""
    empty(driver)

    driver.clock.at += GRACE - timedelta(microseconds=1)
    assert driver.ask("i1", kind=INBOUND_CALL).permit.allowed
    driver.clock.at += timedelta(microseconds=1)

    assert driver.view().standing is Standing.PAUSED
    assert driver.ask("i2", kind=INBOUND_CALL).permit.reason is Reason.GRACE_USED
    assert driver.ask("free", kind=INBOUND_CALL, estimate="0").permit.allowed


def test_money_brings_everything_back_at_once(driver: WalletDriver) -> None:
    """Also what was paused."""
    empty(driver)
    driver.clock.skip(hours=2)

    driver.top_up("50")

    assert driver.view().standing is Standing.OPEN
    assert driver.ask("o").permit.allowed
    assert driver.view().emptied_at is None


def test_too_little_money_brings_nothing_back(driver: WalletDriver) -> None:
    """At zero the wallet is still empty, and grace goes on as it was."""
    driver.top_up("10")
    driver.use("14")
    driver.clock.skip(minutes=5)

    driver.top_up("4")

    view = driver.view()
    assert (view.balance_micros, view.standing) == (0, Standing.GRACE)
    assert view.grace_ends_at == MORNING + GRACE


def test_grace_is_a_budget_over_a_day(driver: WalletDriver) -> None:
    """A small payment does not refill it; what was used counts."""
    empty(driver)
    driver.clock.skip(minutes=10)
    driver.top_up("5")

    driver.use("5")

    assert driver.view().grace_ends_at == driver.clock.at + timedelta(minutes=5)


def test_a_real_payment_refills_grace(driver: WalletDriver) -> None:
    """Ten dollars or more that clear the overdraft."""
    empty(driver)
    driver.clock.skip(minutes=10)
    driver.top_up("10")

    driver.use("10")

    assert driver.view().grace_ends_at == driver.clock.at + GRACE


@pytest.mark.parametrize("kind", [CreditKind.PROMO, CreditKind.ADJUSTMENT_UP, CreditKind.REFUND_REVERSAL])
def test_money_that_is_no_payment_refills_nothing(driver: WalletDriver, kind: CreditKind) -> None:
    """Credit given away resumes, but grace stays spent."""
    empty(driver)
    driver.clock.skip(minutes=10)
    driver.top_up("20", kind=kind)
    driver.use("20")

    assert driver.view().grace_ends_at == driver.clock.at + timedelta(minutes=5)


def test_spent_grace_is_forgotten_after_a_day(driver: WalletDriver) -> None:
    """The budget slides."""
    empty(driver)
    driver.clock.skip(minutes=10)
    driver.top_up("5")
    driver.clock.skip(hours=24)

    driver.use("5")

    assert driver.view().grace_ends_at == driver.clock.at + GRACE


def test_flapping_round_zero_earns_no_grace(driver: WalletDriver) -> None:
    """Twenty small payments, each used up at once, and still fifteen minutes in all."""
    empty(driver)
    for _ in range(20):
        driver.clock.skip(minutes=1)
        driver.top_up("1")
        driver.use("1")

    assert driver.view().standing is Standing.PAUSED


def test_the_overdraft_ceiling_ends_inbound_before_time_does(driver: WalletDriver) -> None:
    """Down to 25 below, a start at a time."""
    empty(driver)
    driver.use("24", kind=INBOUND_CALL)

    assert driver.ask("i1", kind=INBOUND_CALL, estimate="1").permit.allowed
    assert driver.ask("i2", kind=INBOUND_CALL, estimate="0.01").permit.reason is Reason.OVERDRAFT_CEILING
    driver.use("1", hold="i1")
    assert driver.view().standing is Standing.PAUSED


def test_the_ceiling_grows_with_last_months_usage(driver: WalletDriver) -> None:
    """Five percent of it, where that is more than 25."""
    driver.top_up("4000")
    driver.use("1000", at=MORNING - timedelta(days=31))
    driver.use("1000", at=MORNING - timedelta(days=62))

    driver.use("1000")
    driver.use("1000")

    assert driver.view().ceiling_micros == usd("50")


def test_what_grace_cost_is_its_own_sum(driver: WalletDriver) -> None:
    """Everything there was no money for, from the charge that crossed zero on."""
    driver.top_up("10")
    driver.use("10.40")
    driver.use("1.10", kind=INBOUND_CALL)

    assert driver.view().grace_cost_micros == usd("1.50")
    driver.top_up("50")
    (resumed,) = driver.bodies("wallet.resumed")[1:]
    assert resumed["grace_cost_micros"] == usd("1.50")
    driver.use("49")
    assert driver.view().grace_cost_micros == usd("0.50")


def test_usage_that_began_after_the_stop_is_marked_and_told_once(driver: WalletDriver) -> None:
    """It is posted in full, counted, and said once an emptiness."""
    empty(driver)
    driver.clock.skip(minutes=1)

    assert driver.use("1").after_stop
    assert driver.use("1", kind=AI_TASK).after_stop
    assert not driver.use("1", kind=INBOUND_CALL).after_stop

    assert driver.view().after_stop_count == 2
    assert driver.told().count("usage.after_stop") == 1
    driver.clock.skip(minutes=15)
    assert driver.use("1", kind=INBOUND_CALL).after_stop
    driver.top_up("100")
    driver.use("110")
    assert driver.view().after_stop_count == 0
    assert driver.use("1").after_stop
    assert driver.told().count("usage.after_stop") == 2


def test_usage_that_began_before_the_stop_is_not_marked(driver: WalletDriver) -> None:
    """By the time it says, by the length of the call, by our permission, or by costing nothing."""
    driver.top_up("10")
    driver.ask("h1")
    driver.use("10")
    driver.clock.skip(minutes=2)

    assert not driver.use("1", at=MORNING - timedelta(seconds=1)).after_stop
    assert not driver.use("1", quantity=180).after_stop
    assert not driver.use("1", hold="h1").after_stop
    assert not driver.use("0").after_stop
    assert driver.use("1", quantity=60).after_stop
    assert driver.use("1", at=MORNING + timedelta(seconds=1)).after_stop


def test_work_that_was_refused_and_happened_is_after_the_stop(driver: WalletDriver) -> None:
    """A refused question is no permission."""
    empty(driver)
    driver.ask("h1")

    assert driver.use("1", hold="h1").after_stop


def test_only_an_ai_task_inside_an_inbound_call_is_marked_like_one(driver: WalletDriver) -> None:
    """An outbound call that names an inbound one began after the stop all the same; so did a task inside a task."""
    empty(driver)
    driver.ask("call", kind=INBOUND_CALL)
    driver.ask("inside", kind=AI_TASK, parent="call")
    driver.clock.skip(minutes=1)

    assert driver.use("1", parent="call").after_stop
    assert driver.use("1", kind="sms", parent="call").after_stop
    assert driver.use("1", kind=AI_TASK, parent="inside").after_stop
    assert not driver.use("1", kind=AI_TASK, parent="call").after_stop
    driver.clock.skip(minutes=15)
    assert driver.use("1", kind=AI_TASK, parent="call").after_stop


def test_an_inbound_call_that_was_refused_covers_no_task(driver: WalletDriver) -> None:
    """At the overdraft's ceiling everything is refused, although minutes of grace are left."""
    empty(driver)
    driver.clock.skip(minutes=1)
    driver.use("30", kind=INBOUND_CALL)
    assert not driver.ask("call", kind=INBOUND_CALL).permit.allowed

    assert driver.use("1", kind=AI_TASK, parent="call").after_stop


def test_a_wallet_that_owes_before_its_first_money_is_not_connected(driver: WalletDriver) -> None:
    """Usage before the first payment; money that does not cover it starts the grace."""
    driver.use("5")
    assert driver.view().standing is Standing.NOT_CONNECTED

    driver.top_up("3")
    assert driver.view().standing is Standing.GRACE
    driver.top_up("3")
    assert driver.view().standing is Standing.OPEN


def test_a_correction_can_bring_a_wallet_back(driver: WalletDriver) -> None:
    """And money taken back by hand can empty it."""
    driver.top_up("10")
    charged = driver.use("12")

    driver.one(Correct("operator", "c1", charged.source_id, 0, None), Receipt)
    assert driver.view().standing is Standing.OPEN
    driver.top_up("10", kind=CreditKind.ADJUSTMENT_DOWN)
    assert driver.view().standing is Standing.GRACE


def test_no_grace_by_policy_pauses_at_once(driver: WalletDriver) -> None:
    """Emptied and paused in the same commit."""
    driver.set_policy(grace=timedelta())

    empty(driver)

    assert driver.view().standing is Standing.PAUSED
    assert driver.told()[-2:] == ["wallet.grace_started", "wallet.paused"]


def test_due_moments_are_found_by_whoever_keeps_the_clock(driver: WalletDriver) -> None:
    """First the hold, then the end of grace; nothing once they were observed."""
    driver.top_up("10")
    driver.ask("h1")
    driver.use("10")
    read = driver.ledger.reading

    with read() as connection:
        assert next_due(connection, MORNING, kinds=[DueKind.TIME]) == MORNING + timedelta(minutes=5)
        assert due_wallets(connection, DueKind.TIME, MORNING) == []
        assert due_wallets(connection, DueKind.TIME, MORNING + timedelta(minutes=5)) == [driver.wallet_id]
    driver.clock.at += timedelta(minutes=5)
    driver.observe()
    with read() as connection:
        assert due_wallets(connection, DueKind.TIME, driver.clock.at) == []
        assert next_due(connection, driver.clock.at, kinds=[DueKind.TIME]) == MORNING + GRACE
    driver.clock.at = MORNING + GRACE
    driver.observe()

    with read() as connection:
        assert due_wallets(connection, DueKind.TIME, driver.clock.at) == []
        assert next_due(connection, driver.clock.at, kinds=[DueKind.TIME]) is None
    assert driver.told()[-1] == "wallet.paused"


def test_the_platform_is_seen_asking(driver: WalletDriver) -> None:
    """When it last asked or posted; money does not count."""
    driver.top_up("10")
    assert driver.view().last_asked_at is None

    driver.clock.skip(minutes=1)
    driver.use("1", kind=OUTBOUND_CALL)
    driver.clock.skip(minutes=1)
    driver.top_up("1")

    assert driver.view().last_asked_at == MORNING + timedelta(minutes=1)
