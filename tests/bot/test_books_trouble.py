"""What people and the log read while the books cannot be used, by the real store, client and a served Slack."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from slack_bolt import App

from bot.logs import RefusedByBooks
from bot.sandbox.slack.faults import Fault, Refuse
from bot.slack.books_trouble import LASTS, BooksTrouble
from bot.slack.ids import Act
from bot.slack.views import status
from ledger import StoreTroubled, TroubleCode, new_id
from ledger.storage import trouble as troubles
from tests.bot.interactions import press
from tests.bot.rights_company import Company
from tests.journeys.world import shown

NOT_WRITTEN = "Redbar can't write its books: their file is gone."
AGAIN = "Redbar can write its books again."


@pytest.fixture
def books(made: Company, monkeypatch: pytest.MonkeyPatch) -> BooksTrouble:
    """The telling of the company; a trouble is over as soon as the books work."""
    monkeypatch.setattr(troubles, "_QUIET", timedelta())
    context = made.context
    return BooksTrouble(made.ledger, context.presence, context.people, context.slack, made.wallet_id)


@contextmanager
def _gone(made: Company) -> Iterator[None]:
    """Have the books gone, as the first caller meets it; and back at the end."""
    file = Path(made.ledger.store.place)
    away = file.rename(file.with_name("away.db"))
    try:
        made.ledger.store.look()
        yield
    finally:
        away.rename(file)
        made.ledger.store.look()


def _told(made: Company, who: str = "U0APPOINT") -> list[str]:
    """Give what one person was told about the books, in order."""
    said = [shown(one) for one in made.place.messages(who)]
    return [words for one in said for words in (NOT_WRITTEN, AGAIN) if words in one]


def test_trouble_that_lasts_a_minute_is_told_once_and_its_end_once(
    made: Company, books: BooksTrouble
) -> None:
    """Who looks after billing reads two messages, however long it lasts; a short trouble tells nobody."""
    now, before = made.ledger.now(), len(_told(made))
    books.tell(now)
    with _gone(made):
        books.tell(now + LASTS - timedelta(seconds=1))
        assert len(_told(made)) == before
    books.tell(now)

    with _gone(made):
        for minutes in (1, 2, 60):
            books.tell(now + timedelta(minutes=minutes))
    for minutes in (61, 62):
        books.tell(now + timedelta(minutes=minutes))

    assert _told(made)[before:] == [NOT_WRITTEN, AGAIN]
    assert _told(made, "member") == []


def test_message_that_slack_does_not_take_is_sent_later(made: Company, books: BooksTrouble) -> None:
    """And nobody else reads it twice."""
    now, before = made.ledger.now(), len(_told(made))
    books.tell(now)
    with _gone(made):
        made.place.stand_in.faults.add(Fault("chat.postMessage", Refuse("internal_error")))
        books.tell(now + LASTS)
        for _ in range(3):
            books.tell(now + 2 * LASTS)
    books.tell(now + 3 * LASTS)

    assert _told(made)[before:] == [NOT_WRITTEN, AGAIN]


def test_process_that_starts_in_trouble_tells_nobody(made: Company, books: BooksTrouble) -> None:
    """It could not read whom to tell; its operator reads health and log."""
    before = len(_told(made))
    with _gone(made):
        books.tell(made.ledger.now() + LASTS)
    books.tell(made.ledger.now() + 2 * LASTS)

    assert len(_told(made)) == before


def test_press_while_the_books_are_gone_is_answered_in_words(
    made: Company, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """No incident: it is no bug, and the store has logged it."""
    with _gone(made):
        press(made, app, Act.REMOVE_CARD, str(new_id()))

    said = [shown(one) for one in made.place.messages("owner", "general")]
    assert any("Redbar can't use its books right now" in one for one in said), said
    assert not [one for one in caplog.records if "incident" in one.getMessage()]


@pytest.mark.parametrize("code", TroubleCode)
def test_every_trouble_has_words_for_people(code: TroubleCode) -> None:
    """One sentence with its reason."""
    text = status.books_not_written(code).text
    assert text.startswith("Redbar can't write its books: ")
    assert "whoever runs Redbar has to look" in text


def test_log_drops_what_only_the_books_made_fail() -> None:
    """Also where it is the cause of something else; all other failures stay."""
    refused = StoreTroubled("full", TroubleCode.FULL)
    caused = RuntimeError("a job failed")
    caused.__cause__ = refused
    keeps = RefusedByBooks().filter

    def record(problem: BaseException | None) -> logging.LogRecord:
        info = (type(problem), problem, None) if problem is not None else None
        return logging.LogRecord("redbar", logging.ERROR, "", 0, "failed", (), info)

    assert [keeps(record(one)) for one in (refused, caused, RuntimeError("bug"), None)] == [
        False,
        False,
        True,
        True,
    ]
