"""Restored mode: the books may be a copy, or stand before an outside that is not theirs; they wait for the operator.

While books are restored, nothing is charged and nobody is told anything: the process that made the original may run
beside this one, and what happened after the copy was made is not in it. The ledger and its API go on. The mode is a
named value of the books, so every process on them is in it, and it ends only by `redbar resume`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec
from sqlalchemy import Connection

from bot.tables import NIL_WALLET
from bot.wallets.named_values import forget_named_value, named_value, set_named_value
from ledger import Tx

RESTORED = "restored"
"""The name of the value; `redbar backup` writes it into each backup."""
_RESUMED = "resumed"


class RestoredCause(StrEnum):
    """By what sign the books were known to be restored."""

    BACKUP = "backup"  # the flag that `redbar backup` writes
    FILE = "file"  # an SQLite file that is not the one its id file names
    PAYMENT = "payment"  # Stripe has a payment of this install that the books don't know
    STRIPE_ACCOUNT = "stripe_account"
    STRIPE_MODE = "stripe_mode"
    SLACK_TEAM = "slack_team"
    SLACK_APP = "slack_app"


class _Kept(msgspec.Struct, omit_defaults=True):
    cause: RestoredCause
    about: str = ""


@dataclass(frozen=True, slots=True)
class Restored:
    """Why and since when the books are in restored mode."""

    cause: RestoredCause
    about: str
    """What the sign was: the id of a payment, an account, a team or an app; may be empty."""
    at: datetime


def restored(connection: Connection) -> Restored | None:
    """Say why the books are in restored mode; None while they are not."""
    found = named_value(connection, NIL_WALLET, RESTORED)
    if found is None:
        return None
    kept = msgspec.json.decode(found.value, type=_Kept)
    return Restored(kept.cause, kept.about, found.at)


def flag(cause: RestoredCause, about: str = "") -> str:
    """Give the named value that says it, for a copy that is written without a ledger."""
    return msgspec.json.encode(_Kept(cause, about)).decode()


def enter(tx: Tx, cause: RestoredCause, about: str = "") -> None:
    """Begin restored mode; the first sign stays."""
    if restored(tx.connection) is None:
        set_named_value(tx, NIL_WALLET, RESTORED, flag(cause, about))


def leave(tx: Tx) -> None:
    """End restored mode; what was planned before is not sent any more, but looked up."""
    found = restored(tx.connection)
    forget_named_value(tx, NIL_WALLET, RESTORED)
    since = found.at if found is not None else tx.now
    set_named_value(tx, NIL_WALLET, _RESUMED, since.isoformat())


@dataclass(frozen=True, slots=True)
class Rest:
    """How long the books were in restored mode, the last time."""

    began_at: datetime
    ended_at: datetime


def last_rest(connection: Connection) -> Rest | None:
    """Say from when to when the books were in restored mode last; None where they never were, or are still."""
    found = named_value(connection, NIL_WALLET, _RESUMED)
    return Rest(datetime.fromisoformat(found.value), found.at) if found is not None else None
