"""One hold is charged once, whatever door its cost comes through, in whatever order, however often."""

from itertools import permutations

import pytest

from ledger import (
    AI_TASK,
    OUTBOUND_CALL,
    PLATFORM,
    AboveItemMax,
    CaptureHold,
    Command,
    HoldReleased,
    KeyReused,
    OpenHold,
    PostUsage,
    Receipt,
    ReleaseHold,
    TextUnfit,
)
from tests.ledger.wallet_driver import MORNING, WalletDriver, usd

COST = usd("3")


def usage(
    name: str,
    hold: str | None = None,
    *,
    micros: int = COST,
    kind: str = OUTBOUND_CALL,
    quantity: int | None = None,
) -> PostUsage:
    """Give a record of the call, by an id of its own or the hold's."""
    return PostUsage(PLATFORM, name, kind, micros, None, quantity=quantity, hold_id=hold)


def capture(micros: int = COST, quantity: int | None = None) -> CaptureHold:
    """Give the capture of the call's hold."""
    return CaptureHold("call", micros, None, quantity=quantity)


DOORS: dict[str, CaptureHold | PostUsage] = {
    "capture": capture(),
    "usage of its id": usage("call"),
    "usage that names it": usage("record", "call"),
    "usage of its id that names it": usage("call", "call"),
}


@pytest.mark.parametrize("asked", [True, False], ids=["asked", "never asked"])
def test_any_two_doors_charge_once_in_any_order(driver: WalletDriver, asked: bool) -> None:
    """The second is a duplicate with the first one's receipt, and so is every repetition."""
    driver.top_up("100")
    for number, (first, second) in enumerate(permutations(DOORS.values(), 2)):
        name = f"call-{number}"
        one, other = (_of(command, name) for command in (first, second))
        if not asked and isinstance(one, CaptureHold):
            continue  # there is nothing to capture
        if asked:
            driver.ask(name, estimate="4")
        before = driver.view()

        receipts = [driver.one(command, Receipt) for command in (one, other, one, other)]

        assert [one.duplicate for one in receipts] == [False, True, True, True]
        assert len({one.seq for one in receipts}) == 1
        after = driver.view()
        assert (before.balance_micros - after.balance_micros, after.held_micros) == (COST, 0)
        assert not driver.ask(name, estimate="4" if asked else None).permit.allowed


def test_all_doors_in_one_batch_charge_once(driver: WalletDriver) -> None:
    """Later commands of a batch see what earlier ones charged."""
    driver.top_up("100")
    for number, order in enumerate(permutations(DOORS.values())):
        name = f"call-{number}"
        receipts = driver.do(OpenHold(name, OUTBOUND_CALL, COST), *(_of(one, name) for one in order))[1:]
        assert [one.duplicate for one in receipts if isinstance(one, Receipt)] == [False, True, True, True]


def _of(command: CaptureHold | PostUsage, name: str) -> CaptureHold | PostUsage:
    """Give a command about another call."""
    if isinstance(command, CaptureHold):
        return CaptureHold(name, command.amount_micros, None)
    own = command.source_id.replace("call", name).replace("record", f"record-{name}")
    return usage(own, name if command.hold_id else None)


@pytest.mark.parametrize(
    ("first", "second", "field"),
    [
        (capture(), usage("call", micros=1), "amount"),
        (capture(), usage("record", "call", micros=1), "amount"),
        (capture(), usage("record", "call", kind=AI_TASK), "kind"),
        (capture(quantity=5), usage("record", "call", quantity=6), "quantity"),
        (usage("record", "call"), capture(1), "amount"),
        (usage("record", "call"), usage("other", "call", micros=1), "amount"),
        (usage("call", quantity=5), usage("other", "call", quantity=6), "quantity"),
        (usage("call", quantity=5), capture(quantity=6), "quantity"),
    ],
)
def test_another_cost_of_the_same_work_is_a_conflict(
    driver: WalletDriver, first: Command, second: Command, field: str
) -> None:
    """It names what differs, and the first stands."""
    driver.top_up("100")
    driver.ask("call")
    driver.one(first, Receipt)

    refusal = driver.refusal(second)

    assert isinstance(refusal, KeyReused)
    assert refusal.field == field
    assert driver.view().balance_micros == usd("97")


def test_what_only_one_of_the_two_says_is_not_compared(driver: WalletDriver) -> None:
    """A capture without a length, and a record with one."""
    driver.top_up("100")
    driver.ask("call")
    driver.one(capture(), Receipt)

    assert driver.one(usage("record", "call", quantity=61), Receipt).duplicate


def test_another_time_of_the_same_work_is_a_conflict(driver: WalletDriver) -> None:
    """Where both say when it was."""
    driver.top_up("100")
    driver.ask("call")
    driver.one(PostUsage(PLATFORM, "a", OUTBOUND_CALL, COST, MORNING, hold_id="call"), Receipt)
    driver.clock.skip(minutes=1)

    refusal = driver.refusal(PostUsage(PLATFORM, "b", OUTBOUND_CALL, COST, driver.clock.at, hold_id="call"))

    assert isinstance(refusal, KeyReused)
    assert refusal.field == "occurred_at"


def test_a_further_id_stays_a_name_of_the_first_charge(driver: WalletDriver) -> None:
    """Repeated without the hold, used as a hold, or with another cost: never a second charge."""
    driver.top_up("100")
    driver.ask("call")
    charged = driver.one(capture(), Receipt)
    driver.one(usage("record", "call"), Receipt)

    driver.reopen()
    assert driver.one(usage("record"), Receipt).seq == charged.seq
    assert driver.one(usage("third", "record"), Receipt).seq == charged.seq
    assert isinstance(driver.refusal(usage("record", micros=1)), KeyReused)
    assert not driver.ask("record").permit.allowed
    assert driver.view().seq == 2


def test_an_id_is_one_piece_of_work(driver: WalletDriver) -> None:
    """What is a hold cannot be the cost of another; what cost one hold cannot cost a second."""
    driver.top_up("100")
    driver.ask("call")
    driver.ask("other")
    refusal = driver.refusal(usage("other", "call"))
    assert isinstance(refusal, KeyReused)
    assert refusal.field == "hold"
    driver.one(usage("record", "call"), Receipt)

    refusal = driver.refusal(usage("record", "other"))

    assert isinstance(refusal, KeyReused)
    assert driver.view().balance_micros == usd("97")


def test_a_second_cost_of_one_call_names_it_as_its_parent(driver: WalletDriver) -> None:
    """It is usage of its own."""
    driver.top_up("100")
    driver.ask("call")
    driver.one(capture(), Receipt)

    driver.use("1", key="recording", parent="call")

    assert driver.view().balance_micros == usd("96")


@pytest.mark.parametrize("ending", ["expired", "released", "refused"])
def test_the_cost_of_a_hold_that_ended_is_booked_once(driver: WalletDriver, ending: str) -> None:
    """It happened; before, a call of six minutes was lost."""
    driver.top_up("5")
    driver.ask("call", estimate="50" if ending == "refused" else "1")
    if ending == "released":
        driver.do(ReleaseHold("call"))
    driver.clock.skip(minutes=6)

    first, again = driver.capture("call", "3"), driver.capture("call", "3")

    assert (first.duplicate, again.duplicate) == (False, True)
    assert not first.after_stop
    assert driver.view().balance_micros == usd("2")


def test_usage_above_the_ceiling_is_taken_for_a_slip(driver: WalletDriver) -> None:
    """By whatever door; at the ceiling it is booked, and a repeat of what was booked before stays a repeat."""
    driver.top_up("2000")
    driver.ask("call")
    for command in (usage("u", micros=usd("1000.000001")), capture(usd("1000.000001"))):
        refusal = driver.refusal(command)
        assert isinstance(refusal, AboveItemMax)
        assert "$1,000.00" in str(refusal)
    assert driver.view().seq == 1
    driver.use("1000", key="u")

    driver.set_policy(item_max_micros=usd("1"))

    assert driver.use("1000", key="u").duplicate


def test_ids_that_differ_only_by_normal_form_are_not_two(driver: WalletDriver) -> None:
    """One of the two is refused; ids that differ by case are two, since random ids may."""
    driver.top_up("10")
    composed, decomposed = "llamada-\u00f1", "llamada-n\u0303"

    driver.use("1", key=composed)
    for command in (
        usage(decomposed),
        usage("u", decomposed),
        OpenHold(decomposed, OUTBOUND_CALL),
    ):
        assert isinstance(driver.refusal(command), TextUnfit)
    driver.use("1", key="Call")
    assert not driver.use("1", key="call").duplicate


def test_a_hold_that_was_released_stays_released_when_its_cost_comes(driver: WalletDriver) -> None:
    """Also in the very same instant: releasing it once more is still a repetition."""
    driver.top_up("10")
    driver.ask("call")
    driver.do(ReleaseHold("call"))
    driver.capture("call", "3")

    assert driver.one(ReleaseHold("call"), HoldReleased).duplicate
