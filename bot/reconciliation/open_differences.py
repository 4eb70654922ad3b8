"""What a reconciliation may not correct: kept with the day on which it was first seen, told once, left by hand.

It ends when both sides were seen to agree, however old it is. What a customer of ours paid without our mark is said
for as long as it is listed, three days and more: nobody but a person can tell whether it was meant for the wallet.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, insert, or_, select, update

from bot.causes import DifferenceCause, as_stored, difference_cause, inbox_error
from bot.notices import BooksDiffer
from bot.reconciliation.difference import Difference, Parked
from bot.rights import OPERATOR
from bot.stripe.keys import credit_key, refund_key
from bot.tables import NIL_WALLET, differences, inbox
from bot.wallets import rules
from bot.wallets.named_values import LEFT, forget_named_value, names_beginning, set_named_value, subject_of
from ledger import Ledger, Pause, PauseCode, Refused, Tx

PARKED_AFTER = 2
"""Tries after which news that cannot be handled is listed."""


class NotCredited(Refused):
    """What an operator wants credited or left cannot be, in words that say why."""


def open_differences(
    connection: Connection, wallet_ids: Sequence[UUID]
) -> dict[tuple[UUID, str], DifferenceCause]:
    """Give what differed when it was last looked at, in these wallets and in no wallet, by wallet and key."""
    rows = connection.execute(
        select(differences.c.wallet_id, differences.c.key, differences.c.cause)
        .where(differences.c.wallet_id.in_([*wallet_ids, NIL_WALLET]), differences.c.ended_at.is_(None))
        .order_by(differences.c.wallet_id, differences.c.key)
        .execution_options(cross_shard=True)
    )
    return {(row.wallet_id, row.key): difference_cause(row.cause) for row in rows}


def keep_differences(
    ledger: Ledger, found: Sequence[Difference], wallet_ids: Sequence[UUID]
) -> Sequence[Difference]:
    """Keep the wallets' differences with their age, end those that are gone, and report new ones.

    What an operator left as it is counts as none.
    """
    by_wallet: dict[UUID, list[Difference]] = {}
    with ledger.reading() as connection:
        known = {wallet_id for wallet_id, _ in open_differences(connection, wallet_ids)}
        left = left_keys(connection)
    for one in found:
        if one.key not in left:
            by_wallet.setdefault(one.wallet_id, []).append(one)
    kept: list[Difference] = []
    for wallet_id in sorted(known | by_wallet.keys()):
        keep = partial(_keep_differences, wallet_id=wallet_id, found=by_wallet.get(wallet_id, []))
        kept += ledger.run(keep, wallet_id=wallet_id)
    return kept


def leave(ledger: Ledger, what: str, note: str) -> Sequence[str]:
    """Leave what is listed under a key or an id of Stripe's as it is; gives the keys. Refuses: NotCredited."""
    if not what.strip():
        raise NotCredited("Name what is to be left: a key or an id that `redbar reconcile` lists.")
    with ledger.reading() as connection:
        differing = connection.execute(
            select(differences.c.wallet_id, differences.c.key)
            .where(
                differences.c.ended_at.is_(None),
                or_(differences.c.key == what, differences.c.key.endswith(f":{what}", autoescape=True)),
            )
            .execution_options(cross_shard=True)
        ).all()
        parked = _parked(connection, what)
    if not differing and not parked:
        raise NotCredited(f"Nothing that is listed is called {what}. `redbar reconcile` lists what is.")
    # What is parked today is found on one side only tomorrow night.
    keys = {row.key for row in differing} | {key for key in parked.values() if key}
    ledger.run(partial(_leave, keys=keys, events=sorted(parked), note=note), wallet_id=None)
    for row in differing:
        end = partial(_end, wallet_id=row.wallet_id, key=row.key, note=note)
        ledger.run(end, wallet_id=row.wallet_id)
    return sorted(keys) or [what]


def left_keys(connection: Connection) -> frozenset[str]:
    """Give the keys of all that was left as it is."""
    return frozenset(name.removeprefix(LEFT) for name in names_beginning(connection, NIL_WALLET, LEFT))


def list_again(ledger: Ledger, key: str) -> None:
    """Forget that a key was left, since it has been booked after all."""
    ledger.run(lambda tx: forget_named_value(tx, NIL_WALLET, f"{LEFT}{key}"), wallet_id=None)


def _parked(connection: Connection, what: str) -> dict[str, str]:
    """Give the news that are parked under an id, and all others of the same thing: the books' key by event."""
    rows = connection.execute(
        select(inbox.c.event_id, inbox.c.object_id, inbox.c.intent_id).where(
            inbox.c.wallet_id == NIL_WALLET, inbox.c.handled_at.is_(None), inbox.c.error != ""
        )
    ).all()
    about = {row.event_id: subject_of(row.object_id, row.intent_id) for row in rows}
    meant = {about[row.event_id] for row in rows if what in (row.event_id, row.object_id, row.intent_id)}
    return {event_id: _key_of(name) for event_id, name in about.items() if name in meant}


def _key_of(name: str) -> str:
    if name.startswith("pi_"):
        return credit_key(name)
    return refund_key(name) if name.startswith("re_") else ""


def _leave(tx: Tx, *, keys: set[str], events: Sequence[str], note: str) -> None:
    for key in sorted(keys):
        set_named_value(tx, NIL_WALLET, f"{LEFT}{key}", note)
    here = inbox.c.wallet_id == NIL_WALLET
    tx.connection.execute(update(inbox).where(here, inbox.c.event_id.in_(events)).values(handled_at=tx.now))


def _end(tx: Tx, *, wallet_id: UUID, key: str, note: str) -> None:
    mine = (differences.c.wallet_id == wallet_id) & (differences.c.key == key)
    tx.connection.execute(update(differences).where(mine).values(ended_at=tx.now))
    if wallet_id != NIL_WALLET:
        tx.book.audit(wallet_id, OPERATOR, "left_as_it_is", {}, {"key": key, "note": note})


def parked_news(ledger: Ledger) -> Sequence[Parked]:
    """Give news that could not be handled although it was tried again."""
    with ledger.reading() as connection:
        rows = connection.execute(
            select(inbox)
            .where(
                inbox.c.wallet_id == NIL_WALLET,
                inbox.c.handled_at.is_(None),
                inbox.c.error != "",  # what only waits for Stripe's answer is not parked
                inbox.c.tries >= PARKED_AFTER,
            )
            .order_by(inbox.c.taken_at)
        ).all()
    return [
        Parked(row.event_id, row.kind, row.object_id, row.taken_at, row.tries, inbox_error(row.error))
        for row in rows
    ]


def _keep_differences(tx: Tx, *, wallet_id: UUID, found: Sequence[Difference]) -> list[Difference]:
    rows = {
        row.key: row.found_at
        for row in tx.connection.execute(
            select(differences.c.key, differences.c.found_at).where(
                differences.c.wallet_id == wallet_id, differences.c.ended_at.is_(None)
            )
        )
    }
    kept = [replace(one, found_at=rows.get(one.key, tx.now), new=one.key not in rows) for one in found]
    mine = differences.c.wallet_id == wallet_id
    gone = rows.keys() - {one.key for one in found}
    if gone:
        tx.connection.execute(
            update(differences).where(mine, differences.c.key.in_(sorted(gone))).values(ended_at=tx.now)
        )
    for one in kept:
        _keep_difference(tx, one)
    fresh = [one for one in kept if one.new]
    if fresh and wallet_id != NIL_WALLET:
        paused = rules.pause(tx, wallet_id, Pause(PauseCode.BOOKS_DIFFER))
        first = fresh[0]
        notice = BooksDiffer(count=len(fresh), key=first.key, cause=first.cause, paused=paused)
        tx.outbox.add(wallet_id, notice)
    return kept


def _keep_difference(tx: Tx, one: Difference) -> None:
    mine = (differences.c.wallet_id == one.wallet_id) & (differences.c.key == one.key)
    changed = tx.connection.execute(
        update(differences)
        .where(mine)
        .values(cause=as_stored(one.cause), seen_at=tx.now, found_at=one.found_at, ended_at=None)
        .returning(differences.c.key)
    ).scalar_one_or_none()
    if changed is None:
        tx.connection.execute(
            insert(differences).values(
                wallet_id=one.wallet_id,
                key=one.key,
                cause=as_stored(one.cause),
                found_at=one.found_at,
                seen_at=tx.now,
            )
        )
