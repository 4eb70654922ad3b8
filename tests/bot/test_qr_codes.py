"""The picture of a payment link: words go without it, and it stays as long as a message may show it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.payment_rows import Payment
from bot.sandbox.slack.faults import Fail, Fault, Refuse
from tests.bot.rights_company import FIFTY, USERS, Company, company
from tests.persons import owner

U1, PAYER = owner(USERS["owner"]), "payer"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Company]:
    """The company."""
    with company(tmp_path) as one:
        yield one


def _ask(one: Company) -> Payment:
    return one.cases.payments.ask(one.wallet_id, FIFTY, asked_by=U1, payer=USERS[PAYER], note="")


def test_a_request_is_told_without_its_picture_where_that_is_not_ready(made: Company) -> None:
    """The link works; the picture is left out for now."""
    made.carry()
    not_ready = Refuse("invalid_blocks", ("[ERROR] invalid slack file [json-pointer:/blocks/1]",))
    made.place.stand_in.faults.add(Fault("chat.postMessage", not_ready, channel=USERS[PAYER], times=4))
    payment = _ask(made)
    made.carry()
    (message,) = [one for one in made.place.messages(USERS[PAYER]) if payment.ref in str(one)]
    assert made.place.stand_in.faults.left() == 0
    assert "'image'" not in str(message)
    assert payment.url in str(message)


def test_a_picture_stays_until_every_message_shows_that_its_link_is_over(made: Company) -> None:
    """Neither before anybody was told, nor while one of the readers still waits."""
    made.carry()
    codes = made.context.senders.qr_codes

    def picture() -> str:
        found = made.cases.payments.look(made.wallet_id, payment.payment_id)
        assert found is not None
        return found.qr_file_id

    payment = _ask(made)
    made.carry()
    shown = picture()
    made.cases.payments.withdraw(made.wallet_id, payment.payment_id, by=U1)
    codes.remove_useless(made.wallet_id)
    assert picture() == shown != ""
    made.place.stand_in.faults.add(Fault("chat.update", Fail(), channel=USERS[PAYER]))
    made.carry()
    codes.remove_useless(made.wallet_id)
    assert picture() == shown
    made.carry()
    codes.remove_useless(made.wallet_id)
    assert picture() == ""
