"""The wire log: every request between the bot and the two stand-ins with its answer, one JSON line each."""

import json
import os
import re
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

KEPT = 2_000
"""Entries kept in memory for the page; the file has all."""
_REF = re.compile(r"\b(?:pi|cs|plink|seti|pm|cus|ch|re)_[A-Za-z0-9_]+|\b[VF]0[A-Z0-9]{6,}|\b\d{10}\.\d{6}\b")
"""What a page opens the wire view of: a payment, a page, a card; a view, a file; a message by its timestamp."""


def _of_owner(path: Path) -> int:
    """Open a file to append to that no other user may read, also one that was made before."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.fchmod(number, 0o600)
    return number


class Wire:
    """Records what went over the wire; tokens never do, since headers are not recorded."""

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._file = os.fdopen(_of_owner(path), "a", encoding="utf-8") if path is not None else None
        self._path = path
        self._next = 1
        self._kept: deque[dict[str, Any]] = deque(maxlen=KEPT)
        if path is not None:
            self._read(path)

    def _read(self, path: Path) -> None:
        """Read what was recorded before; a last line that a SIGKILL cut short is ended and left out."""
        with path.open("rb") as before:
            lines = deque(before, maxlen=KEPT)
        if lines and not lines[-1].endswith(b"\n"):
            assert self._file is not None
            self._file.write("\n")
            self._file.flush()
        for line in lines:
            try:
                self._kept.append(json.loads(line))
            except ValueError:
                continue
        self._next = self._kept[-1]["id"] + 1 if self._kept else 1

    def record(
        self,
        host: str,
        method: str,
        path: str,
        idempotency_key: str | None,
        body: object,
        status: int,
        answer: object,
        *,
        refs: Iterable[str] = (),
    ) -> int:
        """Record a request with its answer; gives the entry's number.

        `refs` are ids it concerns that stand neither in the request nor in the answer.
        """
        found = {*_REF.findall(json.dumps(body)), *_REF.findall(json.dumps(answer)), *_REF.findall(path)}
        with self._lock:
            number = self._next
            entry = {
                "id": number,
                "time": datetime.now(UTC).isoformat(),
                "host": host,
                "method": method,
                "path": path,
                "idempotency_key": idempotency_key,
                "body": body,
                "status": status,
                "answer": answer,
                "refs": sorted(found | set(refs)),
            }
            self._next += 1
            self._kept.append(entry)
            if self._file is not None:
                self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
                self._file.flush()
            return number

    def entries(
        self, *, since: int = 0, ref: str | None = None, limit: int = 200
    ) -> Sequence[dict[str, Any]]:
        """Give recent entries after a number, all or those that mention something.

        A message may be named "channel:ts"; its timestamp alone is unique.
        """
        ref = ref.rpartition(":")[2] if ref is not None else None
        with self._lock:
            found = [one for one in self._kept if one["id"] > since and (ref is None or ref in one["refs"])]
        return found[-limit:]

    def text(self) -> str:
        """Give the whole log."""
        if self._path is not None:
            return self._path.read_text(encoding="utf-8")
        with self._lock:
            return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in self._kept)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
