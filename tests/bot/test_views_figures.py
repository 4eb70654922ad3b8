"""Rules, rehearsals, months and transactions: the figures in words agree with their facts."""

from datetime import timedelta

import pytest

from bot.facts import RehearsalFacts
from bot.rights import Role
from bot.slack.views import automatic, failed_charges, history, usage
from bot.slack.views.text import plainly
from bot.states.recharge import RechargePhase
from ledger import RechargeRule
from tests.bot import view_facts as v

ADMIN = Role.BILLING_ADMIN

# --- Automatic payments ------------------------------------------------------------------------------------


def test_a_changed_rule_is_told_before_and_after() -> None:
    """Only what changed."""
    rule = RechargeRule(threshold_micros=100_000_000, target_micros=400_000_000)

    shown = automatic.rule_changed("UADMIN", v.automatic(), v.automatic(rule=rule), role=ADMIN)

    assert shown.text == "<@UADMIN> changed automatic payments: threshold $50 → $100, target $200 → $400."
    assert v.buttons_of(shown)["Turn automatic payments off"]["confirm"]["confirm"]["text"] == "Turn off"


def test_the_confirmation_carries_rehearsal_and_the_charge_of_this_moment() -> None:
    """What it would have done, and what it does now."""
    shown = automatic.confirm_automatic(v.automatic_confirm())

    assert (
        "In the last 30 days this rule would have charged 6 times, at most $400 in a day, "
        "and the wallet would not have hit zero (it did twice)."
    ) in v.words_of(shown)
    assert "The balance is already below $50" in v.words_of(shown)
    assert "charges $159.00 to Visa ••4242 now." in v.words_of(shown)
    assert shown["submit"]["text"] == "Turn on, charge $159"


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (RehearsalFacts(0, 0, v.usd("0"), 0, 0), "There is no history yet"),
        (
            RehearsalFacts(9, 0, v.usd("0"), 0, 0),
            "In the last 9 days this rule would not have charged anything",
        ),
        (
            RehearsalFacts(30, 1, v.usd("200"), 0, 0),
            "charged once, at most $200 in a day; the wallet never hit zero",
        ),
        (RehearsalFacts(30, 9, v.usd("450"), 1, 3), "would still have hit zero once (it did 3 times)"),
    ],
)
def test_the_rehearsal_says_what_it_found(facts: RehearsalFacts, words: str) -> None:
    """From nothing to a rule that isn't enough."""
    assert words in v.words_of(automatic.confirm_automatic(v.automatic_confirm(rehearsal=facts)))


def test_a_failed_charge_says_why_that_nothing_was_charged_and_how_it_goes_on() -> None:
    """With the link, the picture and a reference."""
    shown = failed_charges.charge_failed(v.failure(tries_left=4, backup="Mastercard ••5100"), ADMIN)

    assert plainly(shown.text).startswith(
        "The automatic payment of $159.00 failed: the bank said there isn't enough money on Visa ••4242. Nothing was "
        "charged. Next try Mon 23 Nov 15:31; 2 more tries after that, then the backup card Mastercard ••5100. "
        "The wallet lasts until about 23:40 on Mon 23 Nov."
    )
    assert shown.text.endswith("Ref RB-4821")
    assert list(v.buttons_of(shown)) == ["Pay $159", "Use another card", "Ask someone to pay"]


def test_a_charge_that_waits_for_a_person_is_not_called_failed() -> None:
    """The bank wants somebody to confirm."""
    shown = failed_charges.charge_failed(v.failure(phase=RechargePhase.CONFIRM), ADMIN)

    assert shown.text.startswith("The bank wants you to confirm a payment of $159.00.")
    assert "failed" not in shown.text


# --- Usage and history -------------------------------------------------------------------------------------


def test_the_month_is_compared_with_the_same_days_of_the_month_before() -> None:
    """A whole month with a whole month."""
    assert usage.against_last(v.month()) == "23 % more than 1–23 October"
    assert usage.against_last(v.month(running=False)) == "23 % more than October"
    assert usage.against_last(v.month(last_spent=v.usd("500"))) == "17 % less than 1–23 October"
    assert usage.against_last(v.month(last_spent=v.usd("412.60"))) == "As much as 1–23 October"
    assert usage.against_last(v.month(last_month=None, last_spent=None)) == ""


def test_the_chart_has_no_more_points_than_slack_takes() -> None:
    """And its steps add up to the days."""
    shown = usage.usage(v.month(), v.balance())
    chart = next(one for one in shown.blocks if one["type"] == "data_visualization")
    values = [point["value"] for point in chart["chart"]["series"][0]["data"]]

    assert len(values) == 8
    assert sum(round(value * 100) for value in values) == 22 * 14_52 + 93_20


def test_the_numbers_of_the_chart_stand_beside_it_in_words() -> None:
    """A chart has no text for screen readers."""
    shown = usage.usage(v.month(), v.balance())

    assert "16–18: $122.24" in v.words_of(shown)
    assert "Costliest days: Tue 17 Nov $93.20" in v.words_of(shown)
    assert "Outbound calls $301.20 · 1,204 calls · 2,310 min." in shown.text


def test_a_spike_says_how_far_it_stands_out() -> None:
    """Against the same weekday."""
    spike = v.month().spike
    assert spike is not None

    assert usage.spike_sentence(spike) == "Outbound calls on Tue 17 Nov cost 3.1 times a usual Tuesday."


def test_a_late_row_shows_both_days() -> None:
    """When it was used, and when it was recorded."""
    late = v.row(occurred_at=v.NOW - timedelta(days=2))

    words = plainly(history.row_block(late, "UTC")["text"]["text"])

    assert "Used Sat 21 Nov 14:31, recorded Mon 23 Nov 14:31" in words


def test_the_pager_of_a_history_message_keeps_its_filters() -> None:
    """The message has no other memory."""
    facts = v.history(kind="ai_task", month="2026-10")
    assert facts.older_cursor is not None

    value = history.page_value(facts.older_cursor, facts)

    assert history.page_of(value) == ("older:117", "ai_task", "2026-10")
    assert history.page_of("older:9||") == ("older:9", None, None)


def test_a_row_with_a_receipt_offers_it_first() -> None:
    """The menu reads it afresh."""
    options = history.row_block(v.recharge_row(), "UTC")["accessory"]["options"]

    assert [one["value"] for one in options] == ["receipt:117", "details:117"]


@pytest.mark.parametrize(
    ("kind", "quantity", "label"),
    [
        ("outbound_call", 121, "Outbound call · 3 min"),
        ("inbound_call", None, "Inbound call"),
        ("ai_task", 1, "AI task"),
        ("recharge", None, "Automatic payment"),
        ("sms_sent", 12, "Sms sent · 12"),
    ],
)
def test_a_row_is_named_as_people_would(kind: str, quantity: int | None, label: str) -> None:
    """Kinds that we don't know are made readable."""
    assert history.row_label(kind, quantity) == label
