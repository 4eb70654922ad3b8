"""The app was removed from the workspace: no card is charged for it by any way, and what is open is still closed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.delivering.courier import Courier
from bot.notices import ConfirmationDue
from bot.payments.recharge import Recharge
from bot.payments.top_ups import Charges
from bot.served import AppRemoved
from bot.states.payment import State
from bot.tables import payments, stripe_requests
from bot.timers import Timers
from bot.wallets.workspaces import Workspaces
from ledger import Waiting
from ledger.storage.schema import notices
from tests.faults.driver import DOLLARS, BotDriver, driver_in, rule_on
from tests.persons import owner

TEAM = "T1"


@dataclass
class Company:
    """A wallet with $20, a saved card and a rule, whose notices go to a list."""

    driver: BotDriver
    recharge: Recharge
    charges: Charges
    timers: Timers
    courier: Courier
    wish: str
    """A charge that somebody is about to confirm."""
    told: list[str] = field(default_factory=list)

    def remove(self) -> None:
        """Remove the app."""
        Workspaces(self.driver.ledger).forget(TEAM, "app_uninstalled")

    def reinstall(self) -> None:
        """Install it again."""
        Workspaces(self.driver.ledger).revive(TEAM)

    def charged(self) -> list[int]:
        """Give what the saved card was charged, in dollars."""
        return [one["amount"] // 100 for one in self.driver.shop.charges()][1:]

    def rows(self) -> list[Any]:
        """Give the charges of the saved card."""
        mine = (payments.c.wallet_id == self.driver.wallet_id) & (payments.c.way == "saved_card")
        with self.driver.ledger.reading() as connection:
            return list(connection.execute(select(payments).where(mine).order_by(payments.c.created_at)))

    def run_every_job(self, *, minutes: int = 5) -> None:
        """Let time pass, and let everything look around that could charge or tell."""
        self.driver.shop.clock.skip(minutes=minutes)
        now = self.driver.ledger.now()
        self.timers.observe(now)
        self.timers.hear_news(now)
        self.timers.recharge(now)
        self.timers.sweep(now)
        self.courier.run_once(now)

    def press(self) -> None:
        """Confirm the charge that was prepared."""
        self.charges.charge(self.driver.wallet_id, self.wish, actor=owner("U1"))


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    """The company, on the morning of its removal."""
    with driver_in(tmp_path) as driver:
        page = driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=owner("U1"))
        assert driver.shop.pay(driver.shop.api.checkout.sessions.retrieve(page.session_id))["ok"]
        assert driver.sync.session(page.session_id)
        driver.hear_all(driver.paid()[1])
        recharge = driver.recharge
        charges = Charges(driver.ledger, driver.payments, driver.served)
        timers = Timers(driver.ledger, driver.served, driver.sweep, recharge, driver.news)
        told: list[str] = []

        def heard(waiting: Waiting) -> None:
            timers.heard(waiting)
            told.append(f"{waiting.seq} {waiting.name}")

        courier = Courier(driver.ledger, heard, lambda to: None, driver.served)
        wish, _ = charges.prepare(driver.wallet_id, DOLLARS, actor=owner("U1"))
        while courier.run_once(driver.ledger.now()):
            pass  # what came before is told
        told.clear()
        rule_on(driver)
        yield Company(driver, recharge, charges, timers, courier, wish, told)


def _wanted(company: Company) -> None:
    """The ledger's notice that a charge is wanted waits first in line."""
    company.courier.run_once(company.driver.ledger.now())


def _retry(company: Company) -> None:
    """The next try of a charge that was declined is due."""
    company.recharge.consider(company.driver.wallet_id)


def _job(company: Company) -> None:
    company.timers.recharge(company.driver.ledger.now())


WAYS: dict[str, tuple[Callable[[Company], object], int]] = {
    "the rule": (lambda company: company.recharge.consider(company.driver.wallet_id), 180),
    "the notice that it is wanted": (_wanted, 180),
    "the job": (_job, 180),
    "a retry": (_retry, 180),
    "a press": (Company.press, 20),
}
"""Every way in which the saved card is charged, and how many dollars."""


def _get_ready(company: Company, way: str) -> None:
    if way == "a retry":
        company.driver.shop.arm(last4="4242", decline="insufficient_funds")
        failed = company.recharge.consider(company.driver.wallet_id)
        assert failed is not None
        assert failed.state is State.FAILED
        company.driver.shop.arm(last4="4242", decline="")
        company.driver.shop.clock.skip(minutes=61)


def _nothing_is_left_open(company: Company) -> None:
    """Stripe has no intent that could still be confirmed."""
    listed = company.driver.shop.api.payment_intents.list({"limit": 100}).data
    assert {one.status for one in listed} <= {"succeeded", "canceled"}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_charges_while_the_app_is_installed(company: Company, way: str) -> None:
    """What the other tests forbid does happen otherwise."""
    _get_ready(company, way)
    WAYS[way][0](company)
    assert company.charged() == [WAYS[way][1]]


@pytest.mark.parametrize("way", WAYS)
def test_no_charge_is_begun_once_the_app_was_removed(company: Company, way: str) -> None:
    """Nothing is planned or sent, for days; what a rule wanted is charged once after the reinstall."""
    _get_ready(company, way)
    before = len(company.rows())
    company.remove()
    if way == "a press":
        with pytest.raises(AppRemoved):
            company.press()
    else:
        WAYS[way][0](company)
    for _ in range(12):
        company.run_every_job(minutes=6 * 60)
    assert (company.charged(), len(company.rows()), company.told) == ([], before, [])

    company.reinstall()
    company.run_every_job()
    assert company.charged() == [180]


@pytest.mark.parametrize("way", WAYS)
def test_a_removal_between_intent_and_confirmation_cancels_the_intent(
    company: Company, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe has made the intent, and it is never confirmed."""
    _get_ready(company, way)
    real = company.driver.gateway.create_intent

    def create(*told: Any) -> Any:
        answer = real(*told)
        company.remove()
        return answer

    monkeypatch.setattr(company.driver.gateway, "create_intent", create)
    WAYS[way][0](company)
    monkeypatch.undo()

    assert company.rows()[-1].state == "withdrawn"
    assert company.rows()[-1].withdrawn_by == "redbar"
    _nothing_is_left_open(company)
    if way == "a press":
        payment = company.driver.payments.look(company.driver.wallet_id, company.rows()[-1].payment_id)
        assert payment is not None
        assert company.charges.result(payment).outcome == "taken_back"
    for _ in range(5):
        company.run_every_job(minutes=60)
    assert company.charged() == []
    company.reinstall()
    company.run_every_job(minutes=20)
    assert company.charged() == [180]


@pytest.mark.parametrize(
    ("match", "mode", "happened"),
    [
        ("POST /v1/payment_intents", "reset_before", False),
        ("POST /v1/payment_intents/*/confirm", "reset_before", False),
        ("POST /v1/payment_intents/*/confirm", "reset_after", True),
    ],
    ids=["begun", "not confirmed", "charged unheard"],
)
@pytest.mark.parametrize("way", WAYS)
def test_a_removal_before_the_sweep_sends_no_charge_again(
    company: Company, way: str, match: str, mode: str, happened: bool
) -> None:
    """A Stripe request without an answer is looked up, never sent; money that was taken before is credited as ever."""
    _get_ready(company, way)
    company.driver.shop.arm(match=match, mode=mode)
    WAYS[way][0](company)
    company.remove()
    for _ in range(6):
        company.run_every_job(minutes=10)

    amount = WAYS[way][1]
    assert company.charged() == ([amount] if happened else [])
    assert company.driver.view().balance_micros == (20 + (amount if happened else 0)) * 1_000_000
    assert company.rows()[-1].state == ("paid" if happened else "withdrawn")
    _nothing_is_left_open(company)


def test_what_takes_no_money_is_still_closed(company: Company) -> None:
    """Page, link and card: a request that closes one is sent again after the removal, one that opens one waits."""
    driver = company.driver
    page = driver.payments.offer_page(driver.wallet_id, DOLLARS, asked_by=owner("U1"), saves_card=False)
    link = driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="")
    driver.shop.arm(match="POST /v1/checkout/sessions/*/expire", mode="reset_before")
    driver.payments.withdraw(driver.wallet_id, page.payment_id, by=owner("U1"))
    driver.shop.arm(match="POST /v1/payment_links", mode="reset_before")
    with pytest.raises(Exception, match="Stripe could not be reached"):
        driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="")
    company.remove()
    company.run_every_job()

    assert driver.shop.api.checkout.sessions.retrieve(page.session_id).status == "expired"
    with driver.ledger.reading() as connection:
        opening = connection.execute(
            select(stripe_requests).where(stripe_requests.c.operation == "link")
        ).all()
    assert [row.state for row in opening if row.tries == 1 and row.state != "done"] == ["unknown"]

    driver.shop.clock.skip(days=8)
    company.run_every_job()
    assert not driver.shop.api.payment_links.retrieve(link.link_id).active
    with driver.ledger.reading() as connection:
        states = connection.execute(select(stripe_requests.c.operation, stripe_requests.c.state)).all()
    assert {row.state for row in states if row.operation in ("expire_session", "deactivate_link")} == {"done"}


def test_notices_wait_without_using_up_a_try_and_are_delivered_once(company: Company) -> None:
    """Days pass; after the reinstall each is delivered in its order, and nothing is told twice."""
    company.remove()
    for _ in range(20):
        company.run_every_job(minutes=6 * 60)
    with company.driver.ledger.reading() as connection:
        rows = connection.execute(
            select(notices.c.seq, notices.c.attempts).where(
                notices.c.wallet_id == company.driver.wallet_id, notices.c.state == "waiting"
            )
        ).all()
    assert rows
    assert {row.attempts for row in rows} == {0}
    assert company.told == []

    company.reinstall()
    for _ in range(30):
        company.run_every_job(minutes=1)
    order = [int(one.partition(" ")[0]) for one in company.told]
    assert order == sorted(set(order))
    assert {row.seq for row in rows} <= set(order)
    assert company.charged() == [180]


def test_nobody_is_reminded_while_the_app_is_removed(company: Company) -> None:
    """Of a payment that the bank wants confirmed."""
    company.driver.shop.arm(last4="4242", decline="authentication_required")
    assert company.recharge.consider(company.driver.wallet_id) is not None
    company.remove()
    for _ in range(8):
        company.driver.shop.clock.skip(hours=1)
        company.timers.recharge(company.driver.ledger.now())
    assert company.driver.told(ConfirmationDue) == []

    company.reinstall()
    company.timers.recharge(company.driver.ledger.now())
    assert [one.hours for one in company.driver.told(ConfirmationDue)] == [6]


def test_an_event_overrules_an_error_and_a_start_clears_both(company: Company) -> None:
    """Only an event says for certain that the app was removed; an error after it says nothing more."""
    workspaces = Workspaces(company.driver.ledger)
    workspaces.forget(TEAM, "invalid_auth")
    assert workspaces.gone_by(TEAM) == "invalid_auth"
    workspaces.forget(TEAM, "app_uninstalled")
    workspaces.forget(TEAM, "token_revoked")
    assert workspaces.gone_by(TEAM) == "app_uninstalled"
    assert workspaces.of_team(TEAM) is None

    workspaces.open(
        team_id=TEAM, enterprise_id="", name="Orders", bot_user_id="U1", currency=DOLLARS.currency, zone="UTC"
    )
    assert workspaces.gone_by(TEAM) is None
    workspaces.forget(TEAM, "invalid_auth")
    assert workspaces.gone_by(TEAM) == "invalid_auth"
