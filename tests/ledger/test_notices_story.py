"""What is told, once each and in order: episodes, recharge wishes, and the outbox that carries them."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

import pytest

from ledger import (
    INBOUND_CALL,
    OUTBOUND_CALL,
    Automatic,
    CreditKind,
    DueKind,
    Level,
    OpenHold,
    PostMoney,
    PostUsage,
    RechargeRule,
    ReleaseHold,
    Standing,
    Tx,
    WalletEmptied,
    WalletLow,
    assert_outside_transaction,
    due_wallets,
    episode,
    last_episode,
    next_due,
)
from ledger.storage.store import InsideTransaction
from tests.ledger.wallet_driver import WalletDriver, usd

RULE = RechargeRule(threshold_micros=usd("50"), target_micros=usd("200"))


@dataclass(frozen=True, slots=True)
class Spoken:
    """A notice of somebody else's making."""

    name: ClassVar[str] = "somebody.spoke"
    words: str


def test_money_in_is_told_with_what_it_brought(driver: WalletDriver) -> None:
    """The first money credits and connects."""
    driver.top_up("60", key="credit:pi_1")

    assert driver.told() == ["wallet.credited", "wallet.resumed"]
    (credited,) = driver.bodies("wallet.credited")
    assert (credited["amount_micros"], credited["source_id"], credited["seq"]) == (
        usd("60"),
        "credit:pi_1",
        1,
    )
    (resumed,) = driver.bodies("wallet.resumed")
    assert (resumed["episode_id"], resumed["emptied_at"]) == (None, None)


def test_an_episode_rises_level_by_level_and_tells_each_once(driver: WalletDriver) -> None:
    """Warning at 50, critical at 12.50, zero at zero: one episode."""
    driver.top_up("60")
    driver.use("10")
    driver.use("1")
    driver.use("36.50")
    driver.use("1")
    driver.use("11.50")
    driver.use("1", kind=INBOUND_CALL)

    assert driver.told()[2:] == ["wallet.low", "wallet.low", "wallet.grace_started"]
    warning, critical = driver.bodies("wallet.low")
    (emptied,) = driver.bodies("wallet.grace_started")
    assert (warning["level"], critical["level"]) == (Level.WARNING, Level.CRITICAL)
    assert warning["episode_id"] == critical["episode_id"] == emptied["episode_id"]
    with driver.ledger.reading() as connection:
        now = last_episode(connection, driver.wallet_id)
    assert now is not None
    assert (now.level, now.closed_at) == (Level.ZERO, None)


def test_falling_through_several_lines_at_once_tells_the_worst(driver: WalletDriver) -> None:
    """From open to zero in one charge is one message."""
    driver.top_up("60")

    driver.use("80")

    assert driver.told()[2:] == ["wallet.grace_started"]


def low(driver: WalletDriver) -> list[object]:
    """Give the levels of the alarms that were told."""
    return [one["level"] for one in driver.bodies("wallet.low")]


def test_money_that_is_held_and_given_back_makes_one_alarm_a_day(driver: WalletDriver) -> None:
    """Five hundred waves of calls that start, hold, and end at no cost; the balance stands still."""
    driver.top_up("100")
    driver.use("44")
    for wave in range(500):
        calls = [f"call-{wave}-{number}" for number in range(14)]
        driver.do(*(OpenHold(one, OUTBOUND_CALL, usd("0.50")) for one in calls))
        driver.clock.skip(seconds=80)
        driver.do(*map(ReleaseHold, calls))
        driver.clock.skip(seconds=92)
        driver.observe()

    assert low(driver) == [Level.WARNING]
    assert "wallet.recovered" not in driver.told()


def test_money_that_came_in_ends_an_alarm_just_above_its_line(driver: WalletDriver) -> None:
    """At the line it goes on; a cent above it is over, and the next alarm is another episode."""
    driver.top_up("60")
    driver.use("15")
    driver.top_up("5")
    assert driver.told()[-1] == "wallet.credited"

    driver.top_up("0.01")
    assert driver.told()[-1] == "wallet.recovered"
    driver.use("10")

    first, second = driver.bodies("wallet.low")
    assert first["episode_id"] != second["episode_id"]
    with driver.ledger.reading() as connection:
        closed = episode(connection, driver.wallet_id, UUID(str(first["episode_id"])))
    assert closed is not None
    assert closed.closed_at is not None


def test_money_that_came_in_lowers_a_level_and_ends_no_alarm_below_its_line(driver: WalletDriver) -> None:
    """From critical above its line of 12.50: the warning stands, and a new fall is critical again."""
    driver.top_up("60")
    driver.use("50")
    driver.top_up("3")
    assert "wallet.recovered" not in driver.told()

    driver.use("1")

    assert low(driver) == [Level.CRITICAL, Level.CRITICAL]


@pytest.mark.parametrize(("estimate", "ends"), [("4.99", True), ("5.01", False)])
def test_an_alarm_ends_by_half_an_hour_well_above_its_line(
    driver: WalletDriver, estimate: str, ends: bool
) -> None:
    """At 55.01 of a line of 50 it is over by time alone; at 54.99 it never is."""
    driver.top_up("60")
    driver.ask("dip", estimate="20")
    assert low(driver) == [Level.WARNING]
    driver.do(ReleaseHold("dip"), OpenHold("h", OUTBOUND_CALL, usd(estimate)))
    driver.set_policy(hold_lifetime=timedelta(hours=2))
    driver.extend("h")

    driver.clock.skip(minutes=29, seconds=59)
    driver.observe()
    assert "wallet.recovered" not in driver.told()
    driver.clock.skip(seconds=1)
    with driver.ledger.reading() as connection:
        assert (driver.wallet_id in due_wallets(connection, DueKind.TIME, driver.clock.at)) is ends
    driver.observe()

    assert ("wallet.recovered" in driver.told()) is ends


def test_a_dip_begins_the_half_hour_anew(driver: WalletDriver) -> None:
    """Only time without a break counts."""
    driver.top_up("60")
    driver.ask("dip", estimate="20")
    driver.do(ReleaseHold("dip"))
    driver.clock.skip(minutes=25)
    driver.ask("again", estimate="20")
    driver.do(ReleaseHold("again"))
    driver.clock.skip(minutes=29)
    driver.observe()
    assert "wallet.recovered" not in driver.told()

    with driver.ledger.reading() as connection:
        assert next_due(connection, driver.clock.at, kinds=[DueKind.TIME]) == driver.clock.at + timedelta(
            minutes=1
        )
    driver.clock.skip(minutes=1)
    driver.observe()

    assert driver.told()[-1] == "wallet.recovered"


def test_a_line_that_moves_down_ends_nothing(driver: WalletDriver) -> None:
    """Not at once, and not after hours: only money ends what was told."""
    driver.top_up("60")
    driver.use("15")
    driver.set_policy(warning_min_micros=usd("20"))

    driver.clock.skip(hours=9)
    driver.observe()
    assert "wallet.recovered" not in driver.told()
    driver.top_up("0.01")

    assert driver.told()[-1] == "wallet.recovered"


def test_each_level_takes_its_own_half_hour(driver: WalletDriver) -> None:
    """From critical to warning, and only then to nothing: the warning has not been over for long enough before."""
    driver.top_up("60")
    driver.ask("dip", estimate="55")
    driver.do(ReleaseHold("dip"))
    driver.clock.skip(minutes=30)
    driver.observe()
    assert "wallet.recovered" not in driver.told()

    driver.clock.skip(minutes=30)
    driver.observe()

    assert driver.told()[-1] == "wallet.recovered"


@pytest.mark.parametrize(("spent", "level"), [("59.50", Level.CRITICAL), ("59.51", Level.ZERO)])
def test_less_than_the_smallest_hold_is_zero(driver: WalletDriver, spent: str, level: Level) -> None:
    """Nothing but inbound calls can start, and the wallet is not empty: no grace has begun."""
    driver.top_up("60")
    driver.use(spent)

    assert low(driver) == [level]
    assert "wallet.grace_started" not in driver.told()
    driver.use("1", kind=INBOUND_CALL)

    assert driver.told()[-1] == "wallet.grace_started"
    assert driver.told().count("wallet.grace_started") == 1


def test_nearly_everything_held_is_critical(driver: WalletDriver) -> None:
    """New calls can't start: 0.40 is free, whatever the lines say."""
    driver.set_policy(warning_min_micros=usd("0.10"))
    driver.top_up("10")

    driver.ask("h", estimate="9.60")

    assert low(driver) == [Level.CRITICAL]


def test_what_runs_again_is_told_once_an_ordinary_start_goes_through(driver: WalletDriver) -> None:
    """Above zero and below the smallest hold, nothing but inbound calls runs: that is not everything."""
    driver.top_up("60")
    driver.use("61")
    driver.top_up("1.20")
    assert driver.view().standing is Standing.OPEN
    assert driver.told().count("wallet.resumed") == 1

    driver.top_up("0.30")

    assert driver.told().count("wallet.resumed") == 2


def test_a_pause_is_told_when_somebody_looks_and_only_once(driver: WalletDriver) -> None:
    """Time told nobody; the next look does."""
    driver.top_up("10")
    driver.use("10")
    driver.clock.skip(minutes=20)
    assert "wallet.paused" not in driver.told()

    driver.observe()
    driver.observe()

    assert driver.told().count("wallet.paused") == 1
    (paused,) = driver.bodies("wallet.paused")
    assert paused["paused_at"] == "2026-11-23T09:15:00Z"


def test_the_next_pause_is_told_again(driver: WalletDriver) -> None:
    """Each emptiness has its own."""
    for _ in range(2):
        driver.top_up("10")
        driver.use("10")
        driver.clock.skip(minutes=20)
        driver.observe()

    assert driver.told().count("wallet.grace_started") == 2
    assert driver.told().count("wallet.paused") == 2


def test_a_payment_after_an_unseen_pause_tells_both(driver: WalletDriver) -> None:
    """What time did comes before what the money does."""
    driver.top_up("10")
    driver.use("10")
    driver.clock.skip(minutes=20)

    driver.top_up("100")

    assert driver.told()[-3:] == ["wallet.paused", "wallet.credited", "wallet.resumed"]
    (resumed,) = driver.bodies("wallet.resumed")[1:]
    assert resumed["emptied_at"] == "2026-11-23T09:00:00Z"
    assert resumed["source"] == "stripe"


def test_a_whole_story_in_one_batch_is_told_like_a_slow_one(driver: WalletDriver) -> None:
    """Command by command: emptied, resumed and emptied again, each once, with what grace cost."""
    driver.top_up("100")
    money = CreditKind.PROMO

    driver.do(
        PostUsage("p", "1", OUTBOUND_CALL, usd("101"), None),
        PostUsage("p", "2", INBOUND_CALL, usd("2"), None),
        PostMoney("p", "3", money, usd("200"), None),
        PostUsage("p", "4", OUTBOUND_CALL, usd("1"), None),
        PostUsage("p", "5", OUTBOUND_CALL, usd("1"), None),
        PostUsage("p", "6", OUTBOUND_CALL, usd("200"), None),
    )

    assert driver.told()[2:] == [
        "wallet.grace_started",
        "wallet.credited",
        "wallet.resumed",
        "wallet.grace_started",
    ]
    (resumed,) = driver.bodies("wallet.resumed")[1:]
    assert (resumed["grace_cost_micros"], resumed["balance_micros"]) == (usd("3"), usd("197"))


def test_warnings_stay_silent_while_automatic_payments_work(driver: WalletDriver) -> None:
    """The recharge is the message; trouble speaks at once, and zero always."""
    driver.top_up("60")
    driver.set_policy(automatic=Automatic.ON, rule=RULE)
    driver.use("20")
    assert driver.told()[2:] == ["recharge.wanted"]

    driver.ledger.run(lambda tx: tx.book.set_trouble(driver.wallet_id, "The card was declined."))

    assert driver.told()[-1] == "wallet.low"
    assert driver.bodies("wallet.low")[-1]["level"] == Level.CRITICAL
    driver.use("40")
    assert driver.told()[-1] == "wallet.grace_started"


def test_a_recharge_is_wanted_once_a_crossing(driver: WalletDriver) -> None:
    """Not at each posting below the threshold, and again after money came."""
    driver.top_up("51")
    driver.set_policy(automatic=Automatic.ON, rule=RULE)
    for _ in range(5):
        driver.use("1.50")
    assert driver.told().count("recharge.wanted") == 1

    driver.top_up("100", kind=CreditKind.RECHARGE)
    driver.use("100")

    assert driver.told().count("recharge.wanted") == 2


def test_switching_automatic_payments_on_below_the_threshold_wants_one_now(driver: WalletDriver) -> None:
    """The policy's change is judged in its own commit."""
    driver.top_up("20")

    driver.set_policy(automatic=Automatic.ON, rule=RULE)

    assert driver.told()[-1] == "recharge.wanted"


def test_notices_are_handed_out_in_order_one_of_a_wallet_at_a_time(driver: WalletDriver) -> None:
    """The second waits until the first is done."""
    driver.top_up("60")

    (first,) = driver.claim()
    assert first.name == "wallet.credited"
    assert driver.claim() == []
    assert driver.ledger.run(lambda tx: tx.outbox.done(first))

    (second,) = driver.claim()
    assert second.name == "wallet.resumed"


def test_a_notice_that_waits_for_another_try_holds_back_only_its_wallet(driver: WalletDriver) -> None:
    """Others are served meanwhile; it comes back when due."""
    other = driver.open_wallet()
    driver.top_up("60")
    driver.ledger.run(lambda tx: tx.outbox.add(other, Spoken("hello")))

    claimed = driver.claim()
    assert {one.wallet_id for one in claimed} == {driver.wallet_id, other}
    (mine,) = [one for one in claimed if one.wallet_id == driver.wallet_id]
    due_at = driver.clock.at + timedelta(minutes=1)
    driver.ledger.run(lambda tx: tx.outbox.again(mine, due_at, "no answer"))
    assert driver.claim() == []

    driver.clock.skip(minutes=1)
    (again,) = driver.claim()
    assert (again.notice_id, again.attempts) == (mine.notice_id, 1)


def test_a_wallet_with_many_notices_does_not_starve_others(driver: WalletDriver) -> None:
    """Each wallet's oldest is looked at, however many wait behind it."""
    others = [driver.open_wallet() for _ in range(3)]
    for one in (driver.wallet_id, *others):
        driver.ledger.run(lambda tx, one=one: tx.outbox.add(one, *[Spoken("again")] * 200))  # type: ignore[misc] # mypy cannot infer a default

    assert len(driver.claim()) == 4


def test_a_courier_that_slept_past_its_lease_ends_nothing(driver: WalletDriver) -> None:
    """The next one has it; its word is the one that counts."""
    driver.top_up("60")
    (slept,) = driver.claim()
    driver.clock.skip(minutes=3)
    (taken,) = driver.claim()
    assert taken.notice_id == slept.notice_id

    assert not driver.ledger.run(lambda tx: tx.outbox.dead(slept, "late"))
    assert driver.ledger.run(lambda tx: tx.outbox.done(taken))


def test_a_dead_notice_lets_the_next_one_pass(driver: WalletDriver) -> None:
    """One poison notice cannot silence a wallet for ever."""
    driver.top_up("60")
    (first,) = driver.claim()

    driver.ledger.run(lambda tx: tx.outbox.dead(first, "cannot be said"))

    (second,) = driver.claim()
    assert second.name == "wallet.resumed"


def test_a_notice_is_read_back_as_it_was_written(driver: WalletDriver) -> None:
    """Of ours and of others."""
    driver.top_up("60")
    driver.use("60")
    driver.ledger.run(lambda tx: tx.outbox.add(driver.wallet_id, Spoken("schön")))

    read: list[object] = []
    while claimed := driver.claim():
        (one,) = claimed
        kinds = {"wallet.grace_started": WalletEmptied, "wallet.low": WalletLow, "somebody.spoke": Spoken}
        if one.name in kinds:
            read.append(one.read(kinds[one.name]))
        driver.ledger.run(lambda tx, one=one: tx.outbox.done(one))  # type: ignore[misc]

    emptied, spoken = read
    assert isinstance(emptied, WalletEmptied)
    assert emptied.grace_ends_at == driver.clock.at + timedelta(minutes=15)
    assert spoken == Spoken("schön")


def test_a_notice_exists_only_if_its_cause_was_committed(driver: WalletDriver) -> None:
    """What is rolled back was never told."""

    def fail(tx: Tx) -> None:
        tx.book.carry_out(driver.wallet_id, [PostMoney("stripe", "x", CreditKind.TOP_UP, usd("60"), None)])
        raise LookupError

    with pytest.raises(LookupError):
        driver.ledger.run(fail)

    assert driver.told() == []
    assert driver.view().seq == 0


def test_the_network_is_out_of_reach_inside_a_transaction(driver: WalletDriver) -> None:
    """A gateway that asks first is stopped."""
    assert_outside_transaction()

    def call_out(tx: Tx) -> None:
        assert_outside_transaction()

    with pytest.raises(InsideTransaction):
        driver.ledger.run(call_out)
    assert_outside_transaction()
