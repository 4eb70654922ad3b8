"""The app was removed from the workspace: no card is charged for it by any way, and what is open is still closed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.delivering.courier import Courier
from bot.notices import CameBack, ConfirmationDue, RechargeFailed
from bot.payment_rows import Payment, payment_of
from bot.payments.recharge import Recharge
from bot.payments.top_ups import Charges
from bot.served import AppRemoved
from bot.states.payment import State
from bot.tables import payments, stripe_requests
from bot.timers import Timers
from bot.wallets.workspaces import Workspaces
from ledger import Automatic, Waiting
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

    def remove(self, said: str = "app_uninstalled") -> None:
        """Remove the app, or let Slack say in an answer that it was."""
        Workspaces(self.driver.ledger).forget(TEAM, said)

    def reinstall(self) -> None:
        """Install it again."""
        Workspaces(self.driver.ledger).revive(TEAM)

    def turn_on(self) -> None:
        """Turn automatic payments on, as somebody does after the return."""
        rule_on(self.driver)

    @property
    def automatic(self) -> Automatic:
        """Whether automatic payments are on."""
        with self.driver.ledger.reading() as connection:
            return self.driver.ledger.look(connection, self.driver.wallet_id)[1].automatic

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
    """Nothing is planned or sent, for days; after the reinstall the card is charged once somebody turns the rule on."""
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
    assert company.automatic is Automatic.OFF

    company.reinstall()
    company.run_every_job()
    assert company.charged() == []
    company.turn_on()
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
    assert company.rows()[-1].withdrawn_by == "app_removed"
    _nothing_is_left_open(company)
    if way == "a press":
        payment = company.driver.payments.look(company.driver.wallet_id, company.rows()[-1].payment_id)
        assert payment is not None
        assert company.charges.result(payment).outcome == "taken_back"
    for _ in range(5):
        company.run_every_job(minutes=60)
    assert company.charged() == []
    company.reinstall()
    company.turn_on()
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
    assert company.charged() == []


def test_nobody_is_reminded_while_the_app_is_removed(company: Company) -> None:
    """Of a payment that the bank wants confirmed."""
    company.driver.shop.arm(last4="4242", decline="authentication_required")
    assert company.recharge.consider(company.driver.wallet_id) is not None
    company.remove()
    for _ in range(8):
        company.driver.shop.clock.skip(hours=1)
        company.timers.recharge(company.driver.ledger.now())
    assert company.driver.told(ConfirmationDue) == []
    company.run_every_job()
    assert (company.rows()[-1].state, company.rows()[-1].withdrawn_by) == ("withdrawn", "app_removed")

    company.reinstall()
    company.timers.recharge(company.driver.ledger.now())
    assert company.driver.told(ConfirmationDue) == []


def test_somebody_is_reminded_while_slack_errs(company: Company) -> None:
    """A token that Slack rejects for hours is no removal: the bank's wish is told when Slack accepts it again."""
    company.driver.shop.arm(last4="4242", decline="authentication_required")
    assert company.recharge.consider(company.driver.wallet_id) is not None
    company.remove("invalid_auth")
    for _ in range(8):
        company.run_every_job(minutes=60)
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


# --- What is open for the workspace ------------------------------------------------------------------------


def _offers(company: Company) -> list[Payment]:
    """Let a page, a link, a request for a card and a link instead of a failed charge be open."""
    driver, wallet_id = company.driver, company.driver.wallet_id
    asker = owner("U1")
    instead = driver.payments.ask_instead(wallet_id, DOLLARS, recharge_id="r1")
    assert instead is not None
    return [
        driver.payments.offer_page(wallet_id, DOLLARS, asked_by=asker, saves_card=False),
        driver.payments.ask(wallet_id, DOLLARS, asked_by=asker, payer="U2", note=""),
        driver.payments.connect(wallet_id, DOLLARS.currency, asked_by=asker, payer="U2"),
        instead,
    ]


def _links(company: Company) -> list[Payment]:
    """Give the payments for which a link was made and that were not paid by it."""
    mine = (payments.c.wallet_id == company.driver.wallet_id) & (payments.c.link_id != "")
    mine &= payments.c.state != "paid"
    with company.driver.ledger.reading() as connection:
        return [payment_of(row) for row in connection.execute(select(payments).where(mine)).mappings()]


def _open_at_stripe(company: Company, offers: Sequence[Payment]) -> list[bool]:
    api = company.driver.shop.api
    return [
        api.payment_links.retrieve(one.link_id).active
        if one.link_id
        else api.checkout.sessions.retrieve(one.session_id).status == "open"
        for one in offers
    ]


def _ends(company: Company, offers: Sequence[Payment]) -> set[tuple[str, str]]:
    found = [company.driver.payments.look(company.driver.wallet_id, one.payment_id) for one in offers]
    return {(one.state.value, one.withdrawn_by) for one in found if one is not None}


@pytest.mark.parametrize(
    ("said", "hours", "is_closed"),
    [
        ("app_uninstalled", 0, True),
        ("tokens_revoked", 0, True),
        ("invalid_auth", 6, False),
        ("account_inactive", 24, True),
    ],
)
def test_nobody_can_pay_for_a_workspace_that_removed_the_app(
    company: Company, said: str, hours: int, is_closed: bool
) -> None:
    """Each offer is closed at Stripe and the rule is off, at an event at once, and once Slack said no for a day."""
    for one in (offers := _offers(company)):
        assert one.expires_at is None or one.expires_at > company.driver.ledger.now()
    company.remove(said)
    links = [one for one in offers if one.link_id]  # pages end by themselves before a day is over
    for _ in range(max(1, hours)):
        company.run_every_job(minutes=60 if hours else 1)
    looked_at = offers if hours < 24 else links
    assert set(_open_at_stripe(company, looked_at)) == {not is_closed}
    assert _ends(company, looked_at) == {("withdrawn", "app_removed") if is_closed else ("offered", "")}
    assert company.automatic is (Automatic.OFF if is_closed else Automatic.ON)


def test_money_that_arrives_after_the_removal_is_credited(company: Company) -> None:
    """Somebody paid at the last moment, before the link was closed."""
    link = company.driver.payments.ask(
        company.driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note=""
    )
    before = company.driver.view().balance_micros
    company.remove()
    assert company.driver.shop.pay(company.driver.shop.api.payment_links.retrieve(link.link_id))["ok"]
    company.timers.sweep(company.driver.ledger.now())
    company.driver.hear_all(company.driver.happened())
    assert company.driver.view().balance_micros == before + DOLLARS.micros
    assert _ends(company, [link]) == {("paid", "app_removed")}


def test_an_offer_whose_making_had_no_answer_is_closed_once_it_is_known(company: Company) -> None:
    """Its request is sent again after the return, and what that makes is closed at once."""
    driver = company.driver
    driver.shop.arm(match="POST /v1/payment_links", mode="reset_after")
    with pytest.raises(Exception, match="Stripe could not be reached"):
        driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="")
    company.remove()
    company.run_every_job()
    company.reinstall()
    company.run_every_job()
    made = _links(company)
    assert _open_at_stripe(company, made) == [False]


# --- The return --------------------------------------------------------------------------------------------


def _restart(company: Company) -> None:
    """Start the bot again, by whatever token."""
    Workspaces(company.driver.ledger).open(
        team_id=TEAM, enterprise_id="", name="Orders", bot_user_id="U9", currency=DOLLARS.currency, zone="UTC"
    )


@pytest.mark.parametrize("back", [Company.reinstall, _restart], ids=["same process", "restart"])
@pytest.mark.parametrize("swept", [True, False])
def test_a_return_after_a_removal_is_told_once_and_leaves_the_rule_off(
    company: Company, back: Callable[[Company], object], swept: bool
) -> None:
    """With the time of absence; also where the app came back before anything was closed."""
    company.driver.shop.clock.skip(minutes=1)
    gone_at = company.driver.ledger.now()
    company.remove()
    company.driver.shop.clock.skip(days=2)
    if swept:
        company.run_every_job()
    back_at = company.driver.ledger.now()
    back(company)
    back(company)
    (told,) = company.driver.told(CameBack)
    assert (told.gone_at, told.back_at) == (gone_at, back_at)
    assert company.automatic is Automatic.OFF


@pytest.mark.parametrize("back", [Company.reinstall, _restart], ids=["same process", "restart"])
def test_an_error_that_passes_leaves_everything_as_it_was(
    company: Company, back: Callable[[Company], object]
) -> None:
    """The rule stays on, and nobody reads of it."""
    company.remove("invalid_auth")
    for _ in range(23):
        company.run_every_job(minutes=60)
    back(company)
    company.run_every_job()
    assert (company.driver.told(CameBack), company.automatic) == ([], Automatic.ON)
    assert company.charged() == [180]


@pytest.mark.parametrize("said", ["app_uninstalled", "invalid_auth"])
def test_a_failure_of_before_a_removal_is_not_followed_any_more(company: Company, said: str) -> None:
    """No link is made instead of a charge that nobody wants any more; after an error of Slack's it is made."""
    company.driver.shop.arm(last4="4242", decline="insufficient_funds")
    company.recharge.consider(company.driver.wallet_id)
    assert len(company.driver.told(RechargeFailed)) == 1
    company.remove(said)
    company.driver.shop.clock.skip(minutes=30)
    company.reinstall()
    company.courier.run_once(company.driver.ledger.now())
    assert len(_links(company)) == (0 if said == "app_uninstalled" else 1)
    with company.driver.ledger.reading() as connection:
        waiting = select(notices.c.name).where(notices.c.state == "waiting")
        assert list(connection.execute(waiting).scalars()) == []
