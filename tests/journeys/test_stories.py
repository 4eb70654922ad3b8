"""Three stories end to end: money comes in, money runs low, money runs out and comes back."""

import threading

import pytest

from bot.payment_rows import Payment
from bot.slack.listeners.interaction import Interaction
from bot.slack.senders.qr_codes import QrCodes
from bot.slack.views.blocks import GREEN, RED, View
from tests.journeys.world import FINANCE_VISA, World, button_of, colours, shown, until

on_both = pytest.mark.parametrize("world", ["socket", "postgresql"], indirect=True)
"""On SQLite and on PostgreSQL."""


@pytest.mark.parametrize("world", ["socket", "http", "postgresql"], indirect=True)
def test_a_top_up_is_one_transaction_and_the_card_is_kept(world: World) -> None:
    """Nothing in it → a page, a payment, a saved card → a second payment with that card."""
    world.command("owner", "/wallet", channel="#calls")
    first = world.reads("owner", "can't start until there is money", channel="#calls")
    assert first["ephemeral"]
    assert world.may_start("a", "outbound_call")["reason"] == "not_connected"

    world.top_up_by_page("owner", "100.00")
    world.balance_is("100.00")
    world.reads("owner", "Visa ••4242 is connected")
    assert world.may_start("b", "outbound_call")["allowed"]

    world.command("admin", "/wallet topup 50")
    confirm = world.modal("admin", "confirm_charge")
    assert "Charge $50.00 to Visa ••4242?" in shown(confirm)
    world.submit("admin")
    world.modal_reads("admin", "$50.00 was paid")
    world.balance_is("150.00")
    again = world.act("submit", "admin", status=404, view_id=confirm["id"] + "x")
    assert not again["ok"]

    home = shown(world.home("owner"))
    assert "$150.00" in home
    assert "Top-up" in home
    charges = world.client.get("/sandbox/api/stripe/charges").json()
    assert sum(one["amount"] for one in charges) == 15_000


@on_both
def test_below_the_threshold_the_card_is_charged_and_everybody_knows(world: World) -> None:
    """Automatic payments on → the wallet falls below the threshold → one charge closes the gap, quietly."""
    world.top_up_by_page("owner", "100.00")
    world.balance_is("100.00")
    world.turn_rule_on()

    world.use("call-1", "60.00")
    world.balance_is("200.00")
    history = world.client.get("/sandbox/log.jsonl").text
    assert history.count("/v1/payment_intents/pi_") >= 1
    world.use("call-2", "160.00")
    until(lambda: world.wallet()["balance"] == "40.00" or None, lambda: "usage was not booked")
    until(
        lambda: "one charge per 15 minutes" in shown(world.home("owner")) or None,
        lambda: f"Home doesn't say why nothing is charged: {shown(world.home('owner'))}",
    )
    world.skip(16)
    world.balance_is("200.00")


def test_above_the_daily_limit_a_charge_becomes_a_link_for_finance(world: World) -> None:
    """People may charge the saved card up to $1,000 a day; more is asked of somebody, by command and by form."""
    world.top_up_by_page("owner", "100.00")
    world.balance_is("100.00")
    world.command("owner", "/wallet topup 800")
    world.modal("owner", "confirm_charge")
    world.submit("owner")
    world.balance_is("900.00")
    world.act("close", "owner")

    world.command("owner", "/wallet topup 500")
    form = world.modal_reads(
        "owner", "People can charge the saved card up to $1,000.00 a day; $200.00 is left today"
    )
    assert form["callback_id"].startswith("add_balance")
    world.submit("owner", pay_with="ask", person="@finance", note="for the weekend")
    asked = world.reads("finance", "Please pay $500.00")
    world.pay(button_of(asked, "Pay $500.00")["url"], FINANCE_VISA)
    world.balance_is("1400.00")

    world.command("owner", "/wallet topup")
    world.modal("owner", "add_balance")
    world.submit("owner", amount_choice="250.00", pay_with="card")
    world.modal_reads("owner", "$200.00 is left today")


def test_a_rule_may_add_a_fixed_amount(world: World) -> None:
    """Chosen in the form, said everywhere, and added until the balance is above the threshold again."""
    world.top_up_by_page("owner", "100.00")
    world.balance_is("100.00")
    world.command("owner", "/wallet auto")
    world.modal("owner", "automatic")
    limits = {"per_day": "3", "day_cap": "500", "month_cap": "5000"}
    refused = world.submit("owner", threshold="50", how="fixed", target="20", **limits)
    assert "A fixed charge has to be between $25.00 and $2,500.00" in str(refused)
    world.submit("owner", threshold="50", how="fixed", target="40", **limits)
    confirm = shown(world.modal("owner", "confirm_automatic"))
    assert "$40" in confirm
    world.submit("owner")
    told = world.reads("finance", "turned automatic payments on")
    assert "Below $50, Visa ••4242 is charged $40." in shown(told)

    world.use("call-1", "95.00")
    world.balance_is("45.00")
    world.skip(16)
    world.balance_is("85.00")
    assert "Below $50 → add $40" in shown(world.home("owner"))


@on_both
def test_a_low_wallet_raises_one_alarm_for_each_audience(world: World) -> None:
    """The channel reads no amounts; the admins and finance read amounts and get buttons."""
    world.top_up_by_page("owner", "100.00")
    world.balance_is("100.00")
    world.use("call-1", "58.20")
    channel = world.reads("member", "The calling wallet is low", channel="#calls")
    assert "$" not in shown(channel)
    assert colours(channel) == [RED]
    person = world.reads("finance", "$41.80")
    assert colours(person) == [RED]
    assert button_of(world.reads("owner", "$41.80"), "Charge Visa ••4242 $")
    link = button_of(person, "Pay $")
    assert link["text"]["text"].endswith(" with a link")
    world.act("press", "finance", channel="dm", ts=person["ts"], action_id=link["action_id"])
    world.reads("finance", "You pay on Stripe's page")
    world.use("call-2", "0.10")
    world.skip(1)
    assert len([one for one in world.messages("member", "#calls") if "is low" in shown(one)]) == 1


@on_both
def test_zero_stops_outbound_at_once_and_a_payment_brings_everything_back(world: World) -> None:
    """Zero → outbound and AI refused, inbound in grace → paused → finance pays by link → green."""
    world.top_up_by_page("owner", "50.00")
    world.balance_is("50.00")
    answer = world.use("call-1", "50.18")
    assert answer["wallet"]["standing"] == "grace"
    assert not answer["wallet"]["permits"]["outbound_call"]["allowed"]
    assert world.may_start("out-1", "outbound_call")["reason"] == "empty"
    assert world.may_start("ai-1", "ai_task")["reason"] == "empty"
    assert world.may_start("in-1", "inbound_call")["allowed"]
    alarm = world.reads("member", "Inbound calls stop in", channel="#calls")

    world.command("admin", "/wallet ask @finance 160 we're nearly out")
    asked = world.reads("finance", "Please pay $160.00")
    assert "we're nearly out" in shown(asked)
    url = button_of(asked, "Pay $160.00")["url"]

    world.skip(8)
    later = world.reads("member", "Inbound calls stop in 7 minutes", channel="#calls")
    assert later["ts"] == alarm["ts"]
    world.skip(8)
    assert world.may_start("in-2", "inbound_call")["reason"] == "grace_used"
    world.reads("member", "All calls and AI tasks have stopped", channel="#calls")

    world.pay(url, FINANCE_VISA)
    world.balance_is("159.82")
    assert world.may_start("out-2", "outbound_call")["allowed"]
    green = world.reads("member", "Everything runs again", channel="#calls")
    assert green["ts"] == alarm["ts"]
    assert colours(green) == [GREEN]
    assert "$" not in shown(green)
    world.reads("finance", "Paid $160.00")
    world.reads("admin", "Visa ••1881")
    assert world.pay(url, FINANCE_VISA, ok=False)["state"] in ("inactive", "complete")


@on_both
def test_members_are_told_whom_to_ask_and_outsiders_nothing(world: World) -> None:
    """The same sentence whatever the wallet's state, and no figure in it."""
    world.command("member", "/wallet", channel="#calls")
    said = world.reads("member", "Billing is looked after by", channel="#calls")
    assert "$" not in shown(said)
    assert "$" not in shown(world.home("member"))
    world.command("guest", "/wallet", channel="#calls")
    world.reads("guest", "isn't available here", channel="#calls")
    world.command("outsider", "/wallet", channel="#campaigns")
    world.reads("outsider", "isn't available here", channel="#campaigns")


def test_a_late_picture_leaves_the_answer_in_a_form(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The QR code comes after somebody pressed a button in the form: they go on reading what became of that."""
    world.top_up_by_page("owner", "100.00")
    world.reads("owner", "Visa ••4242 is connected")
    pressed, tried = threading.Event(), threading.Event()
    draw, show = QrCodes.attach, Interaction.refine

    def late(self: QrCodes, payment: Payment) -> Payment:
        assert pressed.wait(20)
        return draw(self, payment)

    def watched(self: Interaction, view: View, instead_of: str) -> None:
        try:
            show(self, view, instead_of)
        finally:
            tried.set()

    monkeypatch.setattr(QrCodes, "attach", late)
    monkeypatch.setattr(Interaction, "refine", watched)
    world.command("owner", "/wallet card")
    form = world.modal_reads("owner", "Enter it yourself")

    world.act("press", "owner", view_id=form["id"], text="Remove card", confirm=True)
    world.modal_reads("owner", "The card is removed")
    pressed.set()

    assert tried.wait(20)
    assert "The card is removed" in shown(world.modal("owner"))
