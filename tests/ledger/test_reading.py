"""What people read: history by pages, sums by month and day, pace, runway, spikes."""

from datetime import UTC, datetime, timedelta

import pytest

from ledger import (
    AI_TASK,
    INBOUND_CALL,
    OUTBOUND_CALL,
    Automatic,
    Burn,
    Correct,
    CreditKind,
    KindSum,
    Lines,
    Outcome,
    PolicyChanged,
    PostUsage,
    RechargeRule,
    Spike,
    Tx,
    WalletPolicy,
    burn_of,
    cost_ahead,
    daily,
    history,
    hours_of,
    month_summary,
    months_of,
    policy_of,
    references_of,
    runway,
    spikes_of,
)
from tests.ledger.wallet_driver import MORNING, WalletDriver, usd

ZONE = "America/New_York"
FLAT = Burn((usd("1"),) * 168)


def use_at(
    driver: WalletDriver, at: datetime, dollars: str, kind: str = OUTBOUND_CALL, reference: str = ""
) -> None:
    driver.use(dollars, kind=kind, at=at, quantity=60, reference=reference)


def test_history_goes_by_pages_both_ways(driver: WalletDriver) -> None:
    """Newest first; the pages meet without gap or overlap."""
    driver.top_up("100")
    for _ in range(24):
        driver.use("1")

    with driver.ledger.reading() as connection:
        first = history(connection, driver.wallet_id)
        second = history(connection, driver.wallet_id, before_seq=first[-1].seq)
        back = history(connection, driver.wallet_id, after_seq=second[0].seq)

    assert [row.seq for row in first] == list(range(25, 15, -1))
    assert [row.seq for row in second] == list(range(15, 5, -1))
    assert back == first


def test_history_is_filtered_by_kind_reference_and_month(driver: WalletDriver) -> None:
    """Each alone and all together."""
    driver.top_up("100")
    driver.use("1", kind=AI_TASK, reference="a")
    driver.clock.skip(days=10)
    driver.use("1", kind=AI_TASK, reference="a")
    driver.use("1", kind=AI_TASK, reference="b")
    driver.use("1", kind=INBOUND_CALL, reference="a")

    with driver.ledger.reading() as connection:

        def seqs(**filters: object) -> list[int]:
            return [row.seq for row in history(connection, driver.wallet_id, **filters)]  # type: ignore[arg-type]

        assert seqs(kinds=[AI_TASK]) == [4, 3, 2]
        assert seqs(kinds=[AI_TASK, "top_up"]) == [4, 3, 2, 1]
        assert seqs(reference="a") == [5, 3, 2]
        assert seqs(month="2026-11") == [2, 1]
        assert seqs(month="2026-12") == [5, 4, 3]
        assert seqs(month="2026-10") == []
        assert seqs(month="2027-01") == []
        assert seqs(month="2026-12", kinds=[AI_TASK], reference="a") == [3]


def test_a_month_of_record_begins_at_local_midnight(driver: WalletDriver) -> None:
    """In New York, not in Greenwich; late usage counts where it was recorded."""
    driver.top_up("100")
    driver.clock.at = datetime(2026, 12, 1, 4, 59, tzinfo=UTC)
    driver.use("1")
    driver.clock.at = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)
    driver.use("2", at=MORNING)

    with driver.ledger.reading() as connection:
        november = history(connection, driver.wallet_id, month="2026-11")
        december = history(connection, driver.wallet_id, month="2026-12")

    assert [row.seq for row in november] == [2, 1]
    assert [row.seq for row in december] == [3]


def test_a_month_is_summed_by_kind_of_use(driver: WalletDriver) -> None:
    """Late usage lands on its own day; a part of the month can be asked for."""
    driver.top_up("100")
    use_at(driver, datetime(2026, 10, 5, 12, tzinfo=UTC), "1")
    use_at(driver, datetime(2026, 10, 5, 13, tzinfo=UTC), "2")
    use_at(driver, datetime(2026, 10, 20, 12, tzinfo=UTC), "4", AI_TASK)
    # The first of November in Greenwich is still October in New York.
    use_at(driver, datetime(2026, 11, 1, 3, 30, tzinfo=UTC), "8")

    with driver.ledger.reading() as connection:
        october = month_summary(connection, driver.wallet_id, "2026-10")
        half = month_summary(connection, driver.wallet_id, "2026-10", through_day=15)
        days = daily(connection, driver.wallet_id, "2026-10-05", "2026-10-20")
        hours = hours_of(connection, driver.wallet_id, "2026-10-20")
        months = months_of(connection, driver.wallet_id)

    assert october == [KindSum(AI_TASK, 1, 60, usd("-4")), KindSum(OUTBOUND_CALL, 3, 180, usd("-11"))]
    assert half == [KindSum(OUTBOUND_CALL, 2, 120, usd("-3"))]
    assert days["2026-10-05"][OUTBOUND_CALL] == KindSum(OUTBOUND_CALL, 2, 120, usd("-3"))
    assert set(days) == {"2026-10-05", "2026-10-20"}
    assert hours[0] == ("2026-10-20", 8, AI_TASK, usd("-4"))
    assert months == ["2026-11", "2026-10"]


def test_both_hours_of_the_autumn_night_count_as_one(driver: WalletDriver) -> None:
    """01:30 comes twice when clocks go back; nothing is lost."""
    driver.top_up("10")
    use_at(driver, datetime(2026, 11, 1, 5, 30, tzinfo=UTC), "1")
    use_at(driver, datetime(2026, 11, 1, 6, 30, tzinfo=UTC), "2")

    with driver.ledger.reading() as connection:
        hours = hours_of(connection, driver.wallet_id, "2026-11-01")

    assert hours[0] == ("2026-11-01", 1, OUTBOUND_CALL, usd("-3"))


def spend(driver: WalletDriver, days: int, *, hours: range = range(9, 17), dollars: str = "1") -> None:
    """Spend at each of some hours of each day up to yesterday, in New York's winter time."""
    driver.top_up("100000")
    commands = [
        PostUsage(
            "platform",
            f"{day}-{hour}",
            OUTBOUND_CALL,
            usd(dollars),
            (MORNING - timedelta(days=day)).replace(hour=hour + 5),
        )
        for day in range(days, 0, -1)
        for hour in hours
    ]
    outcomes: list[Outcome] = driver.do(*commands)
    assert not [one for one in outcomes if isinstance(one, Exception)]


def test_it_is_too_early_to_say_on_the_first_day(driver: WalletDriver) -> None:
    """A few hours are no pace."""
    driver.top_up("100")
    use_at(driver, MORNING - timedelta(hours=3), "5")

    with driver.ledger.reading() as connection:
        assert burn_of(connection, driver.wallet_id, MORNING) is None


def test_a_wallet_that_spends_nothing_has_a_pace_of_nothing(driver: WalletDriver) -> None:
    """After a day it is known, and its money lasts."""
    driver.clock.skip(days=2)

    with driver.ledger.reading() as connection:
        burn = burn_of(connection, driver.wallet_id, driver.clock.at)

    assert burn is not None
    assert burn.week_micros == 0
    assert runway(burn, usd("5"), MORNING, ZONE) is None


def test_a_young_wallet_goes_by_its_last_day(driver: WalletDriver) -> None:
    """Until there are two weeks."""
    spend(driver, 3)

    with driver.ledger.reading() as connection:
        burn = burn_of(connection, driver.wallet_id, MORNING)

    assert burn is not None
    assert burn.week_micros == 7 * usd("8")
    assert burn.by_hour[9] == usd("1")
    assert burn.by_hour[8] == 0


def test_an_older_wallet_goes_by_hours_of_the_week(driver: WalletDriver) -> None:
    """Four weeks, or as many whole ones as there are; money in does not count."""
    spend(driver, 21)

    with driver.ledger.reading() as connection:
        burn = burn_of(connection, driver.wallet_id, MORNING)

    assert burn is not None
    assert burn.week_micros == 7 * usd("8")
    assert [hour for hour in range(24) if burn.by_hour[hour]] == list(range(9, 17))


def test_runway_walks_to_the_moment_the_money_runs_out() -> None:
    """Through hours that cost nothing, and into the hour that takes the last."""
    office_hours = Burn(tuple(usd("1") if 9 <= hour % 24 < 17 else 0 for hour in range(168)))
    friday = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)  # 15:00 in New York

    assert runway(FLAT, usd("2.50"), MORNING, ZONE) == MORNING + timedelta(minutes=150)
    assert runway(office_hours, usd("2.50"), friday, ZONE) == datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
    assert runway(FLAT, 0, MORNING, ZONE) == MORNING
    assert runway(FLAT, usd("1440"), MORNING, ZONE) == MORNING + timedelta(days=60)
    assert runway(FLAT, usd("1441"), MORNING, ZONE) is None


def test_runway_begins_inside_the_hour_that_runs() -> None:
    """The half that is over costs nothing any more."""
    half_past = MORNING + timedelta(minutes=30)

    assert runway(FLAT, usd("0.50"), half_past, ZONE) == half_past + timedelta(minutes=30)
    assert runway(FLAT, usd("0.25"), half_past, ZONE) == half_past + timedelta(minutes=15)


def test_what_the_coming_hours_cost_is_said_in_money() -> None:
    """A day ahead is a day's cost."""
    assert cost_ahead(FLAT, MORNING, ZONE, 24) == usd("24")


def test_lines_are_drawn_by_the_pace_and_judged_at_once(driver: WalletDriver) -> None:
    """A wallet that spends 80 a day is warned at 80."""
    spend(driver, 15, dollars="10")
    driver.set_policy(item_max_micros=usd("99999"))
    driver.use("99999", kind=AI_TASK)
    driver.ledger.run(lambda tx: tx.book.redraw_lines(driver.wallet_id))

    view = driver.view()
    assert view.warning_micros == usd("80")
    assert view.critical_micros == usd("20")

    longer = WalletPolicy(warning_hours=48, critical_hours=24)
    driver.ledger.run(
        lambda tx: tx.book.set_policy(driver.wallet_id, longer, actor="U1", expected_version=None)
    )
    view = driver.view()
    assert (view.warning_micros, view.critical_micros) == (usd("160"), usd("80"))


def test_a_spike_is_a_day_that_cost_twice_its_weekdays(driver: WalletDriver) -> None:
    """By kind, with what is usual; the references say where it went."""
    driver.top_up("1000")
    monday = MORNING - timedelta(days=7)
    for week in range(1, 4):
        use_at(driver, monday - timedelta(weeks=week), "10")
        use_at(driver, monday - timedelta(weeks=week), "10", AI_TASK)
    use_at(driver, monday, "15", reference="camp-7")
    use_at(driver, monday, "6", reference="camp-8")
    use_at(driver, monday, "19.99", AI_TASK)

    with driver.ledger.reading() as connection:
        spikes = spikes_of(connection, driver.wallet_id, "2026-11-01", "2026-11-22", usd("10"))
        blamed = references_of(connection, driver.wallet_id, "2026-11-16", OUTBOUND_CALL)

    assert spikes == [Spike("2026-11-16", OUTBOUND_CALL, usd("21"), usd("10"))]
    assert blamed == [("camp-7", usd("15")), ("camp-8", usd("6"))]


def test_a_policy_is_kept_in_all_its_versions(driver: WalletDriver) -> None:
    """A form that was opened before somebody else saved is refused."""
    rule = RechargeRule(threshold_micros=usd("50"), target_micros=usd("200"))
    driver.set_policy(automatic=Automatic.ON, rule=rule)
    driver.set_policy(default_holds={AI_TASK: usd("0.05")})

    def stale(tx: Tx) -> int:
        return tx.book.set_policy(driver.wallet_id, WalletPolicy(), actor="U2", expected_version=2)

    with pytest.raises(PolicyChanged):
        driver.ledger.run(stale)
    with driver.ledger.reading() as connection:
        first, second, third = (policy_of(connection, driver.wallet_id, version) for version in (1, 2, 3))
        now = driver.ledger.look(connection, driver.wallet_id)
    assert first == WalletPolicy()
    assert (second.automatic, second.rule) == (Automatic.ON, rule)
    assert third.hold_for(AI_TASK) == usd("0.05")
    assert now[1] == third
    assert now[0].policy_version == 3


def test_lines_can_be_set_by_hand(driver: WalletDriver) -> None:
    """And count at once."""
    driver.top_up("100")

    driver.ledger.run(lambda tx: tx.book.set_lines(driver.wallet_id, Lines(usd("100"), usd("40"))))

    assert driver.told()[-1] == "wallet.low"


def test_corrections_lower_what_a_day_cost(driver: WalletDriver) -> None:
    """They are a kind of their own, on the day they were made, and money back does not count as spend."""
    driver.top_up("100")
    driver.top_up("5", kind=CreditKind.REFUND)
    charged = driver.use("4")
    driver.do(Correct("operator", "c", charged.source_id, usd("3"), None))

    with driver.ledger.reading() as connection:
        sums = {one.kind: one.amount_micros for one in month_summary(connection, driver.wallet_id, "2026-11")}

    assert sums == {
        "top_up": usd("100"),
        "refund": usd("-5"),
        OUTBOUND_CALL: usd("-4"),
        "correction": usd("1"),
    }
