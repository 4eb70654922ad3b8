"""The cells of the fault matrix: scenes, troubles and places of death, each with how it has to end. No process here."""

from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.stripe.api import in_flight
from tests.faults.life import MOMENT_SECONDS

HANG_MS = int(MOMENT_SECONDS * 1200)


# --- What goes wrong ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """One way in which a POST goes wrong: armed at the stand-in, or on the way there."""

    name: str
    armed: dict[str, Any] = field(default_factory=dict)
    by_way_of: str = ""
    lasts: bool = False
    """Whether Stripe answers so for as long as it knows the key."""
    done: bool = True
    """Whether such a lasting answer hides that it was done."""


def error(status: int, code: str) -> dict[str, Any]:
    """Give an answer with a status and Stripe's code, as a fault to arm."""
    told = {"type": "api_error", "code": code, "message": "An error on order."}
    return {"mode": "status", "status": status, "body": {"error": told}}


TROUBLES = (
    Trouble("nothing"),
    Trouble("refused", by_way_of="nobody"),
    Trouble("reset before", {"mode": "reset_before"}),
    Trouble("reset after", {"mode": "reset_after"}),
    Trouble("hangs and does", {"mode": "hang_then_do", "delay_ms": HANG_MS}, "impatient"),
    Trouble("hangs and does not", {"mode": "hang_not_do", "delay_ms": HANG_MS}, "impatient"),
    Trouble("409", {"mode": "status", "status": 409, "body": in_flight("key")[1]}),
    Trouble("429", error(429, "rate_limit")),
    Trouble("500 saved and done", {**error(500, ""), "stored": True, "do": True}, lasts=True),
    Trouble("500 saved and not done", {**error(500, ""), "stored": True}, lasts=True, done=False),
    Trouble("503", error(503, "")),
    Trouble("truncated", {"mode": "truncated"}),
    Trouble("cut short", {"mode": "cut_short"}),
)
ADDRESSES = {
    "customer": "POST /v1/customers",
    "session": "POST /v1/checkout/sessions",
    "expire_session": "POST /v1/checkout/sessions/*/expire",
    "link": "POST /v1/payment_links",
    "deactivate_link": "POST /v1/payment_links/*",
    "intent": "POST /v1/payment_intents",
    "confirm": "POST /v1/payment_intents/*/confirm",
    "cancel_intent": "POST /v1/payment_intents/*/cancel",
    "detach": "POST /v1/payment_methods/*/detach",
}
ADDED = {"deactivate_link": {"active": "false"}, "cancel_intent": {"cancellation_reason": "abandoned"}}
"""What the gateway says for requests whose frozen body is empty."""

PLACES = ("planned", "before_send", "after_send", "recorded", "committed")
"""Between any two steps of a request: in the commit that plans it, before and after it is sent, in the commit of its
answer, and after that."""
NOWHERE, CREDIT = "nowhere", "book.before_commit"
"""Besides the steps of the request: nowhere, and in the commit that writes money."""


# --- What is wished for ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """A wish, the Stripe request of it that is troubled, and how it has to end."""

    name: str
    operation: str
    start: str
    """The prepared state that it begins from."""
    wish: str
    ends: str
    """The state of the last payment at the end."""
    ends_given_up: str = ""
    """The same where Stripe never answered the key, if that is another."""
    ends_done_unheard: str = ""
    """The same where it did what it never answered."""
    again: str = ""
    """What is wished for once more at once after a restart."""
    insists: bool = False
    """Whether the wish is repeated when all is quiet and it came to nothing."""
    credits: bool = False
    automatic: bool = False

    def end_after(self, trouble: Trouble) -> str:
        """Say how it ends after a trouble."""
        if trouble.lasts:
            unheard = self.ends_done_unheard if trouble.done else ""
            return unheard or self.ends_given_up or self.ends
        return self.ends


SCENES = (
    Scene("customer", "customer", "bare", "connect", "paid", again="connect", insists=True),
    Scene("page", "session", "funded", "page", "paid", insists=True, credits=True),
    Scene("page taken back", "expire_session", "page offered", "withdraw", "withdrawn", again="withdraw"),
    Scene("link", "link", "funded", "ask", "paid", insists=True, credits=True),
    Scene("link taken back", "deactivate_link", "link offered", "withdraw", "withdrawn", again="withdraw"),
    Scene(
        "page taken back unheard",
        "session",
        "funded",
        "page and withdraw",
        "withdrawn",
        again="withdraw all",
        insists=True,
    ),
    Scene(
        "link taken back unheard",
        "link",
        "funded",
        "ask and withdraw",
        "withdrawn",
        again="withdraw all",
        insists=True,
    ),
    Scene("intent", "intent", "about to charge", "charge", "paid", "failed", again="charge", credits=True),
    Scene(
        "confirmation",
        "confirm",
        "about to charge",
        "charge",
        "paid",
        "failed",
        "paid",
        again="charge",
        credits=True,
    ),
    Scene("confirmation, declined", "confirm", "declining", "charge", "failed", again="charge"),
    Scene(
        "confirmation, bank asks",
        "confirm",
        "asking",
        "charge",
        "waiting",
        "failed",
        "waiting",
        again="charge",
    ),
    Scene("cancelling", "cancel_intent", "declining", "charge", "failed", again="charge"),
    Scene(
        "intent, automatic",
        "intent",
        "automatic",
        "recharge",
        "paid",
        "failed",
        credits=True,
        automatic=True,
    ),
    Scene(
        "confirmation, automatic",
        "confirm",
        "automatic",
        "recharge",
        "paid",
        "failed",
        "paid",
        credits=True,
        automatic=True,
    ),
    Scene("card removed", "detach", "about to charge", "detach", "paid", insists=True),
)
NO_CELL = {
    ("intent", "500 saved and done", CREDIT): "the intent is given up unconfirmed, so nothing is credited",
    ("intent", "500 saved and not done", CREDIT): "the same",
    ("confirmation", "500 saved and not done", CREDIT): "it is never confirmed, so nothing is credited",
}
"""What there cannot be, and why."""


@dataclass(frozen=True)
class Cell:
    """One round."""

    scene: Scene
    trouble: Trouble
    place: str

    def __str__(self) -> str:
        return f"{self.scene.name} × {self.trouble.name} × killed {self.place}"


def cells_of(scene: Scene) -> list[Cell]:
    """Give a scene's cells, all that there can be."""
    places = [NOWHERE, *(f"stripe_request.{scene.operation}.{place}" for place in PLACES)]
    if scene.credits:
        places.append(CREDIT)
    return [
        Cell(scene, trouble, place)
        for trouble in TROUBLES
        for place in places
        if (scene.name, trouble.name, place) not in NO_CELL
    ]
