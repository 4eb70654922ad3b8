"""Slack is acknowledged before any thread of ours is waited for, and slow work keeps no quick work waiting."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from litestar import Litestar
from slack_bolt import App

from bot.http.server import Backend, build_http
from bot.payments.inbox import News
from bot.sandbox.slack.faults import Fault, Refuse
from bot.sandbox.slack.seed import BOT_USER
from bot.slack import listeners
from bot.slack.connection import SlackAccess, SlackApp
from bot.slack.ids import SHORTCUT_TOP_UP, Act, Form
from bot.slack.workers import Workers, threads
from bot.wallets.usage import Usage
from tests.bot.interactions import OWNER, U1, funded_company, open_form, picked, sent, shown
from tests.bot.rights_company import FIFTY, Company, Later, company
from tests.bot.vital_signs import signs_of
from tests.sandbox.slack_place import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, lent_stage

THREADS = 3
LIBRARY_THREADS = 10
"""Threads on which slack_sdk would have envelopes answered."""
PATIENCE_SECONDS = 30


class Busy:
    """A pool whose threads all wait until they are let go."""

    def __init__(self, pool: ThreadPoolExecutor | None = None, count: int = THREADS) -> None:
        self.go = threading.Event()
        self.pool = pool or ThreadPoolExecutor(count)
        self._count = count
        self._taken = threading.Barrier(count + 1)

    def take_all(self) -> "Busy":
        """Take every thread."""
        for _ in range(self._count):
            self.pool.submit(self._wait)
        self._taken.wait(PATIENCE_SECONDS)
        return self

    def _wait(self) -> None:
        self._taken.wait(PATIENCE_SECONDS)
        assert self.go.wait(2 * PATIENCE_SECONDS)


class Rig:
    """The company with its bot on the wire: Slack delivers as it does, by socket or by HTTP."""

    def __init__(self, made: Company, workers: Workers, stack: ExitStack) -> None:
        self.made = made
        place = made.place
        over_http = place.settings.slack_delivery == "http"
        access = SlackAccess(
            bot_token=BOT_TOKEN,
            app_token="" if over_http else APP_TOKEN,
            signing_secret=SIGNING_SECRET,
            api_url=f"{place.base_url}/slack/api/",
        )
        self.slack = SlackApp(access, place.web, BOT_USER, workers)
        listeners.register(self.slack.bolt, replace(made.context, workers=workers))
        self.slack.start()
        stack.callback(self.slack.stop)
        if not over_http:
            place.wait_for(lambda: place.stand_in.delivery.connected() > 0)


def http_edge(made: Company, slack: SlackApp, news: News | None = None) -> Litestar:
    """Give the HTTP application with Slack's endpoint."""
    return build_http(
        Backend(
            ledger=made.ledger,
            usage=Usage(made.ledger),
            news=news or made.cases.news,
            slack=slack.answer,
            stripe_webhook_secret="",
            stripe_live=False,
            signs=signs_of(made.ledger),
        )
    )


@pytest.fixture(params=["socket", "http"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Rig, Busy]]:
    """A bot whose every thread is taken, also those of slack_sdk."""
    with ExitStack() as stack:
        stage = stack.enter_context(lent_stage())
        asked = f"http://127.0.0.1:{stage.port}/slack/events" if request.param == "http" else None
        made = stack.enter_context(company(tmp_path, slack_asks=asked))
        quick, slow = Busy().take_all(), Busy().take_all()
        workers = Workers(quick.pool, slow.pool)
        found = Rig(made, workers, stack)
        stage.app = http_edge(made, found.slack)
        if found.slack._socket is not None:
            client = found.slack._socket.client
            stack.callback(Busy(client.message_workers, LIBRARY_THREADS).take_all().go.set)

        stack.callback(slow.go.set)
        stack.callback(quick.go.set)
        yield found, quick


def _command(rig: Rig) -> Any:
    return rig.made.place.do("command", who="owner", channel="#general", text="/wallet usage")


def _press(rig: Rig) -> Any:
    ref = rig.made.place.web.chat_postMessage(channel="C0GENERAL", text="!", blocks=BUTTONS)
    return rig.made.place.do("press", who="owner", channel="#general", ts=ref["ts"], action_id=str(Act.USAGE))


def _press_on_home(rig: Rig) -> Any:
    home = rig.made.place.web.views_publish(user_id=OWNER, view={"type": "home", "blocks": BUTTONS})
    return rig.made.place.do("press", who="owner", view_id=home["view"]["id"], action_id=str(Act.USAGE))


def _form(rig: Rig) -> Any:
    _open(rig, Form.ADD_BALANCE, private="USD")
    return rig.made.place.do("submit", who="owner")


def _wrong_form(rig: Rig) -> Any:
    _open(rig, Form.ADD_BALANCE, private="USD")
    answer = rig.made.place.do("submit", who="owner", values={str(Act.OTHER_AMOUNT): "10.001"})
    assert "three decimals" in answer["errors"][str(Act.OTHER_AMOUNT)]
    return answer | {"ok": True}


def _confirmation(rig: Rig) -> Any:
    _open(rig, Form.CONFIRM_CHARGE, private="00000000-0000-0000-0000-000000000001")
    return rig.made.place.do("submit", who="owner")


def _shortcut(rig: Rig) -> Any:
    return rig.made.place.do("shortcut", who="owner", callback_id=SHORTCUT_TOP_UP)


BUTTONS = [
    {
        "type": "actions",
        "elements": [
            {"type": "button", "action_id": str(Act.USAGE), "text": {"type": "plain_text", "text": "Usage"}}
        ],
    }
]


def _open(rig: Rig, form: Form, private: str) -> None:
    text = {"type": "plain_text_input", "action_id": str(Act.OTHER_AMOUNT), "initial_value": "50"}
    radio = {
        "type": "radio_buttons",
        "action_id": str(Act.AMOUNT),
        "options": [OTHER],
        "initial_option": OTHER,
    }
    label = {"type": "plain_text", "text": "Amount"}
    view = {
        "type": "modal",
        "callback_id": str(form),
        "private_metadata": private,
        "title": {"type": "plain_text", "text": "Redbar"},
        "submit": {"type": "plain_text", "text": "Continue"},
        "blocks": [
            {"type": "input", "block_id": str(Act.AMOUNT), "label": label, "element": radio},
            {"type": "input", "block_id": str(Act.OTHER_AMOUNT), "label": label, "element": text},
        ],
    }
    trigger = rig.made.place.stand_in.tickets.trigger(OWNER)
    rig.made.place.web.views_open(trigger_id=trigger, view=view)


OTHER = {"text": {"type": "plain_text", "text": "Other"}, "value": "other"}
DONE: Mapping[str, Callable[[Rig], Any]] = {
    "a command": _command,
    "a press": _press,
    "a press on Home": _press_on_home,
    "a form": _form,
    "a form with a wrong field": _wrong_form,
    "a confirmation": _confirmation,
    "the shortcut": _shortcut,
}


def test_what_people_do_is_acknowledged_while_every_thread_is_taken(rig: tuple[Rig, Busy]) -> None:
    """By one acknowledgement each. The work is done once there is a thread."""
    wired, quick = rig
    place = wired.made.place
    taken = Counter[str]()
    take = place.stand_in.delivery._take

    def counted(text: str) -> None:
        taken[json.loads(text)["envelope_id"]] += 1
        take(text)

    place.stand_in.delivery._take = counted  # type: ignore[method-assign]
    _command(wired)  # taken by what stood there before
    began = int(place.wire()[-1]["id"])
    answers = {name: do(wired) for name, do in DONE.items()}
    assert {name: one["ok"] for name, one in answers.items()} == dict.fromkeys(DONE, True)
    if place.settings.slack_delivery == "socket":
        assert list(taken.values()) == [1] * len(DONE)
    asked = {one["path"] for one in place.wire() if one["method"] == "POST" and int(one["id"]) > began}
    assert "/api/auth.test" not in asked, "nobody waits for Slack to say who the bot is"
    before = place.messages(OWNER, "#general")
    quick.go.set()
    place.wait_for(lambda: len(place.messages(OWNER, "#general")) > len(before))


def test_events_are_acknowledged_while_every_thread_is_taken(rig: tuple[Rig, Busy]) -> None:
    """An event that was not acknowledged would come again."""
    wired, _ = rig
    wired.made.place.http.post("/sandbox/api/home", json={"as": "owner"}, timeout=PATIENCE_SECONDS)
    delivered = [one for one in wired.made.place.wire() if one["path"] == "/events_api"]
    assert [one["status"] for one in delivered] == [200]


def test_slow_work_keeps_no_quick_work_waiting(tmp_path: Path) -> None:
    """Every thread that asks Stripe is taken; whoever asks for the usage reads it, and the rest is done later."""
    with ExitStack() as stack:
        made = stack.enter_context(funded_company(tmp_path))
        slow = Busy().take_all()
        workers = Workers(ThreadPoolExecutor(THREADS), slow.pool)
        wired = Rig(made, workers, stack)
        stack.callback(slow.go.set)
        place = made.place
        for _ in range(2 * THREADS):
            assert place.do("command", who="owner", channel="#general", text="/wallet card")["ok"]
        _command(wired)
        place.wait_for(lambda: "November" in str(place.messages(OWNER, "#general")))
        assert "Working" in shown(made)
        slow.go.set()
        place.wait_for(lambda: "Working" not in shown(made))


def test_work_that_was_acknowledged_is_done_before_the_bot_ends(tmp_path: Path) -> None:
    """Slack sends it to nobody else."""
    with ExitStack() as stack:
        made = stack.enter_context(company(tmp_path))
        quick = Busy().take_all()
        workers = Workers(quick.pool, ThreadPoolExecutor(THREADS))
        wired = Rig(made, workers, stack)
        _command(wired)
        assert made.place.messages(OWNER, "#general") == []
        ending = threading.Thread(target=wired.slack.stop)
        ending.start()
        made.place.wait_for(lambda: quick.pool._shutdown)
        quick.go.set()
        ending.join(PATIENCE_SECONDS)
        assert "November" in str(made.place.messages(OWNER, "#general"))


def test_slack_is_acknowledged_over_http_while_webhooks_take_every_thread(tmp_path: Path) -> None:
    """Stripe's news is handled on the threads of the event loop, and may wait for Stripe."""
    with company(tmp_path, slack_asks="http://127.0.0.1:1/") as made:
        slack = SlackApp(SlackAccess(BOT_TOKEN, "", SIGNING_SECRET, ""), made.place.web, BOT_USER, threads())
        listeners.register(slack.bolt, made.context)
        slack.start()
        edge = http_edge(made, slack)
        busy = Busy().take_all()
        body = f"command=%2Fwallet&text=usage&team_id=T0REDBAR1&user_id={OWNER}&channel_id=C0GENERAL"

        async def ask() -> int:
            asyncio.get_running_loop().set_default_executor(busy.pool)
            headers = made.place.stand_in.delivery.signed(body)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app=cast(Any, edge)), base_url="http://bot"
            ) as client:
                asked = client.post("/slack/events", content=body, headers=headers)
                try:
                    return (await asyncio.wait_for(asked, PATIENCE_SECONDS)).status_code
                finally:
                    busy.go.set()  # the loop waits for its threads when it ends

        assert asyncio.run(ask()) == 200


# --- Quick work asks Stripe for nothing --------------------------------------------------------------------


def _pressed(one: Company, act: Act, value: str) -> dict[str, Any]:
    action = {"type": "button", "action_id": str(act), "block_id": "b", "value": value}
    body = sent(one, type="block_actions", actions=[action], channel={"id": "C0GENERAL"})
    if act in (Act.SEND_TO, Act.PAY_WITH):
        state = {str(Act.PERSON): {str(Act.PERSON): {"selected_user": "U0FINANCE"}}}
        body["view"] = {"id": open_form(one), "type": "modal", "state": {"values": state}}
    return body


def _typed(one: Company, text: str) -> dict[str, Any]:
    body = sent(one, command="/wallet", text=text, channel_id="C0GENERAL")
    return {**body, "team_id": body["team"]["id"], "user_id": OWNER}


def _sent_in(one: Company, form: Form, values: dict[str, Any], private: str) -> dict[str, Any]:
    state = {name: {name: value} for name, value in values.items()}
    view = {"id": open_form(one), "type": "modal", "callback_id": str(form), "private_metadata": private}
    return sent(one, type="view_submission", view=view | {"state": {"values": state}})


def _asking_stripe(one: Company) -> dict[str, Callable[[], dict[str, Any]]]:
    """Give everything that an owner can do which asks Stripe, and some that do not."""
    values = {
        Act.PAY_BY_LINK: "120.00",
        Act.ROW: "details:1",
        Act.CHARGE: _wish(one),
        Act.WITHDRAW: str(one.request_of("asker", pays=True)),
        Act.NEW_LINK: str(one.request_of("asker")),
        Act.COPY_LINK: str(one.request_of("asker", pays=True)),
        Act.WHY: "2026-11-25:outbound_call",
        Act.PAY_WITH: "page",
    }
    presses = {
        f"[{act}]": partial(_pressed, one, act, values.get(act, ""))
        for act in listeners.buttons.WORK
        if act is not Act.REMOVE_CARD
    }
    typed = {
        f"/wallet {text}": partial(_typed, one, text)
        for text in ("", "topup 50", "ask <@U0FINANCE> 50", "card", "auto off", "usage")
    }
    amount = {str(Act.AMOUNT): picked("50.00")}
    forms = {
        f"add balance by {way}": partial(
            _sent_in,
            one,
            Form.ADD_BALANCE,
            amount | {str(Act.PAY_WITH): picked(way), str(Act.PERSON): {"selected_user": "U0FINANCE"}},
            "USD",
        )
        for way in ("card", "page", "ask")
    }
    forms["confirm charge"] = partial(_sent_in, one, Form.CONFIRM_CHARGE, {}, _wish(one))
    last = {"[remove_card]": lambda: _pressed(one, Act.REMOVE_CARD, one.card_of("owner"))}
    return presses | typed | forms | last


def _wish(one: Company) -> str:
    return one.cases.charges.prepare(one.wallet_id, FIFTY, actor=U1)[0]


def test_quick_work_asks_stripe_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a few people's slow requests would keep everybody's commands waiting."""
    with funded_company(tmp_path) as made:
        quick, slow = Later(), Later()
        app: App = made.bolt()
        listeners.register(app, replace(made.context, workers=Workers(quick, slow)))
        asked: list[str] = []
        request = type(made.cases.gateway._http).request  # type: ignore[attr-defined]

        def recorded(self: Any, method: str, url: str, *more: Any, **named: Any) -> Any:
            asked.append(f"{doing[-1]} asked {url}")
            return request(self, method, url, *more, **named)

        monkeypatch.setattr(type(made.cases.gateway._http), "request", recorded)  # type: ignore[attr-defined]
        doing: list[str] = []
        wrong, slow_ones = [], set()
        for name, body in _asking_stripe(made).items():
            doing.append(name)
            asked.clear()
            made.acknowledge(app, body())
            quick.run()
            wrong += asked
            asked.clear()
            slow.run()
            slow_ones |= {name} if asked else set()
        assert wrong == []
        assert {
            "[charge]",
            "[connect_card]",
            "/wallet ask <@U0FINANCE> 50",
            "add balance by page",
        } <= slow_ones


def test_slow_work_asks_anew_who_acts(tmp_path: Path) -> None:
    """It may have waited for a thread, and meanwhile somebody left."""
    with funded_company(tmp_path) as made:
        quick, slow = Later(), Later()
        app: App = made.bolt()
        listeners.register(app, replace(made.context, workers=Workers(quick, slow)))
        wish = _wish(made)
        made.acknowledge(app, _pressed(made, Act.CHARGE, wish))
        quick.run()
        made.place.stand_in.faults.add(Fault("users.info", Refuse("user_not_found")))
        slow.run()
        assert "isn't available here" in str(made.place.messages(OWNER, "#general")[-1])
        assert made.cases.charges.peek(made.wallet_id, wish).amount == FIFTY, "nothing was consumed"
