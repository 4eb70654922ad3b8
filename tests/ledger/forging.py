"""Writing past triggers and constraints, as somebody who owns the database can."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, text

from tests.ledger.wallet_driver import WalletDriver


@contextmanager
def forging(driver: WalletDriver) -> Iterator[Connection]:
    """Give a connection of somebody who owns the database; nothing of what it does stays."""
    with suppress(ForgedEnough), driver.ledger.store.writing() as connection:
        if driver.sqlite:
            triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            for trigger in connection.execute(text(triggers)).scalars().all():
                connection.execute(text(f"DROP TRIGGER {trigger}"))
            connection.execute(text("PRAGMA ignore_check_constraints = ON"))
        else:
            for table in ("transfers", "audit_log"):
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        try:
            yield connection
        finally:
            if driver.sqlite:
                connection.execute(text("PRAGMA ignore_check_constraints = OFF"))
        raise ForgedEnough


class ForgedEnough(Exception):
    """Ends a transaction that must not be committed."""
