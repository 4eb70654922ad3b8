"""News from the card side: one inbox for webhook and polling, each piece handled by looking at the object itself.

An event is only a hint. It is kept by its id, so that it is taken in once; it is marked handled in the commit after
its effect, and the effect is safe to repeat, so a crash in between only repeats it.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from uuid import UUID

from sqlalchemy import Connection, func, insert, select, update

from bot.notices import MoneyParked
from bot.payment_state import State
from bot.payments.cards import Cards
from bot.payments.refunds import MoneyOut
from bot.payments.requests import Payments
from bot.payments.settlement import NotBookable, NotServed
from bot.ports import EventSeen, Ok, PaymentGateway, Rejected
from bot.served import Served
from bot.stripe.key_health import key_refused_at, note_access
from bot.tables import NIL_WALLET, inbox, payments
from bot.wallets.named_values import is_left, mark_of, mark_once, set_mark, subject_of
from ledger import Ledger, Tx
from ledger.tables import wallets

log = logging.getLogger("redbar.news")

OVERLAP = timedelta(minutes=15)
"""Nothing promises that events become visible in order, so the recent past is read again at start."""
FAST_FOR = timedelta(minutes=30)
FAST_EVERY = timedelta(seconds=20)
WARM_FOR = timedelta(hours=2, minutes=30)
WARM_EVERY = timedelta(minutes=2)
IDLE_EVERY = timedelta(minutes=10)
WEBHOOK_EVERY = timedelta(minutes=30)
READS_FLOOR, READS_A_PAYMENT, READS_SPARED_PERCENT = 10_000, 500, 70
"""What Stripe lets a company read in a month (docs.stripe.com/rate-limits), and the share at which we look less."""
TIGHT = 3
"""By how much less often."""
_EVENTS, _POLLED, _PRESSED = "events", "polled_at", "pressed_at"
_ANSWERED = "events_answered_at"
"""Up to when events were seen, however often they were asked for in vain since: from there on they are read where no
event's id is known."""


class News:
    """Takes events in and lets payments hear of them."""

    def __init__(
        self,
        ledger: Ledger,
        gateway: PaymentGateway,
        payments_flow: Payments,
        money_out: MoneyOut,
        cards: Cards,
        served: Served,
        *,
        webhook: bool,
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._payments = payments_flow
        self._money_out = money_out
        self._cards = cards
        self._served = served
        self._of_others: set[str] = set()
        """Events that the process of another workspace handles."""
        self._webhook = webhook
        self._handling = Lock()

    def take(self, events: Sequence[EventSeen], *, cursor: str | None = None) -> None:
        """Keep events (and, from polling, how far was read) in one commit."""

        def save(tx: Tx) -> None:
            known = set(
                tx.connection.execute(
                    select(inbox.c.event_id).where(
                        inbox.c.wallet_id == NIL_WALLET,
                        inbox.c.event_id.in_([one.event_id for one in events]),
                    )
                ).scalars()
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
            set_mark(tx, NIL_WALLET, _POLLED)
            if cursor is not None:
                set_mark(tx, NIL_WALLET, _EVENTS, cursor)
                set_mark(tx, NIL_WALLET, _ANSWERED)

        self._ledger.run(save, wallet_id=None)

    def handle_waiting(self, now: datetime) -> int:
        """Handle what waits in the inbox, oldest first; one bad piece holds up no other."""
        # Two hands on one piece would do no harm, only twice the reads.
        with self._handling:
            return self._handle_waiting(now)

    def _handle_waiting(self, now: datetime) -> int:
        with self._ledger.reading() as connection:
            rows = connection.execute(
                select(inbox)
                .where(
                    inbox.c.wallet_id == NIL_WALLET,
                    inbox.c.handled_at.is_(None),
                    inbox.c.due_at <= now,
                    inbox.c.event_id.not_in(self._of_others),
                )
                .order_by(inbox.c.created_at, inbox.c.event_id)
                .limit(100)
            ).all()
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
                    error = f"{type(problem).__name__}: {problem}"[:500]
                    self._say_parked(subject_of(row.object_id, row.intent_id), problem)
            except Exception as problem:  # one poison row must not stop the others; it is kept with its error
                log.exception("news %s could not be handled", row.event_id)
                done, error = False, f"{type(problem).__name__}: {problem}"[:500]
            self._ledger.run(
                partial(_mark, event_id=row.event_id, tries=row.tries, done=done, error=error), wallet_id=None
            )
        return len(rows)

    def _was_left(self, intent_id: str) -> bool:
        with self._ledger.reading() as connection:
            return is_left(connection, intent_id)

    def _say_parked(self, object_id: str, problem: NotBookable) -> None:
        """Tell the wallet's people once; where no wallet of ours is named, those of the only one."""
        with self._ledger.reading() as connection:
            ids = self._served.own(connection)
        wallet_id = problem.wallet_id if problem.wallet_id in ids else ids[0] if len(ids) == 1 else None
        if wallet_id is not None:
            notice = MoneyParked(object_id=object_id, words=str(problem))
            tell = partial(_tell_once, wallet_id=wallet_id, notice=notice)
            self._ledger.run(tell, wallet_id=wallet_id)

    def _handle(self, kind: str, object_id: str, intent_id: str) -> bool:
        if kind.startswith("checkout.session."):
            return self._payments.sync_session(object_id)
        if kind.startswith("payment_intent."):
            return self._payments.sync_intent(object_id)
        if kind.startswith("refund."):
            return self._money_out.sync_refund(object_id)
        if kind.startswith("charge.dispute."):
            return self._money_out.sync_dispute(object_id)
        if kind.startswith("payment_method."):
            return self._cards.sync(object_id)
        if kind.startswith("radar.early_fraud_warning."):
            return self._money_out.sync_warning(object_id)
        return True  # a setup intent's: its page says the same

    def poll(self, now: datetime) -> bool:
        """Read what is new from the events list when it is time to; gives whether anything was asked."""
        with self._ledger.reading() as connection:
            read = mark_of(connection, NIL_WALLET, _EVENTS)
            polled = mark_of(connection, NIL_WALLET, _POLLED)
            answered = mark_of(connection, NIL_WALLET, _ANSWERED)
            watched_at, stopped = _watched(connection)
            tight = _is_tight(connection, now)
            refused = key_refused_at(connection, NIL_WALLET) is not None
        wait = poll_every(now, watched_at, webhook=self._webhook, stopped=stopped, tight=tight)
        if refused:
            wait = min(wait, WARM_EVERY)  # so that the all-clear comes soon after the key was mended
        if polled is not None and now < polled.at + wait:
            return False
        cursor = read.value or None if read is not None else None
        seen_until = next((one.at for one in (answered, polled) if one is not None), now)
        since = seen_until - OVERLAP
        answer = self._gateway.events(after_event_id=cursor, created_from=since)
        if isinstance(answer, Rejected) and cursor is not None:
            # Events are kept for thirty days. Whoever slept longer reads on from the oldest that is left; what was
            # paid before is found when its request expires, by looking at the page itself.
            log.warning("the last event that was read is no longer known; reading on by time")
            cursor = None
            answer = self._gateway.events(after_event_id=None, created_from=since)
        if isinstance(answer, Ok):
            self.take(answer.seen, cursor=answer.seen[-1].event_id if answer.seen else cursor or "")
        else:
            self._ledger.run(partial(_try_later, seen_until=seen_until), wallet_id=None)
        note_access(self._ledger, self._served, answer)
        self.count_reads()
        return True

    def pressed(self) -> None:
        """Somebody opens a page to pay: worth looking at often from now on."""
        self._ledger.run(lambda tx: set_mark(tx, NIL_WALLET, _PRESSED), wallet_id=None)

    def count_reads(self) -> None:
        """Add what was read to the month's count."""
        taken = self._gateway.take_reads()
        if taken:
            self._ledger.run(partial(_add_reads, taken=taken), wallet_id=None)


def poll_every(
    now: datetime, watched_at: datetime | None, *, webhook: bool, stopped: bool = False, tight: bool = False
) -> timedelta:
    """Say how long to wait between two looks at the events list. Pure.

    Stripe rations reads: 500 a payment, at least 10,000 a month for everything that a company lets read
    (docs.stripe.com/rate-limits). A request that is open is worth many looks while it is young or was pressed a moment
    ago, and some as long as calls are stopped; an idle wallet few. `tight` says that most of the ration is used up.
    """
    if tight:
        return TIGHT * poll_every(now, watched_at, webhook=webhook, stopped=stopped)
    if webhook:
        return WEBHOOK_EVERY
    age = now - watched_at if watched_at is not None else None
    if age is not None and age < FAST_FOR:
        return FAST_EVERY
    if age is not None and (stopped or age < WARM_FOR):
        return WARM_EVERY
    return IDLE_EVERY


def _watched(connection: Connection) -> tuple[datetime | None, bool]:
    """Say when a request that is open was last worth a look, and whether calls are stopped while one is open.

    It is when it was made, when somebody pressed Pay, and when the wallet ran dry.
    """
    made_at = connection.execute(
        select(func.max(payments.c.created_at))
        .where(payments.c.state.in_([State.ASKED.value, State.OFFERED.value, State.COLLECTING.value]))
        .execution_options(cross_shard=True)
    ).scalar_one_or_none()
    if made_at is None:
        return None, False
    pressed = mark_of(connection, NIL_WALLET, _PRESSED)
    pressed_at = pressed.at if pressed is not None else None
    emptied_at = connection.execute(
        select(func.max(wallets.c.emptied_at)).execution_options(cross_shard=True)
    ).scalar_one_or_none()
    return max(at for at in (made_at, pressed_at, emptied_at) if at is not None), emptied_at is not None


def reads_of_month(ledger: Ledger, now: datetime) -> tuple[int, int]:
    """Give how often Stripe was read this month (UTC), and how often it may be."""
    with ledger.reading() as connection:
        return _reads(connection, now), _allowed(connection, now)


def reads_allowed(paid_lately: int) -> int:
    """Give how often Stripe lets a company read in thirty days in which so many payments succeeded."""
    return max(READS_FLOOR, READS_A_PAYMENT * paid_lately)


def _reads(connection: Connection, now: datetime) -> int:
    counted = mark_of(connection, NIL_WALLET, _month_of(now))
    return int(counted.value) if counted is not None else 0


def _is_tight(connection: Connection, now: datetime) -> bool:
    return _reads(connection, now) * 100 > _allowed(connection, now) * READS_SPARED_PERCENT


def _allowed(connection: Connection, now: datetime) -> int:
    paid = connection.execute(
        select(func.count())
        .where(payments.c.state == State.PAID.value, payments.c.settled_at > now - timedelta(days=30))
        .execution_options(cross_shard=True)
    ).scalar_one()
    return reads_allowed(paid)


def _add_reads(tx: Tx, *, taken: int) -> None:
    set_mark(tx, NIL_WALLET, _month_of(tx.now), str(_reads(tx.connection, tx.now) + taken))


def _month_of(now: datetime) -> str:
    return f"reads:{now:%Y-%m}"


def _tell_once(tx: Tx, *, wallet_id: UUID, notice: MoneyParked) -> None:
    if mark_once(tx, wallet_id, f"parked:{notice.object_id}"):
        tx.outbox.add(wallet_id, notice)


def _try_later(tx: Tx, *, seen_until: datetime) -> None:
    set_mark(tx, NIL_WALLET, _POLLED)
    set_mark(tx, NIL_WALLET, _ANSWERED, at=seen_until)


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
