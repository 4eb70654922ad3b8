"""Stripe refuses our key, or one of its rights: nothing is concluded from that, and people are told what is so."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bot.app import use_cases_of
from bot.notices import KeyAccepted, KeyRefused, RechargeFailed
from bot.payment_state import State
from bot.payments.top_ups import Charges
from bot.ports import Denied, Ok
from bot.reconciliation.run import NotReconciled
from bot.served import Served
from bot.stripe import requests as stripe_requests
from bot.stripe.key_health import OtherMode, keep_mode, key_refused_at, note_access
from bot.surfaces.automatic import card_facts
from bot.tables import NIL_WALLET, differences, inbox, payments
from bot.tables import stripe_requests as request_rows
from bot.wallets.named_values import forget_named_value
from ledger import Automatic, CreditKind, PostMoney
from tests.faults.desk import DOLLARS, Desk, automatic, rule_on

NOT_THE_KEY = {
    "mode": "status",
    "status": 401,
    "body": {"error": {"type": "invalid_request_error", "message": "Expired API Key provided: rk_test_***."}},
}
NOT_THE_RIGHT = {
    "mode": "status",
    "status": 403,
    "body": {
        "error": {
            "type": "invalid_request_error",
            "message": "The provided key 'rk_test_***' does not have the required permissions for this endpoint.",
        }
    },
}
REFUSED = Denied(sent=False, message="", whole=True)
REFUSALS = pytest.mark.parametrize("refusal", [NOT_THE_KEY, NOT_THE_RIGHT], ids=["key", "right"])


def _connect(desk: Desk) -> str:
    page = desk.payments.connect(desk.wallet_id, DOLLARS.currency, asked_by="U1")
    assert desk.shop.pay(desk.shop.api.checkout.sessions.retrieve(page.session_id))["ok"]
    assert desk.sync.session(page.session_id)
    with desk.ledger.reading() as connection:
        return card_facts(connection, desk.wallet_id)["main"].card_id


def _later(desk: Desk) -> None:
    desk.shop.clock.skip(minutes=5)
    desk.news.handle_waiting(desk.ledger.now())
    desk.sweep.run(desk.ledger.now())


def _refused_at(desk: Desk) -> datetime | None:
    with desk.ledger.reading() as connection:
        return key_refused_at(connection, desk.wallet_id)


def _waiting(desk: Desk) -> int:
    with desk.ledger.reading() as connection:
        return len(connection.execute(select(inbox).where(inbox.c.handled_at.is_(None))).all())


@REFUSALS
def test_a_card_is_not_gone_because_it_may_not_be_looked_at(desk: Desk, refusal: dict[str, Any]) -> None:
    """News of it come while the key is changed over: the card stays, and so does the rule."""
    card = _connect(desk)
    rule_on(desk)
    desk.happened()
    desk.shop.http.post("/sandbox/api/stripe/script", json={"renew": card, "exp_year": 2041, "last4": "4343"})
    desk.shop.arm(match="GET /v1/payment_methods/*", **refusal)

    desk.hear_all(desk.happened())

    assert (automatic(desk), _waiting(desk)) == (Automatic.ON, 1)
    _later(desk)
    with desk.ledger.reading() as connection:
        kept = card_facts(connection, desk.wallet_id)["main"]
    assert (kept.card_id, kept.exp_year, _waiting(desk)) == (card, 2041, 0)


@REFUSALS
@pytest.mark.parametrize("match", ["GET /v1/payment_intents/*", "GET /v1/refunds/*"])
def test_money_that_may_not_be_looked_at_is_booked_later(
    desk: Desk, match: str, refusal: dict[str, Any]
) -> None:
    """A payment and its refund, of which only news came."""
    desk.paid()
    desk.claw_back("refund", charge=desk.shop.charges()[-1]["id"], amount=700)
    desk.known.clear()
    desk.shop.arm(match=match, times=3, **refusal)

    desk.hear_all(desk.happened())
    assert _waiting(desk) > 0
    for _ in range(3):
        _later(desk)

    assert (desk.view().balance_micros, _waiting(desk)) == (13_000_000, 0)


@REFUSALS
def test_a_charge_that_may_have_been_made_stays_open(desk: Desk, refusal: dict[str, Any]) -> None:
    """Its answer was lost, and then the key was refused: that says nothing of the charge, which was made."""
    _connect(desk)
    charges = Charges(desk.ledger, desk.payments, desk.served)
    wish, _ = charges.prepare(desk.wallet_id, DOLLARS, actor="U1")
    confirm = "POST /v1/payment_intents/*/confirm"
    desk.shop.arm(match=confirm, mode="reset_after")
    desk.shop.arm(match=confirm, times=2, **refusal)

    payment = charges.charge(desk.wallet_id, wish, actor="U1")
    states = [payment.state]
    for _ in range(3):
        _later(desk)
        looked = desk.payments.look(desk.wallet_id, payment.payment_id)
        assert looked is not None
        states.append(looked.state)

    assert states == [State.COLLECTING, State.COLLECTING, State.COLLECTING, State.PAID]
    assert (len(desk.shop.charges()), desk.view().balance_micros) == (1, 20_000_000)


def test_an_automatic_charge_waits_and_no_card_is_blamed(desk: Desk) -> None:
    """One attempt under one key; neither the backup card nor a pause comes of it."""
    _connect(desk)
    rule_on(desk)
    desk.shop.arm(match="POST /v1/payment_intents", times=3, **NOT_THE_KEY)
    recharge = desk.recharge

    for _ in range(3):
        recharge.consider(desk.wallet_id)
        _later(desk)
    waiting = automatic(desk)
    _later(desk)

    with desk.ledger.reading() as connection:
        made = connection.execute(select(payments.c.state).where(payments.c.purpose == "recharge")).scalars()
        keys = connection.execute(
            select(request_rows.c.key).where(request_rows.c.operation == "intent")
        ).scalars()
        assert (list(made), len(list(keys))) == ([State.PAID.value], 1)
    assert waiting is Automatic.ON
    assert len(desk.shop.charges()) == 1


@REFUSALS
def test_a_comparison_concludes_nothing(desk: Desk, refusal: dict[str, Any]) -> None:
    """What may not be listed is not missing, what may not be looked up is not gone; and it is tried but rarely."""
    desk.hear_all(desk.paid()[1])
    rule_on(desk)
    both = use_cases_of(desk.ledger, desk.gateway, Served(None)).reconciliation
    both.run(desk.ledger.now())
    unlisted = PostMoney("stripe", "credit:pi_never", CreditKind.TOP_UP, 5_000_000, None)
    desk.ledger.carry_out(desk.wallet_id, [unlisted])
    desk.shop.clock.skip(days=2)
    for path in ("payment_intents", "payment_intents/*", "refunds", "balance_transactions"):
        desk.shop.arm(match=f"GET /v1/{path}", **refusal)
        with pytest.raises(NotReconciled, match="key"):
            both.run(desk.ledger.now())

    with desk.ledger.reading() as connection:
        assert connection.execute(select(differences)).all() == []
    assert automatic(desk) is Automatic.ON
    desk.shop.arm(match="GET /v1/disputes", times=3, **refusal)
    for hours, left in ((0, 2), (5, 2), (2, 1)):
        desk.shop.clock.skip(hours=hours)
        assert both.run_if_due(desk.ledger.now()) is None
        assert desk.shop.stand_in.faults.left() == left


def test_reading_on_is_not_given_up_for_a_refused_key(desk: Desk) -> None:
    """The place in the list is kept, one refusal is asked for at a look, and people are told once each way."""
    desk.paid()
    desk.news.poll(desk.ledger.now())
    desk.news.handle_waiting(desk.ledger.now())
    desk.paid()
    desk.shop.arm(match="GET /v1/events", times=3, **NOT_THE_KEY)
    began_at = desk.ledger.now() + timedelta(minutes=31)

    for minutes, left in ((31, 2), (2, 1), (2, 0)):
        desk.shop.clock.skip(minutes=minutes)
        assert desk.news.poll(desk.ledger.now())
        assert desk.shop.stand_in.faults.left() == left
        assert (_refused_at(desk), len(desk.told(KeyRefused))) == (began_at, 1)
    desk.shop.clock.skip(minutes=2)
    assert desk.news.poll(desk.ledger.now())
    desk.news.handle_waiting(desk.ledger.now())

    assert desk.view().balance_micros == 40_000_000
    assert (_refused_at(desk), len(desk.told(KeyRefused)), len(desk.told(KeyAccepted))) == (None, 1, 1)


@pytest.mark.parametrize("found_by", ["a look at the news", "the start of a bot"])
def test_news_that_waited_for_the_key_wait_no_longer_than_the_key(desk: Desk, found_by: str) -> None:
    """By a webhook, and looked at in vain for hours: once the key is right, it is looked at again at once."""
    desk.news.poll(desk.ledger.now())
    _, events = desk.paid()
    desk.shop.arm(match="*", times=1_000, **NOT_THE_KEY)
    desk.hear_all(events)
    for _ in range(40):
        desk.shop.clock.skip(minutes=31)
        desk.news.poll(desk.ledger.now())
        desk.news.handle_waiting(desk.ledger.now())
    desk.shop.http.post("/sandbox/api/stripe/script", json={"clear": True})

    desk.shop.clock.skip(minutes=3)
    if found_by == "a look at the news":
        desk.news.poll(desk.ledger.now())
    else:
        note_access(desk.ledger, desk.served, desk.gateway.unreadable())
    desk.news.handle_waiting(desk.ledger.now())

    assert (desk.view().balance_micros, _waiting(desk)) == (20_000_000, 0)


def test_a_missing_right_is_not_a_refused_key(desk: Desk) -> None:
    """Nobody is told that nothing can be paid while much can; whoever asks hears at once that this can't be made."""
    desk.shop.arm(match="POST /v1/payment_links", **NOT_THE_RIGHT)
    with pytest.raises(stripe_requests.NotMade, match="did not accept the request"):
        desk.payments.ask(desk.wallet_id, DOLLARS, asked_by="U1", payer="U2", note="")

    assert (_refused_at(desk), desk.told(KeyRefused)) == (None, [])
    with desk.ledger.reading() as connection:
        (made,) = connection.execute(select(request_rows.c.state, request_rows.c.answer)).all()
    assert tuple(made) == ("refused", "the key may not do this")


def test_an_automatic_charge_without_the_right_for_it_is_a_matter_for_people(desk: Desk) -> None:
    """Nothing was sent before, so it is a definite no: paused, told, and no card is called declined."""
    _connect(desk)
    rule_on(desk)
    desk.shop.arm(match="POST /v1/payment_intents", **NOT_THE_RIGHT)

    desk.recharge.consider(desk.wallet_id)

    assert automatic(desk) is Automatic.PAUSED
    assert desk.view().trouble == "Stripe did not accept the request"
    assert len(desk.told(RechargeFailed)) == 1


def test_a_call_that_may_have_been_sent_is_not_given_up_for_a_missing_right(desk: Desk) -> None:
    """The process died after it was planned; whoever goes on cannot know that it was never sent."""
    desk.shop.arm(match="POST /v1/payment_links", mode="reset_after")
    with pytest.raises(stripe_requests.Unreachable):
        desk.payments.ask(desk.wallet_id, DOLLARS, asked_by="U1", payer="U2", note="")
    desk.shop.arm(match="POST /v1/payment_links", **NOT_THE_RIGHT)

    for state in (State.ASKED, State.OFFERED):
        desk.shop.clock.skip(minutes=2)
        desk.sweep.run(desk.ledger.now())
        with desk.ledger.reading() as connection:
            assert connection.execute(select(payments.c.state)).scalar_one() == state.value


def test_two_replicas_with_different_keys_do_not_talk_all_day(desk: Desk) -> None:
    """One is refused, the other is not, in turns: said once each way in six hours."""
    for _ in range(100):
        desk.shop.arm(match="GET /v1/events", **NOT_THE_KEY)
        for _ in range(2):
            desk.shop.clock.skip(minutes=31)
            assert desk.news.poll(desk.ledger.now())

    hours = 100 * 2 * 31 // 60
    assert 1 < len(desk.told(KeyRefused)) <= hours // 6 + 1
    assert len(desk.told(KeyAccepted)) == len(desk.told(KeyRefused))


def test_whoever_presses_first_finds_out(desk: Desk) -> None:
    """A payment that is asked for tells it before the next look at the news does."""
    desk.shop.arm(match="POST /v1/customers", **NOT_THE_KEY)
    with pytest.raises(stripe_requests.NotReached, match="key"):
        desk.payments.connect(desk.wallet_id, DOLLARS.currency, asked_by="U1")

    assert _refused_at(desk) == desk.ledger.now()


def test_what_a_call_met_is_written_down(desk: Desk) -> None:
    """For whoever explains it later."""
    desk.shop.arm(match="POST /v1/payment_links", **NOT_THE_KEY)
    with pytest.raises(stripe_requests.Unreachable, match="key"):
        desk.payments.ask(desk.wallet_id, DOLLARS, asked_by="U1", payer="U2", note="")

    with desk.ledger.reading() as connection:
        row = connection.execute(select(request_rows)).one()
    assert (row.state, row.answer) == ("unknown", "key not accepted")
    desk.shop.clock.skip(minutes=2)
    desk.sweep.run(desk.ledger.now())
    with desk.ledger.reading() as connection:
        assert connection.execute(select(payments.c.state)).scalar_one() == State.OFFERED.value


def test_a_key_that_is_refused_again_for_good_is_told_again(desk: Desk) -> None:
    """Within six hours of the first time it is marked in quiet; whoever stays refused is told once these are over."""
    for answers, told in (((REFUSED, Ok(())), 1), ((REFUSED,), 1), ((REFUSED,) * 20, 2)):
        for answer in answers:
            desk.shop.clock.skip(minutes=30)
            note_access(desk.ledger, desk.served, answer)
        assert len(desk.told(KeyRefused)) == told
    assert _refused_at(desk) is not None


def test_no_wallet_stays_marked_whoever_dies_in_between(desk: Desk) -> None:
    """A wallet's mark without the installation's, as two replicas with different keys may leave it."""
    note_access(desk.ledger, desk.served, REFUSED)
    desk.ledger.run(lambda tx: forget_named_value(tx, NIL_WALLET, "key_refused"), wallet_id=None)

    note_access(desk.ledger, desk.served, Ok(()))

    assert (_refused_at(desk), len(desk.told(KeyAccepted))) == (None, 1)


def test_any_answer_shows_that_the_key_is_right_again(desk: Desk) -> None:
    """A new key that may not read events, and makes links."""
    note_access(desk.ledger, desk.served, REFUSED)
    desk.payments.ask(desk.wallet_id, DOLLARS, asked_by="U1", payer="U2", note="")

    assert _refused_at(desk) is None


def test_a_right_that_is_missing_leaves_nothing_open(desk: Desk) -> None:
    """What makes sure that a link takes no more money is asked for until it is done."""
    asked = desk.payments.ask(desk.wallet_id, DOLLARS, asked_by="U1", payer="U2", note="")
    desk.shop.arm(match="POST /v1/payment_links/*", **NOT_THE_RIGHT)
    desk.payments.withdraw(desk.wallet_id, asked.payment_id, by="U1")
    assert desk.shop.api.payment_links.retrieve(asked.link_id).active

    desk.shop.clock.skip(minutes=2)
    desk.sweep.run(desk.ledger.now())

    assert not desk.shop.api.payment_links.retrieve(asked.link_id).active


def test_what_was_paid_before_the_first_look_that_succeeds_is_heard_of(desk: Desk) -> None:
    """New books have read nothing yet; hours of refused looks don't move the place from which they will."""
    desk.shop.arm(match="GET /v1/events", **NOT_THE_KEY)
    assert desk.news.poll(desk.ledger.now())
    desk.paid()
    desk.shop.arm(match="GET /v1/events", times=4, **NOT_THE_KEY)
    for _ in range(5):
        desk.shop.clock.skip(minutes=31)
        desk.news.poll(desk.ledger.now())
    desk.news.handle_waiting(desk.ledger.now())

    assert desk.view().balance_micros == 20_000_000


def test_books_are_held_to_the_mode_of_their_first_key(desk: Desk) -> None:
    """Test money is never counted as real; before anything was asked for, a key may be exchanged."""
    for live in (False, True, False, False):
        keep_mode(desk.ledger, live=live)
    desk.payments.ask(desk.wallet_id, DOLLARS, asked_by="U1", payer="U2", note="")

    keep_mode(desk.ledger, live=False)
    with pytest.raises(OtherMode, match="begun with a test key"):
        keep_mode(desk.ledger, live=True)
