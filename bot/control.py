"""Commands of the operator to the bot that runs on a database: an owner-only socket, named by the database.

The socket of an SQLite file lies beside it: one process writes such a file, so a command that writes has to ask it.
The socket of a PostgreSQL database lies in a directory of the user's, and its name is a digest of host, port and name;
from another machine, a command writes the database itself. One JSON line each way; before the answer there may be
lines that say how far it is.
"""

import hashlib
import json
import logging
import os
import socket
import stat
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from bot.settings import database_file
from ledger import Refused

log = logging.getLogger("redbar.control")
Answer = dict[str, Any]
Arguments = dict[str, Any]
Step = Callable[[str], None]
Handler = Callable[[Arguments, Step], Answer]
LINE_MAX = 4_000_000
PATIENCE_SECONDS = 120
"""For the next line; a list of Stripe's may take long."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the bot of a database listens for commands."""

    path: Path
    one_writer: bool
    """Only the bot may write this database while it runs."""


class Control:
    """Answers commands while the bot runs. A second bot on the same machine leaves them to the first."""

    def __init__(self, address: Address, handlers: dict[str, Handler]) -> None:
        self._path = address.path
        self._one_writer = address.one_writer
        self._handlers = handlers
        self._inode = 0
        self._thread: threading.Thread | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if not self._listen():
            return
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def _listen(self) -> bool:
        try:
            if self._is_answered():
                log.info("another Redbar on this machine answers the operator's commands")
                self._socket.close()
                return False
            self._bind()
        except OSError as problem:
            # A path of more than about a hundred bytes, or a file system without sockets; the bot itself can go on.
            if self._one_writer:
                effect = "`redbar key create` works only while the bot is stopped"
            else:
                effect = "the operator's commands write the database themselves"
            log.warning("%s cannot be listened on (%s): %s.", self._path, problem, effect)
            self._socket.close()
            return False
        return True

    def _is_answered(self) -> bool:
        """Say whether another bot listens; where one writer is allowed, the lock file says that none does."""
        if self._one_writer:
            return False
        _make_own_directory(self._path.parent)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            return probe.connect_ex(str(self._path)) == 0

    def _bind(self) -> None:
        self._path.unlink(missing_ok=True)  # left behind by a process that was killed
        before = os.umask(0o177)
        try:
            self._socket.bind(str(self._path))
        finally:
            os.umask(before)
        self._inode = self._path.stat().st_ino
        self._socket.listen(4)

    def close(self) -> None:
        """Stop answering."""
        if self._thread is None:
            return
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            log.debug("the control socket was closed already")
        self._socket.close()
        self._thread.join(timeout=5)
        try:
            # Of two bots that start at one moment, the second may have put its socket in the place of ours.
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()
        except FileNotFoundError:
            log.debug("the control socket was removed already")

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            # On a thread of its own: a long command must not keep a short one waiting.
            threading.Thread(target=self._attend, args=(connection,), name="command", daemon=True).start()

    def _attend(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(10)
            self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        try:
            with connection.makefile("rb") as lines:
                line = lines.readline(LINE_MAX)
            if not line:
                return  # another bot looked whether somebody listens
            arguments = json.loads(line)
            handler = self._handlers.get(str(arguments.get("command")))
            if handler is None:
                answer = {"error": "This bot does not know that command."}
            else:
                answer = handler(arguments, lambda words: _send(connection, {"step": words}))
        except Refused as refused:
            answer = {"error": str(refused)}
        except Exception as problem:
            log.exception("a command failed")
            answer = {"error": str(problem) or type(problem).__name__}
        _send(connection, answer)


def _send(connection: socket.socket, answer: Answer) -> None:
    try:
        connection.sendall(json.dumps(answer).encode() + b"\n")
    except OSError:
        log.warning("the operator went away before the answer")


def ask(path: Path, arguments: Arguments, step: Step = lambda words: None) -> Answer | None:
    """Ask the running bot; None when none runs. `step` is told how far it is."""
    if not path.exists() or (path.parent == _own_directory() and not _is_own_directory(path.parent)):
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        try:
            connection.connect(str(path))
            connection.sendall(json.dumps(arguments).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer: Answer = json.loads(lines.readline(LINE_MAX))
                while answer.keys() == {"step"}:
                    step(str(answer["step"]))
                    answer = json.loads(lines.readline(LINE_MAX))
        except (ConnectionRefusedError, FileNotFoundError):
            return None
        except PermissionError:
            return {"error": f"{path} belongs to another user: run this as the user who runs the bot."}
        except (OSError, ValueError):
            return {"error": "The running bot did not answer. Look at its log, then try again."}
        return answer


def address_of(database_url: str) -> Address | None:
    """Give where the bot of a database listens; None for an address that is no database of ours."""
    file = database_file(database_url)
    if file is not None:
        return Address(file.with_name(file.name + ".sock"), one_writer=True)
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):
        return None
    if not url.drivername.startswith("postgresql"):
        return None
    # Several hosts may be said in several values.
    query = {key: value if isinstance(value, str) else ",".join(value) for key, value in url.query.items()}
    host = url.host or query.get("host", "")
    port = str(url.port or query.get("port", 5432))
    name = url.database or query.get("dbname", "") or url.username or ""
    digest = hashlib.sha256(json.dumps([host.lower(), port, name]).encode()).hexdigest()[:32]
    return Address(_own_directory() / f"{digest}.sock", one_writer=False)


def _own_directory() -> Path:
    # Not XDG_RUNTIME_DIR: a service has none, and the shell of the same user may.
    return Path(tempfile.gettempdir()) / f"redbar-{os.getuid()}"


def _make_own_directory(path: Path) -> None:
    """Make the directory of PostgreSQL's sockets. Raises: OSError, when others could have made or may change it."""
    path.mkdir(mode=0o700, exist_ok=True)
    if not _is_own_directory(path):
        raise PermissionError(f"{path} is not a directory of this user alone")


def _is_own_directory(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
