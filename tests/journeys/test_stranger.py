"""What a stranger would try in ten minutes, by plain HTTP against `redbar demo` as it is started by hand."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import zxingcpp
from PIL import Image

from tests.journeys.process import demo_process, is_whole
from tests.journeys.world import FINANCE_VISA, VISA, Doc, World, button_of, cents, shown, until


def test_ten_minutes_of_a_stranger(tmp_path: Path) -> None:
    """Not Active → connect and pay → calls → QR → zero → pay → double click → SIGKILL: all is as it was."""
    data = tmp_path / "demo"
    with demo_process(data) as first:
        world = first.world
        _connects_and_pays(world)
        _makes_a_thousand_calls(world)
        _finance_pays_by_qr(world)
        _runs_dry_and_comes_back(world)
        _tries_to_break_it(world)
        open_url = _asks_once_more(world)
        before = _all_there_is(world)
        first.kill()
    assert "whole" in is_whole(data)

    with demo_process(data) as second:
        world = second.world
        assert _all_there_is(world) == before
        # The offer that was open before is still good; the stand-in's address moved with its port.
        path = open_url.partition("/stripe/")[2]
        balance = cents(world.wallet()["balance"])
        world.pay(f"{second.info['url']}/stripe/{path}", FINANCE_VISA)
        until(
            lambda: cents(world.wallet()["balance"]) == balance + 2_500 or None,
            lambda: f"the balance is {world.wallet()['balance']}",
        )
        charged = sum(one["amount"] for one in world.client.get("/sandbox/api/stripe/charges").json())
        assert charged == 10_000 + 16_000 + 20_000 + 5_000 + 2_500
        assert second.interrupt() == 0


def _connects_and_pays(world: World) -> None:
    world.command("owner", "/wallet", channel="#calls")
    world.reads("owner", "can't start until there is money", channel="#calls")
    home = world.home("owner")
    assert "🟥" in shown(home)
    world.act("press", "owner", view_id=home["id"], text="Not Active")
    form = world.modal_reads("owner", "They need a card first")
    world.act("press", "owner", view_id=form["id"], text="Connect a card")
    world.pay(world.modal_link("owner"), VISA)
    world.act("close", "owner", all=True)
    world.reads("owner", "Visa ••4242 is connected")
    assert "Card connected" in shown(world.home("owner"))
    world.command("owner", "/wallet topup 100")
    world.modal("owner", "confirm_charge")
    world.submit("owner")
    world.balance_is("100.00")
    world.act("close", "owner", all=True)


def _makes_a_thousand_calls(world: World) -> None:
    calls = [
        {
            "id": f"call-{number}",
            "kind": "outbound_call",
            "amount": "0.06",
            "quantity": 61,
            "reference": "camp-118",
        }
        for number in range(1_000)
    ]
    answer = world.platform("POST", "/v1/usage", calls)
    assert [one["status"] for one in answer["results"]] == ["accepted"] * 1_000
    assert answer["wallet"]["balance"] == "40.00"
    again = world.platform("POST", "/v1/usage", calls)
    assert {one["status"] for one in again["results"]} == {"duplicate"}
    assert again["wallet"]["balance"] == "40.00"
    assert "1,000 calls" in shown(world.home("owner"))
    world.command("owner", "/wallet history")
    world.reads("owner", "camp-118")


def _finance_pays_by_qr(world: World) -> None:
    world.command("admin", "/wallet ask @finance 160 for the Friday campaign")
    message = world.reads("finance", "Please pay $160.00")
    url = button_of(message, "Pay $160.00")["url"]
    picture = next(block for block in message["blocks"] if block["type"] == "image")
    content = world.client.get(f"/sandbox/api/files/{picture['slack_file']['id']}").content
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(content)))
    assert code.text == url
    world.pay(code.text, FINANCE_VISA)
    world.balance_is("200.00")
    world.reads("finance", "Paid $160.00")
    world.reads("admin", "Visa ••1881")
    picture_of = f"/sandbox/api/files/{picture['slack_file']['id']}"
    until(
        lambda: world.client.get(picture_of).status_code == 404 or None,
        lambda: "the picture of a paid link is still there",
    )


def _runs_dry_and_comes_back(world: World) -> None:
    world.use("drain", "200.18")
    assert world.may_start("o1", "outbound_call")["reason"] == "empty"
    assert world.may_start("i1", "inbound_call")["allowed"]
    world.reads("member", "Inbound calls stop in", channel="#calls")
    world.skip(15)
    assert world.may_start("i2", "inbound_call")["reason"] == "grace_used"
    world.use("late", "0.30", occurred_at=world.client.get("/sandbox/api/clock").json()["now"])
    world.reads("admin", "began after the stop")
    world.command("owner", "/wallet topup 200")
    world.modal("owner", "confirm_charge")
    world.submit("owner")
    world.reads("member", "Everything runs again", channel="#calls")
    world.act("close", "owner", all=True)
    world.balance_is("199.52")


def _tries_to_break_it(world: World) -> None:
    for typed in ("1e3", "-5", "10.001", "1.000,00"):
        world.command("owner", f"/wallet topup {typed}")
        world.reads("owner", typed)
    world.command("owner", "/wallet topp 50")
    world.reads("owner", "Did you mean /wallet topup 50?")
    world.command("owner", "/wallet topup 50")
    confirm = world.modal("owner", "confirm_charge")
    world.submit("owner")
    world.balance_is("249.52")
    world.act("submit", "owner", status=404, view_id="V0NOTTHERE")
    wire = world.client.get("/sandbox/log.jsonl").text
    assert confirm["private_metadata"] in wire
    replay = world.use("drain", "200.18")
    assert replay["results"][0]["status"] == "duplicate"
    other = world.use("drain", "1.00")
    assert other["results"][0]["status"] == "rejected"
    assert other["results"][0]["field"] == "amount"
    world.balance_is("249.52")


def _asks_once_more(world: World) -> str:
    world.command("admin", "/wallet ask @finance 25")
    return str(button_of(world.reads("finance", "Please pay $25.00"), "Pay $25.00")["url"])


def _all_there_is(world: World) -> Doc:
    def pages() -> list[Doc]:
        return [one for one in world.messages("owner") if "Amounts in USD" in shown(one)]

    asked_before = len(pages())
    world.command("owner", "/wallet history")
    history = until(lambda: pages()[asked_before:] or None, lambda: "there is no history")[-1]
    return {
        "balance": world.wallet()["balance"],
        "history": shown(history),
        "finance": [shown(one) for one in world.messages("finance")],
        "channel": [shown(one) for one in world.messages("member", "#calls")],
        "charges": world.client.get("/sandbox/api/stripe/charges").json(),
        "open": "Please pay $25.00" in "".join(shown(one) for one in world.messages("finance")),
    }


def test_a_charge_is_made_once_however_often_its_button_is_pressed(world: World) -> None:
    """Eight presses at the same moment, and one more when all is done."""
    world.top_up_by_page("owner", "100.00")
    world.balance_is("100.00")
    world.reads("owner", "Visa ••4242 is connected")
    world.command("owner", "/wallet topup 50")
    form = world.modal("owner", "confirm_charge")

    def press(_: int) -> int:
        options = {"as": "owner", "view_id": form["id"], "values": {}}
        return world.client.post("/sandbox/api/submit", json=options).status_code

    with ThreadPoolExecutor(8) as fingers:
        assert set(fingers.map(press, range(8))) <= {200, 404}
    world.balance_is("150.00")
    press(8)
    world.skip(30)
    charges = world.client.get("/sandbox/api/stripe/charges").json()
    assert [one["amount"] for one in charges] == [10_000, 5_000]
    world.balance_is("150.00")
