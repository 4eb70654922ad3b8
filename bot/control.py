"""Commands of the operator to a running bot: an owner-only socket beside the database.

One process writes a database file, so a command that writes asks the one that runs. One JSON line each way; before
the answer there may be lines that say how far it is.
"""

import json
import logging
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ledger import Refused

log = logging.getLogger("redbar.control")
Answer = dict[str, Any]
Step = Callable[[str], None]
Handler = Callable[[Answer, Step], Answer]
LINE_MAX = 4_000_000
PATIENCE_SECONDS = 120
"""For the next line; a list of Stripe's may take long."""


class Control:
    """Answers commands while the bot runs."""

    def __init__(self, path: Path, handlers: dict[str, Handler]) -> None:
        self._path = path
        self._handlers = handlers
        # Left behind by a process that was killed: the lock file says that we are alone.
        path.unlink(missing_ok=True)
        self._thread: threading.Thread | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if not self._listen():
            return
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def _listen(self) -> bool:
        before = os.umask(0o177)
        try:
            self._socket.bind(str(self._path))
        except OSError as problem:
            # A path of more than about a hundred bytes, or a file system without sockets; the bot itself can go on.
            log.warning(
                "%s cannot be listened on (%s): `redbar key create` works only while the bot is stopped.",
                self._path,
                problem,
            )
            self._socket.close()
            return False
        finally:
            os.umask(before)
        self._socket.listen(4)
        return True

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
        self._path.unlink(missing_ok=True)

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
                wish = json.loads(lines.readline(LINE_MAX))
            handler = self._handlers.get(str(wish.get("command")))
            if handler is None:
                answer = {"error": "This bot does not know that command."}
            else:
                answer = handler(wish, lambda words: _send(connection, {"step": words}))
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


def ask(path: Path, wish: Answer, step: Step = lambda words: None) -> Answer | None:
    """Ask the running bot; None when none runs. `step` hears how far it is."""
    if not path.exists():
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        try:
            connection.connect(str(path))
            connection.sendall(json.dumps(wish).encode() + b"\n")
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


def socket_of(database: Path) -> Path:
    """Give the socket that belongs to a database file."""
    return database.with_name(database.name + ".sock")
