"""The picture of a payment link: words go without it, and it stays as long as a message may show it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.notices import PaymentChanged
from bot.payment_rows import Payment, change
from bot.sandbox.slack.faults import Cut, Fail, Fault, Limit, Refuse, UploadHostAway, Wrong
from bot.slack.senders import qr_codes
from bot.slack.senders.payment_lookup import PaymentLookup
from bot.slack.senders.qr_codes import QrCodes
from bot.states.payment import News
from ledger import USD, Tx
from tests.bot.rights_company import FIFTY, USERS, Company, company
from tests.persons import owner

U1, PAYER = owner(USERS["owner"]), "payer"
BOTH = (USERS["owner"], USERS[PAYER])
"""Who asked and who was asked."""
URL = "files.getUploadURLExternal"


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


# --- The picture follows -----------------------------------------------------------------------------------


def _connect(one: Company) -> Payment:
    return one.cases.payments.connect(one.wallet_id, USD, asked_by=U1, payer=USERS[PAYER])


def _about(one: Company, payment: Payment, user_id: str) -> list[dict[str, Any]]:
    return [message for message in one.place.messages(user_id) if payment.ref in str(message)]


def _pictures(one: Company, payment: Payment) -> list[list[bool]]:
    """Say of each message of asker and payer whether it shows a picture."""
    return [["'image'" in str(message) for message in _about(one, payment, who)] for who in BOTH]


def _later(one: Company, codes: QrCodes | None = None, **time: int) -> None:
    one.place.clock.skip(**time)
    (codes or one.context.senders.qr_codes).follow(one.wallet_id)
    one.carry()


def _uploads(one: Company) -> int:
    return sum(URL in entry["path"] for entry in one.place.wire())


@pytest.mark.parametrize("ask", [_ask, _connect], ids=["to pay", "to connect a card"])
@pytest.mark.parametrize(
    ("wrong", "method"),
    [(UploadHostAway(), URL), (Cut(), "upload"), (Fail(500), "upload"), (Limit(60), URL)],
    ids=["away", "cut", "failing", "limited"],
)
def test_the_picture_follows_once_slack_takes_it(made: Company, wrong: Wrong, method: str, ask: Any) -> None:
    """Both read the link at once; their messages are edited, and nobody reads a new one."""
    made.carry()
    made.place.stand_in.faults.add(Fault(method, wrong, times=None))
    payment = ask(made)
    made.carry()
    assert _pictures(made, payment) == [[False], [False]]
    assert all(payment.url in str(_about(made, payment, who)) for who in BOTH)
    assert "They have the link. You are told when it is done." in str(_about(made, payment, BOTH[0]))
    read = [len(made.read("owner")), len(made.read(PAYER))]
    _later(made, minutes=2)
    assert _pictures(made, payment) == [[False], [False]]
    made.place.stand_in.faults.clear()
    _later(made, minutes=10)
    assert _pictures(made, payment) == [[True], [True]]
    assert "They have the link and its QR code." in str(_about(made, payment, BOTH[0]))
    assert [len(made.read("owner")), len(made.read(PAYER))] == read


def test_a_picture_left_out_of_one_message_follows_there_alone(made: Company) -> None:
    """Slack still processed it: the payer's message is edited, and it is not uploaded again."""
    made.carry()
    not_ready = Refuse("invalid_blocks", ("[ERROR] invalid slack file [json-pointer:/blocks/1]",))
    made.place.stand_in.faults.add(Fault("chat.postMessage", not_ready, channel=USERS[PAYER], times=4))
    payment = _ask(made)
    made.carry()
    assert _pictures(made, payment) == [[True], [False]]
    edits = _edits(made)
    _later(made, minutes=1)
    assert _pictures(made, payment) == [[True], [True]]
    assert (_uploads(made), _edits(made)) == (1, edits + 1)
    _later(made, hours=1)
    assert _edits(made) == edits + 1


def _edits(one: Company) -> int:
    return sum("chat.update" in entry["path"] for entry in one.place.wire())


@pytest.mark.parametrize("over", ["withdrawn", "paid", "lapsed"])
def test_nothing_follows_a_link_that_is_over(made: Company, over: str) -> None:
    """Its messages say what became of it; no picture is uploaded for it."""
    made.carry()
    made.place.stand_in.faults.add(Fault(URL, UploadHostAway(), times=None))
    payment = _ask(made)
    made.carry()
    news = {"withdrawn": News.TAKEN_BACK, "paid": News.SUCCEEDED, "lapsed": News.EXPIRED}[over]
    made.ledger.run(lambda tx: _becomes(tx, payment, news), wallet_id=made.wallet_id)
    made.place.stand_in.faults.clear()
    tried = _uploads(made)
    _later(made, hours=1)
    assert _uploads(made) == tried
    assert all("'image'" not in str(_about(made, payment, who)) for who in BOTH)


def _becomes(tx: Tx, payment: Payment, news: News) -> None:
    change(tx, payment, news)
    tx.outbox.add(payment.wallet_id, PaymentChanged(payment_id=payment.payment_id))


def test_a_process_that_starts_anew_edits_what_another_uploaded(
    made: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the upload and the edit: the row says which message lacks its picture."""
    made.carry()
    made.place.stand_in.faults.add(Fault(URL, UploadHostAway()))
    payment = _ask(made)
    made.carry()

    def killed(*wanted: object) -> None:
        raise KeyboardInterrupt

    made.place.clock.skip(minutes=10)
    with monkeypatch.context() as patch:
        patch.setattr(qr_codes, "show_again", killed)
        with pytest.raises(KeyboardInterrupt):
            made.context.senders.qr_codes.follow(made.wallet_id)
    uploads = _uploads(made)
    cases, context = made.cases, made.context
    lookup = PaymentLookup(made.ledger, cases.payments, cases.charges)
    anew = QrCodes(made.ledger, lambda wallet_id: context.slack, context.posted, lookup)
    _later(made, anew, seconds=1)
    assert _pictures(made, payment) == [[True], [True]]
    assert _uploads(made) == uploads


def test_a_host_that_is_away_for_hours_is_asked_seldom(made: Company) -> None:
    """The first waits are short; none is longer than ten minutes."""
    made.carry()
    made.place.stand_in.faults.add(Fault(URL, UploadHostAway(), times=None))
    payment = _ask(made)
    made.carry()
    for _ in range(120):
        _later(made, minutes=1)
    assert 12 <= _uploads(made) <= 24
    made.place.stand_in.faults.clear()
    _later(made, minutes=10)
    assert _pictures(made, payment) == [[True], [True]]


def test_a_workspace_that_takes_no_files_is_asked_again_after_hours(made: Company) -> None:
    """It is a setting of its administrators: the words are all there is."""
    made.carry()
    made.place.stand_in.faults.add(Fault(URL, Refuse("file_uploads_disabled"), times=None))
    payment = _ask(made)
    made.carry()
    for _ in range(5):
        _later(made, minutes=30)
    assert _uploads(made) == 1
    made.place.stand_in.faults.clear()
    _later(made, hours=6)
    assert _pictures(made, payment) == [[True], [True]]


def test_a_message_whose_blocks_slack_refuses_is_not_edited_all_the_time(made: Company) -> None:
    """Its picture is left out with them: the tries become rare."""
    made.carry()
    refused = Fault("chat.postMessage", Refuse("invalid_blocks"), channel=USERS[PAYER], times=2)
    made.place.stand_in.faults.add(refused)
    payment = _ask(made)
    made.carry()
    assert _pictures(made, payment) == [[True], [False]]
    before = _edits(made)
    for _ in range(60):
        _later(made, seconds=30)
    assert 0 < _edits(made) - before <= 12
