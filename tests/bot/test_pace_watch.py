"""A day that costs far more than usual is told once, while it lasts, and explained in the thread of its message."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from bot.notices import SpikeSeen
from bot.sandbox.slack.faults import Fault, Refuse
from bot.sandbox.slack.seed import TEAM
from bot.served import Served
from bot.slack import listeners
from bot.slack.ids import Act
from bot.wallets.pace_watch import PaceWatch
from bot.wallets.workspaces import Workspaces
from ledger import AI_TASK, OUTBOUND_CALL, Outbox
from ledger.storage.schema import notices
from tests.bot.interactions import sent
from tests.bot.rights_company import USERS, Company, company
from tests.bot.spending import use

DM = f"D{USERS['finance'][1:]}"
WEDNESDAY = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Company]:
    """The company, whose outbound calls cost $10 on each of the two Wednesdays before."""
    with company(tmp_path) as one:
        one.bring_to(500)
        for weeks in (1, 2):
            use(one, 10, ago=timedelta(weeks=weeks))
        one.carry()
        yield one


def _look(one: Company) -> None:
    """Look as a process that has just begun does."""
    PaceWatch(one.ledger, Served(TEAM)).run_once(one.ledger.now())


def _told(one: Company) -> list[SpikeSeen]:
    mine = (notices.c.wallet_id == one.wallet_id) & (notices.c.name == SpikeSeen.name)
    with one.ledger.reading() as connection:
        bodies = (
            connection.execute(select(notices.c.body).where(mine).order_by(notices.c.seq)).scalars().all()
        )
    return [msgspec.json.decode(body, type=SpikeSeen) for body in bodies]


CALLS = SpikeSeen("2026-11-25", OUTBOUND_CALL)


def test_spike_is_told_when_it_becomes_one_and_never_again(made: Company) -> None:
    """At twice the usual cost; what the day costs after that tells nothing more."""
    use(made, 19.99)
    _look(made)
    assert _told(made) == []
    use(made, 0.01)
    _look(made)
    assert _told(made) == [CALLS]
    use(made, 100)
    _look(made)
    assert _told(made) == [CALLS]


def test_each_kind_and_each_day_has_its_own(made: Company) -> None:
    """A week later the same kind is held against three Wednesdays."""
    use(made, 20)
    _look(made)
    use(made, 30, AI_TASK)
    _look(made)
    made.place.clock.skip(weeks=1)
    use(made, 40)
    _look(made)
    assert _told(made) == [
        CALLS,
        SpikeSeen("2026-11-25", AI_TASK),
        SpikeSeen("2026-12-02", OUTBOUND_CALL),
    ]


def test_spike_of_the_last_minutes_is_told_after_midnight_and_a_later_one_beside_it(made: Company) -> None:
    """For an hour; the day before that is over."""
    made.place.clock.set(WEDNESDAY + timedelta(days=1, minutes=59))
    use(made, 20, ago=timedelta(hours=1))
    _look(made)
    _look(made)
    assert _told(made) == [CALLS]
    use(made, 60)
    _look(made)
    _look(made)
    assert _told(made) == [CALLS, SpikeSeen("2026-11-26", OUTBOUND_CALL)]

    made.place.clock.set(WEDNESDAY + timedelta(days=2, hours=1))
    use(made, 300, ago=timedelta(hours=2))
    _look(made)
    assert len(_told(made)) == 2


def test_two_processes_tell_it_once(made: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one commits between this one's look and its transaction."""
    use(made, 20)
    run = made.ledger.run

    def after_another(function: Callable[[Any], Any], **how: Any) -> Any:
        monkeypatch.setattr(made.ledger, "run", run)
        _look(made)
        assert _told(made) == [CALLS]
        return run(function, **how)

    monkeypatch.setattr(made.ledger, "run", after_another)
    _look(made)
    assert _told(made) == [CALLS]


def test_crash_leaves_it_untold_and_the_next_look_tells_it(
    made: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was told is remembered in the notice's own transaction."""
    use(made, 20)

    def breaks(self: Outbox, *facts: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Outbox, "add", breaks)
        with pytest.raises(KeyboardInterrupt):
            _look(made)
    _look(made)
    assert _told(made) == [CALLS]


def test_removed_app_is_told_nothing(made: Company) -> None:
    """Nobody there reads it."""
    use(made, 20)
    Workspaces(made.ledger).forget(TEAM, "app_uninstalled")
    _look(made)
    assert _told(made) == []


# --- What is read ------------------------------------------------------------------------------------------


def _carried(one: Company) -> list[str]:
    """Tell what is due; gives what finance reads of it."""
    before = one.read("finance")
    one.carry()
    return one.read("finance")[len(before) :]


def test_message_says_how_far_the_day_stands_out_and_what_cost_most(made: Company) -> None:
    """The reference that cost most has a name."""
    for dollars, reference in ((5, "camp-121"), (11.5, "camp-118"), (12, "")):
        use(made, dollars, reference=reference)
    _look(made)
    line = "Outbound calls cost $28.50 today, 2.8 times a usual Wednesday (camp-118: $11.50)."
    assert _carried(made) == [line]


def test_kind_without_such_days_outdid_all_others(made: Company) -> None:
    """Nothing is multiplied by nothing."""
    use(made, 30, AI_TASK)
    _look(made)
    assert _carried(made) == ["AI tasks cost $30 today, far more than on any day of the four weeks before."]


def test_message_that_comes_late_names_the_day(made: Company) -> None:
    """Slack was away over midnight."""
    use(made, 20)
    _look(made)
    made.place.clock.skip(hours=20)
    assert _carried(made) == ["Outbound calls cost $20 on Wed 25 Nov, 2.0 times a usual Wednesday."]


def test_day_that_stands_out_no_more_is_not_told(made: Company) -> None:
    """The platform posted late what the Wednesday before had cost."""
    use(made, 20)
    _look(made)
    use(made, 100, ago=timedelta(weeks=1))
    assert _carried(made) == []


def _press_why(one: Company, message: dict[str, Any]) -> None:
    """Let finance press [Why?] of a message in their conversation."""
    bolt = one.bolt()
    listeners.register(bolt, one.context)
    (button,) = [
        element
        for block in message["blocks"]
        for element in block.get("elements", [])
        if element.get("action_id") == Act.WHY_IN_THREAD
    ]
    pressed = {"type": "button", "action_id": button["action_id"], "block_id": "b", "value": button["value"]}
    body = sent(one, type="block_actions", actions=[pressed], channel={"id": DM})
    finance = {"id": USERS["finance"], "team_id": TEAM}
    one.dispatch(bolt, body | {"user": finance, "message": {"ts": message["ts"]}})


def _messages(one: Company) -> list[dict[str, Any]]:
    return list(one.place.stand_in.state.seen_by(USERS["finance"], DM))


def test_why_is_answered_in_the_thread(made: Company) -> None:
    """As often as somebody asks; no form opens."""
    for dollars, reference in ((15, "camp-118"), (6, "")):
        use(made, dollars, reference=reference)
    _look(made)
    made.carry()
    message = _messages(made)[-1]

    _press_why(made, message)

    answer = _messages(made)[-1]
    assert answer["thread_ts"] == message["ts"]
    assert answer["subtype"] != "thread_broadcast"
    assert "$21.00 on that day; a usual Wednesday costs $10.00." in answer["text"]
    assert "$15.00  camp-118" in answer["text"]
    assert made.place.get("modals", who=USERS["finance"])["views"] == []


@pytest.mark.parametrize("gone", ["the day no longer stands out", "Slack refuses the thread"])
def test_why_is_answered_privately_where_the_thread_cannot_say_it(made: Company, gone: str) -> None:
    """Never nothing."""
    use(made, 20)
    _look(made)
    made.carry()
    message = _messages(made)[-1]
    if gone == "Slack refuses the thread":
        made.place.stand_in.faults.add(
            Fault("chat.postMessage", Refuse("cannot_reply_to_message"), times=None)
        )
        words = "$20.00 on that day"
    else:
        use(made, 100, ago=timedelta(weeks=1))
        words = "That day no longer stands out."

    _press_why(made, message)

    answer = _messages(made)[-1]
    assert words in str(answer)
    assert answer["ephemeral"]
