"""Every sum in every offered currency, held against what Stripe takes; and a wallet in yen beside one in dollars."""

from dataclasses import fields, replace
from datetime import timedelta

import pytest

from bot.payments.top_ups import check_amount
from bot.surfaces.figures import brings_back, offered_amount, suggested_rule
from bot.surfaces.forms import presets_of
from ledger import (
    INBOUND_CALL,
    OFFERED,
    Automatic,
    Burn,
    Currency,
    CurrencyNotOffered,
    CurrencyUnknown,
    Funds,
    Money,
    PolicyUnfit,
    Reason,
    RechargePast,
    RechargeRule,
    WalletPolicy,
    charge_bounds,
    format_money,
    offered_currency,
    recharge_decision,
    rounded_up,
    scale_of,
    threshold_min_micros,
    to_minor,
)
from tests.ledger.wallet_driver import MORNING, WalletDriver

MICROS = 1_000_000
# Major units (docs.stripe.com/currencies); 0.50 where none is named.
STRIPE_LEAST = {
    "GBP": 0.30, "AED": 2, "MYR": 2, "PLN": 2, "RON": 2, "DKK": 2.5, "NOK": 3, "SEK": 3, "HKD": 4, "MXN": 10, "THB": 10,
    "CZK": 15, "JPY": 50, "KRW": 50, "HUF": 175,
}  # fmt: skip
STRIPE_MOST = 99_999_999
# Units that about one dollar buys, in autumn 2026; a factor may be half or twice as much, never ten times.
RATES = {
    "USD": 1, "AED": 3.67, "AUD": 1.5, "BRL": 5.4, "CAD": 1.4, "CHF": 0.8, "CZK": 21, "DKK": 6.5, "EUR": 0.87,
    "GBP": 0.75, "HKD": 7.8, "HUF": 335, "ILS": 3.3, "INR": 88, "JPY": 155, "KRW": 1_450, "MXN": 18, "MYR": 4.1,
    "NOK": 10, "NZD": 1.75, "PHP": 58, "PLN": 3.7, "RON": 4.4, "SEK": 9.4, "SGD": 1.3, "THB": 32, "ZAR": 17,
}  # fmt: skip


def stripe_takes(micros: int, code: str) -> None:
    """Fail where Stripe would refuse an amount."""
    currency = Currency.of(code)
    minor = to_minor(Money(micros, currency))
    assert minor * currency.minor_micros >= STRIPE_LEAST.get(code, 0.5) * MICROS, (micros, code)
    assert minor <= STRIPE_MOST, (micros, code)


def test_the_table_holds_about_25_currencies_and_each_has_a_rate_here() -> None:
    """A currency that is added is added to this test as well."""
    assert set(OFFERED) == set(RATES)


@pytest.mark.parametrize("code", OFFERED)
def test_every_factor_is_near_the_exchange_rate_and_every_unit_is_about_a_dollar(code: str) -> None:
    """A wrong factor is a hundred times too much on somebody's card."""
    scale = scale_of(code)
    assert 0.5 <= scale.per_dollar / RATES[code] <= 2
    assert 0.25 <= scale.unit / RATES[code] <= 2
    assert scale.dollars(1) == scale.per_dollar * MICROS
    assert scale.cents(50) * 2 == scale.dollars(1)


@pytest.mark.parametrize("code", OFFERED)
def test_every_sum_that_can_be_charged_is_taken_by_stripe(code: str) -> None:
    """Presets, bounds, suggestions, and what rules and buttons charge."""
    scale, policy = scale_of(code), WalletPolicy.for_currency(code)
    presets = [one.micros for one in presets_of(policy, scale)]
    least, most = charge_bounds(scale)
    rule = suggested_rule(None, MORNING, "UTC", policy, scale)
    assert len(presets) == 4
    assert rule.target_micros is not None
    offered = [
        offered_amount(policy, Money(available, scale.currency)).micros
        for available in (0, 1, -1, scale.dollars(49) + 1, -scale.dollars(100_000))
    ]
    back = [
        brings_back(Funds(balance, 0, True, MORNING, MORNING, 0), policy, scale)
        for balance in (0, -1, -scale.dollars(25) - 1)
    ]
    sums = [
        *presets,
        policy.top_up_min_micros,
        policy.top_up_max_micros,
        policy.people_day_max_micros,
        least,
        most,
    ]
    for micros in (*sums, *offered, *back, rule.full_charge_micros(scale)):
        stripe_takes(micros, code)
        assert scale.up(micros) == micros, f"{micros} is not round in {code}"
    for micros in (*presets, *offered, *back, policy.top_up_min_micros, policy.top_up_max_micros):
        check_amount(Money(micros, scale.currency), policy)


@pytest.mark.parametrize("code", OFFERED)
def test_every_default_bound_hold_and_ceiling_is_that_of_dollars_times_the_factor(code: str) -> None:
    """But for what Stripe cannot charge at once."""
    scale, policy, plain = scale_of(code), WalletPolicy.for_currency(code), WalletPolicy()
    for one in (one.name for one in fields(policy) if one.name.endswith("_micros")):
        expected = getattr(plain, one) * scale.per_dollar
        at_most = scale.charge_max_micros if one == "top_up_max_micros" else expected
        assert getattr(policy, one) == min(expected, at_most), one
    assert policy.hold_for("outbound_call") == scale.cents(50)
    assert policy.overdraft_ceiling(0) == scale.dollars(25)
    assert threshold_min_micros(scale) == scale.dollars(10)
    assert policy.default_caps(0) == (scale.dollars(500), scale.dollars(5_000))


@pytest.mark.parametrize("code", OFFERED)
def test_every_amount_that_a_rule_can_charge_is_taken_by_stripe(code: str) -> None:
    """At any level, whole or cut by a cap, down to the micro-unit."""
    scale, plain = scale_of(code), WalletPolicy.for_currency(code)
    least, most = charge_bounds(scale)
    for target, cap in ((200, 500), (2_510, 5_000), (36, 3_333)):
        rule = RechargeRule(
            threshold_micros=scale.dollars(10),
            target_micros=scale.dollars(target),
            day_cap_micros=scale.dollars(cap) + 7,
            month_cap_micros=scale.dollars(10 * cap) + 7,
        )
        rule = replace(rule, day_cap_micros=max(rule.day_cap_micros, rule.full_charge_micros(scale)))
        rule.check(scale)
        policy = replace(plain, automatic=Automatic.ON, rule=rule)
        for level in (scale.dollars(10) - 1, 1, 0, -3, -scale.dollars(40) - 123_457):
            for charged in (0, scale.dollars(cap) // 2 + 1):
                past = RechargePast(
                    in_flight=False,
                    attempts_today=0,
                    money_today_micros=charged,
                    money_month_micros=charged,
                    last_started_at=None,
                )
                funds = Funds(level, 0, True, None, None, 0)
                decided = recharge_decision(
                    funds, policy, past, MORNING, day_ends_at=MORNING + timedelta(hours=1), scale=scale
                ).amount_micros
                if decided is not None:
                    assert least <= decided <= most
                    assert scale.up(decided) == decided
                    stripe_takes(decided, code)


@pytest.mark.parametrize("code", OFFERED)
@pytest.mark.parametrize("week_dollars", [1, 700, 70_000])
def test_every_suggested_rule_passes_its_own_check(code: str, week_dollars: int) -> None:
    """Whatever the pace, the form begins with a rule that it takes."""
    scale = scale_of(code)
    burn = Burn((scale.dollars(week_dollars) // 168 + 1,) * 168)
    rule = suggested_rule(burn, MORNING, "UTC", WalletPolicy.for_currency(code), scale)
    rule.check(scale)
    assert scale.up(rule.threshold_micros) == rule.threshold_micros


def test_presets_in_yen_are_round_amounts() -> None:
    """As PRODUCT writes them."""
    presets = presets_of(WalletPolicy.for_currency("JPY"), scale_of("JPY"))
    assert [format_money(one) for one in presets] == ["¥2,500", "¥5,000", "¥10,000", "¥25,000"]
    assert str(rounded_up(Money(12_010_000, Currency.of("JPY")))) == "¥100"
    assert str(rounded_up(Money(12_010_000, Currency.of("USD")))) == "$13.00"
    assert rounded_up(Money(-1, Currency.of("USD"))).micros == 0


def test_refusals_name_the_amounts_of_the_currency() -> None:
    """Somebody who pays in yen reads yen."""
    rule = RechargeRule(threshold_micros=50 * MICROS, target_micros=200 * MICROS)
    with pytest.raises(PolicyUnfit, match="at least ¥1,000"):
        rule.check(scale_of("JPY"))
    with pytest.raises(PolicyUnfit, match="between ¥2,500 and ¥250,000"):
        replace(rule, threshold_micros=5_000 * MICROS, target_micros=None, fixed_micros=MICROS).check(
            scale_of("JPY")
        )


# Adapted from a case of the yen taken for dollars: InvoicePlane#1677, moodle-paygw_stripe#2, panel#1120.
@pytest.mark.parametrize(
    ("code", "hundred_dollars"), [("JPY", 15_000), ("KRW", 140_000), ("HUF", 35_000), ("USD", 100)]
)
def test_limits_of_a_wallet_in_yen(code: str, hundred_dollars: int) -> None:
    """A top-up, a rule, a hold and grace are worth about as much as in dollars."""
    hundred = hundred_dollars * MICROS
    scale = scale_of(code)
    check_amount(Money(hundred, scale.currency), WalletPolicy.for_currency(code))
    RechargeRule(
        threshold_micros=hundred // 2,
        target_micros=hundred * 2,
        day_cap_micros=hundred * 9,
        month_cap_micros=hundred * 99,
    ).check(scale)
    driver = WalletDriver("sqlite://")
    driver.wallet_id = driver.open_wallet(currency=code)
    driver.top_up(str(hundred_dollars))
    assert driver.ask("h", kind=INBOUND_CALL).amount_micros == scale.cents(50)
    driver.capture(
        "h", str(hundred_dollars + hundred_dollars // 500)
    )  # twenty cents below zero, in that money
    assert driver.ask("in", kind=INBOUND_CALL).permit.reason is Reason.ALLOWED
    driver.close()


@pytest.mark.parametrize("code", ["ISK", "KWD", "idr", "XXX", "UGX"])
def test_another_currency_is_refused_by_name_with_those_that_are_offered(code: str) -> None:
    """By the ledger itself, whoever opens the wallet."""
    with pytest.raises(CurrencyNotOffered, match=rf'"{code}".*Use one of USD.*for example EUR'):
        offered_currency(code)
    driver = WalletDriver("sqlite://")
    with pytest.raises(CurrencyUnknown):
        driver.open_wallet(currency=code)
    driver.close()
