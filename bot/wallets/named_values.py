"""What is remembered by a name beside the books: how far was read, what was told already, what is switched off.

Of one wallet, or under the nil wallet of the whole installation; each has an instant and may have a value.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select, update

from bot.tables import NIL_WALLET, named_values
from ledger import Tx

_NAMED = select(named_values.c.value, named_values.c.at).where(
    named_values.c.wallet_id == bindparam("of_wallet"), named_values.c.name == bindparam("of_name")
)
"""Made once: jobs ask it several times a second."""


@dataclass(frozen=True, slots=True)
class NamedValue:
    """What was remembered, and of when."""

    value: str
    at: datetime


def named_value(connection: Connection, wallet_id: UUID, name: str) -> NamedValue | None:
    """Give what is remembered by a name."""
    row = connection.execute(_NAMED, {"of_wallet": wallet_id, "of_name": name}).one_or_none()
    return NamedValue(row.value, row.at) if row is not None else None


def set_named_value(
    tx: Tx, wallet_id: UUID, name: str, value: str = "", *, at: datetime | None = None
) -> None:
    """Remember something in place of what was remembered by that name; `at` is now where nothing else is said."""
    values = {"value": value, "at": at or tx.now}
    if not tx.connection.execute(update(named_values).where(_is(wallet_id, name)).values(**values)).rowcount:
        tx.connection.execute(insert(named_values).values(wallet_id=wallet_id, name=name, **values))


def set_first_value(tx: Tx, name: str, value: str) -> str:
    """Remember something of the installation that never changes; gives it, or what was remembered before."""
    found = named_value(tx.connection, NIL_WALLET, name)
    if found is not None:
        return found.value
    # No lock is held here. Of two processes the key lets one insert; the database repeats the other's transaction,
    # which then reads the first one's. An update would overwrite it instead.
    tx.connection.execute(
        insert(named_values).values(wallet_id=NIL_WALLET, name=name, value=value, at=tx.now)
    )
    return value


def remember_once(tx: Tx, wallet_id: UUID, name: str) -> bool:
    """Remember that something was done; False when it was done before."""
    if named_value(tx.connection, wallet_id, name) is not None:
        return False
    set_named_value(tx, wallet_id, name)
    return True


def remember_newer(tx: Tx, wallet_id: UUID, name: str, value: str) -> bool:
    """Remember the newest of values that sort by age, such as days; False when that or a newer one was remembered."""
    found = named_value(tx.connection, wallet_id, name)
    if found is not None and found.value >= value:
        return False
    set_named_value(tx, wallet_id, name, value)
    return True


def names_beginning(connection: Connection, wallet_id: UUID, beginning: str) -> frozenset[str]:
    """Give the names of all that is remembered whose names begin alike."""
    alike = named_values.c.name.startswith(beginning, autoescape=True)
    rows = connection.execute(select(named_values.c.name).where(named_values.c.wallet_id == wallet_id, alike))
    return frozenset(rows.scalars())


def forget_named_value(tx: Tx, wallet_id: UUID, name: str) -> None:
    """Forget what was remembered by a name."""
    tx.connection.execute(delete(named_values).where(_is(wallet_id, name)))


def _is(wallet_id: UUID, name: str) -> ColumnElement[bool]:
    return (named_values.c.wallet_id == wallet_id) & (named_values.c.name == name)


LOST = "lost:"
"""What the name of a value begins with that says of a recipient that others were told: nothing arrives there."""
LEFT = "left:"
"""What the name of a value begins with that says of a key that it was left as it is; its value says why."""


def is_left(connection: Connection, key: str) -> bool:
    """Say whether a key was left as it is: a payment's, and with it whatever becomes of it."""
    return named_value(connection, NIL_WALLET, f"{LEFT}{key}") is not None


def subject_of(object_id: str, intent_id: str) -> str:
    """Say what a piece of news is about: the payment where its page tells of it, else the object itself."""
    return intent_id if object_id.startswith("cs_") and intent_id else object_id
