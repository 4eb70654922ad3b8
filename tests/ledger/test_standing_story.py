"""Zero, grace, pause and resume, as the ledger lives through them."""

from datetime import timedelta

import pytest

from ledger import (
    AI_TASK,
    INBOUND_CALL,
    OUTBOUND_CALL,
    Correct,
    CreditKind,
    Reason,
    Receipt,
    Standing,
    due_wallets,
    next_due,
)
from tests.ledger.desk import MORNING, Desk, usd

GRACE = timedelta(minutes=15)


def empty(desk: Desk, dollars: str = "10") -> None:
    desk.top_up(dollars)
    desk.use(dollars)


def test_the_very_posting_that_empties_the_wallet_stops_outbound(desk: Desk) -> None:
    """Inbound goes on, for the grace."""
    empty(desk)

    view = desk.view()
    assert view.standing is Standing.GRACE
    assert (view.emptied_at, view.grace_ends_at) == (MORNING, MORNING + GRACE)
    assert desk.ask("o").permit.reason is Reason.EMPTY
    assert desk.ask("a", kind=AI_TASK).permit.reason is Reason.EMPTY
    assert desk.ask("i", kind=INBOUND_CALL).permit.allowed


def test_grace_runs_out_by_time_alone(desk: Desk) -> None:
    """Nobody looked, and yet nothing starts."""
    empty(desk)

    desk.clock.at += GRACE - timedelta(microseconds=1)
    assert desk.ask("i1", kind=INBOUND_CALL).permit.allowed
    desk.clock.at += timedelta(microseconds=1)

    assert desk.view().standing is Standing.PAUSED
    assert desk.ask("i2", kind=INBOUND_CALL).permit.reason is Reason.GRACE_USED
    assert desk.ask("free", kind=INBOUND_CALL, estimate="0").permit.allowed


def test_money_brings_everything_back_at_once(desk: Desk) -> None:
    """Also what was paused."""
    empty(desk)
    desk.clock.skip(hours=2)

    desk.top_up("50")

    assert desk.view().standing is Standing.OPEN
    assert desk.ask("o").permit.allowed
    assert desk.view().emptied_at is None


def test_too_little_money_brings_nothing_back(desk: Desk) -> None:
    """At zero the wallet is still empty, and grace goes on as it was."""
    desk.top_up("10")
    desk.use("14")
    desk.clock.skip(minutes=5)

    desk.top_up("4")

    view = desk.view()
    assert (view.balance_micros, view.standing) == (0, Standing.GRACE)
    assert view.grace_ends_at == MORNING + GRACE


def test_grace_is_a_budget_over_a_day(desk: Desk) -> None:
    """A small payment does not refill it; what was used counts."""
    empty(desk)
    desk.clock.skip(minutes=10)
    desk.top_up("5")

    desk.use("5")

    assert desk.view().grace_ends_at == desk.clock.at + timedelta(minutes=5)


def test_a_real_payment_refills_grace(desk: Desk) -> None:
    """Ten dollars or more that clear the overdraft."""
    empty(desk)
    desk.clock.skip(minutes=10)
    desk.top_up("10")

    desk.use("10")

    assert desk.view().grace_ends_at == desk.clock.at + GRACE


@pytest.mark.parametrize("kind", [CreditKind.PROMO, CreditKind.ADJUSTMENT_UP, CreditKind.REFUND_REVERSAL])
def test_money_that_is_no_payment_refills_nothing(desk: Desk, kind: CreditKind) -> None:
    """Credit given away resumes, but grace stays spent."""
    empty(desk)
    desk.clock.skip(minutes=10)
    desk.top_up("20", kind=kind)
    desk.use("20")

    assert desk.view().grace_ends_at == desk.clock.at + timedelta(minutes=5)


def test_spent_grace_is_forgotten_after_a_day(desk: Desk) -> None:
    """The budget slides."""
    empty(desk)
    desk.clock.skip(minutes=10)
    desk.top_up("5")
    desk.clock.skip(hours=24)

    desk.use("5")

    assert desk.view().grace_ends_at == desk.clock.at + GRACE


def test_flapping_round_zero_earns_no_grace(desk: Desk) -> None:
    """Twenty small payments, each used up at once, and still fifteen minutes in all."""
    empty(desk)
    for _ in range(20):
        desk.clock.skip(minutes=1)
        desk.top_up("1")
        desk.use("1")

    assert desk.view().standing is Standing.PAUSED


def test_the_overdraft_ceiling_ends_inbound_before_time_does(desk: Desk) -> None:
    """Down to 25 below, a start at a time."""
    empty(desk)
    desk.use("24", kind=INBOUND_CALL)

    assert desk.ask("i1", kind=INBOUND_CALL, estimate="1").permit.allowed
    assert desk.ask("i2", kind=INBOUND_CALL, estimate="0.01").permit.reason is Reason.OVERDRAFT_CEILING
    desk.use("1", hold="i1")
    assert desk.view().standing is Standing.PAUSED


def test_the_ceiling_grows_with_last_months_usage(desk: Desk) -> None:
    """Five percent of it, where that is more than 25."""
    desk.top_up("4000")
    desk.use("1000", at=MORNING - timedelta(days=31))
    desk.use("1000", at=MORNING - timedelta(days=62))

    desk.use("2000")

    assert desk.view().ceiling_micros == usd("50")


def test_what_grace_cost_is_its_own_sum(desk: Desk) -> None:
    """Everything there was no money for, from the charge that crossed zero on."""
    desk.top_up("10")
    desk.use("10.40")
    desk.use("1.10", kind=INBOUND_CALL)

    assert desk.view().grace_cost_micros == usd("1.50")
    desk.top_up("50")
    (resumed,) = desk.bodies("wallet.resumed")[1:]
    assert resumed["grace_cost_micros"] == usd("1.50")
    desk.use("49")
    assert desk.view().grace_cost_micros == usd("0.50")


def test_usage_that_began_after_the_stop_is_marked_and_told_once(desk: Desk) -> None:
    """It is posted in full, counted, and said once an emptiness."""
    empty(desk)
    desk.clock.skip(minutes=1)

    assert desk.use("1").after_stop
    assert desk.use("1", kind=AI_TASK).after_stop
    assert not desk.use("1", kind=INBOUND_CALL).after_stop

    assert desk.view().after_stop_count == 2
    assert desk.told().count("usage.after_stop") == 1
    desk.clock.skip(minutes=15)
    assert desk.use("1", kind=INBOUND_CALL).after_stop
    desk.top_up("100")
    desk.use("110")
    assert desk.view().after_stop_count == 0
    assert desk.use("1").after_stop
    assert desk.told().count("usage.after_stop") == 2


def test_usage_that_began_before_the_stop_is_not_marked(desk: Desk) -> None:
    """By the time it says, by the length of the call, by our permission, or by costing nothing."""
    desk.top_up("10")
    desk.ask("h1")
    desk.use("10")
    desk.clock.skip(minutes=2)

    assert not desk.use("1", at=MORNING - timedelta(seconds=1)).after_stop
    assert not desk.use("1", quantity=180).after_stop
    assert not desk.use("1", hold="h1").after_stop
    assert not desk.use("0").after_stop
    assert desk.use("1", quantity=60).after_stop
    assert desk.use("1", at=MORNING + timedelta(seconds=1)).after_stop


def test_work_that_was_refused_and_happened_is_after_the_stop(desk: Desk) -> None:
    """A refused question is no permission."""
    empty(desk)
    desk.ask("h1")

    assert desk.use("1", hold="h1").after_stop


def test_only_an_ai_task_inside_an_inbound_call_is_marked_like_one(desk: Desk) -> None:
    """An outbound call that names an inbound one began after the stop all the same; so did a task inside a task."""
    empty(desk)
    desk.ask("call", kind=INBOUND_CALL)
    desk.ask("inside", kind=AI_TASK, parent="call")
    desk.clock.skip(minutes=1)

    assert desk.use("1", parent="call").after_stop
    assert desk.use("1", kind="sms", parent="call").after_stop
    assert desk.use("1", kind=AI_TASK, parent="inside").after_stop
    assert not desk.use("1", kind=AI_TASK, parent="call").after_stop
    desk.clock.skip(minutes=15)
    assert desk.use("1", kind=AI_TASK, parent="call").after_stop


def test_an_inbound_call_that_was_refused_covers_no_task(desk: Desk) -> None:
    """At the overdraft's ceiling everything is refused, although minutes of grace are left."""
    empty(desk)
    desk.clock.skip(minutes=1)
    desk.use("30", kind=INBOUND_CALL)
    assert not desk.ask("call", kind=INBOUND_CALL).permit.allowed

    assert desk.use("1", kind=AI_TASK, parent="call").after_stop


def test_a_wallet_that_owes_before_its_first_money_is_not_connected(desk: Desk) -> None:
    """Usage before the first payment; money that does not cover it starts the grace."""
    desk.use("5")
    assert desk.view().standing is Standing.NOT_CONNECTED

    desk.top_up("3")
    assert desk.view().standing is Standing.GRACE
    desk.top_up("3")
    assert desk.view().standing is Standing.OPEN


def test_a_correction_can_bring_a_wallet_back(desk: Desk) -> None:
    """And one of a payment can empty it."""
    paid = desk.top_up("10")
    charged = desk.use("12")

    desk.one(Correct("operator", "c1", charged.seq, usd("12"), None), Receipt)
    assert desk.view().standing is Standing.OPEN
    desk.one(Correct("operator", "c2", paid.seq, usd("10"), None), Receipt)
    assert desk.view().standing is Standing.GRACE


def test_no_grace_by_policy_pauses_at_once(desk: Desk) -> None:
    """Emptied and paused in the same commit."""
    desk.set_policy(grace=timedelta())

    empty(desk)

    assert desk.view().standing is Standing.PAUSED
    assert desk.told()[-2:] == ["wallet.grace_started", "wallet.paused"]


def test_due_moments_are_found_by_whoever_keeps_the_clock(desk: Desk) -> None:
    """First the hold, then the end of grace; nothing once they were observed."""
    desk.top_up("10")
    desk.ask("h1")
    desk.use("10")
    read = desk.ledger.reading

    with read() as connection:
        assert next_due(connection, MORNING) == MORNING + timedelta(minutes=5)
        assert next_due(connection, MORNING + timedelta(minutes=5)) == MORNING + GRACE
        assert due_wallets(connection, MORNING) == []
        assert due_wallets(connection, MORNING + GRACE) == [desk.wallet_id]
    desk.clock.at += GRACE
    desk.observe()

    with read() as connection:
        assert due_wallets(connection, desk.clock.at) == []
        assert next_due(connection, desk.clock.at) is None
    assert desk.told()[-1] == "wallet.paused"


def test_the_platform_is_seen_asking(desk: Desk) -> None:
    """When it last asked or posted; money does not count."""
    desk.top_up("10")
    assert desk.view().last_asked_at is None

    desk.clock.skip(minutes=1)
    desk.use("1", kind=OUTBOUND_CALL)
    desk.clock.skip(minutes=1)
    desk.top_up("1")

    assert desk.view().last_asked_at == MORNING + timedelta(minutes=1)
