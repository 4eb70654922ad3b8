"""Nine faults that tests once did not see: each is planted into the product, and the test named beside it fails."""

from typing import NamedTuple

import pytest

from tests.planted import Fault, outcomes_of, planted


class Seen(NamedTuple):
    """A fault, the test that has to see it, and how that test says so."""

    fault: Fault
    test: str
    says: str


FAULTS = {
    "a link outlives the gap that other money closed": Seen(
        Fault("bot.payments.recharge_end", "if is_closed(tx.book.view(wallet_id), policy) or (", "if ("),
        "tests/faults/test_recharge_end.py"
        "::test_a_credit_that_closes_the_gap_withdraws_the_link[the operator's credit]",
        "<State.OFFERED: 'offered'> is <State.WITHDRAWN",
    ),
    "nobody is told that a recharge and its link were both paid": Seen(
        Fault(
            "bot.payments.settlement",
            ", PaidTwice(payment_id=payment.payment_id))\n\n\nclass",
            ")\n\n\nclass",
        ),
        "tests/faults/test_recharge_end.py"
        "::test_a_recharge_and_its_link_both_paid_are_credited_and_flagged_once",
        "assert []",
    ),
    "who was told that nothing is known yet is left without the rest": Seen(
        Fault("bot.payments.awaited_outcome", "if now.state in IN_FLIGHT:", "if now.state not in IN_FLIGHT:"),
        "tests/faults/test_recharge_end.py"
        "::test_who_was_left_without_an_outcome_is_told_it_once[-paid-reset_after]",
        "assert [] ==",
    ),
    "people with a role read a second alarm beside a failed charge": Seen(
        Fault("bot.delivering.recipients", "and known.charge_failed and", "and not known.charge_failed and"),
        "tests/bot/test_recipients_of_failures.py::test_a_failed_charge_is_the_alarm_of_people_with_a_role",
        "assert",
    ),
    "a payment in another currency is credited": Seen(
        Fault("bot.payments.settlement", "currency != payment.currency or ", ""),
        "tests/faults/test_settlement.py"
        "::test_what_is_not_money_of_the_wallets_currency_is_not_credited[link-EUR-2000]",
        "DID NOT RAISE AmountsDiffer",
    ),
    "a canceled refund stays booked": Seen(
        Fault(
            "bot.payments.refunds",
            "UNBOOKED, seen.status)",
            'UNBOOKED, type(seen.status)("succeeded" if seen.status == "canceled" else seen.status))',
        ),
        "tests/faults/test_money_out.py::test_each_status_of_a_refund_is_booked_by_what_it_means[canceled]",
        "assert 8000000 == 20000000",
    ),
    "a charge of unknown outcome does not count towards the day": Seen(
        Fault("bot.payments.top_ups", ", State.COLLECTING.value", ""),
        "tests/faults/test_daily_limit.py"
        "::test_a_charge_without_an_answer_counts_until_it_is_known[reset_after-not confirmed]",
        "DID NOT RAISE OverDailyLimit",
    ),
    "finance may charge the card": Seen(
        Fault("bot.rights", "Action.CHARGE: _ADMIN", "Action.CHARGE: _WITH_ROLE"),
        "tests/bot/test_rights.py::test_the_table_is_what_people_were_promised",
        "charge by finance",
    ),
    "a notice has no handler": Seen(
        Fault(
            "bot.slack.senders.table",
            "case notices.CardGone():\n                self._cards.show_gone(claim, notice)",
            "case notices.CardGone():\n                pass",
        ),
        "tests/bot/test_notices_told.py::test_every_class_of_notice_is_told_to_whom_it_concerns[card.gone]",
        "finance reads: []",
    ),
    "a notice's arm is forgotten": Seen(
        Fault(
            "bot.slack.senders.table",
            "            case notices.CardGone():\n                self._cards.show_gone(claim, notice)\n",
            "",
        ),
        "tests/bot/test_notices_told.py::test_every_class_of_notice_is_told_to_whom_it_concerns[card.gone]",
        "finance reads: []",
    ),
    "the daily limit is not judged again at the press": Seen(
        Fault("bot.payments.top_ups", "self._check_daily(tx, wallet_id, pending.amount)", "pass"),
        "tests/faults/test_daily_limit.py::test_the_limit_is_judged_again_at_the_press",
        "DID NOT RAISE OverDailyLimit",
    ),
    "days of people's limit are days in UTC": Seen(
        Fault("bot.payments.top_ups", "ZoneInfo(view.zone)", 'ZoneInfo("UTC")'),
        "tests/faults/test_daily_limit.py::test_the_day_of_the_limit_is_the_wallets_own[Asia/Kathmandu-2026-06-15]",
        "OverDailyLimit",
    ),
    "days of the caps are days in UTC": Seen(
        Fault("bot.payments.recharge", "zone = ZoneInfo(view.zone)", 'zone = ZoneInfo("UTC")'),
        "tests/faults/test_recharge_midnights.py::test_a_day_of_the_caps_is_the_wallets_own",
        "RechargeBlock.DAY_COUNT",
    ),
    "a payment made twice is not told": Seen(
        Fault(
            "bot.payments.settlement",
            "tx.outbox.add(payment.wallet_id, PaidTwice(payment_id=payment.payment_id))",
            "pass",
        ),
        "tests/faults/test_settlement.py::test_a_payment_made_twice_is_credited_twice_and_told_once[link]",
        "assert [] == [PaidTwice(",
    ),
    "what brings everything back is one micro-unit short": Seen(
        Fault(
            "bot.surfaces.figures",
            "gaps.append(policy.floor_micros - funds.balance_micros)",
            "gaps = [one - 1 for one in (*gaps, policy.floor_micros - funds.balance_micros)]",
        ),
        "tests/bot/test_figures.py"
        "::test_what_brings_everything_back_is_exact_to_the_micro_unit[the same for all-USD]",
        "leaves something of",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_seen(name: str) -> None:
    """By the test that is named beside it, which fails because of what it asserts."""
    fault, test, says = FAULTS[name]

    with planted(fault):
        outcomes = outcomes_of(test)

    assert outcomes.broken == []
    assert outcomes.failed, f"{test} does not see that {name}: {outcomes.passed}"
    assert says in outcomes.failed[0]


def test_what_was_planted_is_gone_afterwards() -> None:
    """Else later tests of this process would try another product."""
    fault, test, _ = FAULTS["finance may charge the card"]
    with planted(fault):
        assert outcomes_of(test).failed
    again = outcomes_of(test)
    assert (len(again.passed), again.failed, again.broken) == (1, [], [])
