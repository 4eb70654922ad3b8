"""Stripe is away, or doesn't answer: people are told the truth, and every charge is made and credited once."""

import pytest

from tests.journeys.world import Doc, World, cents, until

pytestmark = pytest.mark.parametrize("world", ["socket", "postgresql"], indirect=True)


def _with_a_card(world: World) -> None:
    world.top_up_by_page("owner", "100.00")
    world.balance_is("100.00")
    world.reads("owner", "Visa ••4242 is connected")


def _arm(world: World, **fault: object) -> None:
    answer = world.client.post("/sandbox/api/stripe/script", json=fault)
    assert answer.status_code == 200, answer.text


def _charged(world: World) -> list[int]:
    charges: list[Doc] = world.client.get("/sandbox/api/stripe/charges").json()
    return [one["amount"] for one in charges]


def _charge_fifty(world: World) -> None:
    world.command("owner", "/wallet topup 50")
    world.modal("owner", "confirm_charge")
    world.submit("owner")


def test_a_charge_that_could_not_be_begun_is_kept_and_made_later(world: World) -> None:
    """Stripe is down when the charge is begun: nothing was charged, and a minute later it is."""
    _with_a_card(world)
    _arm(world, match="POST /v1/payment_intents", mode="status", status=503, times=1)
    _charge_fifty(world)
    world.modal_reads("owner", "Nothing was charged: Stripe could not be reached")
    assert world.wallet()["balance"] == "100.00"
    world.skip(3)
    world.balance_is("150.00")
    assert _charged(world) == [10_000, 5_000]
    world.reads("owner", "$50.00 was charged after all, once, and is in the wallet")


def test_a_charge_without_an_answer_is_not_made_twice(world: World) -> None:
    """Charged, but the answer got lost: people hear that it isn't known; the same key finds out."""
    _with_a_card(world)
    # Held back, so that only the sweep can find out, by its key.
    world.client.post("/sandbox/api/stripe/webhooks", json={"deliver": False})
    _arm(world, match="POST /v1/payment_intents/*/confirm", mode="hang_then_do", times=1, delay_ms=10)
    _charge_fifty(world)
    world.modal_reads("owner", "we don't know yet whether $50.00 was charged")
    assert _charged(world) == [10_000, 5_000]
    world.skip(3)
    world.balance_is("150.00")
    world.client.post("/sandbox/api/stripe/webhooks", json={"deliver": True})
    world.skip(60)
    assert _charged(world) == [10_000, 5_000]
    assert cents(world.wallet()["balance"]) == 15_000
    world.reads("owner", "$50.00 was charged after all, once, and is in the wallet")
    told = [one for one in world.messages("owner") if "charged after all" in str(one["text"])]
    assert len(told) == 1


def test_a_declined_card_is_said_in_words_and_nothing_is_charged(world: World) -> None:
    """The bank says no: what, why, and what else there is."""
    _with_a_card(world)
    _arm(world, last4="4242", decline="insufficient_funds")
    _charge_fifty(world)
    world.modal_reads("owner", "there isn't enough money on Visa ••4242")
    assert _charged(world) == [10_000]


def test_an_automatic_payment_that_fails_is_rescued_by_a_link(world: World) -> None:
    """The first failure brings finance the reason and a link; paying it wakes automatic payments."""
    _with_a_card(world)
    _turns_automatic_on(world)
    _arm(world, last4="4242", decline="lost_card")
    world.use("call-1", "60.00")
    failed = world.reads("finance", "The automatic payment of $160.00 failed")
    assert len(_charged(world)) == 1
    world.pay(_link_in(failed), {"card": "4000 0000 0000 1881", "exp": "11/33", "cvc": "123"})
    world.balance_is("200.00")
    until(
        lambda: "Automatic payments are on" in str(world.home("owner")) or None,
        lambda: "automatic payments did not wake up",
    )


def _turns_automatic_on(world: World) -> None:
    world.command("owner", "/wallet auto")
    world.modal("owner", "automatic")
    world.submit("owner", threshold="50", target="200", per_day="3", day_cap="500", month_cap="5000")
    world.modal("owner", "confirm_automatic")
    world.submit("owner")
    world.reads("finance", "turned automatic payments on")


def _link_in(message: Doc) -> str:
    blocks = [*message["blocks"], *(b for one in message["attachments"] for b in one["blocks"])]
    links = [
        element["url"] for block in blocks for element in block.get("elements", []) if element.get("url")
    ]
    return str(links[0])


def test_a_bank_that_wants_a_confirmation_gets_a_person(world: World) -> None:
    """Asked off-session → no charge, a link; confirmed there → credited, and automatic payments go on."""
    _with_a_card(world)
    _turns_automatic_on(world)
    _arm(world, last4="4242", decline="authentication_required")
    world.use("call-1", "60.00")
    asked = world.reads("finance", "The bank wants you to confirm")
    assert _charged(world) == [10_000]
    _arm(world, last4="4242", decline=None)
    world.pay(
        _link_in(asked), {"card": "4000 0027 6000 3184", "exp": "11/33", "cvc": "123", "authenticate": True}
    )
    world.balance_is("200.00")
    world.skip(20)
    world.use("call-2", "160.00")
    world.balance_is("200.00")
    assert _charged(world) == [10_000, 16_000, 16_000]


def test_a_confirmation_that_nobody_gives_pauses_automatic_payments(world: World) -> None:
    """A day later: paused, said, and no charge in all that time."""
    _with_a_card(world)
    _turns_automatic_on(world)
    _arm(world, last4="4242", decline="authentication_required")
    world.use("call-1", "60.00")
    world.reads("finance", "The bank wants you to confirm")
    world.skip(25 * 60)
    until(
        lambda: "nobody confirmed the payment" in str(world.home("owner")) or None,
        lambda: f"Home doesn't say why automatic payments are paused: {world.home('owner')}",
    )
    assert _charged(world) == [10_000]


def test_finance_connects_a_card_through_the_link_it_was_sent(world: World) -> None:
    """Asked by DM, entered on the hosted page, told to the asker with the way to automatic payments."""
    world.command("owner", "/wallet card")
    form = world.modal_reads("owner", "Or let somebody else do it")
    world.act("press", "owner", view_id=form["id"], text="Send", values={"person": "@finance"})
    asked = world.reads("finance", "Please connect a card")
    world.pay(_link_in(asked), {"card": "4000 0000 0000 1881", "exp": "11/33", "cvc": "123"})
    world.reads("owner", "Visa ••1881 is connected")
    assert _charged(world) == []


def test_a_key_that_stripe_refuses_is_said_and_mended_without_a_loss(world: World) -> None:
    """Revoked while the bot runs: everybody with a role is told, calls go on, and what was paid meanwhile comes in."""
    _with_a_card(world)
    world.command("owner", "/wallet ask @finance 40")
    link = _link_in(world.reads("finance", "Please pay $40.00"))
    _arm(world, match="*", mode="status", status=401, times=10_000)
    _charge_fifty(world)
    world.modal_reads("owner", "Nothing was charged: Stripe doesn't accept Redbar's key")
    for who in ("owner", "finance"):
        world.reads(who, "Stripe doesn't accept Redbar's key any more")
    until(
        lambda: "Stripe hasn't accepted Redbar's key since" in str(world.home("owner")) or None,
        lambda: f"Home doesn't say it: {world.home('owner')}",
    )
    world.command("owner", "/wallet")
    world.reads("owner", "Stripe hasn't accepted Redbar's key since")
    world.pay(link)
    world.skip(45)
    assert world.may_start("call-1", "outbound_call")["allowed"]
    assert cents(world.wallet()["balance"]) == 10_000

    _arm(world, clear=True)
    world.skip(5)
    world.balance_is("190.00")
    world.reads("finance", "Stripe accepts Redbar's key again")
    assert sorted(_charged(world)) == [4_000, 5_000, 10_000]
    until(
        lambda: "hasn't accepted Redbar's key" not in str(world.home("owner")) or None,
        lambda: f"Home still says it: {world.home('owner')}",
    )


def test_a_failed_automatic_payment_is_told_when_no_link_can_be_made_either(world: World) -> None:
    """The key lost its right to write: people hear of it all the same, once, and nothing is planned over and over."""
    _with_a_card(world)
    _turns_automatic_on(world)
    _arm(world, match="POST /v1/*", mode="status", status=403, times=10_000)
    world.use("call-1", "60.00")
    world.reads("finance", "The automatic payment of $160.00 failed: Stripe did not accept the request")
    world.skip(60)
    told = [one for one in world.messages("finance") if "The automatic payment of" in str(one)]
    assert len(told) == 1
    assert _charged(world) == [10_000]
