"""What is logged: our own lines as text or JSON, without secrets and payloads, a repeated error once a minute."""

import json
import logging
import os
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

from ledger import StoreTroubled

_SECRET = re.compile(
    r"(xox[abp]-|xapp-|sk_(?:test|live)_|rk_(?:test|live)_|whsec_|rbk_)[A-Za-z0-9_-]+"
    # Links that pay, and Slack's addresses and tickets by which anybody may answer in a person's conversation.
    r"|https?://[^\s'\"]*(?:/stripe/pay/|/stripe/checkout/|buy\.stripe\.com/|checkout\.stripe\.com/)[^\s'\"]*"
    r"|https?://(?:hooks\.slack\.com/|[^\s'\"]*/slack/response/)[^\s'\"]*"
    r"|\b\d{6,}\.\d{6,}\.[0-9a-f]{16,}\b"
    # What SQLAlchemy adds to an error of the database: the values of a row.
    r"|(?<=\[parameters: )[^\n]*"
)
REPEATS_FOR = 60
"""Seconds in which a line that was logged already is only counted."""
_LINES_MAX = 1_000
"""Lines that are remembered at once; more are not repetitions of a few errors."""


class Redacting(logging.Formatter):
    """Formats lines as text and blanks what must not be kept, in exceptions too."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        return _redacted(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Write the line above an exception."""
        repeated = _repeated(record)
        return super().formatMessage(record) + (f" [repeated {repeated} times]" if repeated else "")


class JsonLines(logging.Formatter):
    """Formats each record as one JSON object on one line, and blanks what must not be kept."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record: time (UTC), level, logger, message; repeated and exception where there are any."""
        said: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _redacted(record.getMessage()),
        }
        if repeated := _repeated(record):
            said["repeated"] = repeated
        if record.exc_info:
            said["exception"] = _redacted(self.formatException(record.exc_info))
        return json.dumps(said, ensure_ascii=False)


@dataclass(slots=True)
class _Repeats:
    """A line that was logged, without its exception, which would keep what broke alive; and how often it came again."""

    said: logging.LogRecord
    count: int = 0


class Condensing(logging.StreamHandler[TextIO]):
    """Writes a warning or an error that repeats itself once a minute, with the number of its repetitions.

    A database that refuses every request, or a job that fails at every tick, would else fill a disk with tracebacks.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._repeats: dict[tuple[object, ...], _Repeats] = {}
        """By line, the oldest first."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it. The handler's lock is held."""
        if record.levelno < logging.WARNING:
            super().emit(record)
            return
        line = _line_of(record)
        known = self._repeats.get(line)
        if known is not None and _is_fresh(known.said, record):
            known.count += 1
            return
        if known is not None:
            del self._repeats[line]
            vars(record)["repeated"] = known.count
        self._write_counts(record)
        self._repeats[line] = _Repeats(_without_exception(record))
        super().emit(record)

    def close(self) -> None:
        """Write what was counted and not written yet."""
        self.acquire()
        try:
            self._write_counts(None)
        finally:
            self.release()
        super().close()

    def _write_counts(self, record: logging.LogRecord | None) -> None:
        """Write the lines whose minute is over by a record, each with its count; all of them without a record."""
        for line, known in list(self._repeats.items()):
            full = len(self._repeats) >= _LINES_MAX
            if record is not None and not full and _is_fresh(known.said, record):
                return
            del self._repeats[line]
            if known.count:
                vars(known.said)["repeated"] = known.count
                super().emit(known.said)


class RefusedByBooks(logging.Filter):
    """Drops what failed because the database cannot be used: the store says that in one line a minute."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is kept."""
        problem = record.exc_info[1] if record.exc_info else None
        while problem is not None:
            if isinstance(problem, StoreTroubled):
                return False
            problem = problem.__cause__
        return True


def configure(level: str) -> None:
    """Log to standard error: our own lines from a level on, those of libraries from WARNING on.

    What libraries say below that holds whole requests: messages, links, tickets. The format is a setting of the
    process like its standard error: every command has the one that REDBAR_LOG_FORMAT names.
    """
    handler = Condensing(sys.stderr)
    is_json = os.environ.get("REDBAR_LOG_FORMAT", "").strip().lower() == "json"
    handler.setFormatter(JsonLines() if is_json else Redacting())
    handler.addFilter(RefusedByBooks())
    # Bolt gives its loggers the root's level when they are made, so a level of their parent's alone would not hold.
    logging.basicConfig(level=max(logging.WARNING, _number(level)), handlers=[handler], force=True)
    logging.getLogger("redbar").setLevel(level)
    # A tick that comes while the one before still runs is skipped by design; that is no news.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level]


def _redacted(text: str) -> str:
    return _SECRET.sub("[redacted]", text)


def _repeated(record: logging.LogRecord) -> int:
    return int(getattr(record, "repeated", 0))


def _is_fresh(before: logging.LogRecord, record: logging.LogRecord) -> bool:
    """Say whether a record comes within the minute of another; none does of one that a wrong clock dated."""
    return 0 <= record.created - before.created < REPEATS_FOR


def _without_exception(record: logging.LogRecord) -> logging.LogRecord:
    said = logging.makeLogRecord({**vars(record), "msg": record.getMessage(), "args": None})
    said.exc_info = said.exc_text = said.stack_info = None
    vars(said).pop("repeated", None)
    return said


def _line_of(record: logging.LogRecord) -> tuple[object, ...]:
    """Name what is the same in two records of one trouble: not the values that an error of the database repeats."""
    error = record.exc_info[1] if record.exc_info else None
    about = (type(error), str(error).partition("\n")[0]) if error is not None else ()
    return (record.name, record.levelno, record.getMessage(), *about)
