"""What keeps Redbar from starting on PostgreSQL: a sentence that says what to do, no traceback and no password."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import psycopg
import pytest

from bot.__main__ import main
from bot.app import open_ledger
from ledger import SystemClock
from ledger.storage.store import MIGRATION_LOCK
from tests.postgres_server import SWORN, Server

ROOT = Path(__file__).parent.parent.parent
SECRET = "s3cret"
_numbers = count(1)
Make = Callable[[Server], str]


def _run(server: Server, *statements: str, database: str = "postgres") -> None:
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def _address(server: Server, user: str, name: str) -> str:
    return f"postgresql://{user}:{SECRET}@127.0.0.1:{server.port}/{name}"


def _database(server: Server, *statements: str) -> str:
    """Make a database and a user of it; the statements name them {db} and {user}. Gives its address."""
    number = next(_numbers)
    name, user = f"first_{os.getpid()}_{number}", f"starter_{os.getpid()}_{number}"
    server.create(name)
    _run(server, f"CREATE ROLE {user} LOGIN", *[one.format(db=name, user=user) for one in statements])
    return _address(server, user, name)


def _without_plpgsql(server: Server) -> str:
    address = _database(server, "ALTER DATABASE {db} OWNER TO {user}")
    _run(server, "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC", database=address.rpartition("/")[2])
    return address


def _wrong_password(server: Server) -> str:
    with suppress(psycopg.errors.DuplicateObject):
        _run(server, f"CREATE ROLE {SWORN} LOGIN PASSWORD 'another'")
    return _address(server, SWORN, "postgres")


OWN = "ALTER DATABASE {db} OWNER TO {user}"
TO_WRITE: list[tuple[str, Make, str]] = [
    (
        "no right on the schema",
        _database,
        "permission denied for schema public. Let the user make tables: GRANT",
    ),
    ("no right half way", _without_plpgsql, "permission denied for language plpgsql. Give the user"),
    (
        "a database that is read-only",
        lambda server: _database(server, OWN, "ALTER DATABASE {db} SET default_transaction_read_only = on"),
        "is read-only: default_transaction_read_only is on. Turn it off",
    ),
    (
        "a user who is read-only",
        lambda server: _database(server, OWN, "ALTER ROLE {user} SET default_transaction_read_only = on"),
        "is read-only: default_transaction_read_only is on. Turn it off",
    ),
    (
        "no schema to create in",
        lambda server: _database(server, OWN, "ALTER DATABASE {db} SET search_path = nowhere"),
        "no schema has been selected to create in. Name a schema that exists: ALTER DATABASE",
    ),
]
TO_REACH: list[tuple[str, Make, str]] = [
    (
        "no right to connect",
        lambda server: _database(server, "REVOKE CONNECT ON DATABASE {db} FROM PUBLIC"),
        "Let the user in: GRANT CONNECT ON DATABASE first_",
    ),
    (
        "no such database",
        lambda server: _address(server, "postgres", "nowhere"),
        "Create it: CREATE DATABASE nowhere",
    ),
    ("no such user", lambda server: _address(server, "nobody", "postgres"), "Create this user"),
    ("a wrong password", _wrong_password, "Check the user and the password"),
    ("no server", lambda _: f"postgresql://me:{SECRET}@127.0.0.1:1/books", "Check the host and the port"),
    ("no such host", lambda _: f"postgresql://me:{SECRET}@host.invalid/books", "Check the host and the port"),
    ("no such socket", lambda _: "postgresql:///books?host=/nowhere", "Check the host and the port"),
    (
        "a port too large",
        lambda _: f"postgresql://me:{SECRET}@127.0.0.1:99999/books",
        "Write a port from 1 to 65535",
    ),
    (
        "a port of letters",
        lambda _: f"postgresql://me:{SECRET}@127.0.0.1:abc/books",
        "Write it like postgresql://",
    ),
    (
        "hosts of libpq's form",
        lambda _: f"postgresql://me:{SECRET}@a:1,b:2/books",
        "several hosts like postgresql://",
    ),
    (
        "hosts of two forms",
        lambda _: f"postgresql://me:{SECRET}@/books?host=a&port=1&host=b&port=2",
        "several hosts like postgresql://",
    ),
    (
        "an @ in the password",
        lambda _: f"postgresql://me:x@{SECRET}@h/books",
        "Write %40 for each @ in its password",
    ),
    (
        "an unknown option",
        lambda _: f"postgresql://me:{SECRET}@h/books?autocommit=true",
        '"autocommit". Take it out',
    ),
    ("a plugin", lambda _: f"postgresql://me:{SECRET}@h/books?plugin=x", '"plugin". Take it out'),
    (
        "a wrong option",
        lambda _: f"postgresql://me:{SECRET}@127.0.0.1:1/books?sslmode=maybe",
        'invalid sslmode value: "maybe"',
    ),
]


def _ids(cases: list[tuple[str, Make, str]]) -> list[str]:
    return [name for name, _, _ in cases]


@pytest.mark.parametrize(("_name", "make", "words"), TO_REACH, ids=_ids(TO_REACH))
def test_what_cannot_be_reached_is_a_sentence(
    postgres: Server,
    capsys: pytest.CaptureFixture[str],
    _name: str,
    make: Make,
    words: str,
) -> None:
    """For commands that write and commands that read."""
    address = make(postgres)
    for command in (["key", "create"], ["verify"]):
        _refused(capsys, [*command, "--database", address], words)


@pytest.mark.parametrize(("_name", "make", "words"), TO_WRITE, ids=_ids(TO_WRITE))
def test_what_cannot_be_set_up_is_a_sentence_and_nothing_is_left(
    postgres: Server, capsys: pytest.CaptureFixture[str], _name: str, make: Make, words: str
) -> None:
    """A command that reads says that there is nothing to read."""
    address = make(postgres)
    name = address.rpartition("/")[2]

    _refused(capsys, ["key", "create", "--database", address], words)

    with psycopg.connect(postgres.url(name)) as connection:
        left = "SELECT relname FROM pg_class WHERE relowner <> 10 AND relnamespace >= 2200"
        # But for the lock that says who migrates, which holds nothing.
        assert not {one for (one,) in connection.execute(left)} - {MIGRATION_LOCK, f"{MIGRATION_LOCK}_pkey"}
    _refused(
        capsys,
        ["verify", "--database", address],
        f"{name} at 127.0.0.1:{postgres.port} has no tables of Redbar",
    )


def _refused(capsys: pytest.CaptureFixture[str], command: list[str], words: str) -> None:
    assert main(command) in (1, 2)
    said = "".join(capsys.readouterr())
    assert words in said
    assert said.count("\n") == 1
    assert "  " not in said
    assert SECRET not in said


def test_rights_that_were_missing_half_way_can_be_given(postgres: Server) -> None:
    """The next start makes everything."""
    address = _without_plpgsql(postgres)
    name = address.rpartition("/")[2]
    assert main(["key", "create", "--database", address]) == 1
    _run(postgres, "GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC", database=name)

    open_ledger(address, SystemClock()).close()


def test_a_database_that_becomes_read_only_later_is_a_sentence(
    postgres: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its tables are there, and may be read."""
    address = _database(postgres, OWN)
    open_ledger(address, SystemClock()).close()
    name = address.rpartition("/")[2]
    _run(postgres, f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    _refused(
        capsys, ["key", "create", "--database", address], "is read-only: default_transaction_read_only is on"
    )

    assert main(["verify", "--database", address]) == 0


def test_a_user_without_rights_on_the_tables_is_told_so(
    postgres: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tables are the owner's; who may only look cannot run the bot either."""
    address = _database(postgres)
    name, user = address.rpartition("/")[2], address.partition("//")[2].partition(":")[0]
    open_ledger(postgres.url(name), SystemClock()).close()
    _refused(capsys, ["verify", "--database", address], "permission denied for table ")
    _refused(
        capsys, ["key", "create", "--database", address], "permission denied for table alembic_version_ledger"
    )

    _run(postgres, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}", database=name)

    assert main(["verify", "--database", address]) == 0
    capsys.readouterr()
    _refused(
        capsys, ["key", "create", "--database", address], "permission denied for table alembic_version_ledger"
    )


def test_the_bot_itself_ends_with_the_sentence(postgres: Server, tmp_path: Path) -> None:
    """In a process of its own, before it asks Slack or Stripe anything."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REDBAR_")}
    environ |= {
        "PYTHONPATH": str(ROOT),
        "REDBAR_SLACK_BOT_TOKEN": "xoxb-1",
        "REDBAR_SLACK_APP_TOKEN": "xapp-1",
        "REDBAR_STRIPE_API_KEY": "sk_test_1",
        "REDBAR_ENV": "test",
        "REDBAR_STRIPE_API_BASE": "http://127.0.0.1:9",
        "REDBAR_SLACK_API_URL": "http://127.0.0.1:9/api/",
        "REDBAR_DATABASE_URL": _database(postgres),
    }

    command = [sys.executable, "-m", "bot", "run"]
    ended = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environ, timeout=60, check=False
    )

    assert ended.returncode == 1
    assert (ended.stdout + ended.stderr).count("\n") == 1
    assert "cannot be used" in ended.stdout + ended.stderr
    assert SECRET not in ended.stdout + ended.stderr
