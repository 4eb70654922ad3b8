"""Whatever is changed or damaged in whichever row, verify says so, goes on with the rest, and never trips over it."""

import random
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Column, Connection, LargeBinary, Table, text
from sqlalchemy.exc import IntegrityError

import ledger.audit.chain_walk
from ledger import (
    OUTBOUND_CALL,
    Correct,
    OpenHold,
    PostUsage,
    Receipt,
    ReleaseHold,
    audit_books,
    new_id,
    verify_books,
)
from ledger.audit.month_sums import Secret, Tally
from ledger.storage.schema import UuidText, hourly, metadata, texts, transfers
from ledger.storage.sqlite import sqlite_module
from tests.ledger.conftest import blank_database
from tests.ledger.forging import forging
from tests.ledger.wallet_driver import WalletDriver, usd
from tests.sizes import size

ROWS = size("damage", local=1, ci=1, full=1_000)
"""Rows in which each damage is done, beyond those that every damage needs."""
EVIDENCE = (transfers, texts, hourly)
"""Tables of which a change to any row must be found; elsewhere, one that contradicts another is enough."""
NOWHERE_ELSE = {
    "wallets": {
        "last_asked_at": "told by no row, and decides nothing",
        "touched_at": "moved by whatever looks; only that it is not before the last transfer can be told",
        "trouble": "what the bot said last",
        "warning_line": "drawn by the pace of that day",
        "critical_line": "drawn by the pace of that day",
        "ceiling": "drawn from the month before the emptying, by the policy of that moment",
        "grace_spent": "drawn by the policies of those moments",
        "announced": "what was told; the notices tell it",
        "paused_said": "what was told; the notices tell it",
        "recharge_said": "what was told; the notices tell it",
        "ceiling_month": "when the ceiling was drawn last",
        "ceiling_hit_at": "the ceiling of that day, which nothing tells",
        "announced_line": "drawn by the pace of that day",
        "falls_at": "drawn by the policy of that moment",
        "time_due_at": "when somebody looks; decides nothing",
        "pace_due_at": "when somebody looks; decides nothing",
        "lines_drawn_at": "drawn by the pace of that day",
    },
    "policies": {"changed_by": "a note", "reason": "a note"},
    "holds": {
        "inbound": "judged by the parent that ran at that moment",
        "reference": "erasable; the capture has it under the chain",
        "parent": "asked once; the capture has it under the chain",
        "standing": "what was answered",
        "expires_at": "drawn by the policy of that moment",
        "valid_until": "drawn by the policy of that moment",
        "generation": "how often it was opened; earlier openings leave no row",
    },
    "stops": {"began_at": "the emptying or the grace of those moments; forgotten after a week"},
    "episodes": {"opened_at": "the notices tell it"},
    "notices": dict.fromkeys(
        "notice_id name body created_at due_at attempts state lease_until error".split(),
        "how its delivery goes",
    ),
    "wallet_schedule": dict.fromkeys(
        ("kind", "due_at", "lease_until", "token"), "when somebody looks, and who does; decides nothing"
    ),
    "audit_log": dict.fromkeys(("audit_id", "at", "actor", "action", "before", "after"), "a note"),
}
"""What nothing else in the database can contradict, so that only its triggers and rights keep it."""


@pytest.fixture
def lived(driver: WalletDriver) -> WalletDriver:
    """A wallet in which something of everything happened, and which is empty now."""
    live_through_everything(driver)
    return driver


@pytest.fixture(scope="module")
def forgeable(
    request: pytest.FixtureRequest, backend: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WalletDriver]:
    """The same wallet for all tests that only forge: nothing of a forgery stays."""
    with blank_database(request, backend, tmp_path_factory.mktemp("forged")) as url:
        made = WalletDriver(url)
        live_through_everything(made)
        yield made
        assert made.findings() == []
        made.close()


def live_through_everything(driver: WalletDriver) -> None:
    """Let every kind of transfer, hold and notice happen to a wallet."""
    driver.clock.skip(minutes=1)
    driver.top_up("100")
    charged = driver.use("1", reference="camp-7", description="Ann")
    driver.ask("captured", estimate="2")
    driver.capture("captured", "0.75")
    driver.one(Correct("operator", "fix", charged.source_id, usd("0.75"), None), Receipt)
    driver.ask("used")
    driver.clock.skip(minutes=1)
    driver.use("1", hold="used", quantity=61, parent="captured")
    driver.ask("released")
    driver.do(ReleaseHold("released"))
    driver.ask("expired")
    driver.clock.skip(minutes=20)
    driver.set_policy(warning_min_micros=usd("20"))
    driver.use("99", key="low")
    driver.ask("refused")
    driver.clock.skip(minutes=20)
    driver.use("1", key="after the stop", reference="late")
    driver.one(OpenHold("running", "ai_task", 0), object)
    assert driver.findings() == []


def numbered(connection: Connection, table: Table) -> list[dict[str, object]]:
    """Give the keys of all rows."""
    keys = ", ".join(column.name for column in table.primary_key.columns)
    rows = connection.execute(text(f"SELECT {keys} FROM {table.name} ORDER BY {keys}"))  # noqa: S608
    return [dict(row._mapping) for row in rows]


def changed(column: Column[object], *, sqlite: bool) -> str:
    """Give an expression for another value of a column: one more, one letter or byte another."""
    c = column.name
    if isinstance(column.type, UuidText):
        return f"'{new_id()}'" if sqlite else f"'{new_id()}'::uuid"
    if isinstance(column.type, LargeBinary):
        # The first byte goes last; of an empty one, something is made.
        nothing, something = ("x''", "x'01'") if sqlite else (r"'\x'::bytea", r"'\x01'::bytea")
        turned = f"substr({c}, 2) || substr({c}, 1, 1)"
        turned = f"CAST({turned} AS BLOB)" if sqlite else turned
        return f"CASE WHEN {c} = {nothing} THEN {something} ELSE {turned} END"
    if column.type.compile().startswith(("BIGINT", "INTEGER")):
        return f"1 - {c}" if c in ("after_stop", "dated", "inbound", "funded") else f"coalesce({c}, 0) + 1"
    return f"'x' || substr(coalesce({c}, ''), 2)"


def findings_of(connection: Connection, forgery: str, where: dict[str, object]) -> list[str] | None:
    """Forge one row and verify; None where the database itself stopped it."""
    mine = " AND ".join(f"{name} = :{name}" for name in where)
    point = connection.begin_nested()
    try:
        assert connection.execute(text(f"{forgery} WHERE {mine}"), where).rowcount == 1
        return [str(finding) for finding in verify_books(connection)]
    except IntegrityError:
        return None
    finally:
        point.rollback()


@pytest.mark.parametrize("table", metadata.tables.values(), ids=str)
def test_any_changed_value_is_found(forgeable: WalletDriver, table: Table) -> None:
    """In every row of the evidence, transaction by transaction; elsewhere wherever anything could contradict it."""
    with forging(forgeable) as connection:
        rows = shuffled(numbered(connection, table), table.name)
        assert rows
        for column in table.columns:
            excuse = NOWHERE_ELSE.get(table.name, {}).get(column.name)
            forgery = f"UPDATE {table.name} SET {column.name} = {changed(column, sqlite=forgeable.sqlite)}"  # noqa: S608
            reached: dict[tuple[object, ...], list[str]] = {}
            for number, where in enumerate(rows, start=1):
                said = findings_of(connection, forgery, where)
                if said is not None:
                    reached[tuple(where.values())] = said
                if table not in EVIDENCE and number >= ROWS and (excuse or said):
                    break
            noticed = [key for key, one in reached.items() if one]
            assert bool(noticed) or not reached or excuse, f"{table.name}.{column.name} may be changed unseen"
            assert not (noticed and excuse), f"{table.name}.{column.name} needs no excuse: {noticed}"
            if table in EVIDENCE:
                assert noticed == list(reached), f"{table.name}.{column.name}: unseen in some rows"
            if table in (transfers, texts) and column.name not in ("wallet_id", "seq"):
                for (_, seq), told in reached.items():
                    assert f"transaction {seq}: " in (told or [""])[0], (column.name, seq, told)


def shuffled(rows: list[dict[str, object]], seed: str) -> list[dict[str, object]]:
    """Give rows in an order that depends on a seed alone, so that a failure comes again."""
    return random.Random(seed).sample(rows, len(rows))  # noqa: S311


@pytest.mark.backends("sqlite")  # PostgreSQL keeps neither text that is none nor an id that is none
@pytest.mark.parametrize("table", metadata.tables.values(), ids=str)
def test_no_damage_is_tripped_over(forgeable: WalletDriver, table: Table) -> None:
    """Bytes that are no text, words that are no ids, instants past all calendars."""
    with forging(forgeable) as connection:
        rows = numbered(connection, table)
        for column in table.columns:
            c = column.name
            if isinstance(column.type, LargeBinary):
                kinds = ["x'ff'", "x''", "zeroblob(33)"]
            elif column.type.compile().startswith(("BIGINT", "INTEGER")):
                kinds = ["4611686018427387904", "-4611686018427387904", "9223372036854775807"]
            else:
                kinds = [f"CAST(x'ff' || coalesce({c}, '') AS TEXT)", "''", "'zzzz'", "char(0)"]
            excused = c in NOWHERE_ELSE.get(table.name, {})
            forgeries = [f"UPDATE {table.name} SET {c} = {kind}" for kind in kinds]  # noqa: S608
            orders = [(one, shuffled(rows, f"{seed} {table.name}.{c}")) for seed, one in enumerate(forgeries)]
            first = [(one, where) for one, order in orders for where in order[:ROWS]]
            rest = [(one, where) for one, order in orders for where in order[ROWS:]]
            found = [findings_of(connection, one, where) for one, where in first]
            if not excused and not any(
                found
            ):  # perhaps nothing contradicts these rows: then others must tell
                found += [findings_of(connection, one, where) for one, where in rest]
            assert excused or any(found) or all(one is None for one in found), f"{table.name}.{c}"


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("seq", range(1, 9))
@pytest.mark.parametrize(
    "place", ["transfers.kind", "transfers.source_id", "texts.reference", "texts.description"]
)
def test_a_value_that_is_no_text_is_blamed_on_its_own_transaction(
    forgeable: WalletDriver, place: str, seq: int
) -> None:
    """However far ahead the driver reads; and whatever is wrong before it is found before it."""
    table, column = place.split(".")
    broken = f"UPDATE {table} SET {column} = CAST(x'ff' AS TEXT) WHERE seq = :seq"  # noqa: S608
    with forging(forgeable) as connection:
        there = connection.execute(text(broken), {"seq": seq}).rowcount
        (*alone,) = (str(finding) for finding in verify_books(connection))
        connection.execute(
            text("UPDATE transfers SET amount = amount + 1 WHERE seq = :seq"), {"seq": seq - 1}
        )
        (*both,) = (str(finding) for finding in verify_books(connection))

    assert not there or f"transaction {seq}: unreadable: Could not decode" in alone[0]
    assert seq == 1 or f"transaction {seq - 1}: balance: " in both[0]


@pytest.mark.parametrize(
    ("forgery", "words"),
    [
        ("DELETE FROM wallets", "wallet: wallet: transfers has rows of a wallet that is not there"),
        ("DELETE FROM texts WHERE seq = 2", "transaction 2: text: its text is gone"),
        ("DELETE FROM texts WHERE seq = 7", "transaction 7: text: its text is gone"),
        (
            "INSERT INTO texts SELECT wallet_id, 99, salt, reference, description FROM texts WHERE seq = 2",
            "transaction 99: text: a text without its transfer",
        ),
        (
            "INSERT INTO texts SELECT wallet_id, 3, salt, reference, description FROM texts WHERE seq = 2",
            "transaction 3: text: its text was put in later",
        ),
        ("DELETE FROM policies WHERE version = 1", "wallet: policy: version 1 is not there"),
        ("DELETE FROM policies WHERE version = 2", "wallet: policy: the wallet follows version 2"),
        ("DELETE FROM episodes", "wallet: episode: the wallet and its open episode differ"),
        (
            "UPDATE holds SET state = 'captured' WHERE hold_id = 'released'",
            "wallet: hold: 3 holds were captured",
        ),
        (
            "UPDATE holds SET ended_at = ended_at + 1 WHERE hold_id = 'used'",
            "transaction 5: hold: names hold used, which was open and did not end by it",
        ),
        (
            "UPDATE holds SET ended_at = ended_at + 1 WHERE hold_id = 'captured'",
            "transaction 3: hold: captures hold captured, which did not end then",
        ),
        (
            "UPDATE holds SET kind = 'ai_task' WHERE hold_id = 'captured'",
            "transaction 3: hold: captures hold captured, which did not end then, or is of another kind",
        ),
        ("UPDATE holds SET ended_at = expires_at - 1 WHERE hold_id = 'expired'", "hold expired does not fit"),
        ("UPDATE holds SET ended_at = expires_at WHERE hold_id = 'released'", "hold released does not fit"),
        ("UPDATE holds SET amount = 1 WHERE hold_id = 'refused'", "hold refused does not fit"),
        ("UPDATE holds SET reason = 'allowed' WHERE hold_id = 'refused'", "hold refused does not fit"),
        ("UPDATE wallets SET grace_ends_at = emptied_at + 900000001", "wallet: grace: ends at"),
        ("UPDATE wallets SET grace_cost = 0", "wallet: grace_cost: cached 0, derived"),
        ("UPDATE wallets SET after_stop_count = 0", "wallet: after_stop_count: cached 0, derived 1"),
        ("UPDATE wallets SET zone = 'Mars/Olympus'", "wallet: zone: 'Mars/Olympus' is no time zone"),
        ("UPDATE wallets SET currency = 'XXX'", "wallet: currency: 'XXX' is no currency"),
        ("UPDATE wallets SET touched_at = 1", "wallet: time: last changed 1970-01-01T00:00:00.000001+00:00"),
        (
            "UPDATE hourly SET day = '2027-01-01' WHERE kind = 'top_up'",
            "wallet: rollup: top_up on 2026-11-23",
        ),
        ("UPDATE hourly SET day = 'never' WHERE kind = 'top_up'", "wallet: rollup: top_up on 2026-11-23"),
    ],
)
def test_what_was_forged_is_named(forgeable: WalletDriver, forgery: str, words: str) -> None:
    """The wallet or the transaction, and the check that failed."""
    with forging(forgeable) as connection:
        assert connection.execute(text(forgery)).rowcount >= 1
        found = [str(finding) for finding in verify_books(connection)]

    assert any(words in one for one in found), found


def test_a_key_that_was_posted_twice_is_found_without_its_constraint(forgeable: WalletDriver) -> None:
    """As a forger who can make a chain of his own would do it."""
    last = forgeable.transfers()[-1]
    with forging(forgeable) as connection:
        if forgeable.sqlite:
            connection.execute(text("CREATE TABLE others AS SELECT * FROM transfers"))
            connection.execute(text("DROP TABLE transfers"))
            connection.execute(text("ALTER TABLE others RENAME TO transfers"))
        else:
            connection.execute(text("ALTER TABLE transfers DROP CONSTRAINT uq_transfers_key"))
        changes = "source = 'stripe', source_id = 'credit:1'"
        connection.execute(text(f"UPDATE transfers SET {changes} WHERE seq = :seq"), {"seq": last.seq})  # noqa: S608
        found = [str(finding) for finding in verify_books(connection)]

    assert f"{forgeable.wallet_id}, transaction {last.seq}: key: its key was posted before." in found


@pytest.mark.backends("sqlite")
def test_damage_in_an_index_is_found(lived: WalletDriver) -> None:
    """It would let a usage be posted a second time, and stands in no row."""
    lived.ledger.close()
    lived.honest = False
    file = sqlite_module().connect(lived.url.removeprefix("sqlite:///"))
    try:
        file.execute("PRAGMA writable_schema = ON")
        change = "UPDATE sqlite_master SET sql = replace(sql, 'state', 'kind') WHERE name = 'ix_holds_open'"
        assert file.execute(change).rowcount == 1
        file.commit()
    finally:
        file.close()
    lived.reopen()

    found = lived.findings()

    assert any("file: " in one and "ix_holds_open" in one for one in found), found


def test_one_bad_wallet_keeps_no_other_from_being_checked(lived: WalletDriver) -> None:
    """Both are named."""
    other = lived.open_wallet()
    with forging(lived) as connection:
        for wallet_id, change in (
            (lived.wallet_id, "zone = 'zzzz'"),
            (other, "balance = 5, emptied_at = NULL"),
        ):
            connection.execute(
                text(f"UPDATE wallets SET {change} WHERE wallet_id = :id"),  # noqa: S608
                {"id": lived.stored(wallet_id)},
            )
        found = [str(finding) for finding in verify_books(connection)]

    assert {one.split(",")[0] for one in found} == {str(lived.wallet_id), str(other)}


# --- What is honest, and must not be reported ------------------------------------------------------------------


def test_a_hold_may_be_named_before_it_opens_and_after_it_ended(driver: WalletDriver) -> None:
    """The platform says whatever it likes of a call; only what was open then must have ended by it."""
    driver.top_up("100")
    driver.use("1", hold="h1")
    driver.ask("h1")
    driver.clock.skip(minutes=1)
    driver.use("1", hold="h2")
    driver.capture("h1", "1")
    driver.clock.skip(minutes=1)
    driver.ask("h2")
    driver.use("1", hold="h1")
    driver.clock.skip(minutes=20)
    driver.use("1", hold="h2")

    assert driver.findings() == []


def test_many_holds_in_one_instant_are_asked_after_in_pieces(
    driver: WalletDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that was set back stands still for an hour; what is walked meanwhile belongs together."""
    monkeypatch.setattr(ledger.audit.chain_walk, "_LOOKED_UP_AT_ONCE", 2)
    monkeypatch.setattr(ledger.audit.chain_walk, "QUARTERS_AT_ONCE", 2)
    driver.top_up("100")
    for number in range(7):
        driver.ask(f"h{number}")
        driver.use("1", hold=f"h{number}", kind=("ai_task", "sms", "fax")[number % 3])
        driver.use("1", at=driver.clock.now() - timedelta(hours=number))

    assert driver.findings() == []


@pytest.mark.usefixtures("whole_batches")
def test_a_longer_history_takes_no_more_memory(driver: WalletDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for its transfers nor for the hours they fill."""
    monkeypatch.setattr(ledger.audit.chain_walk, "QUARTERS_AT_ONCE", 64)
    driver.top_up("100")
    peaks = []
    for start, end in ((0, 2_000), (2_000, 5_000)):
        now = driver.clock.now()
        driver.do(
            *(
                PostUsage(
                    "platform", f"call-{n}", OUTBOUND_CALL, 1, now - timedelta(minutes=15 * n), reference="r"
                )
                for n in range(start, end)
            )
        )
        with driver.ledger.reading() as connection:
            tracemalloc.start()
            (audit,) = audit_books(connection, driver.wallet_id)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert (audit.seq, audit.findings) == (end + 1, [])

    assert peaks[1] < peaks[0] + 50_000, peaks


def test_tallies_tell_hours_apart() -> None:
    """Sums that were moved between hours, or between count and amount, are other sums."""
    secret = Secret(bytes(32))
    first, second = ("2026-11-23", 9, "ai_task"), ("2026-11-23", 10, "ai_task")

    def tally(*rows: tuple[tuple[str, int, str], int, int, int]) -> Tally:
        made = Tally(secret)
        for row in rows:
            made.add(*row)
        return made

    whole = tally((first, 2, 60, -5), (second, 1, 0, -7))
    assert list(whole.months_unlike(tally((second, 1, 0, -7), (first, 1, 60, -2), (first, 1, 0, -3)))) == []
    for other in (
        tally((first, 1, 60, -5), (second, 2, 0, -7)),
        tally((first, 2, 60, -7), (second, 1, 0, -5)),
        tally((first, 60, 2, -5), (second, 1, 0, -7)),
        tally((first, 2, 60, -5)),
    ):
        assert list(whole.months_unlike(other)) == ["2026-11"]
