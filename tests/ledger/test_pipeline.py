"""Our pipeline gives what plain psycopg gives: rows, types, errors, and what is in the table afterwards.

The pipeline uses modules of psycopg that a minor version may change. Before pyproject.toml allows a newer one, these
tests have to pass with it.
"""

import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
import pytest
from packaging.requirements import Requirement

from ledger.storage.pipeline import FORGOTTEN, Pipeline
from tests.postgres_server import Server

Connection = psycopg.Connection[tuple[Any, ...]]
INSERT = "INSERT INTO things SELECT $1::uuid, u.* FROM unnest($2::int8[], $3::text[], $4::bytea[]) u"
WALLET = "0b5e7d5e-6c0a-4a53-9a55-3c1f6d5b2f10"
ALL = "SELECT wallet_id::text, number, words, bytes FROM things ORDER BY number"


@pytest.fixture(scope="module")
def databases(postgres: Server) -> Iterator[tuple[Connection, Connection]]:
    """Two connections, each to a database of its own with the same table."""
    names = ("piped", "plain")
    urls = [postgres.create(name) for name in names]
    with psycopg.connect(urls[0]) as piped, psycopg.connect(urls[1]) as plain:
        for one in (piped, plain):
            one.execute(
                "CREATE TABLE things (wallet_id uuid, number int8 PRIMARY KEY, words text, bytes bytea)"
            )
            one.commit()
        yield piped, plain
    for name in names:
        postgres.drop(name)


@pytest.fixture
def connections(databases: tuple[Connection, Connection]) -> tuple[Connection, Connection]:
    """The two connections, outside a transaction, their tables empty."""
    for one in databases:
        one.rollback()
        one.execute("TRUNCATE things")
        one.commit()
    return databases


def ask_plain(connection: Connection, statement: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Ask in psycopg's own way."""
    return psycopg.RawCursor(connection).execute(statement, parameters, binary=True).fetchall()


def ask_piped(connection: Connection, statement: str, parameters: tuple[Any, ...], *, prepare: bool) -> Any:
    """Ask the same twice in one pipeline: the second time the statement may be known already."""
    pipeline = Pipeline(connection)
    pipeline.begin()
    pipeline.ask(statement, parameters, prepare=prepare)
    pipeline.ask(statement, parameters, prepare=prepare)
    first, second = pipeline.answers()
    assert first == second
    return first


@pytest.mark.parametrize("prepare", [True, False])
@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        ("SELECT $1::text, $2::int8, $3::bytea", ("Grüße, 'x' \\ 💶", -(2**63), b"\0\xff'")),
        ("SELECT $1::text, $2::int8, $3::bytea", (None, None, None)),
        ("SELECT $1::text, $2::bytea", ("", b"")),
        ("SELECT $1::uuid::text", (WALLET,)),
        ("SELECT * FROM unnest($1::int8[]) WITH ORDINALITY", ([1, None, 2**63 - 1, -1],)),
        ("SELECT * FROM unnest($1::text[]) WITH ORDINALITY", (["a", None, "", '{,}"\\', "é"],)),
        ("SELECT * FROM unnest($1::bytea[]) WITH ORDINALITY", ([b"a", None, b"", b"\0{},\\"],)),
        ("SELECT * FROM unnest($1::text[]) WITH ORDINALITY", (["same"] * 3,)),
        ("SELECT * FROM unnest($1::int8[]) WITH ORDINALITY", ([7] * 3,)),
        ("SELECT * FROM unnest($1::text[]) WITH ORDINALITY", ([None, None],)),
        ("SELECT * FROM unnest($1::int8[])", ([],)),
        ("SELECT true, 1::int4, 2::int2, 1.5::numeric, now()::timestamptz = now(), '{1,2}'::int8[]", ()),
        ("SELECT 1 WHERE false", ()),
        ("SELECT number FROM generate_series(1, 5000) number", ()),
    ],
)
def test_rows_and_their_types_are_those_of_psycopg(
    connections: tuple[Connection, Connection], statement: str, parameters: tuple[Any, ...], prepare: bool
) -> None:
    """Every kind of parameter and of answer that the hot path uses, prepared or not."""
    piped, plain = connections

    found = ask_piped(piped, statement, parameters, prepare=prepare)

    expected = ask_plain(plain, statement, parameters)
    assert found == expected
    assert [[type(one) for one in row] for row in found] == [[type(one) for one in row] for row in expected]


@pytest.mark.parametrize(
    ("numbers", "words", "bytes_"),
    [
        ([1, 2, 3], ["a", None, "ü"], [b"x", b"", None]),
        ([1, 2], [None, None], [b"same", b"same"]),
        (list(range(1500)), ["lead 4711"] * 1500, [bytes([number % 256]) for number in range(1500)]),
    ],
)
def test_what_was_written_is_what_psycopg_would_have_written(
    connections: tuple[Connection, Connection],
    numbers: list[int],
    words: list[str | None],
    bytes_: list[bytes | None],
) -> None:
    """Inserted as columns, changed, counted by what comes back, and committed."""
    piped, plain = connections
    change = "UPDATE things SET words = $1 WHERE number <= $2 RETURNING number"

    pipeline = Pipeline(piped)
    pipeline.begin()
    pipeline.run(INSERT, (WALLET, numbers, words, bytes_))
    pipeline.go()
    pipeline.ask(change, ("changed", 1))
    pipeline.commit()
    (changed,) = pipeline.answers()

    raw = psycopg.RawCursor(plain)
    assert raw.execute(INSERT, (WALLET, numbers, words, bytes_)).rowcount == len(numbers)
    assert sorted(raw.execute(change, ("changed", 1)).fetchall()) == sorted(changed)
    plain.commit()
    piped.rollback()  # what the pipeline committed stays
    assert ask_plain(piped, ALL, ()) == ask_plain(plain, ALL, ())


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        ("INSERT INTO things (number) VALUES ($1)", (7,)),
        ("SELECT 1 / $1::int8", (0,)),
        ("SELECT * FROM nowhere", ()),
        ("SELEKT", ()),
        ("SELECT $1::int8", ("a",)),
        ("SELECT $1::uuid", ("no id",)),
    ],
)
def test_an_error_is_the_one_that_psycopg_raises(
    connections: tuple[Connection, Connection], statement: str, parameters: tuple[Any, ...]
) -> None:
    """The first error of a pipeline, with its class, code and words; the connection goes on after a rollback."""
    caught: list[psycopg.Error] = []
    for one in connections:
        one.execute("INSERT INTO things (number) VALUES (7)")
        one.commit()
    piped, plain = connections
    pipeline = Pipeline(piped)
    pipeline.begin()
    pipeline.run("UPDATE things SET words = $1", ("not kept",))
    pipeline.run(statement, parameters)
    pipeline.run("SELECT 1", ())
    with pytest.raises(psycopg.Error) as problem:
        pipeline.answers()
    caught.append(problem.value)
    with pytest.raises(psycopg.Error) as problem:
        psycopg.RawCursor(plain).execute(statement, parameters)
    caught.append(problem.value)

    ours, theirs = caught
    assert (type(ours), ours.sqlstate) == (type(theirs), theirs.sqlstate)
    assert ours.diag.message_primary == theirs.diag.message_primary
    piped.rollback()
    assert ask_piped(piped, ALL, (), prepare=True) == [(None, 7, None, None)]


def test_a_pipeline_that_is_given_up_leaves_the_connection_usable(
    connections: tuple[Connection, Connection],
) -> None:
    """Its answers are read away, errors too."""
    piped, _ = connections
    pipeline = Pipeline(piped)
    pipeline.begin()
    pipeline.run("SELECT 1 / 0", ())
    pipeline.go()
    pipeline.give_up()
    piped.rollback()

    assert ask_piped(piped, "SELECT 1", (), prepare=True) == [(1,)]


def test_statements_that_the_server_forgot_are_prepared_again(
    connections: tuple[Connection, Connection],
) -> None:
    """The transaction fails once with a code of its own, and can run again."""
    piped, _ = connections
    ask_piped(piped, "SELECT 1", (), prepare=True)
    piped.rollback()
    piped.execute("DEALLOCATE ALL")
    piped.commit()

    with pytest.raises(psycopg.Error) as problem:
        ask_piped(piped, "SELECT 1", (), prepare=True)
    assert problem.value.sqlstate == FORGOTTEN
    piped.rollback()
    assert ask_piped(piped, "SELECT 1", (), prepare=True) == [(1,)]


def test_only_the_compared_minor_version_of_psycopg_is_allowed() -> None:
    """Both extras of pyproject.toml, and the version that these tests ran with."""
    settings = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    wanted = [
        Requirement(one)
        for extra in settings["project"]["optional-dependencies"].values()
        for one in extra
        if one.startswith("psycopg")
    ]

    major, minor = (int(part) for part in version("psycopg").split(".")[:2])
    for one in wanted:
        assert one.specifier.contains(f"{major}.{minor}.0")
        assert not one.specifier.contains(f"{major}.{minor + 1}.0")
        assert not one.specifier.contains(f"{major}.{minor - 1}.9")
    assert len(wanted) == 2
