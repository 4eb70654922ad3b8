"""News from the card side: one inbox for webhook and polling, each piece handled by looking at the object itself.

An event is only a hint. It is kept by its id, so that it is taken in once; it is marked handled in the commit after
its effect, and the effect is safe to repeat, so a crash in between only repeats it. What a look at an open request
finds (`open_checks.py`) is a hint of the same kind.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache, partial
from threading import Lock
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, insert, select, update

from bot.causes import as_stored, failed
from bot.notices import MoneyParked
from bot.payments.cards import Cards
from bot.payments.disputes import Disputes
from bot.payments.open_checks import Looked, look_at, what_is_open
from bot.payments.refunds import Refunds
from bot.payments.settlement import NotBookable, NotServed
from bot.payments.sync import Sync
from bot.ports import Denied, EventSeen, Ok, PaymentGateway
from bot.served import Served
from bot.states.payment import State
from bot.stripe.key_health import key_refused_at, note_access
from bot.stripe.keys import credit_key
from bot.stripe.read_budget import WARM_EVERY, add_reads, budget_of, look_every, poll_every
from bot.tables import NIL_WALLET, inbox, payments
from bot.wallets.named_values import is_left, named_value, remember_once, set_named_value, subject_of
from bot.wallets.restored_mode import restored
from ledger import Ledger, Tx
from ledger.storage.schema import wallets

log = logging.getLogger("redbar.news")

OVERLAP = timedelta(minutes=15)
"""Nothing promises that events become visible in order, so each poll reads the recent past again."""
_EVENTS, _POLLED, _PRESSED = "events", "polled_at", "pressed_at"
"""The newest event that was read, with when it happened; when the list was asked last; when Pay was pressed last."""
_ANSWERED = "events_answered_at"
"""When the list answered last, however often it was asked in vain since: read from there where no event is known."""
_LOOKED, _LOOKED_WHOLE = "looked_at", "looked_whole_at"
"""When open requests were looked at last, and when last each look had its answer."""
_MISSED = "missed"
_WAITING = (
    select(inbox)
    .where(
        inbox.c.wallet_id == NIL_WALLET,
        inbox.c.handled_at.is_(None),
        inbox.c.due_at <= bindparam("now"),
        inbox.c.event_id.not_in(bindparam("but", expanding=True)),
    )
    .order_by(inbox.c.created_at, inbox.c.event_id)
    .limit(100)
)
# Made once, since a job asks it several times a second.


class News:
    """Takes events in and lets payments hear of them."""

    def __init__(
        self,
        ledger: Ledger,
        gateway: PaymentGateway,
        sync: Sync,
        refunds: Refunds,
        disputes: Disputes,
        cards: Cards,
        served: Served,
        *,
        webhook: bool,
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._sync = sync
        self._refunds = refunds
        self._disputes = disputes
        self._cards = cards
        self._served = served
        self._of_others: set[str] = set()
        """Events that the process of another workspace handles."""
        self._webhook = webhook
        self._handling = Lock()

    def take(self, events: Sequence[EventSeen]) -> None:
        """Keep events in one commit."""
        self._ledger.run(partial(_keep, events=events), wallet_id=None)

    def handle_waiting(self, now: datetime) -> int:
        """Handle what waits in the inbox, oldest first; one bad piece holds up no other."""
        # Two threads on one piece would do no harm, only twice the reads.
        with self._handling:
            return self._handle_waiting(now)

    def _handle_waiting(self, now: datetime) -> int:
        with self._ledger.reading() as connection:
            if restored(connection) is not None:
                return 0  # kept: `redbar reconcile` makes the payments first that it may be about
            rows = connection.execute(_WAITING, {"now": now, "but": list(self._of_others)}).all()
        for row in rows:
            error = ""
            try:
                done = self._handle(row.kind, row.object_id, row.intent_id)
            except NotServed:
                self._of_others.add(row.event_id)
                continue
            except NotBookable as problem:
                done = self._was_left(row.intent_id or row.object_id)
                if not done:
                    log.error("news %s is parked: %s: %s", row.event_id, row.object_id, problem)
                    error = as_stored(problem.cause)
                    self._say_parked(subject_of(row.object_id, row.intent_id), problem)
            except Exception as problem:  # one poison row must not stop the others; it is kept with its error
                log.exception("news %s could not be handled", row.event_id)
                done, error = False, as_stored(failed(problem))
            self._ledger.run(
                partial(_mark, event_id=row.event_id, tries=row.tries, done=done, error=error), wallet_id=None
            )
        return len(rows)

    def _was_left(self, intent_id: str) -> bool:
        with self._ledger.reading() as connection:
            return is_left(connection, credit_key(intent_id))

    def _say_parked(self, object_id: str, problem: NotBookable) -> None:
        """Tell the wallet's people once; where no wallet of ours is named, those of the only one."""
        with self._ledger.reading() as connection:
            ids = self._served.own(connection)
        wallet_id = problem.wallet_id if problem.wallet_id in ids else ids[0] if len(ids) == 1 else None
        if wallet_id is not None:
            notice = MoneyParked(object_id=object_id, cause=problem.cause)
            tell = partial(_tell_once, wallet_id=wallet_id, notice=notice)
            self._ledger.run(tell, wallet_id=wallet_id)

    def _handle(self, kind: str, object_id: str, intent_id: str) -> bool:
        if kind.startswith("checkout.session."):
            return self._sync.session(object_id)
        if kind.startswith("payment_intent."):
            return self._sync.intent(object_id)
        if kind.startswith("refund."):
            return self._refunds.sync(object_id)
        if kind.startswith("charge.dispute."):
            return self._disputes.sync(object_id)
        if kind.startswith("payment_method."):
            return self._cards.sync(object_id)
        if kind.startswith("radar.early_fraud_warning."):
            return self._disputes.sync_warning(object_id)
        return True  # a setup intent's: its page says the same

    def poll(self, now: datetime) -> bool:
        """Read the events list and look at open requests, each when it is time to; gives whether anything was asked."""
        with self._ledger.reading() as connection:
            polled = named_value(connection, NIL_WALLET, _POLLED)
            looked = named_value(connection, NIL_WALLET, _LOOKED)
            watched_at, stopped = _watched(connection, self._served.where_own(payments.c.wallet_id))
            budget = budget_of(connection, now)
            refused = key_refused_at(connection, NIL_WALLET) is not None
        wait = poll_every(now, watched_at, webhook=self._webhook, tight=budget.tight)
        missed = watched_at is not None and looked is not None and looked.value == _MISSED
        if refused or (missed and not budget.tight):
            # So that the all-clear comes soon after the key was mended, and news where a look had no answer.
            wait = min(wait, WARM_EVERY)
        asked = polled is None or now >= polled.at + wait
        if asked:
            refused = self._read_events(now)
        if watched_at is not None and not refused:
            pace = look_every(budget, watched_at, webhook=self._webhook, stopped=stopped)
            if looked is None or now >= looked.at + pace:
                asked = self._look_around(now) or asked
        if asked:
            self.count_reads()
        return asked

    def _read_events(self, now: datetime) -> bool:
        """Take in the events since a while before the newest one that is known; gives whether our key was refused."""
        with self._ledger.reading() as connection:
            newest = named_value(connection, NIL_WALLET, _EVENTS)
            polled = named_value(connection, NIL_WALLET, _POLLED)
            answered = named_value(connection, NIL_WALLET, _ANSWERED)
        seen_until = next((one.at for one in (answered, polled) if one is not None), now)
        known_until = newest.at if newest is not None and newest.value else seen_until
        answer = self._gateway.events(known_until - OVERLAP)
        if isinstance(answer, Ok):
            self._ledger.run(partial(_keep_polled, events=answer.seen), wallet_id=None)
        else:
            self._ledger.run(partial(_try_later, seen_until=seen_until), wallet_id=None)
        note_access(self._ledger, self._served, answer)
        return isinstance(answer, Denied) and answer.whole

    def _look_around(self, now: datetime) -> bool:
        """Look at all that may be paid at this moment; gives whether there was anything to look at."""
        with self._ledger.reading() as connection:
            watched = what_is_open(connection, now, among=self._served.where_own(payments.c.wallet_id))
            whole = named_value(connection, NIL_WALLET, _LOOKED_WHOLE)
        whole_at = whole.at if whole is not None else None
        looked = look_at(self._gateway, watched.requests, now=now, whole_at=whole_at)
        missed = looked.misses > 0
        for charge in watched.charges:
            missed = not self._look_at_charge(charge.intent_id) or missed
        self._ledger.run(partial(_keep_looked, looked=looked, missed=missed), wallet_id=None)
        for answer in looked.answers:
            note_access(self._ledger, self._served, answer)
        return bool(watched.requests or watched.charges)

    def _look_at_charge(self, intent_id: str) -> bool:
        """Let what an intent says act; False when outside could not be asked."""
        try:
            return self._sync.intent(intent_id)
        except NotBookable as problem:
            if not self._was_left(intent_id):
                log.error("charge %s cannot be booked: %s", intent_id, problem)
                self._say_parked(intent_id, problem)
        except Exception:  # one poison charge must not stop the other looks
            log.exception("charge %s could not be looked at", intent_id)
            return False
        return True

    def pressed(self) -> None:
        """Somebody opens a page to pay: worth looking at often from now on."""
        self._ledger.run(lambda tx: set_named_value(tx, NIL_WALLET, _PRESSED), wallet_id=None)

    def count_reads(self) -> None:
        """Add what was read to the month's count."""
        taken = self._gateway.take_reads()
        if taken:
            self._ledger.run(partial(add_reads, taken=taken), wallet_id=None)


def _watched(connection: Connection, among: ColumnElement[bool]) -> tuple[datetime | None, bool]:
    """Say when a request that is open was last worth a look, and whether calls are stopped where one is open.

    It is when it was made, when somebody pressed Pay, and when the wallet ran dry.
    """
    made_at, emptied_at = connection.execute(_open_since(among)).one()
    if made_at is None:
        return None, False
    pressed = named_value(connection, NIL_WALLET, _PRESSED)
    pressed_at = pressed.at if pressed is not None else None
    return max(at for at in (made_at, pressed_at, emptied_at) if at is not None), emptied_at is not None


@lru_cache(maxsize=64)  # a job asks it several times a second
def _open_since(among: ColumnElement[bool]) -> Select[datetime | None, datetime | None]:
    return (
        select(func.max(payments.c.created_at), func.max(wallets.c.emptied_at))
        .join(wallets, wallets.c.wallet_id == payments.c.wallet_id)
        .where(payments.c.state.in_([State.ASKED.value, State.OFFERED.value, State.COLLECTING.value]), among)
        .execution_options(cross_shard=True)
    )


def _keep(tx: Tx, *, events: Sequence[EventSeen]) -> None:
    ids = [one.event_id for one in events]
    here = inbox.c.wallet_id == NIL_WALLET
    known = set(
        tx.connection.execute(select(inbox.c.event_id).where(here, inbox.c.event_id.in_(ids))).scalars()
    )
    fresh = {one.event_id: one for one in events if one.event_id not in known}
    for one in fresh.values():
        tx.connection.execute(
            insert(inbox).values(
                wallet_id=NIL_WALLET,
                event_id=one.event_id,
                kind=one.kind,
                object_id=one.object_id,
                intent_id=one.payment_intent_id or "",
                created_at=one.created,
                taken_at=tx.now,
                tries=0,
                due_at=tx.now,
                error="",
            )
        )


def _keep_polled(tx: Tx, *, events: Sequence[EventSeen]) -> None:
    """Keep what a poll read, and how far it read."""
    _keep(tx, events=events)
    set_named_value(tx, NIL_WALLET, _POLLED)
    set_named_value(tx, NIL_WALLET, _ANSWERED)
    if events:
        newest = max(events, key=lambda one: one.created)
        set_named_value(tx, NIL_WALLET, _EVENTS, newest.event_id, at=newest.created)


def _keep_looked(tx: Tx, *, looked: Looked, missed: bool) -> None:
    """Keep what a round of looks found, and when it was."""
    _keep(tx, events=looked.found)
    # What Stripe did not answer before is tried again now that it answers; what cannot be booked keeps its time.
    waiting = (inbox.c.wallet_id == NIL_WALLET) & inbox.c.handled_at.is_(None) & (inbox.c.error == "")
    found = inbox.c.event_id.in_([one.event_id for one in looked.found])
    tx.connection.execute(update(inbox).where(waiting, found).values(due_at=tx.now))
    set_named_value(tx, NIL_WALLET, _LOOKED, _MISSED if missed else "")
    if not missed:
        set_named_value(tx, NIL_WALLET, _LOOKED_WHOLE)


def _tell_once(tx: Tx, *, wallet_id: UUID, notice: MoneyParked) -> None:
    if remember_once(tx, wallet_id, f"parked:{notice.object_id}"):
        tx.outbox.add(wallet_id, notice)


def _try_later(tx: Tx, *, seen_until: datetime) -> None:
    set_named_value(tx, NIL_WALLET, _POLLED)
    set_named_value(tx, NIL_WALLET, _ANSWERED, at=seen_until)


def _mark(tx: Tx, *, event_id: str, tries: int, done: bool, error: str) -> None:
    wait = min(timedelta(minutes=1) * 2 ** min(tries, 8), timedelta(hours=4))
    tx.connection.execute(
        update(inbox)
        .where(inbox.c.wallet_id == NIL_WALLET, inbox.c.event_id == event_id, inbox.c.handled_at.is_(None))
        .values(
            handled_at=tx.now if done else None,
            tries=tries + 1,
            due_at=tx.now + wait,
            error=error,
        )
    )
