"""The policy as pure functions: lines, levels, the size of a charge, and what holds one back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ledger import (
    Automatic,
    CapWindow,
    Funds,
    PolicyUnfit,
    RechargeBlock,
    RechargePast,
    RechargeRule,
    WalletPolicy,
    admits_full_charge,
    lines_for,
    recharge_decision,
    recharge_wanted,
    scale_of,
)
from ledger.alert_policy import Lines, Moment, level_at, line_of
from ledger.notices import Level
from tests.ledger.wallet_driver import MORNING, usd

NOW = MORNING
TONIGHT = NOW + timedelta(hours=15)
DOLLARS = scale_of("USD")
RULE = RechargeRule(threshold_micros=usd("50"), target_micros=usd("200"))
ON = WalletPolicy(automatic=Automatic.ON, rule=RULE)
NOTHING = RechargePast(False, 0, 0, 0, None)


def funds(available: str) -> Funds:
    return Funds(usd(available), 0, True, None, None, usd("25"))


@pytest.mark.parametrize(
    ("available", "rule", "amount"),
    [
        ("49.99", RULE, "151"),
        ("10.01", RULE, "190"),
        ("0", RULE, "200"),
        ("49.99", replace(RULE, target_micros=usd("60")), "25"),
        ("40", replace(RULE, target_micros=None, fixed_micros=usd("75")), "75"),
        ("-100", replace(RULE, target_micros=None, fixed_micros=usd("30.50")), "30.50"),
        (
            "0",
            replace(RULE, target_micros=None, fixed_micros=usd("30.50"), day_cap_micros=usd("30.50")),
            "30.50",
        ),
        (
            "0",
            replace(RULE, target_micros=None, fixed_micros=usd("75"), month_cap_micros=usd("60.50")),
            "60",
        ),
        ("-100", replace(RULE, target_micros=usd("2500"), day_cap_micros=usd("5000")), "2500"),
        ("0", replace(RULE, day_cap_micros=usd("180.50")), "180"),
        ("0", replace(RULE, month_cap_micros=usd("199")), "199"),
    ],
)
def test_a_charge_closes_the_whole_gap_inside_its_bounds(
    available: str, rule: RechargeRule, amount: str
) -> None:
    """Rounded up to a dollar; never below 25, above 2,500, or above a cap. A fixed amount is charged as it is."""
    decision = recharge_decision(
        funds(available), replace(ON, rule=rule), NOTHING, NOW, day_ends_at=TONIGHT, scale=DOLLARS
    )

    assert decision.amount_micros == usd(amount)
    assert decision.block is None


MANY = replace(RULE, per_day_max=9, day_cap_micros=usd("900"), month_cap_micros=usd("9000"))


@pytest.mark.parametrize(
    ("rule", "past", "left"),
    [
        (RULE, replace(NOTHING, attempts_today=0), None),
        (RULE, replace(NOTHING, attempts_today=1), CapWindow.DAY),
        (RULE, replace(NOTHING, attempts_today=2), None),
        (replace(RULE, per_day_max=1), NOTHING, None),
        (replace(RULE, per_day_max=2), NOTHING, CapWindow.DAY),
        # This charge is $200, so is the next one, and less than $25 is no charge.
        (MANY, replace(NOTHING, money_today_micros=usd("475")), None),
        (MANY, replace(NOTHING, money_today_micros=usd("475.01")), CapWindow.DAY),
        (MANY, replace(NOTHING, money_today_micros=usd("675")), CapWindow.DAY),
        (MANY, replace(NOTHING, money_today_micros=usd("675.01")), None),
        (MANY, replace(NOTHING, money_month_micros=usd("8575")), None),
        (MANY, replace(NOTHING, money_month_micros=usd("8575.01")), CapWindow.MONTH),
        (MANY, replace(NOTHING, money_month_micros=usd("8775")), CapWindow.MONTH),
        (MANY, replace(NOTHING, money_month_micros=usd("8775.01")), None),
        # The month has one left, and today none: the next is the month's last, tomorrow.
        (MANY, replace(NOTHING, money_month_micros=usd("8775"), attempts_today=8), CapWindow.MONTH),
        # Today has one left, and the month none.
        (MANY, replace(NOTHING, money_month_micros=usd("8800"), attempts_today=7), None),
    ],
)
def test_second_last_charge_of_a_window_is_known_by_number_and_by_money(
    rule: RechargeRule, past: RechargePast, left: CapWindow | None
) -> None:
    """The month goes before the day: its end is further away."""
    policy = replace(ON, rule=rule)
    decision = recharge_decision(funds("0"), policy, past, NOW, day_ends_at=TONIGHT, scale=DOLLARS)

    assert decision.amount_micros == usd("200")
    assert decision.one_left is left


@pytest.mark.parametrize(
    ("past", "admits"),
    [
        (NOTHING, True),
        (replace(NOTHING, attempts_today=2), True),
        (replace(NOTHING, attempts_today=3), False),
        (replace(NOTHING, money_today_micros=usd("350")), True),
        (replace(NOTHING, money_today_micros=usd("350.01")), False),
        (replace(NOTHING, money_month_micros=usd("4850")), True),
        (replace(NOTHING, money_month_micros=usd("4850.01")), False),
    ],
)
def test_caps_admit_a_full_charge_or_not(past: RechargePast, admits: bool) -> None:
    """One of $150, under each of the three caps."""
    assert admits_full_charge(RULE, past, DOLLARS) is admits


@pytest.mark.parametrize(
    ("policy", "past", "available", "block", "until"),
    [
        (replace(ON, automatic=Automatic.OFF), NOTHING, "0", RechargeBlock.OFF, None),
        (WalletPolicy(), NOTHING, "0", RechargeBlock.OFF, None),
        (replace(ON, automatic=Automatic.PAUSED), NOTHING, "0", RechargeBlock.PAUSED, None),
        (ON, NOTHING, "50", RechargeBlock.ENOUGH, None),
        (ON, replace(NOTHING, switched_off=True), "0", RechargeBlock.SWITCHED_OFF, None),
        (ON, replace(NOTHING, last_used_at=NOW - timedelta(days=14)), "0", RechargeBlock.UNUSED, None),
        (
            replace(ON, unused_after=timedelta(days=1)),
            replace(NOTHING, last_used_at=NOW - timedelta(days=1)),
            "0",
            RechargeBlock.UNUSED,
            None,
        ),
        (ON, replace(NOTHING, coming_micros=usd("30")), "20", RechargeBlock.ENOUGH, None),
        (ON, replace(NOTHING, in_flight=True), "0", RechargeBlock.IN_FLIGHT, None),
        (ON, replace(NOTHING, needs_person=True), "0", RechargeBlock.NEEDS_PERSON, None),
        (ON, replace(NOTHING, retry_at=TONIGHT), "0", RechargeBlock.RETRY, TONIGHT),
        (
            ON,
            replace(NOTHING, last_started_at=NOW - timedelta(minutes=14)),
            "0",
            RechargeBlock.SPACING,
            NOW + timedelta(minutes=1),
        ),
        (ON, replace(NOTHING, attempts_today=3), "0", RechargeBlock.DAY_COUNT, TONIGHT),
        (ON, replace(NOTHING, money_today_micros=usd("476")), "0", RechargeBlock.DAY_CAP, TONIGHT),
        (ON, replace(NOTHING, money_month_micros=usd("4976")), "0", RechargeBlock.MONTH_CAP, None),
    ],
)
def test_what_holds_a_charge_back_is_said(
    policy: WalletPolicy, past: RechargePast, available: str, block: RechargeBlock, until: object
) -> None:
    """By name, with the moment at which it is worth looking again."""
    decision = recharge_decision(funds(available), policy, past, NOW, day_ends_at=TONIGHT, scale=DOLLARS)

    assert (decision.amount_micros, decision.block, decision.until) == (None, block, until)


MICRO, MOMENT = 1, timedelta(microseconds=1)
EDGES = {
    "enough": ("50", NOTHING, RechargeBlock.ENOUGH),
    "a micro-unit below the threshold": ("49.999999", NOTHING, "151"),
    "coming money counts": ("49", replace(NOTHING, coming_micros=usd("1")), RechargeBlock.ENOUGH),
    "coming money, a micro-unit short": ("49", replace(NOTHING, coming_micros=usd("1") - MICRO), "151"),
    "used a moment less than the span ago": (
        "0",
        replace(NOTHING, last_used_at=NOW - timedelta(days=14) + MOMENT),
        "200",
    ),
    "the retry is due": ("0", replace(NOTHING, retry_at=NOW), "200"),
    "the retry is due in a moment": ("0", replace(NOTHING, retry_at=NOW + MOMENT), RechargeBlock.RETRY),
    "spaced": ("0", replace(NOTHING, last_started_at=NOW - timedelta(minutes=15)), "200"),
    "a moment too soon": (
        "0",
        replace(NOTHING, last_started_at=NOW - timedelta(minutes=15) + MOMENT),
        RechargeBlock.SPACING,
    ),
    "one charge is left": ("0", replace(NOTHING, attempts_today=2), "200"),
    "the day has room for all": ("0", replace(NOTHING, money_today_micros=usd("300")), "200"),
    "the day is a micro-unit short": (
        "0",
        replace(NOTHING, money_today_micros=usd("300") + MICRO),
        "199 of it",
    ),
    "the month has room for all": ("0", replace(NOTHING, money_month_micros=usd("4800")), "200"),
    "the month is a micro-unit short": (
        "0",
        replace(NOTHING, money_month_micros=usd("4800") + MICRO),
        "199 of it",
    ),
    "the day has room for the least": ("0", replace(NOTHING, money_today_micros=usd("475")), "25 of it"),
    "the day has not": (
        "0",
        replace(NOTHING, money_today_micros=usd("475") + MICRO),
        RechargeBlock.DAY_CAP,
    ),
    "the month has room for the least": ("0", replace(NOTHING, money_month_micros=usd("4975")), "25 of it"),
    "the month has not": (
        "0",
        replace(NOTHING, money_month_micros=usd("4975") + MICRO),
        RechargeBlock.MONTH_CAP,
    ),
    "neither has room": (
        "0",
        replace(NOTHING, money_today_micros=usd("490"), money_month_micros=usd("4990")),
        RechargeBlock.DAY_CAP,
    ),
    "the month has less than the day": (
        "0",
        replace(NOTHING, money_today_micros=usd("400"), money_month_micros=usd("4940")),
        "60 of it",
    ),
}
"""Available money, the past, and what follows: an amount, a part of what was wanted, or a block."""


@pytest.mark.parametrize("edge", EDGES)
def test_each_edge_of_a_charge_is_exact(edge: str) -> None:
    """To the micro-unit and to the microsecond."""
    available, past, follows = EDGES[edge]
    decision = recharge_decision(funds(available), ON, past, NOW, day_ends_at=TONIGHT, scale=DOLLARS)
    if isinstance(follows, RechargeBlock):
        assert (decision.amount_micros, decision.block, decision.cut_by_cap) == (None, follows, False)
    else:
        amount, _, cut = follows.partition(" ")
        assert (decision.amount_micros, decision.block) == (usd(amount), None)
        assert decision.cut_by_cap is bool(cut)
        assert decision.until is None


BLOCKS_IN_ORDER: list[tuple[RechargeBlock, dict[str, object]]] = [
    (RechargeBlock.SWITCHED_OFF, {"switched_off": True}),
    (RechargeBlock.IN_FLIGHT, {"in_flight": True}),
    (RechargeBlock.UNUSED, {"last_used_at": NOW - timedelta(days=14)}),
    (RechargeBlock.NEEDS_PERSON, {"needs_person": True}),
    (RechargeBlock.RETRY, {"retry_at": NOW + MOMENT}),
    (RechargeBlock.SPACING, {"last_started_at": NOW}),
    (RechargeBlock.DAY_COUNT, {"attempts_today": 3}),
    (RechargeBlock.DAY_CAP, {"money_today_micros": usd("500")}),
    (RechargeBlock.MONTH_CAP, {"money_month_micros": usd("5000")}),
]


@pytest.mark.parametrize("first", range(len(BLOCKS_IN_ORDER)))
def test_of_several_blocks_the_first_is_said(first: int) -> None:
    """The order is that of how much a person can do about it."""
    facts: dict[str, object] = {}
    for _, one in BLOCKS_IN_ORDER[first:]:
        facts |= one
    past = replace(NOTHING, **facts)  # type: ignore[arg-type] # each has the type of its field
    decision = recharge_decision(funds("0"), ON, past, NOW, day_ends_at=TONIGHT, scale=DOLLARS)
    assert decision.block is BLOCKS_IN_ORDER[first][0]


def test_a_recharge_of_a_wallet_whose_rule_was_cleared_is_off() -> None:
    """Automatic payments that are on without a rule charge nothing."""
    cleared = replace(ON, rule=None)
    decision = recharge_decision(funds("0"), cleared, NOTHING, NOW, day_ends_at=TONIGHT, scale=DOLLARS)
    assert decision.block is RechargeBlock.OFF
    assert not recharge_wanted(funds("0"), cleared)


RULES_AT_THE_EDGE = [
    (replace(RULE, threshold_micros=usd("10"), target_micros=usd("10") + MICRO), True),
    (replace(RULE, threshold_micros=usd("10") - MICRO), False),
    (replace(RULE, target_micros=usd("50")), False),
    (
        replace(RULE, target_micros=usd("2550"), day_cap_micros=usd("9000"), month_cap_micros=usd("9000")),
        True,
    ),
    (
        replace(
            RULE, target_micros=usd("2550") + MICRO, day_cap_micros=usd("9000"), month_cap_micros=usd("9000")
        ),
        False,
    ),
    (replace(RULE, target_micros=None, fixed_micros=usd("25")), True),
    (replace(RULE, target_micros=None, fixed_micros=usd("25") - MICRO), False),
    (
        replace(RULE, target_micros=None, fixed_micros=usd("2500"), day_cap_micros=usd("2500")),
        True,
    ),
    (
        replace(RULE, target_micros=None, fixed_micros=usd("2500") + MICRO, day_cap_micros=usd("9000")),
        False,
    ),
    (replace(RULE, per_day_max=1), True),
    (replace(RULE, per_day_max=0), False),
    (replace(RULE, day_cap_micros=usd("150")), True),
    (replace(RULE, day_cap_micros=usd("150") - MICRO), False),
    (replace(RULE, month_cap_micros=usd("150")), True),
    (replace(RULE, month_cap_micros=usd("150") - MICRO), False),
]


@pytest.mark.parametrize(("rule", "sound"), RULES_AT_THE_EDGE)
def test_the_bounds_of_a_rule_are_exact(rule: RechargeRule, sound: bool) -> None:
    """To the micro-unit."""
    if sound:
        rule.check(DOLLARS)
    else:
        with pytest.raises(PolicyUnfit):
            rule.check(DOLLARS)


def test_a_cap_that_binds_charges_what_it_allows_and_says_so() -> None:
    """Less than the gap is better than nothing."""
    past = replace(NOTHING, money_today_micros=usd("400"))

    decision = recharge_decision(funds("0"), ON, past, NOW, day_ends_at=TONIGHT, scale=DOLLARS)

    assert (decision.amount_micros, decision.cut_by_cap) == (usd("100"), True)


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (replace(RULE, threshold_micros=usd("9.99")), "threshold"),
        (replace(RULE, target_micros=usd("50")), "target"),
        (replace(RULE, target_micros=usd("2551")), "target"),
        (replace(RULE, target_micros=None, fixed_micros=usd("24")), "fixed"),
        (replace(RULE, target_micros=None, fixed_micros=usd("2501")), "fixed"),
        (replace(RULE, fixed_micros=usd("75")), "target"),
        (replace(RULE, target_micros=None), "target"),
        (replace(RULE, target_micros=None, fixed_micros=usd("600")), "day_cap"),
        (replace(RULE, per_day_max=0), "per_day"),
        (replace(RULE, day_cap_micros=usd("149")), "day_cap"),
        (replace(RULE, month_cap_micros=usd("149")), "month_cap"),
    ],
)
def test_numbers_that_contradict_each_other_are_refused(rule: RechargeRule, field: str) -> None:
    """The refusal names the field to change."""
    with pytest.raises(PolicyUnfit) as caught:
        rule.check(DOLLARS)

    assert caught.value.field == field


def test_a_sound_rule_passes_with_its_default_caps() -> None:
    """For every target the defaults leave room for a full charge."""
    for target in ("60", "200", "1000", "2550"):
        day, month = WalletPolicy().default_caps(usd(target))
        replace(RULE, target_micros=usd(target), day_cap_micros=day, month_cap_micros=month).check(DOLLARS)


def test_a_recharge_is_wanted_below_the_threshold_only_while_on() -> None:
    """At the threshold there is enough."""
    assert recharge_wanted(funds("49.99"), ON)
    assert not recharge_wanted(funds("50"), ON)
    assert not recharge_wanted(funds("0"), replace(ON, automatic=Automatic.PAUSED))


def test_lines_are_the_worse_of_money_and_runway() -> None:
    """A day's cost ahead raises the warning, four hours' the critical line; a rule sets the floor."""
    plain = WalletPolicy()

    assert lines_for(plain, day_ahead_micros=0, four_hours_ahead_micros=0) == Lines(usd("50"), usd("12.50"))
    assert lines_for(plain, day_ahead_micros=usd("90"), four_hours_ahead_micros=usd("30")) == Lines(
        usd("90"), usd("30")
    )
    assert lines_for(ON, day_ahead_micros=0, four_hours_ahead_micros=0) == Lines(usd("50"), usd("12.50"))
    half = replace(plain, critical_percent=50)
    assert lines_for(half, day_ahead_micros=0, four_hours_ahead_micros=0) == Lines(usd("50"), usd("25"))


@pytest.mark.parametrize(
    ("available", "policy", "trouble", "level"),
    [
        ("50.01", WalletPolicy(), False, Level.FINE),
        ("50", WalletPolicy(), False, Level.WARNING),
        ("12.50", WalletPolicy(), False, Level.CRITICAL),
        ("0", WalletPolicy(), False, Level.ZERO),
        ("50", ON, False, Level.FINE),
        ("12.50", ON, False, Level.CRITICAL),
        ("50", ON, True, Level.CRITICAL),
        ("50.01", ON, True, Level.FINE),
        ("50", replace(ON, automatic=Automatic.PAUSED), False, Level.WARNING),
    ],
)
def test_the_level_says_how_serious_it_is(
    available: str, policy: WalletPolicy, trouble: bool, level: Level
) -> None:
    """Warnings stay silent while automatic payments work; trouble makes them critical."""
    moment = Moment(funds(available), Lines(usd("50"), usd("12.50")), trouble)

    assert level_at(moment, policy) is level


LINES = Lines(usd("50"), usd("12.50"))
LEVELS_AT_THE_EDGE = [
    (usd("50") + MICRO, 0, Level.FINE),
    (usd("50"), 0, Level.WARNING),
    (usd("12.50") + MICRO, 0, Level.WARNING),
    (usd("12.50"), 0, Level.CRITICAL),
    (usd("0.50"), 0, Level.CRITICAL),
    (usd("0.50") - MICRO, 0, Level.ZERO),
    (0, 0, Level.ZERO),
    # What is held is not available; zero looks at the balance alone.
    (usd("60"), usd("10"), Level.WARNING),
    (usd("60"), usd("10") - MICRO, Level.FINE),
    (usd("60"), usd("60"), Level.CRITICAL),
    (usd("60"), usd("99"), Level.CRITICAL),
]


@pytest.mark.parametrize(("balance", "held", "level"), LEVELS_AT_THE_EDGE)
def test_a_level_begins_at_its_line_exactly(balance: int, held: int, level: Level) -> None:
    """To the micro-unit, by available money; zero by the balance and the smallest hold."""
    moment = Moment(Funds(balance, held, True, None, None, usd("25")), LINES, trouble=False)
    assert level_at(moment, WalletPolicy()) is level


def test_the_smallest_hold_is_a_line_of_its_own() -> None:
    """Where it is above the critical line, less than it available is critical."""
    policy = WalletPolicy(default_hold_micros=usd("20"))
    for available, level in ((usd("20"), Level.WARNING), (usd("20") - MICRO, Level.CRITICAL)):
        moment = Moment(Funds(usd("60"), usd("60") - available, True, None, None, 0), LINES, trouble=False)
        assert level_at(moment, policy) is level


@pytest.mark.parametrize(
    ("level", "hold", "line"),
    [
        (Level.FINE, "0.50", "0"),
        (Level.WARNING, "0.50", "50"),
        (Level.CRITICAL, "0.50", "12.50"),
        (Level.CRITICAL, "20", "20"),
        (Level.ZERO, "0.50", "0.50"),
        (Level.ZERO, "20", "20"),
    ],
)
def test_each_level_has_its_line(level: Level, hold: str, line: str) -> None:
    """The critical line is never below the smallest hold."""
    assert line_of(level, LINES, WalletPolicy(default_hold_micros=usd(hold))) == usd(line)


@pytest.mark.parametrize(
    ("holds", "floor"),
    [
        ({}, "0.50"),
        ({"ai_task": "0.20", "inbound_call": "3"}, "0.20"),
        ({"ai_task": "3"}, "0.50"),
        ({"ai_task": "0"}, "0.50"),
    ],
)
def test_the_floor_is_the_smallest_hold_that_holds_something(holds: dict[str, str], floor: str) -> None:
    """Work without a price sets no floor."""
    policy = WalletPolicy(default_holds={kind: usd(amount) for kind, amount in holds.items()})
    assert policy.floor_micros == usd(floor)
    assert policy.hold_for("ai_task") == usd(holds.get("ai_task", "0.50"))


def test_a_wallet_in_which_nothing_is_held_has_a_floor_of_one_micro_unit() -> None:
    """Nothing at all is zero all the same."""
    assert WalletPolicy(default_hold_micros=0).floor_micros == 1


@pytest.mark.parametrize(
    ("usage", "ceiling"), [("0", "25"), ("500", "25"), ("500.20", "25.01"), ("1000", "50")]
)
def test_the_overdraft_ceiling_is_the_larger_of_a_sum_and_a_share(usage: str, ceiling: str) -> None:
    """Five percent of last month."""
    assert WalletPolicy().overdraft_ceiling(usd(usage)) == usd(ceiling)


def test_a_wallet_that_was_never_funded_has_no_level() -> None:
    """There is nothing to fall from."""
    moment = Moment(replace(funds("0"), funded=False), Lines(usd("50"), usd("12.50")), trouble=False)

    assert level_at(moment, WalletPolicy()) is Level.FINE
