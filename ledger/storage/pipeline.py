"""Statements for PostgreSQL that go out together and are waited for once.

psycopg's own pipeline waits at each statement for the socket, which adds a millisecond for a lone caller (measured: a
posting 2.3 ms, this way 1.2). So the hot path uses libpq through psycopg's wrapper of it: statements are prepared once
a connection, lists travel as binary arrays, and the answers are read in one go. `generators`, `waiting` and
`Transformer` may change in any minor version of psycopg. pyproject.toml therefore allows only the one that
tests/ledger/test_pipeline.py compares with plain psycopg.
"""

import struct
from collections.abc import Sequence
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg import errors, generators
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus
from psycopg.waiting import Ready, Wait

Rows = list[tuple[Any, ...]]
_INT8, _TEXT, _BYTEA = 20, 25, 17
_PLAIN, _BINARY = 0, 1
_NOTHING = b"\xff\xff\xff\xff"
_head, _number, _length = struct.Struct("!iiiii").pack, struct.Struct("!iq").pack, struct.Struct("!i").pack
UTF8 = "UTF8"
"""How the server names the encoding in which texts are sent here and, as long as nothing changes it, come back."""
FORGOTTEN = "26000"
"""The server no longer knows a prepared statement, for example after DEALLOCATE."""
_names = count()
"""No name is used twice: what was prepared in a pipeline that failed is still there."""
_prepared: WeakKeyDictionary[psycopg.Connection[Any], dict[str, bytes]] = WeakKeyDictionary()


class Pipeline:
    """What is sent to the server at once.

    Statements are written with $1, $2…; a parameter is text, a number, bytes, or a list of one of them.
    Raises: psycopg.OperationalError, with the connection closed, when the server would read texts as another encoding.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._libpq = connection.pgconn
        self._known = _prepared.setdefault(connection, {})
        self._expected: list[str | None] = []
        """The statement of each answer that will come; None where rows are of no interest."""
        self._making: dict[str, bytes] = {}
        # The server tells of each change, so this costs no question. A new connection begins with UTF8 again.
        if self._libpq.parameter_status(b"client_encoding") != UTF8.encode():
            connection.close()
            raise psycopg.OperationalError("client_encoding was changed on an open connection")
        self._libpq.enter_pipeline_mode()

    def begin(self) -> None:
        """Begin a transaction, unless one is open."""
        if self._libpq.transaction_status == 0:
            self._send(None, "BEGIN", (), prepare=True)

    def commit(self) -> None:
        """Commit once everything before it is done."""
        self._send(None, "COMMIT", (), prepare=True)

    def run(self, statement: str, parameters: Sequence[Any]) -> None:
        """Send a statement that gives nothing back."""
        self._send(None, statement, parameters, prepare=True)

    def ask(self, statement: str, parameters: Sequence[Any], *, prepare: bool = True) -> None:
        """Send a question; its rows come back with the others', in order."""
        self._send(statement, statement, parameters, prepare=prepare)

    def go(self) -> None:
        """Let the server begin with what was said so far; its answers are waited for with all others."""
        self._libpq.flush()

    def give_up(self) -> None:
        """Read the answers away, whatever they are."""
        self._libpq.pipeline_sync()
        try:
            self._connection.wait(self._read(len(self._expected)))
        finally:
            if self._libpq.status == 0:
                self._libpq.exit_pipeline_mode()

    def answers(self) -> list[Rows]:
        """Wait for everything that was sent; gives the rows of each question. Raises: psycopg.Error, the first."""
        self._libpq.pipeline_sync()
        try:
            results = self._connection.wait(self._read(len(self._expected)))
        finally:
            if self._connection.pgconn.status == 0:
                self._libpq.exit_pipeline_mode()
        found: list[Rows] = []
        loader = Transformer(self._connection)
        for question, result in zip(self._expected, results, strict=True):
            if result.status in (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED):
                problem = errors.error_from_result(result, encoding="utf-8")
                if problem.sqlstate == FORGOTTEN:
                    self._known.clear()
                raise problem
            if question is not None:
                loader.set_pgresult(result)
                found.append(loader.load_rows(0, result.ntuples, tuple))
        self._known |= self._making
        return found

    def _send(
        self, question: str | None, statement: str, parameters: Sequence[Any], *, prepare: bool
    ) -> None:
        encoded = [_encoded(one) for one in parameters]
        values, formats = [value for value, _ in encoded], [kind for _, kind in encoded]
        if prepare:
            name = self._known.get(statement) or self._making.get(statement)
            if name is None:
                name = self._making[statement] = f"redbar_{next(_names)}".encode()
                self._libpq.send_prepare(name, statement.encode())
                self._expected.append(None)
            self._libpq.send_query_prepared(name, values, formats, _BINARY)
        else:
            self._libpq.send_query_params(statement.encode(), values, None, formats, _BINARY)
        self._expected.append(question)

    def _read(self, count: int) -> PQGen[list[Any]]:
        while self._libpq.flush():
            if (yield Wait.RW) & Ready.R:
                self._libpq.consume_input()
        results = []
        for _ in range(count):
            (result,) = yield from generators.fetch_many(self._libpq)
            results.append(result)
        yield from generators.fetch_many(self._libpq)  # the end of the pipeline
        return results


def _encoded(value: Any) -> tuple[bytes | None, int]:
    """Write a parameter; gives its bytes and whether they are text or binary."""
    if value is None:
        return None, _PLAIN
    if isinstance(value, bytes):
        return value, _BINARY
    if isinstance(value, list):
        return _array(value)
    return str(value).encode(), _PLAIN


def _array(values: list[Any]) -> tuple[bytes, int]:
    first = next((one for one in values if one is not None), None)
    if first is None:  # of what, the server knows
        return b"{" + b",".join([b"NULL"] * len(values)) + b"}", _PLAIN
    # Most columns of a batch say the same in every row: written once, repeated.
    same = values.count(first) == len(values)
    written = [first] if same else values
    if isinstance(first, int):
        oid, body = _INT8, _numbers(written)
    elif isinstance(first, bytes):
        oid, body = _BYTEA, _strings(written)
    else:
        oid, body = _TEXT, _strings([None if one is None else one.encode() for one in written])
    if same:
        body *= len(values)
    return _head(1, int(None in values), oid, len(values), 1) + body, _BINARY


def _numbers(values: Sequence[int | None]) -> bytes:
    return b"".join([_NOTHING if one is None else _number(8, one) for one in values])


def _strings(values: Sequence[bytes | None]) -> bytes:
    return b"".join([_NOTHING if one is None else _length(len(one)) + one for one in values])
