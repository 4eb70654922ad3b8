"""Every call of the gateway says only what the library's typed parameters know: none unknown, none deprecated."""

from collections.abc import Iterator
from typing import Any

import pytest
from stripe.params._payment_intent_confirm_params import PaymentIntentConfirmParams
from stripe.params._payment_intent_create_params import PaymentIntentCreateParams
from stripe.params.checkout._session_create_params import SessionCreateParams

from bot.app import use_cases_of
from bot.payments.top_ups import Charges
from bot.ports import Ok
from bot.served import Served
from bot.stripe.gateway import StripeGateway
from bot.stripe.requests import NotReached
from tests.bot.typed_params import Recorder, params_of, problems
from tests.faults.desk import DOLLARS, Desk, desk_in

INSIDE = {"close", "take_reads"}
"""What asks Stripe nothing."""


@pytest.fixture
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One wallet, one Stripe."""
    with desk_in(tmp_path_factory.mktemp("typed")) as made:
        yield made


def _play(desk: Desk) -> None:
    """Do everything that makes the gateway speak."""
    desk.shop.arm(match="POST /v1/customers", mode="status", status=500, do=True, stored=True)
    with pytest.raises(NotReached):
        desk.payments.connect(desk.wallet_id, DOLLARS.currency, asked_by="U1")
    desk.shop.clock.skip(minutes=12)
    desk.sweep.run(desk.ledger.now())
    connected = desk.payments.connect(desk.wallet_id, DOLLARS.currency, asked_by="U1")
    assert desk.shop.pay(desk.shop.api.checkout.sessions.retrieve(connected.session_id))["ok"]
    desk.sync.session(connected.session_id)
    page = desk.payments.offer_page(desk.wallet_id, DOLLARS, asked_by="U1", saves_card=True)
    desk.payments.withdraw(desk.wallet_id, page.payment_id, by="U1")
    link = desk.payments.ask(desk.wallet_id, DOLLARS, asked_by="U1", payer="U2", note="please")
    desk.payments.withdraw(desk.wallet_id, link.payment_id, by="U1")
    charges, card = Charges(desk.ledger, desk.payments, desk.served), ""
    for decline in ("", "lost_card"):
        desk.shop.arm(last4="4242", decline=decline)
        wish, card = charges.prepare(desk.wallet_id, DOLLARS, actor="U1")
        charges.charge(desk.wallet_id, wish, actor="U1")
    desk.shop.arm(last4="4242", decline="")
    for number in ("4000 0000 0000 0259", "4000 0000 0000 5423"):
        desk.hear_all(desk.paid(number)[1])
    desk.claw_back("refund", charge=desk.shop.charges()[0]["id"], amount=100)
    desk.hear_all(desk.happened())
    asked = desk.payments.ask(desk.wallet_id, DOLLARS, asked_by="U1", payer="U2", note="")
    desk.news.poll(desk.ledger.now())
    desk.shop.clock.skip(days=8)
    desk.sweep.run(desk.ledger.now())
    assert asked.link_id
    desk.news.poll(desk.ledger.now())
    use_cases_of(desk.ledger, desk.gateway, Served(None)).reconciliation.run(desk.ledger.now())
    assert desk.gateway.unreadable() == Ok([])
    cards = desk.cards
    cards.sync(card)
    cards.remove(desk.wallet_id, card, actor="U1")


def test_no_call_says_what_the_library_does_not_know(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the gateway's methods are driven, with the bodies that the flows freeze."""
    calls: list[tuple[str, Any, Any]] = []
    used: set[str] = set()
    desk.gateway._client = Recorder(desk.gateway._client, calls)  # type: ignore[assignment]  # it answers the same
    methods = {name for name in vars(StripeGateway) if not name.startswith("_")} - INSIDE
    for name in methods:
        monkeypatch.setattr(StripeGateway, name, _noting(getattr(StripeGateway, name), name, used))

    _play(desk)

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
