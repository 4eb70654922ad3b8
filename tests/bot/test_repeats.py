"""An alarm that nobody answers is said again, to more people each time, and to no channel."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.delivering.repeats import Repeats, next_repeat, repeats_due
from bot.sandbox.slack.faults import Cut, Fail, Fault, Limit, Refuse, Wrong
from bot.sandbox.slack.seed import TEAM
from bot.served import Served
from bot.slack.views import alerts, failed_charges, money_in
from bot.states.recharge import RechargePhase
from ledger import DueKind, next_due
from tests.bot import view_facts as v
from tests.bot.rights_company import USERS, Company, company
from tests.persons import owner

MINUTES = (30, 120, 360)
STILL = "Still stopped, since"
READERS = ("owner", "appointed admin", "finance")


@pytest.mark.parametrize(
    ("waited", "due"),
    [
        (timedelta(minutes=29, seconds=59), 0),
        (timedelta(minutes=30), 1),
        (timedelta(hours=1, minutes=59), 1),
        (timedelta(hours=2), 2),
        (timedelta(hours=6), 3),
        (timedelta(hours=29, minutes=59), 3),
        (timedelta(hours=30), 4),
        (timedelta(days=3, hours=6), 6),
    ],
)
def test_a_repeat_is_due_at_its_minute_and_then_daily(waited: timedelta, due: int) -> None:
    """At 30 minutes, 2 and 6 hours, then once a day; what `next_repeat` names is when the number grows."""
    assert repeats_due(waited, MINUTES) == due
    after = next_repeat(due, MINUTES)
    assert after is not None
    assert after > waited
    assert repeats_due(after, MINUTES) == due + 1
    assert repeats_due(after - timedelta(microseconds=1), MINUTES) == due


def test_without_minutes_nothing_is_ever_repeated() -> None:
    """Also not daily."""
    assert repeats_due(timedelta(days=9), ()) == 0
    assert next_repeat(0, ()) is None


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Company]:
    """A company whose wallet has just run empty, and whose people have read it."""
    with company(tmp_path) as one:
        one.bring_to(10)
        one.bring_to(-1)
        one.carry()
        _passes(one)
        yield one


def _passes(one: Company, **span: int) -> None:
    """Let time pass, and let what is due be told."""
    _goes_by(one, **span)
    Repeats(one.ledger, Served(TEAM)).run_once(one.ledger.now())
    one.carry()


def _goes_by(one: Company, **span: int) -> None:
    """Let time pass while nothing looks for repeats."""
    one.place.clock.skip(**span)
    one.ledger.run(lambda tx: tx.book.observe(one.wallet_id), wallet_id=one.wallet_id)


def _told(one: Company) -> dict[str, int]:
    return {column: sum("till stopped" in text for text in one.read(column)) for column in READERS}


def test_nobody_answers_and_the_circle_widens(stopped: Company) -> None:
    """The appointed hear at half an hour; at two hours the owners read the alarm itself, which they had not."""
    _passes(stopped, minutes=16)  # inbound calls have stopped too, and that is read
    _passes(stopped, minutes=11)
    assert _told(stopped) == {"owner": 0, "appointed admin": 0, "finance": 0}
    _passes(stopped, minutes=3)
    assert _told(stopped) == {"owner": 0, "appointed admin": 1, "finance": 1}

    assert not any("have stopped" in text for text in stopped.read("owner"))
    _passes(stopped, hours=2)
    assert _told(stopped) == {"owner": 0, "appointed admin": 2, "finance": 2}
    assert any("have stopped" in text for text in stopped.read("owner"))

    _passes(stopped, hours=4)
    assert _told(stopped) == {"owner": 1, "appointed admin": 3, "finance": 3}


def test_repeat_that_waited_with_news_of_its_alarm_is_not_said_after_it(stopped: Company) -> None:
    """Inbound calls stopped too while nobody could be told: that is read, and says that things are still stopped."""
    before = len(stopped.read("finance"))
    _passes(stopped, days=3)
    assert _told(stopped)["finance"] == 0
    fresh = stopped.read("finance")[before:]
    assert len(fresh) == 1
    assert "inbound calls stopped too" in fresh[0]


def test_what_was_missed_is_said_once(stopped: Company) -> None:
    """Slack or the process was away for three days: one line, not six."""
    _passes(stopped, minutes=16)
    _passes(stopped, days=3)
    assert _told(stopped)["finance"] == 1


def test_a_process_that_begins_later_counts_from_the_stop(tmp_path: Path) -> None:
    """It was away when things stopped: its first look finds the repeat due."""
    with company(tmp_path) as one:
        one.bring_to(10)
        one.bring_to(-1)
        one.carry()
        Repeats(one.ledger, Served(TEAM)).run_once(one.ledger.now())
        with one.ledger.reading() as connection:
            due = next_due(connection, one.ledger.now(), kinds=[DueKind.STOPPED])
        assert due is not None
        assert timedelta(minutes=29) < due - one.ledger.now() < timedelta(minutes=30)
        _goes_by(one, minutes=16)
        one.carry()  # inbound calls have stopped too, and that is read
        _passes(one, minutes=15)
        assert _told(one)["finance"] == 1


def test_an_acknowledged_stop_is_not_repeated(stopped: Company) -> None:
    """Somebody deals with it."""
    episode = stopped.context.episodes.open_episode(stopped.wallet_id)
    assert episode is not None
    stopped.context.episodes.acknowledge(stopped.wallet_id, episode.episode_id, by=owner(USERS["owner"]))
    _passes(stopped, hours=7)
    assert _told(stopped)["finance"] == 0


def test_a_stop_that_is_over_is_not_repeated(stopped: Company) -> None:
    """It was paid a minute before the repeat was due."""
    _passes(stopped, minutes=29)
    stopped.bring_to(500)
    _passes(stopped, minutes=5)
    _passes(stopped, days=2)
    assert _told(stopped)["finance"] == 0


# --- The buttons of a line in the thread -------------------------------------------------------------------


def _lines(one: Company, column: str = "finance") -> list[dict[str, Any]]:
    return [message for message in one.place.messages(USERS[column]) if message.get("thread_ts")]


def _live(one: Company, column: str = "finance") -> int:
    """Count the lines in a thread that show buttons."""
    return sum("'actions'" in str(line) for line in _lines(one, column))


def test_a_line_shows_no_button_once_things_run_again(stopped: Company) -> None:
    """A press would pay what nobody needs any more; the line still says what was so."""
    _passes(stopped, minutes=16)
    _passes(stopped, minutes=16)
    assert _live(stopped) == 1
    stopped.bring_to(500)
    _passes(stopped, minutes=1)
    assert _live(stopped) == 0
    assert "Things were still stopped, and nobody had paid yet." in str(_lines(stopped))


def test_the_newest_line_alone_shows_buttons(stopped: Company) -> None:
    """Each says the same again."""
    _passes(stopped, minutes=16)
    _passes(stopped, minutes=16)
    _passes(stopped, hours=2)
    assert sum(STILL in str(line["text"]) for line in _lines(stopped)) == 1
    assert _live(stopped) == 1


@pytest.mark.parametrize("gone", ["message_not_found", "cant_update_message"])
def test_a_line_that_cannot_be_changed_keeps_no_end_from_being_told(stopped: Company, gone: str) -> None:
    """Somebody deleted it, or Slack lets nobody edit it any more."""
    _passes(stopped, minutes=16)
    _passes(stopped, minutes=16)
    stopped.place.stand_in.faults.add(Fault("chat.update", Refuse(gone), channel=USERS["finance"]))
    stopped.bring_to(500)
    _passes(stopped, minutes=1)
    assert any("verything runs again" in text for text in stopped.read("finance"))


@pytest.mark.parametrize("wrong", [Fail(), Limit(20), Cut()], ids=["away", "limited", "cut"])
def test_a_line_loses_its_buttons_after_slack_came_back(stopped: Company, wrong: Wrong) -> None:
    """The end is told once, with the line."""
    _passes(stopped, minutes=16)
    _passes(stopped, minutes=16)
    stopped.place.stand_in.faults.add(Fault("chat.update", wrong, channel=USERS["finance"], times=3))
    stopped.bring_to(500)
    for _ in range(4):
        _passes(stopped, minutes=1)
    assert _live(stopped) == 0
    assert sum("everything runs again" in str(line["text"]) for line in _lines(stopped)) == 1


def test_no_other_line_of_a_thread_has_buttons() -> None:
    """What is said in a thread is not edited: the message above shows the buttons that are right."""
    lines = [
        *(alerts.story_line(one, channel=False) for one in (v.alert(), v.zero_alert(), v.clear_alert())),
        *(failed_charges.news_of_charge(v.failure(phase=phase)) for phase in RechargePhase),
        money_in.paid_news(v.paid_request()),
        alerts.was_still_stopped(),
    ]
    assert not [one for one in lines if "'actions'" in str(one) or "'button'" in str(one)]
