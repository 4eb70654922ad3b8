"""PostgreSQL's own programs: where they are, whether they are new enough, and how they reach the database.

Everything goes to them by the environment: a command line is read by everybody on the machine.
"""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psycopg
from sqlalchemy import Connection

from bot.operator.open_for_reading import CommandImpossible

SETTING = "REDBAR_PG_BIN"
COPYING = "redbar copy"
"""What the programs' sessions are called at the server: no bot's."""


def find_program(name: str, folder: str, environ: Mapping[str, str], connection: Connection) -> Path:
    """Give the path of a program that is not older than the server. Raises: CommandImpossible."""
    folder = folder or environ.get(SETTING, "").strip()
    server = _driver(connection).info.server_version // 10_000
    needed = f"{name} of PostgreSQL {server} or newer"
    get = (
        f"Install the client programs of PostgreSQL {server} (Debian: apt install postgresql-client-{server}), or name "
        f"their folder with --bin or {SETTING}."
    )
    found = shutil.which(name, path=folder or environ.get("PATH"))
    if found is None:
        raise CommandImpossible(
            f"{needed} is needed, and is not {f'in {folder}' if folder else 'on PATH'}. {get}"
        )
    try:
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603 - found on PATH or named by the operator
    except (OSError, subprocess.CalledProcessError) as problem:
        raise CommandImpossible(f"{found} cannot be run: {problem}. {get}") from None
    version = re.search(r"\) (\d+)", said)
    if version is None or int(version[1]) < server:
        raise CommandImpossible(f"{needed} is needed; {found} is {said.strip()}. {get}")
    return Path(found)


def environment_for(connection: Connection, environ: Mapping[str, str]) -> dict[str, str]:
    """Give the environment in which a program of PostgreSQL connects to the same database of the same server."""
    info = _driver(connection).info
    names = {
        one.keyword.decode(): one.envvar.decode() for one in psycopg.pq.Conninfo.get_defaults() if one.envvar
    }
    # Of several hosts it is the one that we reached; what only deadlines are for has no name and may be left out.
    given = {**info.get_parameters(), "host": info.host, "port": str(info.port), "dbname": info.dbname}
    return {
        **environ,
        **{names[name]: str(value) for name, value in given.items() if name in names},
        "PGAPPNAME": COPYING,
        **({"PGPASSWORD": info.password} if info.password else {}),
    }


def last_words(errors: bytes) -> str:
    """Give what a program said in its first line of errors, without its own name."""
    lines = [line for line in errors.decode(errors="replace").splitlines() if line.strip()]
    line = next(
        (one for one in lines if "ERROR" in one or "error" in one), lines[0] if lines else "no reason"
    )
    return (
        re.sub(r"^\S*(pg_dump|psql)\S*(:<stdin>:\d+)?: (error: )?(ERROR:\s+)?", "", line)
        .strip()
        .removesuffix(".")
    )


def _driver(connection: Connection) -> "psycopg.Connection[tuple[object, ...]]":
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection), "these are books on a PostgreSQL server"
    return driver
