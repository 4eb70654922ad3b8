"""Plays scenarios through the real HTTP endpoints: six weeks of calls, and the story in eight steps.

People and a dialler could do all of it themselves: people through `/sandbox/api/`, the platform through `/v1/`.
"""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import anyio.to_thread
import httpx

from bot.sandbox.clock import SandboxClock
from bot.sandbox.document_store import Doc
from bot.sandbox.loopback import async_loopback
from bot.sandbox.pace import WEEKS, six_weeks
from bot.sandbox.slack.seed import PEOPLE

CARD = {"card": "4242 4242 4242 4242", "exp": "12/34", "cvc": "123"}
FINANCE_CARD = {"card": "4000 0000 0000 1881", "exp": "11/33", "cvc": "123"}
PAYMENTS = 30
POLLS_MAX = 300
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the story."""

    title: str
    text: str
    play: "Callable[[], Awaitable[Doc]]"


class ScenarioPlayer:
    """Plays through HTTP."""

    def __init__(
        self, url: str, api_key: str, skip: Callable[[timedelta], None], clock: SandboxClock
    ) -> None:
        self._url = url
        self._key = api_key
        self._skip = skip
        self._clock = clock
        self._done: set[int] = set()
        self._lock = asyncio.Lock()
        self._http: httpx.AsyncClient
        self._steps = (
            Step("Is there money?", "Olivia types /wallet in #calls.", self._step_status),
            Step("Connect and pay", "She pays $100 on Stripe's page and saves the card.", self._step_pay),
            Step("A thousand calls", "The dialler asks, calls, and posts what it cost.", self._step_calls),
            Step("The red bar", "The wallet runs low: #calls and the admins are told.", self._step_low),
            Step("Ask finance", "Adam asks Fiona to pay; she gets a link and a QR code.", self._step_ask),
            Step("Zero", "Outbound stops at once, inbound after fifteen minutes.", self._step_zero),
            Step("Finance pays", "Everything runs again, and the alarm turns green.", self._step_rescue),
            Step(
                "Never again", "Automatic payments go on and refill it by themselves.", self._step_automatic
            ),
        )

    def steps(self) -> list[Doc]:
        """Give the story's steps and which were played."""
        return [
            {"n": number, "title": step.title, "text": step.text, "done": number in self._done}
            for number, step in enumerate(self._steps, 1)
        ]

    async def play(self, number: int) -> Doc:
        """Play one step; gives what happened and where to look."""
        if not 1 <= number <= len(self._steps):
            return {"n": number, "done": False, "text": "The story has eight steps."}
        async with self._exclusively():
            answer = await self._steps[number - 1].play()
        self._done.add(number)
        return {"n": number, "done": True, **answer}

    @asynccontextmanager
    async def _exclusively(self) -> AsyncIterator[None]:
        """Play one scenario at a time, through one client: making a client costs more than a hundred requests."""
        async with (
            self._lock,
            async_loopback(self._url, timeout=60) as self._http,
        ):
            yield

    # --- Requests ---------------------------------------------------------------------------------------------

    async def _post(self, path: str, **body: Any) -> Doc:
        answer: Doc = (await self._http.post(path, json=body)).json()
        return answer

    async def _act(self, action: str, who: str, **body: Any) -> Doc:
        return await self._post(f"/sandbox/api/{action}", **{"as": who, **body})

    async def _modal(self, who: str, *callbacks: str, has: str = "") -> Doc:
        """Wait for a person's form; empty when none came."""
        for _ in range(POLLS_MAX):
            views = (await self._http.get("/sandbox/api/modals", params={"as": who})).json()["views"]
            top = views[-1] if views else {}
            if top and top["callback_id"].startswith(callbacks or ("",)) and has in str(top["blocks"]):
                return dict(top)
            await anyio.sleep(0.01)
        return {}

    async def _last(self, who: str, channel: str) -> Doc:
        found = (await self._http.get("/sandbox/api/messages", params={"as": who, "channel": channel})).json()
        rows: list[Doc] = [one for one in found["messages"] if one["bot"] and not one["thread_ts"]]
        return {**rows[-1], "text": as_read(rows[-1]["text"])} if rows else {}

    async def _platform(self, method: str, path: str, body: Any = None) -> Doc:
        headers = {"Authorization": f"Bearer {self._key}"}
        answer: Doc = (await self._http.request(method, path, json=body, headers=headers)).json()
        return answer

    async def _usage(self, items: list[Doc]) -> None:
        for at in range(0, len(items), BATCH):
            await self._platform("POST", "/v1/usage", items[at : at + BATCH])

    async def _ask(self, kind: str) -> Doc:
        return await self._platform(
            "POST", "/v1/authorizations", {"id": f"ask-{secrets.token_hex(4)}", "kind": kind}
        )

    async def _wallet(self) -> Doc:
        return await self._platform("GET", "/v1/wallet")

    async def _spend_to(self, left: str, kind: str = "outbound_call") -> None:
        """Post one charge that leaves a given amount, in cents."""
        balance = _cents((await self._wallet())["balance"])
        cents = balance - _cents(left)
        if cents > 0:
            name = f"story-{secrets.token_hex(4)}"
            amount = f"{cents // 100}.{cents % 100:02d}"
            item = {"id": name, "kind": kind, "amount": amount, "quantity": 60, "reference": "camp-118"}
            await self._usage([item])

    async def _run_due(self) -> None:
        await anyio.to_thread.run_sync(self._skip, timedelta(seconds=1))

    # --- The story -----------------------------------------------------------------------------------------

    async def _step_status(self) -> Doc:
        await self._act("command", "owner", channel="#calls", text="/wallet")
        await self._run_due()
        text = (await self._last("owner", "#calls")).get("text", "")
        return {"text": f"Redbar answers: {text}", "show": {"as": "owner", "where": "#calls"}}

    async def _step_pay(self) -> Doc:
        receipt = await self._pay_by_page("owner", 100)
        return {
            "text": f"Paid $100.00 with Visa ••4242; the card is saved. {receipt}",
            "show": {"as": "owner", "where": "dm"},
        }

    async def _pay_by_page(self, who: str, dollars: int) -> str:
        """Fill in the form to add balance, choose the hosted page, and pay there."""
        await self._act("command", who, channel="dm", text="/wallet topup")
        view = await self._modal(who, "add_balance")
        if not view:
            return ""
        values = {"amount_choice": amount_option(view, dollars), "pay_with": "page", "save_card": ["save"]}
        if any(block.get("block_id") == "save_card" for block in view["blocks"]) is False:
            await self._act("press", who, view_id=view["id"], action_id="pay_with", value="page")
            view = await self._modal(who, "add_balance", has="save_card")
        await self._act("submit", who, view_id=view["id"], values=values)
        return await self._pay_open_page(who, CARD)

    async def _pay_open_page(self, who: str, card: Doc) -> str:
        url = url_in(await self._modal(who, "nothing", has="'url'"))
        await self._act("close", who)
        return await self._pay_at(url, card)

    async def _pay_at(self, url: str, card: Doc) -> str:
        path = url.partition("#")[0].removeprefix(self._url)
        kind, name = (
            ("checkout", path.rpartition("/")[2])
            if "/checkout/" in path
            else ("link", path.rpartition("/")[2])
        )
        before = (await self._wallet())["balance"]
        answer = await self._post(f"/sandbox/api/{kind}/{name}/pay", **card)
        for _ in range(100 if answer.get("ok") else 0):
            if (await self._wallet())["balance"] != before:
                break
            await anyio.sleep(0.03)
        await self._run_due()
        return (
            "The money is in the wallet."
            if answer.get("ok")
            else str(answer.get("error", {}).get("message", ""))
        )

    async def _step_calls(self) -> Doc:
        run = secrets.token_hex(3)
        items: list[Doc] = [
            {
                "id": f"call-{run}-{number}",
                "kind": ("outbound_call", "inbound_call", "ai_task")[number % 3],
                "amount": "0.03",
                "quantity": 45,
                "reference": "camp-118",
            }
            for number in range(1_000)
        ]
        await self._usage(items)
        balance = (await self._wallet())["balance"]
        return {
            "text": f"1,000 calls and tasks are posted; ${balance} is left.",
            "show": {"as": "owner", "where": "home"},
        }

    async def _step_low(self) -> Doc:
        await self._spend_to("41.80")
        await self._run_due()
        text = (await self._last("member", "#calls")).get("text", "")
        return {"text": f"#calls reads: {text}", "show": {"as": "member", "where": "#calls"}}

    async def _step_ask(self) -> Doc:
        note = "we're nearly out before the Friday campaign"
        await self._act("command", "admin", channel="dm", text=f"/wallet ask @finance 160 {note}")
        await self._run_due()
        text = (await self._last("finance", "dm")).get("text", "")
        return {"text": f"Fiona reads: {text}", "show": {"as": "finance", "where": "dm"}}

    async def _step_zero(self) -> Doc:
        await self._spend_to("-0.18")
        outbound, inbound = await self._ask("outbound_call"), await self._ask("inbound_call")
        await self._run_due()
        first = (await self._last("member", "#calls")).get("text", "")
        await anyio.to_thread.run_sync(self._skip, timedelta(minutes=15))
        later = (await self._last("member", "#calls")).get("text", "")
        said = [
            f"An outbound call is {'allowed' if outbound['allowed'] else 'refused'}, "
            f"an inbound one {'allowed' if inbound['allowed'] else 'refused'}.",
            f"#calls reads: {first}",
            f"15 minutes later: {later}",
        ]
        return {"text": "\n".join(said), "show": {"as": "member", "where": "#calls"}}

    async def _step_rescue(self) -> Doc:
        found = (
            await self._http.get("/sandbox/api/messages", params={"as": "finance", "channel": "dm"})
        ).json()
        urls = [url for one in found["messages"] if (url := url_in(one)) and "/stripe/pay/" in url]
        if urls:
            await self._pay_at(urls[-1], FINANCE_CARD)
        else:
            await self._pay_by_page("owner", 100)
        text = (await self._last("member", "#calls")).get("text", "")
        return {"text": f"#calls reads: {text}", "show": {"as": "member", "where": "#calls"}}

    async def _step_automatic(self) -> Doc:
        await self._act("command", "owner", channel="dm", text="/wallet auto")
        view = await self._modal("owner", "automatic")
        await self._act(
            "submit", "owner", view_id=view.get("id"), values={"threshold": "50", "target": "200"}
        )
        view = await self._modal("owner", "confirm_automatic")
        await self._act("submit", "owner", view_id=view.get("id"))
        await self._modal("owner", "nothing", has="are on")
        await self._act("close", "owner")
        await self._run_due()
        await anyio.to_thread.run_sync(self._skip, timedelta(minutes=20))
        await self._spend_to("30.00")
        await self._run_due()
        balance = (await self._wallet())["balance"]
        return {
            "text": f"Below $50 the card was charged by itself; ${balance} is in the wallet.",
            "show": {"as": "owner", "where": "home"},
        }

    # --- Six weeks -----------------------------------------------------------------------------------------

    async def six_weeks(self) -> Doc:
        """Play six weeks: 20,000 calls and 30 payments through the real endpoints, while time passes."""
        async with self._exclusively():
            return await self._six_weeks()

    async def _six_weeks(self) -> Doc:
        run = secrets.token_hex(3)
        began_at = self._clock.now()
        posted = paid = 0
        steps = list(six_weeks(began_at, run))
        every = max(1, len(steps) // PAYMENTS)
        for index, step in enumerate(steps):
            if index % every == 0 and paid < PAYMENTS:
                await (self._top_up(75) if paid else self._pay_by_page("admin", 100))
                paid += 1
            await anyio.to_thread.run_sync(self._skip, step.ends_at - self._clock.now())
            if step.usage:
                await self._usage(list(step.usage))
                posted += len(step.usage)
        return {"ok": True, "posted": posted, "payments": paid, "weeks": WEEKS}

    async def _top_up(self, dollars: int) -> None:
        """Pay with the saved card, as an admin does; by the page where there is none yet."""
        await self._act("command", "admin", channel="dm", text=f"/wallet topup {dollars}")
        view = await self._modal("admin", "confirm_charge")
        await self._act("submit", "admin", view_id=view.get("id"))
        await self._modal("admin", "nothing", has="Ref RB-")
        await self._act("close", "admin")


def _cents(amount: str) -> int:
    sign = -1 if amount.startswith("-") else 1
    whole, _, part = amount.lstrip("-").partition(".")
    return sign * (int(whole) * 100 + int((part + "00")[:2]))


def as_read(text: str) -> str:
    """Give a text as people read it: dates and mentions as words."""
    dated = re.sub(r"<!date\^[^|>]*\|([^>]*)>", r"\1", text)
    handles = {one.user_id: one.handle for one in PEOPLE}
    return re.sub(r"<@(\w+)>", lambda found: f"@{handles.get(found[1], 'someone')}", dated)


def amount_option(view: Doc, dollars: int) -> str:
    """Give the choice of a form that stands for an amount."""
    for block in view.get("blocks", []):
        for one in block.get("element", {}).get("options", []):
            if one["value"] in (f"{dollars}.00", str(dollars)):
                return str(one["value"])
    return "100.00"


def url_in(holder: Doc) -> str:
    """Find the link of the first url button in a message or form; empty when there is none."""
    blocks = [
        *holder.get("blocks", []),
        *(b for one in holder.get("attachments", []) for b in one.get("blocks", [])),
    ]
    for block in blocks:
        for element in [*block.get("elements", []), block.get("accessory") or {}]:
            if element.get("type") == "button" and element.get("url"):
                return str(element["url"])
    return ""
