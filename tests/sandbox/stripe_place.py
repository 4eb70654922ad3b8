"""A served Stripe stand-in, with the real library for the bot and a client for payers, for tests."""

from pathlib import Path
from typing import Any

import stripe
from litestar import Litestar

from bot.sandbox.document_store import DocumentStore
from bot.sandbox.live import Live
from bot.sandbox.loopback import loopback
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.stripe.stand_in import build_stripe
from bot.sandbox.wire import Wire
from tests.sandbox.slack_place import SettableClock, Stage

KEY = "sk_test_shop"
WEBHOOK_SECRET = "whsec_test"
VISA = "4242 4242 4242 4242"
MASTERCARD = "5555 5555 5555 4444"
ASKS_ALWAYS = "4000 0027 6000 3184"
ASKS_ONCE = "4000 0025 0000 3155"
NO_MONEY = "4000 0000 0000 9995"
LOST = "4000 0000 0000 9987"
SAVED_THEN_DECLINED = "4000 0000 0000 0341"

stripe.enable_telemetry = False


class Shop:
    """The stand-in on a stage."""

    def __init__(
        self, stage: Stage, clock: SettableClock, folder: Path, *, webhook_url: str | None = None
    ) -> None:
        self.base_url = f"http://127.0.0.1:{stage.port}"
        self.clock = clock
        settings = SandboxSettings(
            base_url=self.base_url,
            slack_bot_token="xoxb-test",
            slack_app_token="xapp-test",
            slack_signing_secret="test",
            slack_delivery="socket",
            slack_request_url="",
            stripe_key=KEY,
            stripe_webhook_url=webhook_url,
            stripe_webhook_secret=WEBHOOK_SECRET if webhook_url else None,
        )
        self._store = DocumentStore(folder / "stripe.db")
        self.wire = Wire(folder / "log.jsonl")
        self.stand_in = build_stripe(self._store, self.wire, Live(), clock, settings)
        stage.app = Litestar([self.stand_in.router], openapi_config=None, logging_config=None)
        self.http = loopback(self.base_url, timeout=10)
        self._transport = stripe.RequestsClient(timeout=(5, 20))
        self.stripe = stripe.StripeClient(
            KEY,
            max_network_retries=0,
            base_addresses={"api": f"{self.base_url}/stripe"},
            http_client=self._transport,
        )
        self.api = self.stripe.v1

    def close(self) -> None:
        """Let go of every file and connection."""
        self._transport.close()  # type: ignore[no-untyped-call]
        self.http.close()
        self.stand_in.close()
        self.wire.close()
        self._store.close()

    # --- What the bot sends --------------------------------------------------------------------------------

    def page(
        self, amount: int = 5_000, *, customer: str | None = None, **more: Any
    ) -> stripe.checkout.Session:
        """Make a Checkout page."""
        params: dict[str, Any] = {
            "mode": "payment",
            "line_items": [line(amount)],
            "success_url": "https://shop.example/thanks",
            "allowed_payment_method_types": ["card"],
            **({"customer": customer} if customer else {}),
            **more,
        }
        return self.api.checkout.sessions.create(any_params(params))

    def setup_page(self, customer: str) -> stripe.checkout.Session:
        """Make a Checkout page that saves a card."""
        params: dict[str, Any] = {
            "mode": "setup",
            "customer": customer,
            "currency": "usd",
            "success_url": "https://shop.example/thanks",
            "setup_intent_data": {"metadata": {"order": "7"}},
        }
        return self.api.checkout.sessions.create(any_params(params))

    def link(self, amount: int = 5_000, *, limit: int | None = 1, **more: Any) -> stripe.PaymentLink:
        """Make a payment link."""
        params: dict[str, Any] = {
            "line_items": [line(amount)],
            "payment_method_types": ["card"],
            "inactive_message": "This was paid.",
            **({"restrictions": {"completed_sessions": {"limit": limit}}} if limit else {}),
            **more,
        }
        return self.api.payment_links.create(any_params(params))

    def saved_card(self, number: str = VISA) -> tuple[str, str]:
        """Have a new customer save a card; gives the customer's and the card's id."""
        customer = self.api.customers.create({"name": "Northwind"}).id
        page = self.setup_page(customer)
        assert self.pay(page, number, authenticate=True)["ok"]
        return customer, self.api.payment_methods.list({"customer": customer, "type": "card"}).data[0].id

    def intent(self, customer: str, card: str, amount: int = 5_000, **more: Any) -> stripe.PaymentIntent:
        """Make a PaymentIntent that is not confirmed."""
        params = {"amount": amount, "currency": "usd", "customer": customer, "payment_method": card, **more}
        return self.api.payment_intents.create(any_params(params))

    # --- What a payer does ---------------------------------------------------------------------------------

    def see(self, target: Any, *, status: int = 200) -> Any:
        """Look at a hosted page."""
        answer = self.http.get(_address(target))
        assert answer.status_code == status, answer.text
        return answer.json()

    def pay(self, target: Any, number: str = VISA, **more: Any) -> Any:
        """Press the pay button of a hosted page."""
        form = {"card": number, "exp": "12/34", "cvc": "123", **more}
        answer = self.http.post(f"{_address(target)}/pay", json=form)
        assert answer.status_code == 200, answer.text
        return answer.json()

    # --- What a test sees and arms -------------------------------------------------------------------------

    def charges(self) -> list[dict[str, Any]]:
        """Give every succeeded charge."""
        found: list[dict[str, Any]] = self.http.get("/sandbox/api/stripe/charges").json()
        return found

    def arm(self, **options: Any) -> None:
        """Arm a fault."""
        answer = self.http.post("/sandbox/api/stripe/script", json=options)
        assert answer.status_code == 200, answer.text

    def happened(self) -> list[str]:
        """Name everything that happened, oldest first."""
        return [event.type for event in reversed(self.api.events.list({"limit": 100}).data)]


def line(amount: int) -> dict[str, Any]:
    """Give the line that is sold."""
    price = {"currency": "usd", "unit_amount": amount, "product_data": {"name": "Wallet top-up"}}
    return {"quantity": 1, "price_data": price}


def any_params(params: Any) -> Any:
    """Let a plain dictionary stand where the library's typed ones are asked for."""
    return params


def _address(target: Any) -> str:
    kind = "link" if "/stripe/pay/" in str(target.url or "") else "checkout"
    name = str(target.url).rpartition("/")[2] if kind == "link" else target.id
    return f"/sandbox/api/{kind}/{name}"
