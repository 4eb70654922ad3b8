"""Settings of a wallet: their table, changes within bounds, and policies from when every default was in dollars."""

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import select, update

from bot.app import open_ledger
from bot.wallets.policy_changes import change_settings, list_settings
from bot.wallets.policy_settings import SETTINGS, SettingUnfit, differences, listed, with_settings
from ledger import (
    OFFERED,
    Automatic,
    Ledger,
    RechargeRule,
    WalletPolicy,
    new_wallet_id,
    policy_of,
    scale_of,
)
from ledger.storage.schema import audit_log, notices, policies, wallets

MICROS = 1_000_000
USD, JPY = scale_of("USD"), scale_of("JPY")
DOLLAR_RULE = RechargeRule(threshold_micros=50 * MICROS, target_micros=200 * MICROS)
PLAIN = WalletPolicy()


class StillClock:
    """A clock that stands still."""

    def now(self) -> datetime:
        return datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the books lie."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{tmp_path / 'redbar.db'}"
    return str(request.getfixturevalue("postgres").create("policy_settings"))


@pytest.fixture
def books(url: str) -> Iterator[Ledger]:
    """Empty books."""
    ledger = open_ledger(url, StillClock())
    yield ledger
    ledger.close()


def _opened(ledger: Ledger, currency: str = "USD", policy: WalletPolicy | None = None) -> UUID:
    wallet_id = new_wallet_id()
    ledger.run(lambda tx: tx.book.create_wallet(wallet_id, currency, "UTC", policy))
    return wallet_id


def _policy(ledger: Ledger, wallet_id: UUID) -> tuple[WalletPolicy, int]:
    with ledger.reading() as connection:
        view, policy = ledger.look(connection, wallet_id)
    return policy, view.policy_version


def _told(ledger: Ledger, wallet_id: UUID) -> list[dict[str, Any]]:
    with ledger.reading() as connection:
        rows = connection.execute(
            select(notices.c.body).where(
                notices.c.wallet_id == wallet_id, notices.c.name == "settings.changed"
            )
        )
        return [json.loads(body) for body in rows.scalars()]


# --- The table ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", OFFERED)
def test_every_default_is_within_its_bounds_and_its_example_can_be_typed(code: str) -> None:
    """In every currency: what a refusal suggests is taken."""
    scale, policy = scale_of(code), WalletPolicy.for_currency(code)
    for setting in SETTINGS:
        assert setting.fits(policy, scale), setting.name
        with pytest.raises(SettingUnfit) as refused:
            with_settings(policy, [f"{setting.name}=x"], scale)
        words = str(refused.value)
        assert setting.bounds(scale) in words
        example = words.rpartition("Try ")[2].removesuffix(".")
        assert with_settings(policy, [example], scale) == policy, example


def test_every_setting_is_a_field_once_and_every_amount_and_span_has_a_setting() -> None:
    """A default that is added to the policy is added to the table."""
    named = [one.field for one in SETTINGS]
    assert len(set(named)) == len(named) == len({one.name for one in SETTINGS})
    apart = {"automatic", "rule", "pause", "default_holds", "per_dollar"}
    assert set(named) == {one.name for one in fields(WalletPolicy)} - apart


@pytest.mark.parametrize(
    ("wanted", "field", "value"),
    [
        ("grace=30min", "grace", timedelta(minutes=30)),
        ("grace=0s", "grace", timedelta(0)),
        ("grace=1h", "grace", timedelta(hours=1)),
        ("link_lifetime=3d", "link_lifetime", timedelta(days=3)),
        ("hold=0.75", "default_hold_micros", 750_000),
        ("overdraft=0", "overdraft_min_micros", 0),
        ("overdraft_percent=10%", "overdraft_percent", 10),
        ("recharges_a_day=5", "recharges_a_day", 5),
        ("retry_hours=2,4", "retry_hours", (2, 4)),
        ("info=on", "info", True),
        ("info_hours=96", "info_hours", 96),
        ("spike_min=25", "spike_min_micros", 25 * MICROS),
        ("top_up_max=$20,000.00", "top_up_max_micros", 20_000 * MICROS),
    ],
)
def test_a_value_is_read_as_people_write_it(wanted: str, field: str, value: object) -> None:
    """Amounts, spans, shares and several hours."""
    assert getattr(with_settings(PLAIN, [wanted], USD), field) == value


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("grace=61min", r'^grace has to be from 0s to 1h, not "61min". Try grace=15min.$'),
        ("hold=200", r"^hold has to be from \$0.01 to \$100.00"),
        ("hold=0.001", "^hold has to be"),
        ("grace=-1min", "^grace has to be"),
        ("grace=15", "^grace has to be"),
        ("retry_hours=3,1", "^retry_hours has to be up to 3 rising numbers, each from 1h to 72h"),
        ("retry_hours=1,2,3,4", "^retry_hours has to be"),
        ("retry_hours=", "^retry_hours has to be"),
        ("overdraft_percent=51", "^overdraft_percent has to be from 0% to 50%"),
        ("warning_hours=2", "^critical_hours has to be below warning_hours: they would be 4 and 2"),
        ("graze=15min", '^"graze=15min" is no setting. Write one like grace=30min; there are hold, '),
        ("grace", '^"grace" is no setting'),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(wanted: str, words: str) -> None:
    """The refusal names the setting, the bounds and an example."""
    with pytest.raises(SettingUnfit, match=words):
        with_settings(PLAIN, [wanted], USD)


def test_several_settings_are_judged_together() -> None:
    """Two lines that would pass each other can be moved in one change."""
    moved = with_settings(PLAIN, ["warning_hours=3", "critical_hours=1"], USD)
    assert (moved.warning_hours, moved.critical_hours) == (3, 1)


def test_a_kind_can_have_a_hold_of_its_own() -> None:
    """Within the bounds of all holds; it is listed and told by its name."""
    own = with_settings(PLAIN, ["hold.ai_task=2.00", "hold=1"], USD)
    assert (own.hold_for("ai_task"), own.hold_for("outbound_call")) == (2 * MICROS, MICROS)
    assert differences(PLAIN, own, USD) == ["hold $0.50 → $1.00", "hold.ai_task $0.50 → $2.00"]
    assert (
        listed(own, USD)[-1].split()
        == "hold.ai_task $2.00 $0.50 $0.01 to $100.00 set aside for ai_task".split()
    )
    for wanted in ("hold.ai_task=200", "hold.=1", "hold.AI=1", "hold.ai_task"):
        with pytest.raises(SettingUnfit):
            with_settings(PLAIN, [wanted], USD)


def test_the_spacing_of_the_present_rule_changes_with_its_setting() -> None:
    """A setting holds at once, not with the next rule alone; nothing else of the rule moves."""
    policy = replace(PLAIN, rule=DOLLAR_RULE, automatic=Automatic.ON)
    after = with_settings(policy, ["recharge_spacing=1h"], USD)
    assert after.rule == replace(DOLLAR_RULE, spacing=timedelta(hours=1))


# --- Changes ------------------------------------------------------------------------------------------------


def test_a_change_is_a_version_of_the_policy_audited_and_told(books: Ledger) -> None:
    """Once; a value that holds already changes nothing."""
    wallet_id = _opened(books)

    assert change_settings(books, wallet_id, ["grace=30min", "hold=1"]) == [
        "hold $0.50 → $1.00",
        "grace 15min → 30min",
    ]
    assert change_settings(books, wallet_id, ["grace=30min"]) == []

    policy, version = _policy(books, wallet_id)
    assert (policy.grace, policy.hold_for("x"), version) == (timedelta(minutes=30), MICROS, 2)
    assert [
        (one["actor"], one["before_version"], one["after_version"]) for one in _told(books, wallet_id)
    ] == [("operator", 1, 2)]
    with books.reading() as connection:
        audited = connection.execute(
            select(audit_log.c.actor, audit_log.c.action).where(audit_log.c.wallet_id == wallet_id)
        ).all()
        reason = connection.execute(
            select(policies.c.reason).where(policies.c.wallet_id == wallet_id, policies.c.version == 2)
        ).scalar_one()
    assert ([tuple(row) for row in audited], reason) == ([("operator", "policy")], "settings")


def test_a_refused_change_changes_nothing_of_what_stands_beside_it(books: Ledger) -> None:
    """All or nothing."""
    wallet_id = _opened(books)
    with pytest.raises(SettingUnfit):
        change_settings(books, wallet_id, ["grace=30min", "hold=0"])
    assert _policy(books, wallet_id) == (PLAIN, 1)


def test_the_list_has_a_line_for_each_setting(books: Ledger) -> None:
    """Name, value, default, bounds and meaning, in the wallet's currency."""
    wallet_id = _opened(books, "JPY")
    change_settings(books, wallet_id, ["hold=80"])
    lines = list_settings(books, wallet_id)
    assert len(lines) == len(SETTINGS) + 1
    hold = next(line for line in lines if line.startswith("hold "))
    assert hold.split() == "hold ¥80 ¥50 ¥1 to ¥10,000 set aside for a start that names no estimate".split()


# --- Policies in dollars ------------------------------------------------------------------------------------


def _as_it_was_written(ledger: Ledger, wallet_id: UUID, policy: WalletPolicy, *, without: set[str]) -> None:
    """Put a policy as an older version wrote it: dollars, and without the fields that it did not know."""
    known = {name: one for name, one in msgspec.to_builtins(policy).items() if name not in without}
    of_wallet = update(policies).where(policies.c.wallet_id == wallet_id)
    ledger.run(lambda tx: tx.connection.execute(of_wallet.values(body=json.dumps(known))))


NEW = {"per_dollar", "top_up_min_micros", "top_up_max_micros", "people_day_max_micros", "item_max_micros"}


@pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
def test_a_wallet_in_yen_with_dollar_numbers_gets_those_of_yen_when_the_books_are_opened(
    books: Ledger, url: str
) -> None:
    """What somebody chose stays; a rule that does not fit is switched off; all of it is told once."""
    yen, dollars = _opened(books, "JPY"), _opened(books, "USD")
    chosen = replace(
        PLAIN,
        rule=DOLLAR_RULE,
        automatic=Automatic.ON,
        overdraft_min_micros=4_000 * MICROS,  # somebody's own
        default_hold_micros=20_000 * MICROS,  # above what a hold may be
    )
    for wallet_id in (yen, dollars):
        _as_it_was_written(books, wallet_id, chosen, without=NEW)
    books.close()

    for _ in range(2):
        books = open_ledger(url, StillClock())
        policy, version = _policy(books, yen)
        assert version == 2
        assert policy == replace(WalletPolicy.for_currency("JPY"), overdraft_min_micros=4_000 * MICROS)
        assert (policy.rule, policy.automatic) == (None, Automatic.OFF)
        assert [(one["actor"], one["stopped"]) for one in _told(books, yen)] == [("redbar", True)]
        with books.reading() as connection:
            assert policy_of(connection, yen, 1).rule == DOLLAR_RULE
            line = connection.execute(
                select(wallets.c.warning_line).where(wallets.c.wallet_id == yen)
            ).scalar_one()
        assert line == JPY.dollars(50)
        assert _policy(books, dollars)[1] == 1
        assert _told(books, dollars) == []
        books.close()


def test_a_rule_that_fits_its_currency_goes_on(books: Ledger, url: str) -> None:
    """It is somebody's choice; only what nobody chose is scaled."""
    rule = RechargeRule(
        threshold_micros=5_000 * MICROS,
        target_micros=20_000 * MICROS,
        day_cap_micros=60_000 * MICROS,
        month_cap_micros=600_000 * MICROS,
    )
    yen = _opened(books, "JPY")
    _as_it_was_written(books, yen, replace(PLAIN, rule=rule, automatic=Automatic.ON), without=NEW)
    books.close()
    books = open_ledger(url, StillClock())
    policy, version = _policy(books, yen)
    assert (policy.rule, policy.automatic, version) == (rule, Automatic.ON, 2)
    assert [one["stopped"] for one in _told(books, yen)] == [False]
    books.close()


def test_an_amount_that_a_later_version_adds_is_that_of_the_currency(books: Ledger, url: str) -> None:
    """A field that was never written has no dollars in it; what was written with the same number stays."""
    yen = _opened(books, "JPY")
    change_settings(books, yen, ["overdraft=25"])  # a choice that happens to be the number of dollars
    policy, _ = _policy(books, yen)
    _as_it_was_written(books, yen, policy, without={"item_max_micros"})
    books.close()
    books = open_ledger(url, StillClock())
    again, version = _policy(books, yen)
    assert (again, version) == (policy, 3)
    assert differences(policy, again, JPY) == []
    books.close()
