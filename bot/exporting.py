"""`redbar export`: the books as CSV or Beancount, read beside a running bot."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO
from uuid import UUID

from sqlalchemy import Connection, select

from bot.looking import CannotLook, looking, wallet_named
from bot.progress import shown
from bot.tables import payments, workspaces
from ledger import (
    Currency,
    Extract,
    Money,
    WalletUnknown,
    beancount_lines,
    csv_lines,
    extract_of,
    format_money,
)

Say = Callable[[str], None]
Format = Literal["csv", "beancount"]
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be exported, and where to."""

    database_url: str
    format: Format
    month: str | None
    wallet: str
    """A wallet's id; empty for the only one."""
    output: Path | None
    """None for standard output."""
    force: bool


def export(wish: Wish, say: Say) -> int:
    """Write the export; gives the exit code. `say` is for people, and never writes where the export goes."""
    try:
        if wish.month is not None and not _MONTH.fullmatch(wish.month):
            raise CannotLook(f"{wish.month!r} is not a month. Write it like 2026-11.")
        if wish.output is not None and wish.output.exists() and not wish.force:
            raise CannotLook(f"{wish.output} exists. Name another file, or say --force.")
        with looking(wish.database_url) as connection:
            _export(connection, wish, say)
    except CannotLook as problem:
        say(str(problem))
        return 2
    except BrokenPipeError:
        # Who read it has enough, as `| head` does; what is still in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def _export(connection: Connection, wish: Wish, say: Say) -> None:
    extract = _extract(connection, wish)
    if wish.format == "csv":
        lines = csv_lines(connection, extract, _cards(connection, extract.wallet_id))
    else:
        lines = beancount_lines(connection, extract)
    if wish.output is None:
        for line in lines:
            sys.stdout.write(line)
        sys.stdout.flush()
        return
    _to_file(wish.output, shown(lines, extract.count))
    currency = Currency.of(extract.currency)
    opening, closing = (
        format_money(Money(micros, currency)) for micros in (extract.opening_micros, extract.closing_micros)
    )
    say(f"{wish.output}: {extract.count:,} transactions, from {opening} to {closing}.")


def _extract(connection: Connection, wish: Wish) -> Extract:
    known = list(connection.execute(select(workspaces.c.wallet_id)).scalars())
    wallet_id = wallet_named(wish.wallet)
    if wallet_id is None and len(known) == 1:
        wallet_id = known[0]
    if wallet_id is None and not known:
        raise CannotLook("There is no wallet yet: start the bot once, so that it meets its workspace.")
    if wallet_id is None:
        ids = ", ".join(sorted(map(str, known)))
        raise CannotLook(f"There are several wallets. Choose one with --wallet: {ids}.")
    try:
        return extract_of(connection, wallet_id, wish.month)
    except WalletUnknown:
        raise CannotLook(f"There is no wallet {wallet_id}.") from None


def _cards(connection: Connection, wallet_id: UUID) -> Callable[[str, str], str]:
    rows = connection.execute(
        select(payments.c.intent_id, payments.c.paid_with).where(
            payments.c.wallet_id == wallet_id, payments.c.intent_id != "", payments.c.paid_with != ""
        )
    )
    by_key = {f"credit:{intent_id}": card for intent_id, card in rows}
    return lambda source, source_id: by_key.get(source_id, "") if source == "stripe" else ""


def _to_file(output: Path, lines: Iterator[str]) -> None:
    """Write beside the file and move at the end: half an export is never mistaken for a whole one."""
    unfinished = output.with_name(f"{output.name}.{os.getpid()}.part")
    try:
        with _owners_own(unfinished) as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(output)
    except OSError as problem:
        raise CannotLook(f"{output} cannot be written: {problem.strerror}.") from None
    finally:
        unfinished.unlink(missing_ok=True)


def _owners_own(path: Path) -> TextIO:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", newline="")
