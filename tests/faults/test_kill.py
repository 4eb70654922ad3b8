"""The process is killed in the middle of things; nothing that was answered is lost, nothing is doubled."""

import shutil
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from bot.sandbox.loopback import loopback
from tests.journeys.process import Process, demo_process, is_whole
from tests.journeys.world import Doc, World, button_of, cents, shown, until


def _saves_a_card(world: World) -> None:
    world.top_up_by_page("owner", "100.00")
    world.balance_is("100.00")
    world.reads("owner", "Visa ••4242 is connected")


@pytest.fixture(scope="module")
def with_a_card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo with $100.00 and a saved card in it, made once; stories take copies."""
    data = tmp_path_factory.mktemp("kept") / "demo"
    with demo_process(data) as process:
        _saves_a_card(process.world)
        assert process.interrupt() == 0
    return data


def _balance(world: World) -> int:
    return cents(world.wallet()["balance"])


def _charged(world: World) -> int:
    charges: Sequence[Doc] = world.client.get("/sandbox/api/stripe/charges").json()
    return sum(one["amount"] for one in charges)


def test_calls_that_were_answered_survive_a_kill(tmp_path: Path, with_a_card: Path) -> None:
    """SIGKILL in the middle of a run of calls: every id that was acknowledged is there, once."""
    data = shutil.copytree(with_a_card, tmp_path / "demo")
    acknowledged: list[str] = []
    with demo_process(data) as first:
        enough = threading.Event()
        caller = threading.Thread(target=_calls, args=(first, acknowledged, enough))
        caller.start()
        assert enough.wait(30)
        first.kill()
        caller.join()
    assert "whole" in is_whole(data)
    with demo_process(data) as second:
        world = second.world
        left = _balance(world)
        items = [{"id": name, "kind": "outbound_call", "amount": "0.01"} for name in acknowledged]
        for at in range(0, len(items), 1_000):
            answer = world.platform("POST", "/v1/usage", items[at : at + 1_000])
            assert {one["status"] for one in answer["results"]} == {"duplicate"}
        assert _balance(world) == left
        # What was written but not answered may be there too, a batch at the most.
        assert 0 <= (10_000 - left) - len(acknowledged) <= 20


def _calls(process: Process, acknowledged: list[str], enough: threading.Event) -> None:
    headers = {"Authorization": f"Bearer {process.info['api_key']}"}
    with loopback(process.info["url"], timeout=5, headers=headers) as client:
        for batch in range(400):
            items = [
                {"id": f"c-{batch}-{number}", "kind": "outbound_call", "amount": "0.01"}
                for number in range(20)
            ]
            try:
                answer = client.post("/v1/usage", json=items).json()
            except httpx.HTTPError:
                return
            acknowledged.extend(one["id"] for one in answer["results"] if one["status"] == "accepted")
            if len(acknowledged) > 400:
                enough.set()


@pytest.mark.parametrize(
    "place",
    [
        "stripe_request.intent.before_send",
        "stripe_request.intent.after_send",
        "stripe_request.confirm.before_send",
        "stripe_request.confirm.after_send",
    ],
)
def test_a_charge_is_made_once_and_credited_once_wherever_it_is_killed(
    tmp_path: Path, with_a_card: Path, place: str
) -> None:
    """Between any two steps of a charge the process dies; the sweep ends what was begun."""
    data = shutil.copytree(with_a_card, tmp_path / "demo")
    with demo_process(data, failpoints=f"{place}=kill") as second:
        second.world.command("owner", "/wallet topup 50")
        second.world.modal("owner", "confirm_charge")
        with suppress(httpx.HTTPError):  # Slack's answer may or may not get out before the kill
            second.world.submit("owner")
        assert second.wait() == -9
    with demo_process(data) as third:
        world = third.world
        world.skip(3)
        until(
            lambda: (_charged(world) == 15_000 and _balance(world) == 15_000) or None,
            lambda: f"charged {_charged(world)}, credited {_balance(world)}",
        )
        world.skip(30)
        assert _charged(world) == _balance(world) == 15_000
        log = world.client.get("/sandbox/log.jsonl").text
        assert '"idempotency_key": null, "body": {"amount"' not in log
    assert "whole" in is_whole(data)


def test_a_payment_on_a_page_is_credited_although_the_bot_was_dead(tmp_path: Path) -> None:
    """Paid while the commit that would have credited it is killed: credited once after the restart."""
    data = tmp_path / "demo"
    with demo_process(data, failpoints="book.before_commit=kill") as first:
        world = first.world
        world.command("owner", "/wallet topup")
        form = world.modal("owner", "add_balance")
        world.submit("owner", amount_choice="100.00", pay_with="page")
        assert form["callback_id"].startswith("add_balance")
        world.pay(world.modal_link("owner"))
        assert first.wait() == -9
    with demo_process(data) as second:
        second.world.balance_is("100.00")
        second.world.skip(3)
        assert _charged(second.world) == _balance(second.world) == 10_000
    assert "whole" in is_whole(data)


def test_a_link_that_was_being_made_is_offered_once(tmp_path: Path) -> None:
    """Killed when Stripe had made it: finance still gets one message with one link, and it works."""
    data = tmp_path / "demo"
    with demo_process(data, failpoints="stripe_request.link.after_send=kill") as first:
        with suppress(httpx.HTTPError):
            first.world.command("admin", "/wallet ask @finance 25")
        assert first.wait() == -9
    with demo_process(data) as second:
        world = second.world
        world.skip(3)
        message = world.reads("finance", "Please pay $25.00")
        world.pay(button_of(message, "Pay $25.00")["url"])
        world.balance_is("25.00")
        world.skip(30)
        read = [shown(one) for one in world.messages("finance")]
        assert len([one for one in read if "Paid $25.00 with" in one]) == 1
        assert not [one for one in read if "Please pay" in one]
        assert _charged(world) == _balance(world) == 2_500
    assert "whole" in is_whole(data)
