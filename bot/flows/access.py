"""Whether Stripe accepts our key, and whether it is of the mode that the books were begun in.

A key that was revoked, or changed in one place only, looks like an outage to every flow, and is waited for like one;
but no minute of waiting ends it, so people are told whose turn it is, once each way. A live key on books that were
tried with a test key would count test money as real, and would find none of their customers, cards and payments.
"""

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, select

from bot.flows.marks import drop_mark, mark_of, set_mark
from bot.flows.notices import KeyAccepted, KeyRefused
from bot.ports import Denied, Ok
from bot.tables import NIL_WALLET, payments, workspaces
from ledger import Ledger, Refused, Tx

QUIET_FOR = timedelta(hours=6)
"""How long after people were told of a refused key they are not told again: two replicas may have different keys."""
_REFUSED, _TOLD, _MODE = "key_refused", "key_refused_told", "stripe_mode"


class OtherMode(Refused):
    """The books were begun with a key of the other mode."""

    def __init__(self, *, live: bool) -> None:
        had, has = ("test", "live") if live else ("live", "test")
        super().__init__(
            f"These books were begun with a {had} key of Stripe's, and REDBAR_STRIPE_API_KEY is a {has} key: what was "
            f"paid in one mode is nothing in the other. Give it a {had} key again, or begin new books: name another "
            "database in REDBAR_DATABASE_URL."
        )


def keep_mode(ledger: Ledger, *, live: bool) -> None:
    """Remember in which mode the books were begun, and hold to it once anything was asked for. Refuses: OtherMode."""
    mode = "live" if live else "test"
    with ledger.reading() as connection:
        kept = mark_of(connection, NIL_WALLET, _MODE)
        if kept is not None and kept.value != mode and _anything_asked(connection):
            raise OtherMode(live=live)
    if kept is None or kept.value != mode:
        ledger.run(lambda tx: set_mark(tx, NIL_WALLET, _MODE, mode), wallet_id=None)


def _anything_asked(connection: Connection) -> bool:
    wanted = select(payments.c.payment_id).limit(1).execution_options(cross_shard=True)
    return connection.execute(wanted).first() is not None


def key_refused_at(connection: Connection, wallet_id: UUID) -> datetime | None:
    """Say since when Stripe does not accept our key; None while it does."""
    mark = mark_of(connection, wallet_id, _REFUSED)
    return mark.at if mark is not None else None


def note_access(ledger: Ledger, answer: object) -> None:
    """Learn from an answer of Stripe's whether our key is accepted; a missing right alone says nothing of the key."""
    refused = isinstance(answer, Denied) and answer.whole
    if not refused and not isinstance(answer, Ok):
        return
    with ledger.reading() as connection:
        known = key_refused_at(connection, NIL_WALLET) is not None
        if known == refused:
            return
        wallet_ids = connection.execute(select(workspaces.c.wallet_id)).scalars().all()
    # Each wallet's people first: whoever dies in between begins again, and tells nobody twice.
    for wallet_id in wallet_ids:
        ledger.run(partial(_refuse if refused else _accept, wallet_id=wallet_id), wallet_id=wallet_id)
    if refused:
        ledger.run(lambda tx: set_mark(tx, NIL_WALLET, _REFUSED), wallet_id=None)
    else:
        ledger.run(lambda tx: drop_mark(tx, NIL_WALLET, _REFUSED), wallet_id=None)


def _refuse(tx: Tx, *, wallet_id: UUID) -> None:
    if mark_of(tx.connection, wallet_id, _REFUSED) is not None:
        return
    told = mark_of(tx.connection, wallet_id, _TOLD)
    quiet = told is not None and tx.now - told.at < QUIET_FOR
    set_mark(tx, wallet_id, _REFUSED, "" if quiet else _TOLD)
    if not quiet:
        set_mark(tx, wallet_id, _TOLD)
        tx.outbox.add(wallet_id, KeyRefused())


def _accept(tx: Tx, *, wallet_id: UUID) -> None:
    mark = mark_of(tx.connection, wallet_id, _REFUSED)
    if mark is None:
        return
    drop_mark(tx, wallet_id, _REFUSED)
    if mark.value == _TOLD:
        tx.outbox.add(wallet_id, KeyAccepted())
