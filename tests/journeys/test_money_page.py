"""Money in and out by clicks in Chromium: finance's QR link, rescued charges, the backup card, refunds, disputes."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.browser import Watch, Window, chromium
from tests.journeys.world import FINANCE_VISA, Doc, World, until

pytestmark = pytest.mark.browser
MASTERCARD = {"card": "5555 5555 5555 4444", "exp": "10/33", "cvc": "123"}


@contextmanager
def _window(world: World, who: str) -> Iterator[Window]:
    with chromium() as context:
        watch = Watch(context)
        yield Window(context, str(world.client.base_url).rstrip("/"), who)
        watch.saw_nothing_wrong()


def _pay_on(page: Page, card: str, *, bank_asks: bool = False) -> None:
    page.get_by_test_id("card-number").fill(card)
    page.get_by_test_id("card-exp").fill("11 / 33")
    page.get_by_test_id("card-cvc").fill("123")
    page.get_by_test_id("pay").click()
    if bank_asks:
        page.get_by_test_id("auth-complete").click()
    expect(page.get_by_test_id("pay-done")).to_be_visible()
    page.close()


def _arm(world: World, **options: object) -> None:
    answer = world.client.post("/sandbox/api/stripe/script", json=options)
    assert answer.status_code == 200, answer.text


def _claw_back(world: World, act: str, **options: object) -> Doc:
    charge = world.client.get("/sandbox/api/stripe/charges").json()[-1]["id"]
    answer = world.client.post("/sandbox/api/stripe/clawback", json={"act": act, "charge": charge, **options})
    assert answer.status_code == 200, answer.text
    found: Doc = answer.json()
    return found


def test_finance_connects_by_qr_and_a_refund_takes_the_wallet_below_zero(world: World) -> None:
    """Owner asks → finance scans → that card is charged → some is spent → most is refunded: red, and said."""
    with _window(world, "owner") as window:
        window.messages()
        window.type("/wallet card")
        form = window.modal("Or let somebody else do it")
        form.locator("[data-action-id=person]").click()
        window.by("option").filter(has_text="Fiona Braun").click()
        window.button(form, "Send").click()
        window.modal("gets the link by direct message")
        window.close_forms()
        window.switch("finance")
        window.messages()
        asked = window.message("Please connect a card")
        window.keep("dm_finance_connect")
        _pay_on(window.opened(asked.get_by_test_id("qr")), FINANCE_VISA["card"])
        window.switch("owner")
        window.messages()
        window.message("Visa ••1881 is connected")
        window.type("/wallet topup 50")
        window.submit(window.modal("Charge $50.00 to Visa ••1881?"))
        window.modal("$50.00 was paid")
        window.close_forms()
        world.balance_is("50.00")
        window.post_usage("30")

        _claw_back(world, "refund", amount=4_000)
        world.balance_is("-20.00")
        window.message("$40.00 was refunded")
        window.message("Inbound calls stop in")
        window.keep("dm_refund_below_zero")
        home = window.home()
        expect(home).to_contain_text("−$20.00")
        expect(home).to_contain_text("Refund")
        window.keep("home_below_zero")


def test_a_declined_card_is_rescued_by_the_link_in_the_message(world: World) -> None:
    """The rule charges → declined → finance presses Pay → paid → automatic payments go on by themselves."""
    _with_rule(world)
    with _window(world, "finance") as window:
        window.messages()
        _arm(world, last4="4242", decline="lost_card")
        window.post_usage("60")
        failed = window.message("The automatic payment of $160.00 failed")
        expect(failed).to_contain_text("Nothing was charged")
        window.keep("dm_charge_failed")
        _pay_on(window.opened(window.button(failed, "Pay $160")), FINANCE_VISA["card"])
        world.balance_is("200.00")
        window.message("$160.00 was paid")
        window.keep("dm_rescued")
        window.switch("owner")
        expect(window.home()).to_contain_text("Automatic payments are on")


def test_a_bank_that_asks_is_answered_on_stripes_page(world: World) -> None:
    """The bank wants the cardholder → the link confirms → paid, and the rule goes on."""
    _with_rule(world)
    with _window(world, "finance") as window:
        window.messages()
        _arm(world, last4="4242", decline="authentication_required")
        window.post_usage("60")
        asked = window.message("The bank wants you to confirm")
        window.keep("dm_bank_asks")
        page = window.opened(window.button(asked, "Confirm on Stripe's page"))
        _pay_on(page, "4000 0027 6000 3184", bank_asks=True)
        world.balance_is("200.00")
        window.message("$160.00 was paid")
        window.switch("owner")
        expect(window.home()).to_contain_text("Automatic payments are on")


def test_the_backup_card_is_charged_when_the_main_one_is_dead(world: World) -> None:
    """Two cards; the main one is lost: one decline, then the backup, without a person."""
    _with_rule(world, backup=True)
    with _window(world, "owner") as window:
        window.messages()
        _arm(world, last4="4242", decline="lost_card")
        window.post_usage("60")
        world.balance_is("200.00")
        expect(window.message("The automatic payment of $160.00 went through")).to_contain_text(
            "Mastercard ••4444"
        )
        window.keep("dm_backup_charged")
        window.type("/wallet card")
        cards = window.modal("Enter it yourself")
        expect(cards).to_contain_text("Visa ••4242")
        expect(cards).to_contain_text("backup")
        window.keep("connect_card_with_cards")
        window.button(cards, "Remove card").click()
        window.by("confirm-ok").click()
        window.modal("The card is removed")
        window.close_forms()
        expect(window.home()).to_contain_text("Not Active")


def test_a_dispute_is_told_and_won(world: World) -> None:
    """The bank takes the money: red, automatic payments off; it gives it back: green, and they stay off."""
    _with_rule(world)
    with _window(world, "owner") as window:
        window.messages()
        dispute = _claw_back(world, "dispute")
        world.balance_is("0.00")
        told = window.message("disputes the payment of $100.00")
        expect(told).to_contain_text("Automatic payments are off until an admin turns them on")
        window.keep("dm_disputed")
        _claw_back(world, "turn_dispute", dispute=dispute["id"], status="won")
        world.balance_is("100.00")
        window.message("was won: the money is back in the wallet")
        window.message("$100.00 came back from a dispute that was won; the balance is $100.00")
        window.keep("dm_dispute_won")
        expect(window.home()).to_contain_text("Not Active")


def _with_rule(world: World, *, backup: bool = False) -> None:
    world.top_up_by_page("owner", "50.00" if backup else "100.00")
    world.reads("owner", "Visa ••4242 is connected")
    if backup:
        world.top_up_by_page("owner", "50.00", MASTERCARD)
        world.reads("owner", "Mastercard ••4444 is connected")
    world.balance_is("100.00")
    world.turn_rule_on()
    until(lambda: "Automatic payments are on" in str(world.home("owner")) or None, lambda: "no rule")
