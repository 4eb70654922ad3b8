"""Documents that survive a SIGKILL: JSON by kind and id, in memory for reading, written through to one SQLite file."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

Doc = dict[str, Any]


class DocumentStore:
    """A small durable store of plain JSON documents; a document that was read may be changed and put back."""

    def __init__(self, path: Path | None, *, synchronous: Literal["FULL", "NORMAL"] = "FULL") -> None:
        self._lock = threading.RLock()
        self._depth = 0
        if path is not None:  # for its owner alone; SQLite gives its log the same rights
            path.touch(0o600)
            path.chmod(0o600)
        self._file = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute(f"PRAGMA synchronous = {synchronous}")
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS docs (kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, "
            "PRIMARY KEY (kind, id)) STRICT"
        )
        self._docs: dict[str, dict[str, Doc]] = {}
        self._touched: set[str] = set()
        for kind, name, body in self._file.execute("SELECT kind, id, body FROM docs ORDER BY rowid"):
            self._docs.setdefault(kind, {})[name] = json.loads(body)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write everything inside in one commit, alone; nothing of it is kept when something raises."""
        with self._lock:
            if self._depth == 0:
                self._file.execute("BEGIN")
                self._touched = set()
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._file.execute("ROLLBACK")
                    for kind in self._touched:
                        self._read_again(kind)
                raise
            self._depth -= 1
            if self._depth == 0:
                self._file.execute("COMMIT")

    def _read_again(self, kind: str) -> None:
        rows = self._file.execute("SELECT id, body FROM docs WHERE kind = ? ORDER BY rowid", (kind,))
        self._docs[kind] = {name: json.loads(body) for name, body in rows}

    def put(self, kind: str, name: str, doc: Doc) -> Doc:
        """Store a document in place of the one before."""
        with self._lock:
            self._touched.add(kind)
            self._docs.setdefault(kind, {})[name] = doc
            self._file.execute(
                "INSERT INTO docs VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                (kind, name, json.dumps(doc)),
            )
            return doc

    def get(self, kind: str, name: str) -> Doc | None:
        """Give a document, or None."""
        with self._lock:
            return self._docs.get(kind, {}).get(name)

    def delete(self, kind: str, name: str) -> None:
        """Delete a document."""
        with self._lock:
            self._touched.add(kind)
            self._docs.get(kind, {}).pop(name, None)
            self._file.execute("DELETE FROM docs WHERE kind = ? AND id = ?", (kind, name))

    def all(self, kind: str) -> list[Doc]:
        """Give all documents of a kind in the order in which they first came."""
        with self._lock:
            return list(self._docs.get(kind, {}).values())

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()
