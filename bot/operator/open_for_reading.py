"""Opens the database for commands that only read, also beside a running bot."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DatabaseError

from bot.settings import database_file
from bot.tables import named_values, workspaces
from ledger import StoreUnusable, open_store
from ledger.storage.schema import transfers, wallets
from ledger.storage.store import MIGRATION_LOCK

_OF_A_BOT = {one.name for one in (wallets, transfers, workspaces, named_values)}


class CommandImpossible(Exception):
    """The command cannot do its work; the message says why and what to do."""


@contextmanager
def open_for_reading(database_url: str) -> Iterator[Connection]:
    """Give a connection that reads. Raises: CommandImpossible."""
    file = database_file(database_url)
    if file is not None and not file.exists():
        raise CommandImpossible(f"There is no database at {file}.")
    try:
        store = open_store(database_url, write=False)
    except StoreUnusable as problem:
        raise CommandImpossible(str(problem)) from None
    try:
        with store.reading() as connection:
            yield connection
    except StoreUnusable as problem:
        raise CommandImpossible(str(problem)) from None
    except DatabaseError as problem:
        raise CommandImpossible(store.why_unusable(problem)) from None
    except UnicodeDecodeError:
        # The driver's own words about a damaged schema quote it.
        raise CommandImpossible(
            f"{file or 'The database'} is damaged: what it says of its own tables cannot be read."
        ) from None
    finally:
        store.close()


def has_books(connection: Connection) -> bool:
    """Say whether a database holds the tables of a bot, of whichever version."""
    return set(inspect(connection).get_table_names()) >= _OF_A_BOT


def has_other_tables(connection: Connection) -> bool:
    """Say whether a database without books holds something else."""
    return bool(set(inspect(connection).get_table_names()) - {MIGRATION_LOCK}) and not has_books(connection)


def wallet_named(text: str) -> UUID | None:
    """Read a wallet's id as it was typed; None when none was. Raises: CommandImpossible."""
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise CommandImpossible(f"{text!r} is not the id of a wallet.") from None
