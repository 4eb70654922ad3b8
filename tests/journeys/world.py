"""A whole Redbar for a story: the real bot between the two stand-ins, driven through the API of the web page."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import httpx

from bot.sandbox.scenario import url_in

Doc = dict[str, Any]
T = TypeVar("T")
VISA = {"card": "4242 4242 4242 4242", "exp": "12/34", "cvc": "123"}
FINANCE_VISA = {"card": "4000 0000 0000 1881", "exp": "11/33", "cvc": "123"}
PATIENCE_SECONDS = 20


@dataclass
class World:
    """People, a dialler, a payer and a clock, all over HTTP."""

    client: httpx.Client
    api_key: str

    # --- People --------------------------------------------------------------------------------------------

    def act(self, action: str, who: str, *, status: int = 200, **body: Any) -> Doc:
        """Do something as somebody."""
        answer = self.client.post(f"/sandbox/api/{action}", json={"as": who, **body})
        assert answer.status_code == status, answer.text
        found: Doc = answer.json()
        return found

    def command(self, who: str, text: str, channel: str = "dm") -> Doc:
        """Type a command; Slack must be answered."""
        answer = self.act("command", who, channel=channel, text=text)
        assert answer["ok"], answer
        return answer

    def messages(self, who: str, channel: str = "dm") -> list[Doc]:
        """Read a conversation as somebody."""
        answer = self.client.get("/sandbox/api/messages", params={"as": who, "channel": channel})
        found: list[Doc] = answer.json()["messages"]
        return found

    def reads(self, who: str, words: str, channel: str = "dm") -> Doc:
        """Wait until somebody reads some words; gives the message that has them."""
        return until(
            lambda: next((one for one in reversed(self.messages(who, channel)) if words in shown(one)), None),
            lambda: (
                f"{who} never read {words!r} in {channel}; there is: "
                + "\n".join(shown(one) for one in self.messages(who, channel))
            ),
        )

    def modal(self, who: str, callback: str = "") -> Doc:
        """Wait for an open form; gives the top one."""

        def look() -> Doc | None:
            views = self.client.get("/sandbox/api/modals", params={"as": who}).json()["views"]
            return next((one for one in views[-1:] if one["callback_id"].startswith(callback)), None)

        return until(look, lambda: f"{who} has no form {callback!r} open")

    def modal_reads(self, who: str, words: str) -> Doc:
        """Wait until the top form says some words."""

        def look() -> Doc | None:
            views = self.client.get("/sandbox/api/modals", params={"as": who}).json()["views"]
            return next((one for one in views[-1:] if words in shown(one)), None)

        return until(look, lambda: f"the form of {who} never said {words!r}")

    def modal_link(self, who: str) -> str:
        """Wait for a form with a link button; gives the link."""

        def look() -> str | None:
            views = self.client.get("/sandbox/api/modals", params={"as": who}).json()["views"]
            return url_in(views[-1]) or None if views else None

        return until(look, lambda: f"{who} is shown no link")

    def submit(self, who: str, **values: Any) -> Doc:
        """Send the top form in."""
        return self.act("submit", who, values=values)

    def home(self, who: str) -> Doc:
        """Open Home and give it."""
        view: Doc = self.act("home", who)["view"]
        return view

    # --- The dialler ---------------------------------------------------------------------------------------

    def platform(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Doc:
        """Call the platform API."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        answer = self.client.request(method, path, json=body, headers=headers)
        assert answer.status_code == status, answer.text
        found: Doc = answer.json()
        return found

    def use(self, name: str, amount: str, kind: str = "outbound_call", **more: Any) -> Doc:
        """Post one usage."""
        return self.platform("POST", "/v1/usage", {"id": name, "kind": kind, "amount": amount, **more})

    def spend_to(self, left: str) -> None:
        """Post one outbound call that leaves a given balance."""
        cost = cents(self.wallet()["balance"]) - cents(left)
        assert cost > 0
        name = f"to-{left}-{cost}"
        self.use(name, f"{cost // 100}.{cost % 100:02d}", quantity=60, reference="camp-118")

    def may_start(self, name: str, kind: str, estimate: str | None = None) -> Doc:
        """Ask whether work may start."""
        body: Doc = {"id": name, "kind": kind}
        if estimate is not None:
            body["estimate"] = estimate
        return self.platform("POST", "/v1/authorizations", body)

    def wallet(self) -> Doc:
        """Look at the wallet."""
        return self.platform("GET", "/v1/wallet")

    def balance_is(self, amount: str) -> None:
        """Wait until the balance is an amount."""
        until(
            lambda: self.wallet()["balance"] == amount or None,
            lambda: f"the balance is {self.wallet()['balance']}, not {amount}",
        )

    # --- The payer and the clock ---------------------------------------------------------------------------

    def pay(self, url: str, card: Doc = VISA, *, ok: bool = True) -> Doc:
        """Pay on the page behind a link."""
        path = url.partition("#")[0]
        kind = "checkout" if "/checkout/" in path else "link"
        answer: Doc = self.client.post(f"/sandbox/api/{kind}/{path.rpartition('/')[2]}/pay", json=card).json()
        assert answer["ok"] is ok, answer
        return answer

    def skip(self, minutes: int) -> None:
        """Let time pass."""
        answer = self.client.post("/sandbox/api/clock/skip", json={"minutes": minutes})
        assert answer.status_code == 200, answer.text

    def leave_the_first_days(self) -> None:
        """Skip to a day six weeks after which a month has seen a working day: its Home has something to show."""
        now = datetime.fromisoformat(self.client.get("/sandbox/api/clock").json()["now"])
        missing = 5 - (now + timedelta(weeks=6)).day
        if missing > 0:
            self.skip(missing * 24 * 60)

    def turn_rule_on(self, who: str = "owner") -> None:
        """Turn automatic payments on by the red button: below $50 back to $200."""
        home = self.home(who)
        button = button_of(home, "Not Active")
        assert button["style"] == "danger"
        self.act("press", who, view_id=home["id"], action_id=button["action_id"], text="Not Active")
        self.modal(who, "automatic")
        self.submit(who, threshold="50", target="200", per_day="3", day_cap="500", month_cap="5000")
        self.modal(who, "confirm_automatic")
        self.submit(who)
        self.modal_reads(who, "Automatic payments are on")
        self.act("close", who)
        self.reads("finance", "turned automatic payments on")

    # --- Shortcuts that several stories take ----------------------------------------------------------------

    def top_up_by_page(self, who: str, amount: str, card: Doc = VISA, *, save: bool = True) -> None:
        """Add balance on the hosted page, saving the card."""
        self.command(who, "/wallet topup")
        form = self.modal(who, "add_balance")
        self.act("press", who, view_id=form["id"], action_id="pay_with", value="page")
        until(lambda: "save_card" in str(self.modal(who)) or None, lambda: "there is no box to save the card")
        self.submit(
            who,
            amount_choice="other",
            other_amount=amount,
            pay_with="page",
            save_card=["save"] if save else [],
        )
        self.pay(self.modal_link(who), card)
        self.act("close", who)


def until(look: Callable[[], T | None], why: Callable[[], str]) -> T:
    """Look again until there is something; a story waits for effects, never for an amount of time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.03)
    raise AssertionError(why())


def cents(amount: str) -> int:
    """Read an amount of the platform API in cents."""
    whole, _, part = amount.lstrip("-").partition(".")
    return (-1 if amount.startswith("-") else 1) * (int(whole) * 100 + int((part + "00")[:2]))


def shown(thing: Doc) -> str:
    """Give everything that a message or form says."""
    blocks = [
        *thing.get("blocks", []),
        *(b for one in thing.get("attachments", []) for b in one.get("blocks", [])),
    ]
    said = [str(thing.get("text") or "")]
    for block in blocks:
        for part in (
            block.get("text"),
            *block.get("elements", []),
            block.get("accessory"),
            *block.get("fields", []),
        ):
            if isinstance(part, dict):
                text = part.get("text")
                said.append(str(text.get("text") if isinstance(text, dict) else text or ""))
    return "\n".join(one for one in said if one)


def colours(message: Doc) -> list[str]:
    """Give the colours of a message's bars."""
    return [str(one.get("color")) for one in message.get("attachments", [])]


def button_of(message: Doc, text: str) -> Doc:
    """Find a button by the beginning of its words."""
    blocks = [
        *message.get("blocks", []),
        *(b for one in message.get("attachments", []) for b in one.get("blocks", [])),
    ]
    for block in blocks:
        for element in [*block.get("elements", []), block.get("accessory") or {}]:
            if element.get("type") == "button" and element["text"]["text"].startswith(text):
                return dict(element)
    raise AssertionError(f"there is no button {text!r} in:\n{shown(message)}")
