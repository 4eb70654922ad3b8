"""Every surface as people see it, after six weeks of calls: forms, messages, pages, the dark, a phone."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.journeys.browser import Watch, Window, chromium, keep, sideways
from tests.journeys.world import FINANCE_VISA, World, button_of

pytestmark = pytest.mark.browser
RAW = re.compile(r"<[@#!]|&(amp|lt|gt);|undefined|NaN|\[object|unsupported|\bNone\b|\b[UC]0[A-Z]{3}")
"""What only a machine reads: marks of Slack's markup, ids, values that were not there."""


@pytest.mark.usefixtures("quiet_six_weeks")
def test_every_surface_says_what_it_should(world: World) -> None:
    """Status, forms, usage, history, people, alerts, the wire: each opens by a click and reads as words."""
    world.top_up_by_page("owner", "100.00")
    world.reads("owner", "$100.00 was paid")
    world.leave_the_first_days()
    lived = world.client.post("/sandbox/api/six-weeks", timeout=120)
    assert lived.json()["ok"], lived.text
    with chromium() as context:
        watch = Watch(context)
        window = Window(context, _base_url(world), "owner")
        window.messages()
        window.type("/wallet")
        status = window.message("Calls and AI tasks are running")
        _reads(window, "wallet_status", status, world.wallet()["balance"], "If the balance reaches zero")
        _forms_of_automatic_payments(window)
        _usage_and_history(window, status)
        _settings(window)
        _wire(window, status)
        window.switch("member")
        _reads(
            window,
            "member_home",
            window.home(),
            "Billing is looked after by @",
            "@owner",
            "@admin",
            "Ask for access",
        )
        watch.saw_nothing_wrong()


def _base_url(world: World) -> str:
    return str(world.client.base_url).rstrip("/")


def _reads(window: Window, name: str, where: Locator, *words: str) -> None:
    """Keep a picture of something that says some words, and nothing that only a machine reads."""
    for one in words:
        expect(where).to_contain_text(one)
    assert RAW.search(where.inner_text()) is None, where.inner_text()
    assert window.sideways() == 0
    window.keep(name)


def _forms_of_automatic_payments(window: Window) -> None:
    window.button(window.home(), "Not Active").click()
    form = window.modal("When the balance falls below")
    _reads(window, "automatic_modal", form, "Bring it back to", "Visa ••4242", "Never more")
    window.submit(form)
    sure = window.modal("Turn on this rule?")
    _reads(
        window,
        "automatic_confirm_modal",
        sure,
        "Below $",
        "this rule would",
        "You can turn this off at any time",
    )
    window.close_forms()


def _usage_and_history(window: Window, status: Locator) -> None:
    window.messages()
    window.button(status, "Usage").click()
    _reads(
        window,
        "usage_message",
        window.message("so far"),
        "Outbound calls",
        "Costliest days",
        "The balance is",
    )
    window.button(status, "History").click()
    page = window.message("Each row shows the balance after it")
    _reads(window, "history_message", page, "Outbound call", "Balance $", "Older")
    expect(window.button(page, "Older")).to_be_in_viewport()


def _settings(window: Window) -> None:
    window.button(window.home(), "People").click()
    _reads(window, "people_modal", window.modal("Only full members"), "Fiona Braun", "Owners: @owner")
    window.close_forms()
    window.button(window.home(), "Alerts").click()
    _reads(window, "alerts_modal", window.modal("Alerts"), "# calls")
    window.close_forms()


def _wire(window: Window, status: Locator) -> None:
    window.messages()
    status.hover()
    status.get_by_test_id("wire-open").first.click()
    drawer = window.by("wire")
    expect(drawer.get_by_test_id("wire-entry").first).to_be_visible()
    expect(drawer).to_contain_text("response_url")
    window.keep("wire_drawer")
    window.by("wire-close").click()


def test_the_hosted_page_says_what_became_of_a_card(world: World, tmp_path: Path) -> None:
    """The code on the screen opens what the button opens; a declined card is red, the next one pays."""
    world.command("owner", "/wallet ask @finance 160 before the Friday campaign")
    url = button_of(world.reads("finance", "Please pay $160.00"), "Pay $160.00")["url"]
    with chromium(scale=2) as context:
        watch = Watch(context)
        window = Window(context, _base_url(world), "finance")
        window.messages()
        code = window.message("Please pay $160.00").get_by_test_id("qr")
        expect(code).to_be_visible()
        assert _scanned(code, tmp_path) == url
        code.hover()
        assert _scanned(code, tmp_path) == url, "the hint hides the code"
        page = window.opened(window.button(window.message("Please pay $160.00"), "Pay $160.00"))
        assert page.url == url
        expect(page.get_by_test_id("amount")).to_have_text("$160.00")
        keep(page, "checkout_page")
        _declines(page)
        _pays_with(page, FINANCE_VISA)
        expect(page.get_by_test_id("pay-done")).to_contain_text("$160.00")
        keep(page, "checkout_paid")
        page.reload()
        expect(page.get_by_test_id("pay-complete")).to_be_visible()
        keep(page, "checkout_again")
        window.message("Paid $160.00")
        watch.saw_nothing_wrong()


def _scanned(code: Locator, folder: Path) -> str:
    path = folder / "code.png"
    code.screenshot(path=path, animations="disabled")
    with Image.open(path) as picture:
        found = zxingcpp.read_barcodes(picture)
    assert len(found) == 1, "no phone could read this"
    return str(found[0].text)


def _declines(page: Page) -> None:
    page.get_by_test_id("test-card-9995").click()
    page.get_by_test_id("pay").click()
    said = page.get_by_test_id("pay-error")
    expect(said).to_contain_text("insufficient funds")
    red, green, blue = map(int, re.findall(r"\d+", said.evaluate("e => getComputedStyle(e).color"))[:3])
    assert red > green + 60
    assert red > blue + 60
    keep(page, "checkout_declined")


def _pays_with(page: Page, card: dict[str, str]) -> None:
    page.get_by_test_id("card-number").fill(card["card"])
    page.get_by_test_id("card-exp").fill(card["exp"])
    page.get_by_test_id("card-cvc").fill(card["cvc"])
    page.get_by_test_id("pay").click()


@pytest.mark.parametrize(
    ("name", "width", "dark"), [("phone", 390, False), ("dark_phone", 390, True), ("dark", 1280, True)]
)
def test_the_page_fits_a_phone_and_a_dark_room(world: World, name: str, width: int, dark: bool) -> None:
    """Channel, Home, a form, the panels and the hosted page: nothing is cut off at the side."""
    world.top_up_by_page("owner", "100.00")
    world.reads("owner", "$100.00 was paid")
    world.use("call-1", "58.20", quantity=4380, reference="camp-118")
    world.reads("member", "The calling wallet is low", channel="#calls")
    with chromium() as context:
        watch = Watch(context)
        window = Window(context, _base_url(world), "owner", width=width, height=844, dark=dark)
        fits = _fitter(window, name)
        window.message("The calling wallet is low")
        fits("channel")
        window.messages()
        window.message("The wallet is low: $41.80")
        fits("dm")
        home = window.home()
        expect(home).to_contain_text("$41.80")
        fits("home")
        window.button(home, "Add balance").click()
        form = window.modal("How much?")
        form.get_by_text("Another card, on Stripe's page").click()
        expect(form).to_contain_text("Save this card")
        fits("add_balance")
        window.submit(form)
        page = window.opened(window.button(window.modal("Pay $100.00"), "Pay $100.00"))
        keep(page, f"{name}_checkout")
        assert sideways(page) == 0
        page.close()
        window.close_forms()
        if width < 700:
            for tab in ("platform", "clock", "story"):
                window.by(f"tab-{tab}").click()
                fits(tab)
        watch.saw_nothing_wrong()


def _fitter(window: Window, name: str) -> Callable[[str], None]:
    def fits(what: str) -> None:
        window.keep(f"{name}_{what}")
        assert window.sideways() == 0, what

    return fits
