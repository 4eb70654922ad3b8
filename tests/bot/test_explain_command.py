"""`redbar explain`: the whole story of a payment or a call, from real flows and a real database file."""

import json
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.__main__ import main
from bot.payments.top_ups import Charges
from bot.stripe.requests import Unreachable
from ledger import CaptureHold, Correct, OpenHold, PostUsage, erase_numbers
from tests.faults.driver import DOLLARS, BotDriver, driver_in
from tests.persons import owner


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[BotDriver]:
    """One wallet, one Stripe."""
    with driver_in(tmp_path) as made:
        yield made


@pytest.fixture
def told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> "Told":
    """Ask the command, and read what it says."""
    return Told(tmp_path, capsys)


class Told:
    """What the command says."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._database = f"sqlite:///{folder / 'redbar.db'}"
        self._capsys = capsys

    def of(self, *asked: str, code: int = 0) -> str:
        """Give what it says of something."""
        self._capsys.readouterr()
        assert main(["explain", *asked, "--database", self._database]) == code
        return self._capsys.readouterr().out


def _in_order(text: str, *words: str) -> None:
    at = -1
    for one in words:
        found = text.find(one, at + 1)
        assert found > at, f"{one!r} is not after the ones before it in:\n{text}"
        at = found


def test_a_payment_by_link_from_the_wish_to_the_refund(driver: BotDriver, told: Told) -> None:
    """By its reference, its intent, its link, its refund and an event: the same story."""
    payment = driver.payments.ask(
        driver.wallet_id, DOLLARS, asked_by=owner("UADMIN"), payer="UFINANCE", note="soon dry"
    )
    driver.shop.clock.skip(minutes=5)
    assert driver.shop.pay(SimpleNamespace(url=payment.url))["ok"]
    events = driver.happened()
    driver.shop.clock.skip(minutes=1)
    driver.hear_all(events)
    driver.shop.clock.skip(minutes=5)
    refund = driver.claw_back("refund", charge=driver.shop.charges()[0]["id"], amount=700)
    driver.hear_all(driver.happened())

    story = told.of(payment.ref.lower())

    _in_order(
        story,
        f"{payment.ref}: a request to pay of $20.00 by a link",
        'Asked for by UADMIN, of UFINANCE, saying "soon dry".',
        "Stripe request committed: link (key redbar:link:",
        "At Stripe: payment_intent.succeeded",
        "Transaction 1, top_up: $20.00. The balance was $20.00 then.",
        "Transaction 2, refund: −$7.00. The balance was $13.00 then.",
        "Now: Paid with Visa ••4242: the money is in the wallet. Nothing is to be done.",
    )
    intent = next(one.object_id for one in events if one.kind == "payment_intent.succeeded")
    for name in (intent, payment.link_id, refund["id"], events[0].event_id, str(payment.payment_id)):
        assert told.of(name) == story


def test_a_charge_whose_answer_was_lost_and_found(driver: BotDriver, told: Told) -> None:
    """Unknown for a minute, then settled by the same key."""
    page = driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=owner("UADMIN"))
    assert driver.shop.pay(driver.shop.api.checkout.sessions.retrieve(page.session_id))["ok"]
    driver.sync.session(page.session_id)
    charges = Charges(driver.ledger, driver.payments, driver.served)
    wish, _ = charges.prepare(driver.wallet_id, DOLLARS, actor=owner("UADMIN"))
    driver.shop.arm(match="POST /v1/payment_intents/*/confirm", mode="reset_after")
    with suppress(Unreachable):
        charges.charge(driver.wallet_id, wish, actor=owner("UADMIN"))
    assert "It will not be charged twice" in told.of("RB-1002")
    driver.shop.clock.skip(minutes=2)
    driver.sweep.run(driver.ledger.now())

    story = told.of("RB-1002")

    _in_order(
        story, "UADMIN did: charge.", "Stripe on confirm: ok, tried 2 times.", "Now: Paid with Visa ••4242"
    )
    assert "Visa ••4242 is connected. No money moved" in told.of("RB-1001")


def test_a_declined_charge_says_why(driver: BotDriver, told: Told) -> None:
    """In plain words, with what Stripe answered beside them."""
    page = driver.payments.connect(driver.wallet_id, DOLLARS.currency, asked_by=owner("UADMIN"))
    assert driver.shop.pay(driver.shop.api.checkout.sessions.retrieve(page.session_id))["ok"]
    driver.sync.session(page.session_id)
    charges = Charges(driver.ledger, driver.payments, driver.served)
    driver.shop.arm(last4="4242", decline="insufficient_funds")
    wish, _ = charges.prepare(driver.wallet_id, DOLLARS, actor=owner("UADMIN"))
    charges.charge(driver.wallet_id, wish, actor=owner("UADMIN"))

    story = told.of("RB-1002")

    assert "Stripe on confirm: declined (insufficient_funds)" in story
    assert "Now: Nothing was charged: insufficient_funds on Visa ••4242." in story


def test_a_call_from_its_hold_to_its_correction(driver: BotDriver, told: Told) -> None:
    """Asked, held, captured, partly given back; and one that was refused."""
    driver.hear_all(driver.paid()[1])
    hold = OpenHold("call-118", "outbound_call", 450_000, reference="camp-7")
    driver.ledger.carry_out(driver.wallet_id, [hold])
    driver.shop.clock.skip(minutes=3)
    driver.ledger.carry_out(
        driver.wallet_id, [CaptureHold("call-118", 420_000, None, quantity=180, reference="camp-7")]
    )
    driver.ledger.carry_out(driver.wallet_id, [Correct("operator", "fix-1", "call-118", 400_000, None)])
    driver.ledger.carry_out(driver.wallet_id, [OpenHold("call-119", "outbound_call", 900_000_000)])

    _in_order(
        told.of("call-118"),
        "Asked to start, outbound_call: allowed (open), $0.45 held.",
        "The hold ended: captured.",
        "Transaction 2, outbound_call: −$0.42.",
        "Transaction 3, correction: $0.02.",
        "Now: It ended, and what it cost was posted.",
    )
    assert "refused, insufficient_available (open)" in told.of("call-119")
    assert "1 transaction, −$0.42 in all" in told.of("camp-7")


def test_usage_that_came_late_shows_both_times(driver: BotDriver, told: Told) -> None:
    """When it happened and when it was recorded."""
    driver.hear_all(driver.paid()[1])
    began = driver.ledger.now()
    driver.shop.clock.skip(hours=30)
    driver.ledger.carry_out(driver.wallet_id, [PostUsage("platform", "c-1", "ai_task", 10_000, began)])

    assert f"happened {began:%Y-%m-%d %H:%M:%S}" in told.of("c-1")


def test_what_was_erased_is_not_told(driver: BotDriver, told: Told) -> None:
    """The story goes on without the words; by its number it is still found."""
    intent, events = driver.paid()
    driver.hear_all(events)
    erase = partial(erase_numbers, wallet_id=driver.wallet_id, seqs=[1], actor="operator")
    driver.ledger.run(lambda tx: erase(tx), wallet_id=driver.wallet_id)

    assert "Transaction 1, top_up: $20.00." in told.of(intent)


def test_what_nobody_knows_is_said_with_what_can_be_asked(driver: BotDriver, told: Told) -> None:
    """One sentence and an exit code; in JSON an empty list."""
    assert "Nothing is known by 'RB-9999'. What can be explained is a reference" in told.of("RB-9999", code=1)
    assert json.loads(told.of("nothing", "--json", code=1)) == {"stories": []}
    assert "is not the id of a wallet" in told.of("RB-1001", "--wallet", "x", code=2)


def test_json_has_the_same_moments(driver: BotDriver, told: Told) -> None:
    """For programs: instants in ISO format."""
    driver.hear_all(driver.paid()[1])

    (story,) = json.loads(told.of("RB-1001", "--json"))["stories"]

    assert story["about"].startswith("RB-1001")
    assert [one["at"] for one in story["moments"]] == sorted(one["at"] for one in story["moments"])
