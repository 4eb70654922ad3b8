"""Messages that somebody deleted, or that Slack lets nobody edit any more: what became of them is told anew, once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.delivering.repeats import Repeats
from bot.notices import PaymentChanged
from bot.payment_rows import Payment, change
from bot.sandbox.slack.faults import Fault, Refuse
from bot.sandbox.slack.seed import TEAM
from bot.served import Served
from bot.states.payment import News
from bot.wallets.alert_channels import set_channels
from ledger import USD, Tx
from tests.bot.interactions import pay
from tests.bot.rights_company import FIFTY, USERS, Company, company
from tests.persons import owner

U1, FINANCE = owner(USERS["owner"]), USERS["finance"]
CALLS = "C0CALLS01"
Message = dict[str, Any]


@dataclass
class Kind:
    """A message that is edited when what it says is over."""

    begin: Callable[[Company], Callable[[], None]]
    """Has it told; gives how it comes to its end."""
    reader: str
    """A person, or a channel."""
    first: str
    last: str


def _request(made: Company, payment: Payment, news: News) -> Callable[[], None]:
    def save(tx: Tx) -> None:
        change(tx, payment, news)
        tx.outbox.add(payment.wallet_id, PaymentChanged(payment_id=payment.payment_id))

    return lambda: made.ledger.run(save, wallet_id=made.wallet_id)


def _asked_to_pay(news: News) -> Callable[[Company], Callable[[], None]]:
    def begin(made: Company) -> Callable[[], None]:
        payment = made.cases.payments.ask(made.wallet_id, FIFTY, asked_by=U1, payer=FINANCE, note="")
        return _request(made, payment, news)

    return begin


def _asked_for_a_card(made: Company) -> Callable[[], None]:
    payment = made.cases.payments.connect(made.wallet_id, USD, asked_by=U1, payer=FINANCE)
    return lambda: pay(made, payment)


def _card_request_lapses(made: Company) -> Callable[[], None]:
    payment = made.cases.payments.connect(made.wallet_id, USD, asked_by=U1, payer=FINANCE)
    return _request(made, payment, News.EXPIRED)


def _stopped(made: Company) -> Callable[[], None]:
    set_channels(made.ledger, made.wallet_id, [CALLS], actor=U1)
    made.bring_to(500)
    made.bring_to(-1)
    return lambda: made.bring_to(500)


KINDS = {
    "paid, to the payer": Kind(_asked_to_pay(News.SUCCEEDED), FINANCE, "Please pay $50.00", "Paid $50.00"),
    "paid, to the asker": Kind(_asked_to_pay(News.SUCCEEDED), U1.user_id, "You asked", "was paid"),
    "withdrawn": Kind(_asked_to_pay(News.TAKEN_BACK), FINANCE, "Please pay $50.00", "was withdrawn"),
    "lapsed": Kind(_asked_to_pay(News.EXPIRED), FINANCE, "Please pay $50.00", "expired"),
    "a card, to the payer": Kind(_asked_for_a_card, FINANCE, "Please connect a card", "connected"),
    "a card, to the asker": Kind(_asked_for_a_card, U1.user_id, "You asked", "connected"),
    "a card, lapsed": Kind(_card_request_lapses, FINANCE, "Please connect a card", "expired"),
    "an alarm, to a person": Kind(_stopped, FINANCE, "have stopped", "Everything runs again"),
    "an alarm, to a channel": Kind(_stopped, CALLS, "have stopped", "Everything runs again"),
}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Company]:
    """The company."""
    with company(tmp_path) as one:
        one.carry()
        yield one


def _read(made: Company, reader: str) -> list[Message]:
    place = made.place
    return place.messages(U1.user_id, "#calls") if reader == CALLS else place.messages(reader)


def _whole(made: Company, kind: Kind) -> list[Message]:
    """Give what a reader has of one kind, lines of threads left out."""
    words = (kind.first, kind.last)
    found = [one for one in _read(made, kind.reader) if not one.get("thread_ts")]
    return [one for one in found if any(word in str(one) for word in words)]


def _delete(made: Company, reader: str, message: Message) -> None:
    state = made.place.stand_in.state
    found = state.message(reader if reader == CALLS else state.dm_of(reader), message["ts"])
    assert found is not None
    state.remove(found)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("how", ["deleted", "cant_update_message", "edit_window_closed"])
def test_what_is_over_is_told_anew_once(made: Company, name: str, how: str) -> None:
    """And from then on the new message is the one that is edited."""
    kind = KINDS[name]
    end = kind.begin(made)
    made.carry()
    (before,) = _whole(made, kind)
    if how == "deleted":
        _delete(made, kind.reader, before)
    else:
        made.place.stand_in.faults.add(Fault("chat.update", Refuse(how), channel=kind.reader))
    end()
    for _ in range(3):
        made.carry()
    (told,) = [one for one in _whole(made, kind) if one["ts"] != before["ts"]]
    assert kind.last in str(told)
    assert kind.first not in str(told)


@pytest.mark.parametrize(
    "code",
    [
        "thread_not_found",
        "cannot_reply_to_message",
        "restricted_action_thread_locked",
        "restricted_action_non_threadable_channel",
    ],
)
def test_a_line_without_a_thread_is_a_message_of_its_own(made: Company, code: str) -> None:
    """The message above was deleted, or takes no reply: the recipient is not set aside for it."""
    _stopped(made)
    made.carry()
    made.place.clock.skip(minutes=16)
    made.ledger.run(lambda tx: tx.book.observe(made.wallet_id), wallet_id=made.wallet_id)
    made.carry()
    made.place.clock.skip(minutes=16)
    Repeats(made.ledger, Served(TEAM)).run_once(made.ledger.now())
    made.place.stand_in.faults.add(Fault("chat.postMessage", Refuse(code), channel=FINANCE))
    made.carry()
    (told,) = [one for one in made.place.messages(FINANCE) if "Still stopped, since" in one["text"]]
    assert not told.get("thread_ts")
    made.bring_to(500)
    made.carry()
    assert "verything runs again" in str(made.place.messages(FINANCE))
    assert "'actions'" not in str([one for one in made.place.messages(FINANCE) if one["ts"] == told["ts"]])
