"""Settings of a wallet hold from the moment they are changed: for links, cards, tries and reminders."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from bot.notices import ConfirmationDue
from bot.payments.top_ups import OverDailyLimit
from bot.states.payment import State
from bot.surfaces.automatic import usable_cards
from bot.wallets.policy_changes import change_settings, fit_policies
from bot.wallets.rules import Rules
from ledger import MICROS, CreditKind, Currency, PolicyUnfit, PostMoney, RechargeRule
from ledger.storage.schema import wallets
from tests.faults.driver import DOLLARS, BotDriver, driver_in, rule_on
from tests.persons import owner


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[BotDriver]:
    """One wallet with $20, a card and a rule, whose settings were changed."""
    with driver_in(tmp_path) as made:
        page = made.payments.connect(made.wallet_id, DOLLARS.currency, asked_by=owner("U1"))
        assert made.shop.pay(
            made.shop.api.checkout.sessions.retrieve(page.session_id), "4242 4242 4242 4242"
        )["ok"]
        assert made.sync.session(page.session_id)
        made.hear_all(made.paid()[1])
        rule_on(made)
        wanted = ["link_lifetime=1d", "card_day_limit=15", "retry_hours=2", "remind_hours=2,5"]
        change_settings(made.ledger, made.wallet_id, wanted)
        yield made


def test_links_and_the_day_limit(driver: BotDriver) -> None:
    """A link lives for a day; $20 are more than people may charge."""
    asked = driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="")
    assert asked.expires_at == driver.ledger.now() + timedelta(days=1)
    with pytest.raises(OverDailyLimit, match=r"up to \$15.00 a day"):
        driver.charges.prepare(driver.wallet_id, DOLLARS, actor=owner("U1"))


def test_the_next_try_of_a_declined_charge(driver: BotDriver) -> None:
    """After two hours."""
    driver.shop.arm(last4="4242", decline="insufficient_funds")
    tried = driver.recharge.consider(driver.wallet_id)
    assert tried is not None
    assert tried.next_try_at == driver.ledger.now() + timedelta(hours=2)


def test_reminders_to_confirm_at_the_bank(driver: BotDriver) -> None:
    """After two hours and after five."""
    driver.shop.arm(last4="4242", decline="authentication_required")
    assert driver.recharge.consider(driver.wallet_id) is not None
    told = []
    for _ in range(7):
        driver.recharge.remind(driver.ledger.now())
        told.append(len(driver.told(ConfirmationDue)))
        driver.shop.clock.skip(hours=1)
    assert told == [0, 0, 1, 1, 1, 2, 2]


def test_a_recharge_in_yen_closes_the_gap_in_hundreds(tmp_path: Path) -> None:
    """A wallet that was opened with dollar numbers: fitted, then charged by a rule in yen, which Stripe takes."""
    with driver_in(tmp_path) as driver:
        yen, wallet_id = Currency.of("JPY"), driver.wallet_id
        of_wallet = update(wallets).where(wallets.c.wallet_id == wallet_id)
        driver.ledger.run(lambda tx: tx.connection.execute(of_wallet.values(currency="JPY")))
        fit_policies(driver.ledger)
        page = driver.payments.connect(wallet_id, yen, asked_by=owner("U1"))
        session = driver.shop.api.checkout.sessions.retrieve(page.session_id)
        assert driver.shop.pay(session, "4242 4242 4242 4242")["ok"]
        assert driver.sync.session(page.session_id)
        first = PostMoney("stripe", "credit:pi_0", CreditKind.TOP_UP, 4_321 * MICROS, None)
        driver.ledger.carry_out(wallet_id, [first])
        (card,) = usable_cards(driver.ledger, wallet_id)

        def turn_on(threshold: int, target: int) -> None:
            rule = RechargeRule(
                threshold_micros=threshold * MICROS,
                target_micros=target * MICROS,
                day_cap_micros=100_000 * MICROS,
                month_cap_micros=500_000 * MICROS,
            )
            Rules(driver.ledger).turn_on(
                wallet_id, rule, card_id=card.card_id, backup_id="", actor=owner("U1"), expected_version=None
            )

        with pytest.raises(PolicyUnfit, match="at least ¥1,000"):
            turn_on(50, 200)
        turn_on(5_000, 20_000)
        made = driver.recharge.consider(wallet_id)

        assert made is not None
        assert (str(made.amount), made.state) == ("¥15,700", State.PAID)
        assert [one["amount"] for one in driver.shop.charges()] == [15_700]
