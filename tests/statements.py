"""A watch over every statement that the product sends in the tests: the rules that let it run on Citus.

Statements of the hot path go to the driver directly and are read as they stand (tests/ledger/test_citus_rules.py).
"""

import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Engine, event

import bot.tables
import ledger.storage.schema

ROOT = Path(__file__).parent.parent
_PRODUCT = tuple(str(ROOT / package) for package in ("ledger", "bot"))
_TESTS = str(ROOT / "tests")
_TABLES = {*ledger.storage.schema.metadata.tables, *bot.tables.metadata.tables} - {"workspaces"}
_TOUCHES = re.compile(rf"\b(?:FROM|JOIN|INTO|UPDATE)\s+({'|'.join(_TABLES)})\b", re.IGNORECASE)
_MINE = re.compile(r"\bwallet_id = (?:\?|:\w+|%\(\w+\)s|\$\d+)")
_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_CLOCKS = re.compile(
    r"\b(now|random|clock_timestamp|gen_random_uuid|current_timestamp|interval)\b", re.IGNORECASE
)
_LITERALS = re.compile(r"'[^']*'|\"[^\"]*\"")


class Judged(NamedTuple):
    """What a statement's text says of it."""

    writes: bool
    locks: bool
    names_its_wallet: bool
    asks_the_database: bool
    """It writes what the database says of time or chance."""


@cache
def _judged(statement: str) -> Judged | None:
    """Read a statement; None where it touches no table of a wallet."""
    if not _TOUCHES.search(statement):
        return None
    writes = _WRITES.match(statement) is not None
    inserts = statement.lstrip().startswith("INSERT") and "wallet_id" in statement
    return Judged(
        writes=writes,
        locks="FOR UPDATE" in statement,
        names_its_wallet=inserts or _MINE.search(statement) is not None,
        asks_the_database=writes and _CLOCKS.search(_LITERALS.sub("", statement)) is not None,
    )


class Watch:
    """Sees the statements of one transaction."""

    def __init__(self, *, one_wallet: bool) -> None:
        self.found: list[str] = []
        """The rules that were broken."""
        self._one_wallet = one_wallet
        """Whether a transaction belongs to one wallet here; SQLite commits many together."""
        self._wrote = self._crossed = False
        self._wallets: set[str] = set()

    def see(self, statement: str, parameters: Iterable[Mapping[str, Any]], *, cross_shard: bool) -> None:
        """Judge one more statement."""
        said = _judged(statement)
        if said is None:
            return
        self._wrote = self._wrote or said.writes
        self._crossed = self._crossed or cross_shard
        if self._wrote and self._crossed:
            self._find("looks over all wallets while it writes", statement)
        if not said.names_its_wallet and (said.locks or not cross_shard):
            self._find("does not name its wallet", statement)
        if said.asks_the_database:
            self._find("lets the database tell the time or draw lots", statement)
        if said.writes and self._one_wallet:
            self._wallets |= {
                str(value)
                for one in parameters
                for name, value in one.items()
                if name.startswith("wallet") and isinstance(value, UUID | str)
            }
            if len(self._wallets) > 1:
                self._find("writes to two wallets at once", statement)

    def _find(self, rule: str, statement: str) -> None:
        self.found.append(f"{rule}: {' '.join(statement.split())}")


found: list[str] = []
"""What the product did that it must not, in this whole run."""


@event.listens_for(Engine, "begin")
def _begun(connection: Connection) -> None:
    connection.info["watch"] = Watch(one_wallet=connection.dialect.name == "postgresql")


@event.listens_for(Engine, "before_cursor_execute")
def _seen(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    watch = connection.info.get("watch")
    if watch is None or not _by_the_product():
        return
    named = [one for one in getattr(context, "compiled_parameters", ()) if isinstance(one, Mapping)]
    before = len(watch.found)
    options = context.execution_options
    watch.see(statement, named, cross_shard=bool(options.get("cross_shard")))
    found.extend(watch.found[before:])


def _by_the_product() -> bool:
    """Say whether the product's own code asked; tests may look at whatever they like."""
    frame = sys._getframe(2)
    while frame is not None:
        ours = _is_the_products(frame.f_code.co_filename)
        if ours is not None:
            return ours
        frame = frame.f_back  # type: ignore[assignment]
    return False


@cache
def _is_the_products(file: str) -> bool | None:
    """Say whether a file's statements are judged; None for a library, which asks for somebody else."""
    if file.startswith(_PRODUCT):
        return "/migrations/" not in file
    return False if file.startswith(_TESTS) else None
