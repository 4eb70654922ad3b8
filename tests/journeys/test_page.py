"""The stranger's ten minutes again, by clicks in Chromium; the README's pictures are made on the way."""

import os
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from tests.journeys.browser import Watch, Window, chromium
from tests.journeys.world import World, button_of, until
from tests.sizes import size

pytestmark = pytest.mark.browser
CALLS = size("clicks", local=100, ci=100, full=1_000)
"""Calls of "Post 1,000 calls"; together they cost $40.00."""
PICTURES = Path(__file__).parent / "pictures" if os.environ.get("REDBAR_README_PICTURES") else None


def _picture(of: Locator, name: str) -> None:
    if PICTURES is not None:
        path = PICTURES / f"{name}.png"
        of.screenshot(path=path, animations="disabled")
        with Image.open(path) as taken:
            few = taken.convert("RGB").quantize(128)
        few.save(path, optimize=True)  # a third of the size; nobody sees the difference


@pytest.mark.usefixtures("quiet_six_weeks")
def test_ten_minutes_of_a_stranger_by_clicks(world: World) -> None:
    """Not Active → connect → pay → calls → the red bar → finance pays by QR → zero → paused → green."""
    base_url = str(world.client.base_url).rstrip("/")
    with chromium(scale=2 if PICTURES else 1) as context:
        watch = Watch(context)
        context.route("**/thousand.js", _makes_fewer_calls)
        window = Window(context, base_url, "owner")
        _connects_from_not_active(window)
        _adds_balance_on_the_hosted_page(window, world)
        _posts_a_thousand_calls(window, world)
        _sees_the_red_bar(window, world)
        pay_page = _finance_scans_the_code(window, world)
        _runs_dry(window, world)
        _finance_pays(window, pay_page, world)
        _presses_twice(window, world)
        _sees_everything_on_home(window, world)
        watch.saw_nothing_wrong()


def _connects_from_not_active(window: Window) -> None:
    window.channel("calls")
    window.type("/wallet")
    window.message("can't start until there is money")
    window.keep("wallet_not_connected")
    home = window.home()
    expect(home).to_contain_text("Connect your wallet")
    window.keep("home_not_connected")
    not_active = window.button(home, "Not Active")
    expect(not_active).to_have_class(re.compile("danger"))
    first = window.opens(not_active, "They need a card first")
    form = window.opens(window.button(first, "Connect a card"), "Enter it yourself")
    expect(form.locator("img")).to_be_visible()
    window.keep("connect_card")
    page = window.opened(window.button(form, "Connect a card"))
    page.get_by_test_id("test-card-9995").click()
    page.get_by_test_id("pay").click()
    expect(page.get_by_test_id("pay-error")).to_contain_text("insufficient funds")
    page.get_by_test_id("test-card-4242").click()
    page.get_by_test_id("pay").click()
    expect(page.get_by_test_id("pay-done")).to_be_visible()
    page.close()
    window.close_forms()
    expect(window.home()).to_contain_text("Card connected")
    window.keep("home_card_connected")


def _adds_balance_on_the_hosted_page(window: Window, world: World) -> None:
    form = window.opens(window.button(window.home(), "Add balance"), "How much?")
    window.keep("add_balance")
    form.get_by_text("Another card, on Stripe's page").click()
    expect(form).to_contain_text("Save this card")
    window.by("modal-submit").click()
    page = window.opened(window.button(window.modal("Pay $100.00"), "Pay $100.00"))
    expect(page.get_by_test_id("amount")).to_have_text("$100.00")
    page.get_by_test_id("test-card-4242").click()
    page.get_by_test_id("pay").click()
    expect(page.get_by_test_id("pay-done")).to_be_visible()
    page.close()
    world.balance_is("100.00")
    window.close_forms()
    expect(window.home()).to_contain_text("$100.00")


def _makes_fewer_calls(route: Route) -> None:
    """Let "Post 1,000 calls" make so many: a browser asks for each of them alone."""
    script = route.fetch()
    whole = script.text()
    assert "const CALLS = 1000;" in whole
    route.fulfill(response=script, body=whole.replace("const CALLS = 1000;", f"const CALLS = {CALLS};"))


def _posts_a_thousand_calls(window: Window, world: World) -> None:
    window.by("amount").fill(f"0.{40 * 100 // CALLS:02d}")
    window.by("post-1000").click()
    expect(window.by("platform-result")).to_contain_text("1,000", timeout=60_000)
    until(lambda: world.wallet()["balance"] != "100.00" or None, lambda: "a thousand calls cost nothing")
    expect(window.by("thousand-done")).to_be_visible(timeout=60_000)


def _sees_the_red_bar(window: Window, world: World) -> None:
    assert world.wallet()["balance"] == "60.00"
    window.post_usage("18.20")
    window.switch("member")
    window.channel("calls")
    alarm = window.message("The calling wallet is low")
    expect(alarm).not_to_contain_text("$")
    window.keep("channel_warning")
    _picture(alarm, "1_red")
    window.switch("admin")
    window.messages()
    window.message("$41.80")
    window.keep("dm_admin_warning")


def _finance_scans_the_code(window: Window, world: World) -> Page:
    world.skip(
        6
    )  # later than a conversation groups what one writer says: the request stands under its own name
    window.type("/wallet ask @finance 160 we're nearly out before the Friday campaign")
    window.message("@finance")
    window.switch("finance")
    window.messages()
    asked = window.message("Please pay $160.00")
    code = asked.get_by_test_id("qr")
    expect(code).to_be_visible()
    window.keep("dm_finance_request")
    page = window.opened(code)
    url = button_of(world.reads("finance", "Please pay $160.00"), "Pay $160.00")["url"]
    assert page.url == url
    return page


def _runs_dry(window: Window, world: World) -> None:
    window.post_usage("41.98")
    window.switch("member")
    window.channel("calls")
    alarm = window.message("Inbound calls stop in")
    window.keep("channel_zero")
    _picture(alarm, "2_counting")
    expect(window.by("light-outbound_call")).to_have_attribute("data-allowed", "false")
    window.by("skip-15m").click()
    window.message("All calls and AI tasks have stopped")
    expect(window.by("light-inbound_call")).to_have_attribute("data-allowed", "false")
    window.keep("channel_paused")


def _finance_pays(window: Window, pay_page: Page, world: World) -> None:
    pay_page.get_by_test_id("card-number").fill("4000 0000 0000 1881")
    pay_page.get_by_test_id("card-exp").fill("11 / 33")
    pay_page.get_by_test_id("card-cvc").fill("123")
    pay_page.get_by_test_id("pay").click()
    expect(pay_page.get_by_test_id("pay-done")).to_be_visible()
    pay_page.close()
    green = window.message("Everything runs again")
    expect(green).not_to_contain_text("$")
    window.keep("channel_green")
    _picture(green, "4_green")
    window.switch("finance")
    window.messages()
    paid = window.message("Paid $160.00")
    window.keep("dm_finance_paid")
    _picture(paid, "3_paid")
    world.balance_is("159.82")


def _presses_twice(window: Window, world: World) -> None:
    window.switch("owner")
    window.messages()
    window.type("/wallet topup 1e3")
    window.message("isn't an amount I can read")
    window.type("/wallet topup 50")
    window.modal("Charge $50.00 to Visa ••4242?")
    window.keep("confirm_charge")
    window.by("modal-submit").dblclick()
    window.modal("$50.00 was paid")
    world.balance_is("209.82")
    charges = world.client.get("/sandbox/api/stripe/charges").json()
    assert [one["amount"] for one in charges] == [10_000, 16_000, 5_000]
    window.close_forms()


def _sees_everything_on_home(window: Window, world: World) -> None:
    world.leave_the_first_days()
    window.by("six-weeks").click()
    expect(window.by("six-weeks-progress")).to_contain_text("Six weeks lived", timeout=120_000)
    home = window.home()
    expect(home).to_contain_text("times a usual")
    expect(home.locator("img")).to_be_visible()
    window.keep("home_open")
    if PICTURES is not None:
        # In a window high enough to hold all of Home: what is scrolled away is not in a picture.
        window.page.set_viewport_size({"width": 1280, "height": 1700})
        _picture(home, "home")
        window.page.set_viewport_size({"width": 1280, "height": 900})
    window.button(home, "Why?").click()
    window.modal("camp-121")
    window.keep("why")
    window.close_forms()
    first_row = home.get_by_text("Balance $").first.inner_text()
    window.button(home, "Older").click()
    expect(home.get_by_text("Balance $").first).not_to_have_text(first_row)
    expect(window.button(home, "‹ Newer")).to_be_visible()


def test_two_windows_are_live_side_by_side(world: World) -> None:
    """What the owner does is seen by finance without a reload."""
    base_url = str(world.client.base_url).rstrip("/")
    with chromium() as context:
        watch = Watch(context)
        finance = Window(context, base_url, "finance")
        finance.messages()
        owner = Window(context, base_url, "owner")
        owner.messages()
        owner.type("/wallet ask @finance 25 for tests")
        finance.message("Please pay $25.00")
        expect(owner.message("@finance")).to_be_visible()
        watch.saw_nothing_wrong()
