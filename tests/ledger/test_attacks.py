"""Raw SQL against the database: what must not be written cannot be written, and what was forced is found."""

from collections.abc import Iterator

import pytest
from sqlalchemy import CheckConstraint, Connection, Index, LargeBinary, Table, UniqueConstraint, text
from sqlalchemy.exc import DatabaseError, IntegrityError

from ledger import Correct, Receipt, new_id, verify_books
from ledger.storage.schema import metadata, transfers
from tests.ledger.conftest import blank_database
from tests.ledger.forging import forging
from tests.ledger.wallet_driver import WalletDriver, usd

REST = (
    "balance_after, occurred_at, recorded_at, quantity, source, 'other', hold_id, parent, corrects_seq, after_stop, "
    "dated, text_digest, hash FROM transfers WHERE seq = 1"
)
ALL = ", ".join(column.name for column in transfers.columns if column.name not in ("wallet_id", "seq"))
INSERT = "INSERT INTO transfers SELECT wallet_id"
EPISODE = "SELECT wallet_id, {id}, 1, CAST(NULL AS BIGINT), 2 FROM wallets"
ATTACKS = {
    "a transfer is changed": ("append-only", "UPDATE transfers SET amount = amount + 1 WHERE seq = 1"),
    "a transfer's hash is changed": ("append-only", "UPDATE transfers SET hash = text_digest WHERE seq = 2"),
    "a transfer vanishes": ("append-only", "DELETE FROM transfers WHERE seq = 3"),
    "all transfers vanish": ("append-only", "DELETE FROM transfers"),
    "an audit row is changed": ("append-only", "UPDATE audit_log SET actor = 'nobody'"),
    "an audit row vanishes": ("append-only", "DELETE FROM audit_log"),
    "a transfer moves nothing": ("ck_transfers_amount", f"{INSERT}, 99, kind, 'card', 'balance', 0, {REST}"),
    "a transfer moves backwards": ("ck_transfers_amount", f"{INSERT}, 99, kind, debit, credit, -5, {REST}"),
    "a transfer has one side": ("ck_transfers_sides", f"{INSERT}, 99, kind, 'balance', 'balance', 5, {REST}"),
    "a transfer leaves the balance out": (
        "ck_transfers_touches_balance",
        f"{INSERT}, 99, kind, 'card', 'usage', 5, {REST}",
    ),
    "a key is used again": ("uq_transfers_key", f"{INSERT}, 99, {ALL} FROM transfers WHERE seq = 1"),
    "a number is used again": ("pk_transfers", f"{INSERT}, 1, kind, debit, credit, amount, {REST}"),
    "a number is nothing": ("ck_transfers_seq", f"{INSERT}, 0, kind, debit, credit, amount, {REST}"),
    "an empty wallet has no emptying": ("ck_wallets_emptied", "UPDATE wallets SET balance = 0"),
    "a full wallet is emptied": (
        "ck_wallets_emptied",
        "UPDATE wallets SET emptied_at = 1, grace_ends_at = 2",
    ),
    "grace has no end": ("ck_wallets_grace", "UPDATE wallets SET balance = 0, emptied_at = 1"),
    "less than nothing is held": ("ck_wallets_held", "UPDATE wallets SET held = -1"),
    "a hold has another state": ("ck_holds_state", "UPDATE holds SET state = 'lost'"),
    "a hold opens again": ("ck_holds_ended", "UPDATE holds SET state = 'open'"),
    "a hold holds less than nothing": ("ck_holds_amount", "UPDATE holds SET amount = -1"),
    "a charge is half a charge": ("ck_charges_alias", "UPDATE charges SET alias = 2"),
    "a stop stops something else": ("ck_stops_scope", "UPDATE stops SET scope = 'sms'"),
    "a stop ends before it began": ("ck_stops_order", "UPDATE stops SET ended_at = began_at"),
    "a claim has a number below zero": (
        "ck_wallet_schedule_token",
        "UPDATE wallet_schedule SET token = -1",
    ),
    "a notice has another state": ("ck_notices_state", "UPDATE notices SET state = 'lost'"),
    "two notices have one place": ("uq_notices_seq", "UPDATE notices SET seq = 1"),
    "two episodes are open": (
        "uq_episodes_open",
        f"INSERT INTO episodes {EPISODE.format(id=':one')} UNION ALL {EPISODE.format(id=':other')}",
    ),
}
"""What is tried, and what stops it."""


@pytest.fixture(scope="module")
def lived(
    request: pytest.FixtureRequest, backend: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WalletDriver]:
    """A wallet in which something of everything happened, for all attacks: nothing of them stays."""
    with blank_database(request, backend, tmp_path_factory.mktemp("attacked")) as url:
        made = WalletDriver(url)
        live(made)
        yield made
        assert made.findings() == []
        made.close()


@pytest.fixture(scope="module")
def low(
    request: pytest.FixtureRequest, backend: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WalletDriver]:
    """The same with an episode, so that there is a row in every table."""
    with blank_database(request, backend, tmp_path_factory.mktemp("attacked")) as url:
        made = WalletDriver(url)
        live(made)
        made.use("99.50", key="low")
        yield made
        assert made.findings() == []
        made.close()


def live(driver: WalletDriver) -> None:
    """Let something of everything happen to a wallet."""
    driver.clock.skip(minutes=1)
    driver.top_up("100")
    charged = driver.use("1", reference="camp-7", description="Ann")
    driver.ask("h1")
    driver.capture("h1", "0.75")
    driver.one(Correct("operator", "fix", charged.source_id, usd("0.75"), None), Receipt)
    driver.set_policy(warning_min_micros=usd("20"))


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_database_itself_refuses(lived: WalletDriver, attack: str) -> None:
    """Whoever writes past the code is stopped by that trigger or constraint, and not by another."""
    guard, statement = ATTACKS[attack]
    given = {name: lived.stored(new_id()) for name in ("one", "other") if f":{name}" in statement}

    with pytest.raises(DatabaseError) as stopped, lived.ledger.store.writing() as connection:
        connection.execute(text(statement), given)

    assert guard in str(stopped.value) or columns_of(guard) in str(stopped.value)


def columns_of(guard: str) -> str:
    """Give the columns of a uniqueness: SQLite names them where PostgreSQL names the constraint."""
    for table in metadata.tables.values():
        for one in (*table.constraints, *table.indexes):
            if isinstance(one, UniqueConstraint | Index) and one.name == guard:
                return ", ".join(f"{table.name}.{column.name}" for column in one.columns)
            if f"pk_{table.name}" == guard:
                return ", ".join(f"{table.name}.{column.name}" for column in table.primary_key.columns)
    return guard


def test_every_guard_is_attacked() -> None:
    """A new constraint without an attack fails here."""
    guards = {
        str(one.name)
        for table in metadata.tables.values()
        for one in (*table.constraints, *table.indexes)
        if isinstance(one, CheckConstraint | UniqueConstraint) or (isinstance(one, Index) and one.unique)
    }
    assert guards <= {guard for guard, _ in ATTACKS.values()}


tables = pytest.mark.parametrize("table", metadata.tables.values(), ids=str)


@tables
def test_no_row_is_there_twice(low: WalletDriver, table: Table) -> None:
    """Each table's key holds."""
    with pytest.raises(IntegrityError), low.ledger.store.writing() as connection:
        connection.execute(text(f"INSERT INTO {table.name} SELECT * FROM {table.name}"))  # noqa: S608


@tables
def test_no_number_is_a_word_or_a_fraction_or_too_large(low: WalletDriver, table: Table) -> None:
    """SQLite keeps anything in a column, unless it is strict."""
    for column in table.columns:
        if not isinstance(column.type, LargeBinary) and column.type.compile().startswith(
            ("BIGINT", "INTEGER")
        ):
            for wrong in ("'12abc'", "9223372036854775807 + 1", *(["10.5"] if low.sqlite else [])):
                with pytest.raises(DatabaseError), low.ledger.store.writing() as connection:
                    connection.execute(text(f"UPDATE {table.name} SET {column.name} = {wrong}"))  # noqa: S608


@pytest.mark.parametrize("amount", ["'12abc'", "10.5"])
@pytest.mark.backends("sqlite")  # PostgreSQL rounds a fraction that an INSERT brings; ours never bring one
def test_no_amount_is_a_word_or_a_fraction(lived: WalletDriver, amount: str) -> None:
    """Also where a row is new, which no trigger guards."""
    with pytest.raises(DatabaseError, match="INTEGER column"), lived.ledger.store.writing() as connection:
        connection.execute(text(f"{INSERT}, 99, kind, debit, credit, {amount}, {REST}"))


def findings_after(connection: Connection, driver: WalletDriver, statement: str) -> list[str]:
    """Change something, and give what verifying finds."""
    nothing = "zeroblob(0)" if driver.sqlite else "''::bytea"
    assert connection.execute(text(statement.replace("{nothing}", nothing))).rowcount > 0
    return [str(finding) for finding in verify_books(connection)]


FORGERIES = {
    "UPDATE transfers SET amount = amount + 1 WHERE seq = 2": "transaction 2: balance",
    "UPDATE transfers SET kind = 'ai_task' WHERE seq = 2": "transaction 2: chain",
    "UPDATE transfers SET source_id = 'call-x' WHERE seq = 3": "transaction 3: chain",
    "UPDATE transfers SET occurred_at = occurred_at + 1 WHERE seq = 1": "transaction 1: chain",
    "UPDATE transfers SET recorded_at = 0 WHERE seq = 2": "transaction 2: time",
    "UPDATE transfers SET hash = text_digest WHERE seq = 4": "transaction 4: chain",
    "UPDATE transfers SET text_digest = hash WHERE seq = 4": "transaction 4: chain",
    "DELETE FROM transfers WHERE seq = 2": "transaction 2: sequence",
    "DELETE FROM transfers WHERE seq = 4": "transaction 4: chain",
    "UPDATE texts SET reference = 'camp-8' WHERE seq = 2": "transaction 2: text",
    "UPDATE texts SET salt = {nothing} WHERE seq = 2": "transaction 2: text",
    "UPDATE wallets SET balance = balance + 1": "wallet: balance",
    "UPDATE wallets SET held = 1": "wallet: held",
    "UPDATE wallets SET notice_seq = 99": "wallet: notices",
    "DELETE FROM notices WHERE seq = 1": "wallet: notices",
    "UPDATE hourly SET count = count + 1 WHERE kind = 'top_up'": "wallet: rollup",
    "DELETE FROM hourly WHERE kind = 'top_up'": "wallet: rollup",
    "UPDATE holds SET state = 'expired'": "wallet: hold: hold h1 does not fit",
    "DELETE FROM holds": "transaction 3: hold",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_was_forced_into_the_file_is_found_and_named(lived: WalletDriver, forgery: str) -> None:
    """The first finding says where; the wallet and the check by name. Each column is changed in `test_damage.py`."""
    with forging(lived) as connection:
        found = findings_after(connection, lived, forgery)

    assert FORGERIES[forgery] in found[0]


def test_one_flipped_byte_of_a_text_is_found(lived: WalletDriver) -> None:
    """Inside a text, where no sum would notice."""
    with forging(lived) as connection:
        found = findings_after(connection, lived, "UPDATE texts SET description = 'Anm' WHERE seq = 2")

    assert "transaction 2: text: its text was changed" in found[0]


def test_erased_text_keeps_the_books_whole(driver: WalletDriver) -> None:
    """The chain covers a digest, so words can go; a replay still gets its receipt."""
    live(driver)
    erased = "UPDATE texts SET reference = '', description = '', salt = {nothing} WHERE seq = 2"

    with driver.ledger.store.writing() as connection:
        assert findings_after(connection, driver, erased) == []

    assert driver.history()[2].description == ""
    assert driver.use("1", key="call-2", reference="camp-7", description="Ann").duplicate
