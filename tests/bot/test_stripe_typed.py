"""Every call of the gateway says only what the library's typed parameters know: none unknown, none deprecated."""

from collections.abc import Iterator
from typing import Any

import pytest
from stripe.params._payment_intent_confirm_params import PaymentIntentConfirmParams
from stripe.params._payment_intent_create_params import PaymentIntentCreateParams
from stripe.params.checkout._session_create_params import SessionCreateParams

from bot.payments.top_ups import Charges
from bot.ports import Ok
from bot.served import Served
from bot.stripe.gateway import StripeGateway
from bot.stripe.requests import NotReached
from bot.use_cases import use_cases_of
from tests.bot.typed_params import Recorder, params_of, problems
from tests.faults.driver import DOLLARS, BotDriver, driver_in
from tests.persons import owner

INSIDE = {"close", "take_reads"}
"""What asks Stripe nothing."""


@pytest.fixture
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotDriver]:
    """One wallet, one Stripe."""
    with driver_in(tmp_path_factory.mktemp("typed")) as made:
        yield made


def _play(driver: BotDriver) -> None:
    """Do everything that makes the gateway speak."""
    driver.shop.arm(match="POST /v1/customers", mode="status", status=500, do=True, stored=True)
    with pytest.raises(NotReached):
        driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=owner("U1"))
    driver.shop.clock.skip(minutes=12)
    driver.sweep.run(driver.ledger.now())
    connected = driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=owner("U1"))
    assert driver.shop.pay(driver.shop.api.checkout.sessions.retrieve(connected.session_id))["ok"]
    driver.sync.session(connected.session_id)
    page = driver.payments.offer_page(driver.wallet_id, DOLLARS, asked_by=owner("U1"), saves_card=True)
    driver.payments.withdraw(driver.wallet_id, page.payment_id, by=owner("U1"))
    link = driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="please")
    driver.payments.withdraw(driver.wallet_id, link.payment_id, by=owner("U1"))
    charges, card = Charges(driver.ledger, driver.payments, driver.served), ""
    for decline in ("", "lost_card"):
        driver.shop.arm(last4="4242", decline=decline)
        wish, card = charges.prepare(driver.wallet_id, DOLLARS, actor=owner("U1"))
        charges.charge(driver.wallet_id, wish, actor=owner("U1"))
    driver.shop.arm(last4="4242", decline="")
    for number in ("4000 0000 0000 0259", "4000 0000 0000 5423"):
        driver.hear_all(driver.paid(number)[1])
    driver.claw_back("refund", charge=driver.shop.charges()[0]["id"], amount=100)
    driver.hear_all(driver.happened())
    asked = driver.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="")
    driver.news.poll(driver.ledger.now())
    driver.shop.clock.skip(days=8)
    driver.sweep.run(driver.ledger.now())
    assert asked.link_id
    driver.news.poll(driver.ledger.now())
    use_cases_of(driver.ledger, driver.gateway, Served(None)).reconciliation.run(driver.ledger.now())
    assert driver.gateway.unreadable() == Ok([])
    driver.gateway.time()
    assert driver.gateway.account() == Ok("acct_sandbox")
    assert isinstance(driver.gateway.webhook_addresses(), Ok)
    assert isinstance(driver.gateway.sessions(driver.ledger.now()), Ok)
    assert isinstance(driver.gateway.active_links(), Ok)
    cards = driver.cards
    cards.sync(card)
    cards.remove(driver.wallet_id, card, actor=owner("U1"))


def test_no_call_says_what_the_library_does_not_know(
    driver: BotDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the gateway's methods are driven, with the bodies that the flows freeze."""
    calls: list[tuple[str, Any, Any]] = []
    used: set[str] = set()
    driver.gateway._client = Recorder(driver.gateway._client, calls)  # type: ignore[assignment]  # it answers the same
    methods = {name for name in vars(StripeGateway) if not name.startswith("_")} - INSIDE
    for name in methods:
        monkeypatch.setattr(StripeGateway, name, _noting(getattr(StripeGateway, name), name, used))

    _play(driver)

    assert methods - used == set()
    found = [
        f"{path}: {one}" for path, params, method in calls for one in problems(params, params_of(method))
    ]
    assert found == []
    assert len({path for path, _, _ in calls}) >= 18


def _noting(method: Any, name: str, used: set[str]) -> Any:
    def call(*args: Any, **more: Any) -> Any:
        used.add(name)
        return method(*args, **more)

    return call


@pytest.mark.parametrize(
    ("sent", "shape", "said"),
    [
        ({"off_session": True, "payment_method": "pm_1"}, PaymentIntentConfirmParams, ""),
        ({"of_session": True}, PaymentIntentConfirmParams, "of_session is unknown"),
        ({"payment_method": 7}, PaymentIntentConfirmParams, "payment_method is int"),
        ({"mode": "payed"}, SessionCreateParams, "mode is 'payed', which is not listed"),
        (
            {"line_items": [{"price_data": {"curency": "usd"}}]},
            SessionCreateParams,
            "line_items[0].price_data.curency",
        ),
        ({"payment_method_types": ["card"]}, SessionCreateParams, "payment_method_types is unknown"),
    ],
)
def test_the_check_itself_finds_what_is_wrong(sent: Any, shape: Any, said: str) -> None:
    """A wrong name, a wrong kind, a word that is not listed, deep inside too, and what endive took away."""
    found = list(problems(sent, shape))
    assert (found == []) if not said else any(one.startswith(said) for one in found), found


def test_a_deprecated_parameter_is_found() -> None:
    """There is one in the library to try it on."""
    sent = {"payment_method_options": {"link": {"persistent_token": "x"}}}
    (found,) = problems(sent, PaymentIntentCreateParams)
    assert found.startswith("payment_method_options.link.persistent_token is deprecated")
