"""The policy as pure functions: lines, levels, the size of a charge, and what holds one back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ledger import (
    Automatic,
    Funds,
    PolicyUnfit,
    RechargeBlock,
    RechargePast,
    RechargeRule,
    WalletPolicy,
    lines_for,
    recharge_decision,
    recharge_wanted,
    scale_of,
)
from ledger.alert_policy import Lines, Moment, level_at
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


def test_a_wallet_that_was_never_funded_has_no_level() -> None:
    """There is nothing to fall from."""
    moment = Moment(replace(funds("0"), funded=False), Lines(usd("50"), usd("12.50")), trouble=False)

    assert level_at(moment, WalletPolicy()) is Level.FINE
