"""Whether Stripe accepts our key.

A key that was revoked, or changed in one place only, looks like an outage to every flow, and is waited for like one;
but no minute of waiting ends it, so people are told whose turn it is, once each way.
"""

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, select, update

from bot.notices import KeyAccepted, KeyRefused
from bot.ports import Declined, Denied, NeedsAction, Ok
from bot.served import Served
from bot.tables import NIL_WALLET, inbox, named_values
from bot.wallets.named_values import forget_named_value, named_value, set_named_value
from ledger import Ledger, Tx

QUIET_FOR = timedelta(hours=6)
"""How long after people were told of a refused key they are not told again: two replicas may have different keys."""
_REFUSED, _TOLD = "key_refused", "key_refused_told"


def key_refused_at(connection: Connection, wallet_id: UUID) -> datetime | None:
    """Say since when Stripe does not accept our key; None while it does."""
    refused = named_value(connection, wallet_id, _REFUSED)
    return refused.at if refused is not None else None


def note_access(ledger: Ledger, served: Served, answer: object) -> None:
    """Learn from an answer of Stripe's whether our key is accepted; a missing right alone says nothing of the key."""
    if isinstance(answer, Denied) and answer.whole:
        _note_refused(ledger, served)
    elif isinstance(answer, Ok | Declined | NeedsAction):
        _note_accepted(ledger, served)


def _note_refused(ledger: Ledger, served: Served) -> None:
    with ledger.reading() as connection:
        known = key_refused_at(connection, NIL_WALLET) is not None
        untold = [one for one in served.living(connection) if _is_due(connection, one, ledger.now())]
    # The installation's refused comes first and goes last: whoever dies in between, the next answer goes on from there.
    if not known:
        ledger.run(lambda tx: set_named_value(tx, NIL_WALLET, _REFUSED), wallet_id=None)
    for wallet_id in untold:
        ledger.run(partial(_refuse, wallet_id=wallet_id), wallet_id=wallet_id)


def _note_accepted(ledger: Ledger, served: Served) -> None:
    with ledger.reading() as connection:
        known = key_refused_at(connection, NIL_WALLET) is not None
        # A replica with another key may have marked a wallet while the installation's refused was taken away.
        refused = (named_values.c.name == _REFUSED) & (named_values.c.wallet_id != NIL_WALLET)
        marked = (
            connection.execute(
                select(named_values.c.wallet_id)
                .where(refused, served.where_own(named_values.c.wallet_id))
                .order_by(named_values.c.wallet_id)
                .execution_options(cross_shard=True)
            )
            .scalars()
            .all()
        )
    for wallet_id in marked:
        ledger.run(partial(_accept, wallet_id=wallet_id), wallet_id=wallet_id)
    if known:
        ledger.run(_accept_all, wallet_id=None)


def _is_due(connection: Connection, wallet_id: UUID, now: datetime) -> bool:
    """Say whether a wallet is to be marked, or its people were left in quiet for long enough to be told."""
    refused = named_value(connection, wallet_id, _REFUSED)
    return refused is None or (refused.value != _TOLD and not _is_quiet(connection, wallet_id, now))


def _is_quiet(connection: Connection, wallet_id: UUID, now: datetime) -> bool:
    told = named_value(connection, wallet_id, _TOLD)
    return told is not None and now - told.at < QUIET_FOR


def _refuse(tx: Tx, *, wallet_id: UUID) -> None:
    if not _is_due(tx.connection, wallet_id, tx.now):
        return
    refused = named_value(tx.connection, wallet_id, _REFUSED)
    quiet = _is_quiet(tx.connection, wallet_id, tx.now)
    set_named_value(
        tx, wallet_id, _REFUSED, "" if quiet else _TOLD, at=refused.at if refused is not None else tx.now
    )
    if not quiet:
        set_named_value(tx, wallet_id, _TOLD)
        tx.outbox.add(wallet_id, KeyRefused())


def _accept(tx: Tx, *, wallet_id: UUID) -> None:
    refused = named_value(tx.connection, wallet_id, _REFUSED)
    if refused is None:
        return
    forget_named_value(tx, wallet_id, _REFUSED)
    if refused.value == _TOLD:
        tx.outbox.add(wallet_id, KeyAccepted())


def _accept_all(tx: Tx) -> None:
    forget_named_value(tx, NIL_WALLET, _REFUSED)
    # What could not be looked at waits no longer.
    waiting = (inbox.c.wallet_id == NIL_WALLET) & inbox.c.handled_at.is_(None) & (inbox.c.error == "")
    tx.connection.execute(update(inbox).where(waiting).values(due_at=tx.now))
