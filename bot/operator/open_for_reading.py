"""Looking into the database beside a running bot, for commands that only read."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from bot.settings import database_file
from ledger import StoreUnusable, open_store


class CannotLook(Exception):
    """The command cannot do its work; the message says why and what to do."""


@contextmanager
def looking(database_url: str) -> Iterator[Connection]:
    """Give a connection that reads. Raises: CannotLook."""
    file = database_file(database_url)
    where = file or database_url.rpartition("@")[2]
    if file is not None and not file.exists():
        raise CannotLook(f"There is no database at {file}.")
    try:
        store = open_store(database_url, write=False)
        try:
            with store.reading() as connection:
                yield connection
        finally:
            store.close()
    except StoreUnusable as problem:
        raise CannotLook(str(problem)) from None
    except DatabaseError as problem:
        raise CannotLook(f"{where} is not a database of Redbar: {problem.orig}.") from None
    except UnicodeDecodeError:
        # The driver's own words about a damaged schema quote it.
        raise CannotLook(f"{where} is damaged: what it says of its own tables cannot be read.") from None


def wallet_named(text: str) -> UUID | None:
    """Read a wallet's id as it was typed; None when none was. Raises: CannotLook."""
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise CannotLook(f"{text!r} is not the id of a wallet.") from None
