"""The settings of a wallet as a value: what a rule is refused for, and amounts that fit the currency."""

from dataclasses import fields, replace

import pytest

from ledger import Automatic, Pause, PauseCode, PolicyUnfit, RechargeRule, WalletPolicy, scale_of
from ledger.wallet_policy import default_amounts, rescaled
from tests.ledger.wallet_driver import usd

DOLLARS = scale_of("USD")
DECLINED = Pause(PauseCode.DECLINED)
RULE = RechargeRule(threshold_micros=usd("50"), target_micros=usd("200"))
YEN_RULE = RechargeRule(
    threshold_micros=usd("5000"),
    target_micros=usd("20000"),
    day_cap_micros=usd("50000"),
    month_cap_micros=usd("500000"),
)


@pytest.mark.parametrize(
    ("rule", "field", "sentence"),
    [
        (replace(RULE, threshold_micros=usd("9")), "threshold", "The threshold has to be at least $10.00."),
        (
            replace(RULE, target_micros=None),
            "target",
            "A rule comes back to a target or adds a fixed amount, one of the two.",
        ),
        (
            replace(RULE, target_micros=usd("50")),
            "target",
            "The amount to come back to has to be above the threshold.",
        ),
        (
            replace(RULE, target_micros=usd("2551")),
            "target",
            "One charge is at most $2,500.00: bring the target closer to the threshold.",
        ),
        (
            replace(RULE, target_micros=None, fixed_micros=usd("24")),
            "fixed",
            "A fixed charge has to be between $25.00 and $2,500.00.",
        ),
        (replace(RULE, per_day_max=0), "per_day", "There has to be room for at least one charge a day."),
        (
            replace(RULE, day_cap_micros=usd("149")),
            "day_cap",
            "The daily limit doesn't leave room for one full charge.",
        ),
        (
            replace(RULE, month_cap_micros=usd("149")),
            "month_cap",
            "The monthly limit doesn't leave room for one full charge.",
        ),
    ],
)
def test_a_rule_is_refused_in_a_sentence_that_names_its_field(
    rule: RechargeRule, field: str, sentence: str
) -> None:
    """Slack shows the sentence under the field."""
    with pytest.raises(PolicyUnfit) as refused:
        rule.check(DOLLARS)
    assert (refused.value.field, str(refused.value)) == (field, sentence)


def test_a_new_wallet_has_the_amounts_of_its_currency() -> None:
    """And remembers by which factor they were made."""
    yen = WalletPolicy.for_currency("JPY")
    assert (yen.per_dollar, WalletPolicy.for_currency("USD").per_dollar) == (100, 1)
    assert yen == replace(WalletPolicy(), per_dollar=100, **default_amounts(scale_of("JPY")))
    assert yen.default_hold_micros == usd("50")


def test_a_currency_that_is_not_offered_keeps_the_numbers_of_dollars() -> None:
    """Books were opened in it before it was refused."""
    scale = scale_of("TRY")
    assert (scale.currency.code, scale.per_dollar, scale.unit) == ("TRY", 1, 1)
    assert WalletPolicy.for_currency("TRY") == WalletPolicy()


WRITTEN = frozenset(one.name for one in fields(WalletPolicy))


def test_a_policy_that_fits_its_currency_is_left_as_it_is() -> None:
    """Whatever somebody chose in it."""
    chosen = replace(WalletPolicy.for_currency("JPY"), item_max_micros=usd("7"), rule=YEN_RULE)
    assert rescaled(chosen, "JPY", WRITTEN) == chosen
    assert rescaled(WalletPolicy(rule=RULE), "USD", WRITTEN) == WalletPolicy(rule=RULE)


def test_default_numbers_of_dollars_become_those_of_the_currency() -> None:
    """What somebody chose stays, also where it is the default of another amount."""
    before = WalletPolicy(item_max_micros=usd("50"), warning_min_micros=usd("70"))
    after = rescaled(before, "JPY", WRITTEN)
    assert (after.item_max_micros, after.warning_min_micros) == (usd("50"), usd("70"))
    expected = replace(
        WalletPolicy.for_currency("JPY"), item_max_micros=usd("50"), warning_min_micros=usd("70")
    )
    assert after == expected


def test_an_amount_that_was_never_written_becomes_the_default_of_the_currency() -> None:
    """A version before did not know it, so its value is the dollar's."""
    before = replace(WalletPolicy.for_currency("JPY"), top_up_min_micros=usd("10"))
    assert rescaled(before, "JPY", WRITTEN).top_up_min_micros == usd("10"), "somebody chose it"
    assert rescaled(before, "JPY", WRITTEN - {"top_up_min_micros"}).top_up_min_micros == usd("1000")


@pytest.mark.parametrize("automatic", list(Automatic))
def test_a_rule_outside_the_bounds_of_the_currency_is_cleared_and_off(automatic: Automatic) -> None:
    """One that fits stays as it is, with its state."""
    unfit = WalletPolicy(automatic=automatic, rule=RULE, pause=DECLINED)
    after = rescaled(unfit, "JPY", WRITTEN)
    assert (after.rule, after.automatic, after.pause) == (None, Automatic.OFF, None)

    fit = WalletPolicy(automatic=automatic, rule=YEN_RULE, pause=DECLINED)
    kept = rescaled(fit, "JPY", WRITTEN)
    assert (kept.rule, kept.automatic, kept.pause) == (YEN_RULE, automatic, DECLINED)
