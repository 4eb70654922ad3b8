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
    if file is not None and not file.exists():
        raise CannotLook(f"There is no database at {file}.")
    try:
        store = open_store(database_url, write=False)
    except StoreUnusable as problem:
        raise CannotLook(str(problem)) from None
    try:
        with store.reading() as connection:
            yield connection
    except DatabaseError as problem:
        where = file or database_url.rpartition("@")[2]
        raise CannotLook(f"{where} is not a database of Redbar: {problem.orig}.") from None
    finally:
        store.close()


def wallet_named(text: str) -> UUID | None:
    """Read a wallet's id as it was typed; None when none was. Raises: CannotLook."""
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise CannotLook(f"{text!r} is not the id of a wallet.") from None
