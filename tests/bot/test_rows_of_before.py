"""The bot's books of the version before: every row is there after the migration, under the new names.

`books_bot_0003.json` was written by that version: Stripe requests with every answer, one-time actions that wait, were
used and are over, differences that are open, ended and left, payments of every purpose in every state, disputes in
every status and one that nobody knows.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import MetaData, Uuid, func, inspect, select, update
from sqlalchemy.exc import IntegrityError

from bot.app import open_ledger
from bot.due_work import BotDue
from bot.states.dispute import DisputeStatus
from bot.states.one_time_action import ActionPurpose
from bot.states.payment import Purpose, State, Way
from bot.states.stripe_request import Operation, RequestOutcome, RequestState
from bot.tables import BOT_VERSIONS, metadata, payments, people_listings
from ledger import StoreUnusable, migrate, new_id, open_store
from ledger.instants import from_stamp
from ledger.storage.schema import wallet_schedule
from ledger.storage.store import Store
from tests.old_books import LEDGER, upgrade_to, write_rows
from tests.postgres_server import Server
from tests.sandbox.slack_place import SettableClock

BOOKS = json.loads((Path(__file__).parent / "books_bot_0003.json").read_text(encoding="utf-8"))
BEFORE = BOOKS["tables"]
BOT = (BOT_VERSIONS, "alembic_version_bot")
RENAMED = {
    "calls": "stripe_requests",
    "intents": "one_time_actions",
    "breaks": "differences",
    "cursors": "named_values",
}
COLUMNS = {"call_id": "request_id", "intents.intent_id": "one_time_action_id"}
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/books.db"
    server: Server = request.getfixturevalue("postgres")
    return server.create(f"bot_before_{tmp_path.name}")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """The books as the version before left them."""
    opened = open_store(url)
    upgrade_to(opened, "head", LEDGER)
    upgrade_to(opened, "bot_0003", BOT)
    with opened.writing() as connection:
        write_rows(connection, BEFORE)
    yield opened
    opened.close()


def _migrate(store: Store) -> None:
    migrate(store, versions=BOT[0], version_table=BOT[1])


def _rows(store: Store) -> Rows:
    """Read all rows as they stand in the file of books, without the tables that are empty there."""
    found: Rows = {}
    reflected = MetaData()
    with store.migrating() as connection:
        reflected.reflect(connection)
        for table in reflected.sorted_tables:
            rows = [dict(one) for one in connection.execute(select(table)).mappings()]
            for column in table.columns:
                if isinstance(column.type, Uuid):
                    for row in rows:
                        row[column.name] = str(row[column.name]) if row[column.name] is not None else None
            if rows and table.name in {*BEFORE, *RENAMED.values()}:
                found[table.name] = sorted(rows, key=str)
    return found


def _expected() -> Rows:
    """Give the rows of before under their new names, with what is meant to change."""
    found: Rows = {}
    for name, rows in BEFORE.items():
        renamed = [
            {COLUMNS.get(f"{name}.{key}", COLUMNS.get(key, key)): row[key] for key in row} for row in rows
        ]
        found[RENAMED.get(name, name)] = renamed
    for row in found["stripe_requests"]:
        row["outcome"], row["answer"] = _outcome(row["state"], row["answer"])
    for row in found["disputes"]:
        if row["status"] == "a_status_of_tomorrow":
            row["status"] = "other"
    return found


def _outcome(state: str, answer: str) -> tuple[str | None, str]:
    """Say what an answer of before is now: the table that the migration has to agree with."""
    match state, answer:
        case "planned", "":
            return None, ""
        case "done", "ok":
            return "ok", ""
        case "done", "needs action":
            return "needs_action", ""
        case "done", _:
            return "declined", answer.removeprefix("declined").strip()
        case "unknown", "key not accepted":
            return "denied", ""
        case "unknown", _:
            return "unknown", answer
        case "refused", _:
            return "rejected", answer
        case _:
            raise AssertionError(f"no such answer: {state} {answer}")


def _sorted(rows: Rows) -> Rows:
    """Order rows and columns alike."""
    ordered = {
        name: [{key: row[key] for key in sorted(row)} for row in found] for name, found in rows.items()
    }
    return {name: sorted(found, key=str) for name, found in sorted(ordered.items())}


def test_the_books_of_before_have_every_state_and_kind() -> None:
    """Else the next tests prove less than they say."""
    calls = BEFORE["calls"]
    assert {row["operation"] for row in calls} == set(Operation)
    assert {row["state"] for row in calls} == set(RequestState)
    assert {_outcome(row["state"], row["answer"])[0] for row in calls} == {None, *RequestOutcome}
    assert {row["purpose"] for row in BEFORE["intents"]} == set(ActionPurpose)
    assert {row["consumed_at"] is None for row in BEFORE["intents"]} == {True, False}
    assert {row["ended_at"] is None for row in BEFORE["breaks"]} == {True, False}
    assert {row["purpose"] for row in BEFORE["payments"]} == set(Purpose)
    assert {row["way"] for row in BEFORE["payments"]} == set(Way)
    assert {row["state"] for row in BEFORE["payments"]} == set(State)
    known = {row["status"] for row in BEFORE["disputes"]} - {"a_status_of_tomorrow"}
    assert known == set(DisputeStatus) - {DisputeStatus.OTHER}


def test_every_row_of_before_is_there_under_the_new_names(store: Store) -> None:
    """And no table of the old names is left."""
    upgrade_to(store, "bot_0004", BOT)  # the next one writes causes, and has a test of its own

    assert _sorted(_rows(store)) == _sorted(_expected())
    with store.migrating() as connection:
        left = set(inspect(connection).get_table_names())
    assert not left & RENAMED.keys()
    assert set(RENAMED.values()) <= left


def test_constraints_and_indexes_carry_the_new_names(store: Store) -> None:
    """Each of a table's own, and none of the old."""
    _migrate(store)

    with store.migrating() as connection:
        looked = inspect(connection)
        for name, table in metadata.tables.items():
            assert {str(one["name"]) for one in looked.get_indexes(name)} == {
                str(one.name) for one in table.indexes
            }, name
            assert looked.get_pk_constraint(name)["name"] == f"pk_{name}"
            checks = {str(one["name"]) for one in looked.get_check_constraints(name)}
            assert all(one.startswith(f"ck_{name}_") for one in checks), checks


def test_the_bot_goes_on_with_books_of_before(store: Store, url: str) -> None:
    """It opens them, and a second start finds nothing to do."""
    store.close()
    for _ in range(2):
        ledger = open_ledger(url, SettableClock())
        with ledger.reading() as connection:
            kept = connection.execute(select(func.count()).select_from(payments)).scalar_one()
        ledger.close()
        assert kept == len(BEFORE["payments"])


def test_the_work_of_a_wallet_of_before_is_scheduled(store: Store) -> None:
    """Its cards, its alert channels, its people and what ended long ago are looked at; nothing is scheduled twice."""
    upgrade_to(store, "bot_0012", BOT)
    wallet_id, bare = (str(new_id()) for _ in range(2))
    rows: Rows = {
        "workspaces": [
            {
                "team_id": f"T{one}",
                "enterprise_id": "",
                "wallet_id": one,
                "name": "",
                "bot_user_id": "",
                "created_at": 7,
            }
            for one in (wallet_id, bare)
        ],
        "alert_channels": [
            {"wallet_id": wallet_id, "channel_id": one, "added_by": "U1", "added_at": 7}
            for one in ("C1", "C2")
        ],
        "cards": [
            {
                "wallet_id": one,
                "card_id": f"pm_{slot}",
                "brand": "Visa",
                "last4": "4242",
                "exp_month": 1,
                "exp_year": 2030,
                "fingerprint": "",
                "slot": slot,
                "connected_by": "",
                "connected_at": 7,
            }
            for one, slot in ((wallet_id, "main"), (wallet_id, "spare"), (bare, "removed"))
        ],
        "people_listings": [
            {
                "wallet_id": wallet_id,
                "cursor": "next",
                "started_at": 5,
                "listed_at": None,
                "due_at": 9,
                "tries": 1,
            }
        ],
    }
    with store.writing() as connection:
        write_rows(connection, rows)
    _migrate(store)

    with store.migrating() as connection:
        due = connection.execute(select(wallet_schedule)).all()
        listings = {row.wallet_id: row for row in connection.execute(select(people_listings))}
    mine = {(str(row.wallet_id), row.kind) for row in due if str(row.wallet_id) in (wallet_id, bare)}
    assert mine == {
        (wallet_id, BotDue.CHANNELS),
        (wallet_id, BotDue.CARDS),
        (wallet_id, BotDue.HOUSEKEEPING),
        (bare, BotDue.HOUSEKEEPING),
    }
    assert (listings[UUID(wallet_id)].cursor, listings[UUID(wallet_id)].tries) == ("next", 1)
    assert (listings[UUID(bare)].cursor, listings[UUID(bare)].due_at) == ("", from_stamp(7))


def test_a_migration_that_fails_leaves_the_books_as_they_were(store: Store) -> None:
    """A payment in a state that nobody knows stops it after the tables were renamed."""
    reflected = MetaData()
    with store.migrating() as connection:
        reflected.reflect(connection)
    old = reflected.tables["payments"]
    ref = BEFORE["payments"][0]["ref"]
    with store.writing() as connection:
        connection.execute(update(old).where(old.c.ref == ref).values(state="lost in the mail"))
    before = _rows(store)

    with pytest.raises(StoreUnusable):
        _migrate(store)

    assert _rows(store) == before
    with store.writing() as connection:
        connection.execute(update(old).where(old.c.ref == ref).values(state="paid"))
    _migrate(store)
    assert len(_rows(store)["stripe_requests"]) == len(BEFORE["calls"])


def test_only_one_automatic_payment_is_in_flight_after_the_migration(store: Store) -> None:
    """The partial unique index is there again, on the table that SQLite made anew (I10)."""
    _migrate(store)
    unpaid = (payments.c.purpose == Purpose.RECHARGE) & (payments.c.state == State.FAILED)
    with pytest.raises(IntegrityError), store.writing() as connection:
        connection.execute(update(payments).where(unpaid).values(state=State.COLLECTING))


def _ended(store: Store) -> set[str]:
    return {row["name"] for row in _rows(store)["named_values"] if row["name"].startswith("recharge_ended:")}


def test_a_third_card_fits_into_the_books_of_before(store: Store) -> None:
    """As a spare one; a slot that nobody knows does not, and one card alone is charged."""
    _migrate(store)
    card = next(one for one in BEFORE["cards"] if one["slot"] == "main")

    def keep(slot: str) -> None:
        with store.writing() as connection:
            write_rows(connection, {"cards": [{**card, "card_id": f"pm_{slot}_too", "slot": slot}]})

    keep("spare")
    for slot in ("mislaid", "main"):
        with pytest.raises(IntegrityError):
            keep(slot)


def test_the_message_of_a_failed_charge_is_found_by_its_recharge(store: Store) -> None:
    """It was kept under the link; recharges that are over have ended, and those that are open have not."""
    of = {(row["purpose"], row["state"]): row["payment_id"] for row in BEFORE["payments"]}
    link, failed = of["ask", "offered"], of["recharge", "failed"]
    with store.writing() as connection:
        mine = payments.c.payment_id == UUID(link)
        connection.execute(update(payments).where(mine).values(recharge_id=failed))
    _migrate(store)

    messages = _rows(store)["payment_messages"]
    assert {(row["payment_id"], row["user_id"], row["said"]) for row in messages} == {
        (failed, user_id, "") for user_id in ("U1", "U2", "U3")
    }
    over = [of["recharge", state] for state in ("lapsed", "withdrawn", "paid")]
    assert _ended(store) == {f"recharge_ended:{one}" for one in over}


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_what_a_process_of_before_writes_meanwhile_is_kept(store: Store, url: str) -> None:
    """On PostgreSQL both run side by side: its commit is copied, and later writes fail instead of being lost."""
    late = "INSERT INTO cursors (wallet_id, name, value, at) VALUES (%s, %s, 'late', 1)"
    with psycopg.connect(url) as before, ThreadPoolExecutor(1) as beside:
        before.execute(late, (BOOKS["wallet"], "in time"))
        migration = beside.submit(_migrate, store)
        _wait_for_a_lock(url)
        before.commit()
        migration.result(timeout=30)
        with pytest.raises(psycopg.errors.UndefinedTable):
            before.execute(late, (BOOKS["wallet"], "too late"))

    names = {row["name"] for row in _rows(store)["named_values"]} - _ended(store)
    assert names == {"in time", *(row["name"] for row in BEFORE["cursors"])}


def _wait_for_a_lock(url: str) -> None:
    """Wait until somebody waits for a table."""
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
    until = time.monotonic() + 20
    with psycopg.connect(url, autocommit=True) as looking:
        while looking.execute(waits).fetchone() == (0,):
            assert time.monotonic() < until, "the migration did not wait for the other process"
            time.sleep(0.01)
