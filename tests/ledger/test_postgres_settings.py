"""PostgreSQL with other settings: what database, role, environment or address say cannot change the books."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text

from ledger import StoreUnusable, open_store
from ledger.storage.pipeline import Pipeline
from tests.ledger.wallet_driver import WalletDriver, usd
from tests.postgres_server import Server, postgres_server

NAME, ROLE = "books_with_settings", "app"


@pytest.fixture(scope="module")
def books(postgres: Server, blank_on_server: str) -> Iterator[str]:
    """A database of the newest schema, and a role that may do everything."""
    postgres.create(NAME, template=blank_on_server)
    _run(postgres, f"CREATE ROLE {ROLE} LOGIN SUPERUSER")
    yield NAME
    postgres.drop(NAME)
    _run(postgres, f"DROP ROLE {ROLE}")


@pytest.fixture
def name(postgres: Server, books: str) -> Iterator[str]:
    """The same; what a test sets is gone after it."""
    yield books
    for whose in (f"DATABASE {books}", f"ROLE {ROLE}", f"ROLE {ROLE} IN DATABASE {books}"):
        _run(postgres, f"ALTER {whose} RESET ALL")


@pytest.fixture(scope="module")
def standby(postgres: Server) -> Iterator[Server]:
    """A server that takes no writes, as after a failover."""
    with postgres_server(standby=True) as server:
        yield server


def _run(server: Server, statement: str) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(statement)


def _as_role(server: Server, name: str, query: str = "") -> str:
    return server.url(name).replace("postgres@", f"{ROLE}@") + query


# --- Encodings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "variable", "query"),
    [
        ("ALTER DATABASE {name} SET client_encoding TO 'LATIN1'", "", ""),
        ("ALTER DATABASE {name} SET client_encoding TO 'SQL_ASCII'", "", ""),
        ("ALTER ROLE app SET client_encoding TO 'LATIN1'", "", ""),
        ("ALTER ROLE app IN DATABASE {name} SET client_encoding TO 'LATIN1'", "", ""),
        ("", "PGCLIENTENCODING=LATIN1", ""),
        ("", "PGOPTIONS=-c client_encoding=LATIN1", ""),
        ("", "", "?client_encoding=LATIN1"),
        ("", "", "?options=-c%20client_encoding%3DLATIN1"),
        ("", "", "?client_encoding=UTF8&client_encoding=LATIN1"),
    ],
)
def test_no_setting_changes_how_texts_are_written(
    postgres: Server,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    statement: str,
    variable: str,
    query: str,
) -> None:
    """Texts and ids beyond ASCII are read back as they came, a retry finds itself, and the books are whole."""
    if statement:
        _run(postgres, statement.format(name=name))
    if variable:
        monkeypatch.setenv(*variable.split("=", 1))
    driver = WalletDriver(_as_role(postgres, name, query))
    try:
        driver.top_up("10")
        first = driver.use("1", key="llamada-ñ-💶", reference="campaña 7", description="Grüße")
        again = driver.use("1", key="llamada-ñ-💶", reference="campaña 7", description="Grüße")

        assert again.seq == first.seq
        shown = driver.history()[0]
        assert (shown.reference, shown.description) == ("campaña 7", "Grüße")
        assert driver.view().balance_micros == usd("9")
        assert driver.findings() == []
    finally:
        driver.close()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_of_another_encoding_is_refused(postgres: Server, encoding: str) -> None:
    """Not every name could be kept there."""
    name = f"in_{encoding.lower()}"
    _run(
        postgres,
        f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
    )

    with pytest.raises(StoreUnusable, match=f"is kept in {encoding}. Make one in UTF8"):
        open_store(postgres.url(name))


def test_an_encoding_that_something_between_insists_on_is_refused(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pooler may hand out sessions of its own encoding."""
    pooled = {"client_encoding": "latin1"}
    monkeypatch.setattr(
        "ledger.storage.postgres_address.ServerAddress.connect_args", lambda address, write: pooled
    )

    with pytest.raises(StoreUnusable, match="changes client_encoding to LATIN1"):
        open_store(postgres.url("postgres"))


@pytest.mark.backends("postgresql")
def test_a_session_that_changes_its_encoding_is_left(driver: WalletDriver) -> None:
    """Its text would be read as another; the batch goes through a new session instead."""
    driver.top_up("10")
    with driver.ledger.store.writing() as connection:
        connection.execute(text("SET client_encoding TO 'LATIN1'"))
        session = connection.connection.driver_connection

    first, again = (driver.use("1", key="llamada-ñ", reference="campaña 7") for _ in range(2))

    assert first.seq == again.seq
    assert driver.history()[0].reference == "campaña 7"
    assert isinstance(session, psycopg.Connection)
    assert session.closed
    with (
        pytest.raises(psycopg.OperationalError),
        psycopg.connect(driver.url, client_encoding="latin1") as other,
    ):
        Pipeline(other)


# --- Other settings -----------------------------------------------------------------------------------------

SET = {
    "array_nulls": ("off", "on"),
    "DateStyle": ("SQL, DMY", "ISO, YMD"),
    "standard_conforming_strings": ("off", "on"),
    "TimeZone": ("Asia/Tokyo", "UTC"),
    "default_transaction_isolation": ("serializable", "read committed"),
    "synchronous_commit": ("off", "on"),
    "statement_timeout": ("0", "30s"),
    "lock_timeout": ("0", "2s"),
    "idle_in_transaction_session_timeout": ("0", "1min"),
    "idle_session_timeout": ("1min", "0"),
    "transaction_timeout": ("1min", "0"),
}
"""What others set, and what is in force nevertheless."""


@pytest.mark.parametrize("whose", ["DATABASE {name}", "ROLE app"])
def test_settings_that_could_lose_or_refuse_money_are_our_own(
    postgres: Server, name: str, whose: str
) -> None:
    """For those who write and those who read; and columns without a value are written as such."""
    with psycopg.connect(postgres.url(name)) as connection:
        rows = connection.execute("SELECT lower(name) FROM pg_settings").fetchall()
    known = {one for (one,) in rows}
    here = {setting: values for setting, values in SET.items() if setting.lower() in known}
    for setting, (theirs, _) in here.items():
        _run(postgres, f"ALTER {whose.format(name=name)} SET {setting} TO {_literal(theirs)}")
    driver = WalletDriver(_as_role(postgres, name))
    try:
        store = driver.ledger.store
        for opened in (store.writing, store.reading):
            with opened() as connection:
                in_force = {one: connection.execute(text(f"SHOW {one}")).scalar_one() for one in here}
            assert in_force == {setting: ours for setting, (_, ours) in here.items()}
        driver.top_up("10")
        driver.use("1")
        assert driver.findings() == []
    finally:
        driver.close()


def _literal(value: str) -> str:
    return ", ".join(f"'{one.strip()}'" for one in value.split(","))


def test_stricter_durability_stays(postgres: Server, name: str) -> None:
    """Whoever waits for a standby's disk too goes on doing so."""
    _run(postgres, f"ALTER DATABASE {name} SET synchronous_commit TO 'remote_apply'")
    store = open_store(postgres.url(name))
    try:
        with store.writing() as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "remote_apply"
    finally:
        store.close()


# --- Several hosts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        "postgresql://postgres@/postgres?host=127.0.0.1:{standby}&host=127.0.0.1:{primary}",
        "postgresql://postgres@/postgres?host=127.0.0.1,127.0.0.1&port={standby},{primary}",
        "postgresql://postgres@/postgres?host=127.0.0.1:1&host=127.0.0.1:{standby}&host=127.0.0.1:{primary}"
        "&target_session_attrs=any",
    ],
)
def test_of_several_hosts_the_primary_is_used(postgres: Server, standby: Server, form: str) -> None:
    """For reading too: a standby may not know yet what was just written."""
    store = open_store(form.format(standby=standby.port, primary=postgres.port))
    try:
        for opened in (store.writing, store.reading):
            with opened() as connection:
                assert connection.execute(text("SHOW port")).scalar_one() == str(postgres.port)
    finally:
        store.close()


def test_a_standby_is_for_looking_only(standby: Server) -> None:
    """Alone, and where no host beside it is a primary."""
    with pytest.raises(StoreUnusable, match=r"is a standby, which cannot write\. Name the primary"):
        open_store(standby.url("postgres"))
    with pytest.raises(StoreUnusable) as refused:
        open_store(f"postgresql://postgres@/postgres?host=127.0.0.1:1&host=127.0.0.1:{standby.port}")
    said = str(refused.value)
    assert f"127.0.0.1:1 or 127.0.0.1:{standby.port}" in said
    assert "Connection refused" in said
    assert said.endswith("session is read-only. Name the primary in its address.")

    open_store(standby.url("postgres"), write=False).close()
