"""People who want it are told in the morning that the money ends soon: once a day, and never beside an alarm."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.delivering.open_deliveries import open_deliveries
from bot.payments.operator_stop import switch_charges
from bot.payments.runway_watch import RunwayWatch, is_morning, next_morning
from bot.sandbox.slack.seed import TEAM
from bot.served import Served
from bot.slack import listeners
from bot.slack.ids import Act, Form
from bot.wallets.workspaces import Workspaces
from ledger import MICROS, Automatic, DueKind, WalletPolicy, next_due
from tests.bot.interactions import send_in, shown
from tests.bot.rights_company import RULE, USERS, Company, company
from tests.bot.spending import set_policy, use

NINE = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
SENT = "Sent in the morning while less than 72 hours are left."
MOMENT = timedelta(microseconds=1)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Company]:
    """The company at nine: it spends a dollar an hour and has $70, so the money ends in less than 72 hours."""
    with company(tmp_path) as one:
        one.bring_to(100)
        one.carry()
        one.place.clock.set(NINE)
        for hours in range(1, 31):
            use(one, 1, "ai_task", ago=timedelta(hours=hours))
        set_policy(one, info=True)
        yield one


def _watch(one: Company) -> RunwayWatch:
    """Give that of a process that has just begun."""
    return RunwayWatch(one.ledger, Served(TEAM), one.cases.recharge)


def _read(one: Company) -> int:
    """Look, tell what is due, and count how often finance has read it."""
    _watch(one).run_once(one.ledger.now())
    one.carry()
    return sum(SENT in text for text in one.read("finance"))


def test_it_is_told_once_a_morning(made: Company) -> None:
    """From nine until noon, with the money, its end and whether anything refills it."""
    made.place.clock.set(NINE - MOMENT)
    _watch(made).run_once(made.ledger.now())
    made.place.clock.set(NINE)
    assert [_read(made) for _ in range(3)] == [1, 1, 1]
    made.place.clock.set(NINE + timedelta(hours=3) - MOMENT)
    assert _read(made) == 1
    text = made.read("finance")[-1]
    assert text.startswith("$70.00 is left, enough until about Saturday 07:00 at the usual pace.")
    assert "Nothing has stopped. Automatic payments are off." in text

    made.place.clock.set(NINE + timedelta(days=1))
    for hours in range(1, 25):
        use(made, 1, "ai_task", ago=timedelta(hours=hours))
    made.bring_to(70)
    assert _read(made) == 2


def test_missed_morning_is_not_made_up_for(made: Company) -> None:
    """The process was away until noon."""
    made.place.clock.set(NINE + timedelta(hours=3))
    assert _read(made) == 0


def _move_line_below(one: Company) -> None:
    """Let the wallet be low, and then its warning line lie below what is left."""
    one.bring_to(50)
    set_policy(one, warning_min_micros=30 * MICROS)


SILENT: dict[str, Callable[[Company], object]] = {
    "nobody wants it": lambda one: set_policy(one, info=False),
    "automatic payments work": lambda one: set_policy(one, automatic=Automatic.ON, rule=RULE),
    "the money lasts longer": lambda one: one.bring_to(73),
    "an alarm says it": lambda one: one.bring_to(50),
    "an alarm goes on though its line has moved": _move_line_below,
    "the app was removed": lambda one: Workspaces(one.ledger).forget(TEAM, "app_uninstalled"),
}


@pytest.mark.parametrize("why", SILENT)
def test_it_is_silent(made: Company, why: str) -> None:
    """Where nobody asked, nothing is short, or something else says it."""
    SILENT[why](made)
    assert _read(made) == 0


FAILING: dict[str, Callable[[Company], object]] = {
    "paused": lambda one: set_policy(one, automatic=Automatic.PAUSED),
    "failing": lambda one: one.ledger.run(
        lambda tx: tx.book.set_trouble(one.wallet_id, "declined"), wallet_id=one.wallet_id
    ),
    "stopped by the operator": lambda one: switch_charges(
        one.ledger, one.wallet_id, off=True, actor="operator"
    ),
    "without room for a full charge": lambda one: set_policy(
        one, rule=replace(RULE, month_cap_micros=RULE.threshold_micros)
    ),
}


@pytest.mark.parametrize("why", FAILING)
def test_automatic_payments_that_do_not_work_silence_nothing(made: Company, why: str) -> None:
    """They are on, and would not refill the wallet."""
    set_policy(made, automatic=Automatic.ON, rule=RULE)
    FAILING[why](made)
    assert _read(made) == 1


def test_two_processes_tell_it_once(made: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one commits between this one's look and its transaction."""
    run = made.ledger.run

    def after_another(function: Callable[[Any], Any], **how: Any) -> Any:
        monkeypatch.setattr(made.ledger, "run", run)
        _watch(made).run_once(made.ledger.now())
        return run(function, **how)

    monkeypatch.setattr(made.ledger, "run", after_another)
    assert _read(made) == 1


def test_money_that_came_before_it_was_told_leaves_nothing_to_tell(made: Company) -> None:
    """Slack was away, and somebody paid."""
    _watch(made).run_once(made.ledger.now())
    made.bring_to(200)
    made.carry()
    assert _read(made) == 0
    with made.ledger.reading() as connection:
        assert open_deliveries(connection) == []


@pytest.mark.parametrize(
    ("zone", "now", "morning", "following"),
    [
        ("UTC", NINE, True, NINE + timedelta(days=1)),
        ("UTC", NINE - MOMENT, False, NINE),
        ("UTC", NINE + timedelta(hours=3) - MOMENT, True, NINE + timedelta(days=1)),
        ("UTC", NINE + timedelta(hours=3), False, NINE + timedelta(days=1)),
        ("America/New_York", NINE, False, NINE + timedelta(hours=5)),
        ("America/New_York", NINE + timedelta(hours=5), True, NINE + timedelta(hours=29)),
        ("Asia/Tokyo", NINE, False, NINE + timedelta(hours=15)),
        # Clocks go back on 1 November: the night is an hour longer.
        (
            "America/New_York",
            datetime(2026, 10, 31, 13, tzinfo=UTC),
            True,
            datetime(2026, 11, 1, 14, tzinfo=UTC),
        ),
    ],
)
def test_morning_is_that_of_the_wallets_zone(
    zone: str, now: datetime, morning: bool, following: datetime
) -> None:
    """From nine until noon."""
    assert is_morning(now, zone) is morning
    assert next_morning(now, zone) == following


def test_clock_that_skips_stops_in_the_morning_where_people_want_it(made: Company) -> None:
    """Else nothing is due."""

    def due() -> datetime | None:
        _watch(made).run_once(made.ledger.now())
        with made.ledger.reading() as connection:
            return next_due(connection, made.ledger.now(), kinds=[DueKind.MORNING])

    made.place.clock.set(NINE + timedelta(hours=3))
    assert due() == NINE + timedelta(days=1)
    set_policy(made, info=False)
    assert due() is None


# --- The switch --------------------------------------------------------------------------------------------


def _wanted(one: Company) -> bool:
    with one.ledger.reading() as connection:
        return one.ledger.look(connection, one.wallet_id)[1].info


BOX = {"selected_options": [{"value": "on"}]}
CHANNELS: dict[str, Any] = {str(Act.CHANNELS): {"selected_conversations": []}}


def test_it_is_off_until_somebody_switches_it_on_and_the_others_read_it(made: Company) -> None:
    """In the form of alerts; a form from before the box was there leaves it as it is."""
    assert not WalletPolicy().info
    set_policy(made, info=False)
    app = made.bolt()
    listeners.register(app, made.context)
    before = len(made.read("finance"))

    send_in(made, app, Form.ALERTS, {**CHANNELS, str(Act.INFO): BOX})
    assert _wanted(made)
    assert "They read in the morning, too" in shown(made)
    send_in(made, app, Form.ALERTS, CHANNELS)
    send_in(made, app, Form.ALERTS, {**CHANNELS, str(Act.INFO): BOX})
    assert _wanted(made)
    send_in(made, app, Form.ALERTS, {**CHANNELS, str(Act.INFO): {"selected_options": []}})
    assert not _wanted(made)
    assert "in the morning" not in shown(made)

    made.carry()
    changed = f"<@{USERS['owner']}> changed alerts: message in the morning"
    assert made.read("finance")[before:] == [f"{changed} off → on.", f"{changed} on → off."]
