"""`redbar export`: the books as CSV or Beancount, read beside a running bot."""

import os
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection, select

from bot.operator.open_for_reading import CommandImpossible, open_for_reading, wallet_named
from bot.operator.part_file import check_free, move_into_place, part_of
from bot.operator.progress import with_progress
from bot.stripe.keys import credit_key
from bot.tables import payments, workspaces
from ledger import (
    BooksBroken,
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
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])", re.ASCII)
PIPE_CLOSED = 141
"""As a shell counts what a closed pipe ended, so that a script can tell half an export from a whole one."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be exported, and where to."""

    database_url: str
    format: Format
    month: str | None
    wallet: str
    """A wallet's id; empty for the only one."""
    output: Path | None
    """None for standard output."""
    force: bool


def export(options: Options, say: Say) -> int:
    """Write the export; gives the exit code. `say` is for people, and never writes where the export goes.

    0 when it is whole, 1 when the books do not add up, 2 when it could not be made, 141 when its reader left.
    """
    try:
        if options.month is not None and not _MONTH.fullmatch(options.month):
            raise CommandImpossible(f"{options.month!r} is not a month. Write it like 2026-11.")
        if options.output is not None:
            check_free(options.output, force=options.force)
        with open_for_reading(options.database_url) as connection:
            _export(connection, options, say)
    except CommandImpossible as problem:
        say(str(problem))
        return 2
    except BooksBroken as problem:
        say(f"{problem} Nothing of this export can be relied on: run redbar verify.")
        return 1
    except BrokenPipeError:
        return PIPE_CLOSED  # who read it has enough, as `| head` does, and wants no words about it
    return 0


def _export(connection: Connection, options: Options, say: Say) -> None:
    extract = _extract(connection, options)
    if options.format == "csv":
        lines = csv_lines(connection, extract, _cards(connection, extract.wallet_id))
    else:
        lines = beancount_lines(connection, extract)
    if options.output is None:
        _to_standard_output(lines, extract.count)
        return
    _to_file(options.output, with_progress(lines, extract.count), force=options.force)
    currency = Currency.of(extract.currency)
    opening, closing = (
        format_money(Money(micros, currency)) for micros in (extract.opening_micros, extract.closing_micros)
    )
    say(f"{options.output}: {extract.count:,} transactions, from {opening} to {closing}.")


def _extract(connection: Connection, options: Options) -> Extract:
    known = list(connection.execute(select(workspaces.c.wallet_id)).scalars())
    wallet_id = wallet_named(options.wallet)
    if wallet_id is None and len(known) == 1:
        wallet_id = known[0]
    if wallet_id is None and not known:
        raise CommandImpossible("There is no wallet yet: start the bot once, so that it meets its workspace.")
    if wallet_id is None:
        ids = ", ".join(sorted(map(str, known)))
        raise CommandImpossible(f"There are several wallets. Choose one with --wallet: {ids}.")
    try:
        return extract_of(connection, wallet_id, options.month)
    except WalletUnknown:
        raise CommandImpossible(f"There is no wallet {wallet_id}.") from None


def _cards(connection: Connection, wallet_id: UUID) -> Callable[[str, str], str]:
    rows = connection.execute(
        select(payments.c.intent_id, payments.c.paid_with).where(
            payments.c.wallet_id == wallet_id, payments.c.intent_id != "", payments.c.paid_with != ""
        )
    )
    by_key = {credit_key(intent_id): card for intent_id, card in rows}
    return lambda source, source_id: by_key.get(source_id, "") if source == "stripe" else ""


def _to_standard_output(lines: Iterable[str], count: int) -> None:
    # None when it was closed before we began; the number it had may by now be the database's.
    if sys.stdout is None:
        raise CommandImpossible("Standard output is closed. Name a file with --output.")
    if not sys.stdout.isatty():
        lines = with_progress(lines, count)
    try:
        # Opened anew: the one there is may speak another encoding, and complains at exit about what it could not write.
        with open(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", newline="") as out:
            out.writelines(lines)
    except BrokenPipeError:
        raise
    except OSError as problem:
        raise CommandImpossible(f"The export cannot be written: {problem.strerror}.") from None


def _to_file(output: Path, lines: Iterable[str], *, force: bool) -> None:
    try:
        with part_of(output) as part:
            with part.open("w", encoding="utf-8", newline="") as file:
                file.writelines(lines)
            # Somebody may have put a file there in the meantime.
            check_free(output, force=force)
            move_into_place(part, output)
    except OSError as problem:
        raise CommandImpossible(f"{output} cannot be written: {problem.strerror}.") from None
