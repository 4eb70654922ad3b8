"""Asks a PostgreSQL server each second whether it answers, on a connection of its own.

A server that is stopped, or a network that swallows packets, leaves a client waiting for ever: libpq has no limit for
an answer. So when the server does not answer this question, every connection of the process is cut, and whoever waits
on one is told that the server was lost.
"""

import os
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from enum import Enum
from typing import Any
from weakref import WeakSet

import psycopg

from ledger.clock import machine_ticks
from ledger.storage.trouble import WAIT_MAX

Connect = Callable[[], "psycopg.Connection[Any]"]
_QUESTION = (
    b"SELECT CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE current_setting('transaction_read_only') END"
)
_MILLISECOND = timedelta(milliseconds=1)


class Mode(Enum):
    """Whether transactions of ours may write."""

    WRITES = "off"
    READ_ONLY = "on"
    STANDBY = "standby"


class ServerSilent(Exception):
    """The server did not answer in time: a question, or who connects."""


class ServerWatch:
    """Watches one server. `ask` and `close` are for one thread at a time."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._connection: psycopg.Connection[Any] | None = None
        self._others: WeakSet[psycopg.Connection[Any]] = WeakSet()

    def knows(self, connection: "psycopg.Connection[Any]") -> None:
        """Remember a connection of this process, to cut it when the server is silent."""
        self._others.add(connection)

    def ask(self) -> Mode:
        """Ask whether transactions may write. Raises: ServerSilent, psycopg.Error."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            return Mode(self._answer(self._connection.pgconn).decode())
        except psycopg.errors.ConnectionTimeout:
            raise ServerSilent from None
        except BaseException:
            self.close()
            raise

    def _answer(self, libpq: psycopg.pq.abc.PGconn) -> bytes:
        libpq.send_query(_QUESTION)
        libpq.flush()
        give_up_at = machine_ticks() + WAIT_MAX
        answers = select.poll()
        answers.register(libpq.socket, select.POLLIN)
        while libpq.is_busy():
            left = give_up_at - machine_ticks()
            if left <= timedelta() or not answers.poll(left // _MILLISECOND + 1):
                raise ServerSilent
            libpq.consume_input()
        result = libpq.get_result()
        while libpq.get_result() is not None:
            pass
        if result is None or result.status != psycopg.pq.ExecStatus.TUPLES_OK:
            raise psycopg.OperationalError(libpq.get_error_message())
        return result.get_value(0, 0) or b""

    def cut_all(self) -> None:
        """Shut every connection down, so that whoever waits for an answer wakes up."""
        for connection in list(self._others):
            # Closing is left to its thread, which is inside libpq. The descriptor is copied: it could be closed there.
            with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection. May be called twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
