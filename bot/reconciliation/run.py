"""Stripe and the books held side by side, both ways, every night and on demand.

Stripe decides about money that moved at Stripe. What the books lack is looked at and booked by the same roads as
news, and said; what they have beside Stripe is never corrected by a program: automatic payments of that wallet are
paused, the difference is kept with its age, and people are told. About twenty reads where nothing happened.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from typing import TypeVar, assert_never
from uuid import UUID

import msgspec
from sqlalchemy import select

from bot.causes import (
    Amount,
    CouldNotBook,
    DifferenceCause,
    Legacy,
    MovedUnknown,
    Refusal,
    Unmarked,
)
from bot.payments.disputes import Disputes
from bot.payments.refunds import Refunds
from bot.payments.settlement import NotBookable, NotServed
from bot.payments.sync import Sync
from bot.ports import (
    Denied,
    DisputeSeen,
    IntentSeen,
    IntentStatus,
    MovementSeen,
    Ok,
    PaymentGateway,
    RefundSeen,
    Rejected,
    Unknown,
)
from bot.reconciliation.difference import Comparison, Difference, Digest, Entry, Side, compare, sums_of
from bot.reconciliation.open_differences import keep_differences, left_keys, open_differences, parked_news
from bot.reconciliation.rebuilding import Rebuilding
from bot.served import Served
from bot.states.dispute import AWAITED
from bot.states.payment import State
from bot.stripe.keys import (
    CREDIT,
    REFUND,
    REFUND_REVERSAL,
    credit_key,
    is_dispute,
    key_of_movement,
    keys_of,
    split_key,
)
from bot.stripe.read_budget import reads_of_month
from bot.tables import NIL_WALLET, billing, disputes, payments
from bot.wallets.named_values import named_value, set_named_value
from bot.wallets.restored_mode import restored
from ledger import Currency, Ledger, Refused, from_minor, transfer_by_key, transfers_of_source

log = logging.getLogger("redbar.reconcile")

EVERY = timedelta(hours=24)
DENIED_EVERY = timedelta(hours=6)
"""How often it is tried while our key may not read all of it: a right doesn't come back by itself, and reads are
rationed."""
OVERLAP = timedelta(days=3)
DISPUTES_BACK = timedelta(days=120)
YOUNG = timedelta(minutes=5)
"""What is younger may still be on its way."""
_GOOD = "reconciled"
Step = Callable[[str], None]
Seen = IntentSeen | RefundSeen | DisputeSeen
T = TypeVar("T")


class NotReconciled(Exception):
    """Stripe could not be asked; nothing was compared."""

    def __init__(self, why: Unknown | Rejected | None = None) -> None:
        self.denied = isinstance(why, Denied)
        if self.denied:
            words = (
                "Stripe does not accept the key, or the key may not read all that is compared (README, step 2). "
                "Nothing was compared; the log says what was refused."
            )
        else:
            words = "Stripe could not be asked. Nothing was compared; try again in a few minutes."
        super().__init__(words)


class Reconciliation:
    """Compares the two sides, and heals what only one way of being right allows."""

    def __init__(
        self,
        ledger: Ledger,
        gateway: PaymentGateway,
        sync: Sync,
        refunds: Refunds,
        disputes: Disputes,
        served: Served,
        *,
        install: str,
        count_reads: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._sync = sync
        self._refunds = refunds
        self._disputes = disputes
        self._served = served
        self._install = install
        self._count_reads = count_reads
        self._running = Lock()
        self._not_before: datetime | None = None

    def run_if_due(self, now: datetime) -> Digest | None:
        """Compare when the last good comparison is a day old."""
        with self._ledger.reading() as connection:
            good = named_value(connection, NIL_WALLET, _GOOD)
        if good is None:
            self._ledger.run(lambda tx: set_named_value(tx, NIL_WALLET, _GOOD), wallet_id=None)
        if good is None or now - good.at < EVERY or (self._not_before and now < self._not_before):
            return None
        try:
            return self.run(now)
        except NotReconciled as problem:
            log.warning("not reconciled: %s", problem)
            if problem.denied:
                self._not_before = now + DENIED_EVERY
            return None

    def run(self, now: datetime, step: Step = lambda words: None) -> Digest:
        """Compare now. Raises: NotReconciled."""
        with self._running:
            return self._run(now, step)

    def _run(self, now: datetime, step: Step) -> Digest:
        with self._ledger.reading() as connection:
            # Others charged by these books, and what they did is whole: nothing is on its way in this process.
            is_restored = restored(connection) is not None
            good = named_value(connection, NIL_WALLET, _GOOD)
            own = self._served.own(connection)
            looked_into = open_differences(connection, own)
            left = left_keys(connection)
        until = now if is_restored else now - YOUNG
        since = (min(good.at, until) if good is not None else until) - OVERLAP
        step("listing Stripe's payments")
        intents = _answered(self._gateway.intents(since, until))
        rebuilding = Rebuilding(self._ledger, self._gateway, own, self._install)
        if is_restored:
            step("making payments again that are not here")
            if (problem := rebuilding.run(intents, since)) is not None:
                raise NotReconciled(problem)
        step("asking about what is open here")
        self._look_at_open(own, until)
        step("listing Stripe's refunds and disputes")
        refunds = _answered(self._gateway.refunds(since, until))
        disputed = _answered(self._gateway.disputes(until - DISPUTES_BACK, until))
        step("listing the movements of Stripe's balance")
        movements = _answered(self._gateway.movements(since, until))
        round_ = _Round(self, own, looked_into, left, since, until)
        step("comparing")
        found = round_.compare(intents, refunds, disputed, movements)
        self._count_reads()
        reads, allowed = reads_of_month(self._ledger, now)
        digest = Digest(
            since=since,
            until=until,
            sums=sums_of(found.compared),
            healed=found.healed,
            rebuilt=rebuilding.rebuilt,
            differences=keep_differences(self._ledger, found.differences, own),
            left=len(left),
            parked=parked_news(self._ledger),
            fees=round_.fees,
            reads=reads,
            reads_allowed=allowed,
        )
        self._ledger.run(lambda tx: set_named_value(tx, NIL_WALLET, _GOOD, at=until), wallet_id=None)
        log.info("reconciled: %s", digest.headline)
        return digest

    def _look_at_open(self, own: Sequence[UUID], until: datetime) -> None:
        """Ask about every row of ours that is not decided, however old: its own events may be lost."""
        with self._ledger.reading() as connection:
            rows = connection.execute(
                select(payments.c.session_id, payments.c.link_id, payments.c.intent_id)
                .where(
                    payments.c.wallet_id.in_(own),
                    payments.c.state.in_([State.OFFERED.value, State.COLLECTING.value, State.WAITING.value]),
                    payments.c.created_at < until,
                )
                .execution_options(cross_shard=True)
            ).all()
            waiting = connection.execute(
                select(disputes.c.dispute_id)
                .where(disputes.c.wallet_id.in_(own), disputes.c.status.in_(AWAITED))
                .execution_options(cross_shard=True)
            ).scalars()
            disputed = list(waiting)
        for row in rows:
            self._look(partial(self._look_at_payment, row.session_id, row.intent_id, row.link_id))
        for dispute_id in disputed:
            self._look(partial(self._disputes.sync, dispute_id))

    def _look(self, look: Callable[[], object]) -> None:
        try:
            look()
        except (Refused, NotBookable) as problem:
            log.warning("left to the comparison: %s", problem)

    def _look_at_payment(self, session_id: str, intent_id: str, link_id: str) -> None:
        if session_id:
            self._sync.session(session_id)
        elif intent_id:
            self._sync.intent(intent_id)
        elif link_id:
            made = self._gateway.link_intents(link_id)
            for one in made.seen if isinstance(made, Ok) else ():
                self._sync.intent(one)

    # --- What a round needs of both sides -------------------------------------------------------------------

    def owner(self, seen: IntentSeen) -> UUID | None:
        """Say whose wallet an intent names; None when it is not of this installation, or of another workspace."""
        if seen.metadata.get("redbar_install") != self._install:
            return None
        try:
            named = UUID(seen.metadata["redbar_wallet"])
        except (KeyError, ValueError):
            return NIL_WALLET  # ours by its mark, and nobody's
        with self._ledger.reading() as connection:
            return None if self._served.is_others(connection, named) else named

    def customers(self) -> frozenset[str]:
        """Give the ids of our customers."""
        with self._ledger.reading() as connection:
            rows = connection.execute(
                select(billing.c.customer_id)
                .where(billing.c.wallet_id.in_(self._served.own(connection)))
                .execution_options(cross_shard=True)
            ).scalars()
            return frozenset(one for one in rows if one)

    def entry(self, wallet_id: UUID, key: str) -> Entry | None:
        """Look one key up in a wallet's books."""
        with self._ledger.reading() as connection:
            row = transfer_by_key(connection, wallet_id, "stripe", key)
            if row is None:
                return None
            view, _ = self._ledger.look(connection, wallet_id)
        return Entry(wallet_id, key, abs(row.amount_micros), view.currency, row.reference)

    def entries(self, wallet_id: UUID, since: datetime, until: datetime) -> Sequence[Entry]:
        """Give what a wallet's books took from Stripe in a stretch of time."""
        with self._ledger.reading() as connection:
            view, _ = self._ledger.look(connection, wallet_id)
            rows = transfers_of_source(connection, wallet_id, "stripe", since, until)
        return [
            Entry(wallet_id, row.source_id, abs(row.amount_micros), view.currency, row.reference)
            for row in rows
        ]

    def hear(self, seen: Seen) -> None:
        """Let something that the books lack act, as news would have. Refuses; raises: NotBookable, NotReconciled."""
        match seen:
            case IntentSeen():
                self._sync.hear_intent(seen)
            case RefundSeen():
                _asked(self._refunds.hear(seen))
            case DisputeSeen():
                _asked(self._disputes.hear(seen))

    def look_at_source(self, moved: MovementSeen) -> None:
        """Look at what a movement came from, and let it act. Raises: NotReconciled."""
        kind, _ = split_key(key_of_movement(moved) or "")
        if kind == CREDIT:
            look = partial(self._sync.intent, moved.intent_id)
        elif kind in (REFUND, REFUND_REVERSAL):
            look = partial(self._refunds.sync, moved.source_id)
        else:
            look = partial(self._disputes.sync, moved.source_id)
        self._look(lambda: _asked(look()))

    def outside(self, key: str) -> IntentSeen | RefundSeen | None:
        """Look up at Stripe what a key stands for; None where it knows nothing of it. Raises: NotReconciled."""
        kind, object_id = split_key(key)
        if kind == CREDIT:
            return _known(self._gateway.intent(object_id))
        if kind in (REFUND, REFUND_REVERSAL):
            return _known(self._gateway.refund(object_id))
        return None  # a movement's: listed with its dispute


class _Round:
    """One comparison."""

    def __init__(
        self,
        house: Reconciliation,
        wallet_ids: Sequence[UUID],
        looked_into: Mapping[tuple[UUID, str], DifferenceCause],
        left: frozenset[str],
        since: datetime,
        until: datetime,
    ) -> None:
        self._house = house
        self._wallet_ids = wallet_ids
        self._looked_into = looked_into
        self._since, self._until = since, until
        self._left = left
        self._wallet_of: dict[str, UUID | None] = {}
        self._healed: list[Entry] = []
        self._differences: list[Difference] = []
        self._theirs: dict[tuple[UUID, str], Side] = {}
        self.fees: dict[str, int] = {}
        """What Stripe kept, in minor units by currency."""

    def compare(
        self,
        intents: Sequence[IntentSeen],
        refunds: Sequence[RefundSeen],
        disputed: Sequence[DisputeSeen],
        movements: Sequence[MovementSeen],
    ) -> "_Found":
        customers = self._house.customers()
        for intent in intents:
            wallet_id = self._named(intent)
            self._wallet_of[intent.intent_id] = wallet_id
            if intent.status is IntentStatus.SUCCEEDED:
                if wallet_id is not None:
                    if not self._expect(wallet_id, intent):
                        self._wallet_of[intent.intent_id] = None
                elif intent.customer_id and intent.customer_id in customers:
                    self._unmarked(intent)
        for refund in refunds:
            if (wallet_id := self._owner(refund.intent_id)) is not None:
                self._expect(wallet_id, refund)
        for dispute in disputed:
            if (wallet_id := self._owner(dispute.intent_id)) is not None:
                self._expect(wallet_id, dispute)
        for moved in movements:
            self._check_movement(moved)
        self._look_again()
        return _Found(self._compared(), self._healed, self._differences)

    def _look_again(self) -> None:
        """Look at what differed before, however old: it differs until both sides were seen to agree."""
        for wallet_id, key in self._looked_into:
            if (wallet_id, key) in self._theirs:
                continue
            seen = self._house.outside(key)
            match seen:
                case IntentSeen():
                    owner = self._named(seen)
                case RefundSeen():
                    owner = self._owner(seen.intent_id)
                case None:
                    owner = None
                case never:
                    assert_never(never)
            if seen is not None and owner is not None:
                self._expect(owner, seen)

    def _owner(self, intent_id: str) -> UUID | None:
        """Say whose an intent is that may be older than what was listed: the books know what they credited."""
        if intent_id not in self._wallet_of:
            self._wallet_of[intent_id] = self._credited(intent_id)
        return self._wallet_of[intent_id]

    def _credited(self, intent_id: str) -> UUID | None:
        return next((one for one in self._wallet_ids if self._house.entry(one, credit_key(intent_id))), None)

    def _named(self, intent: IntentSeen) -> UUID | None:
        """Say whose an intent is: the wallet that it names, or that an operator credited it to; nobody's if left."""
        named = self._house.owner(intent)
        if named is not None and credit_key(intent.intent_id) in self._left:
            return self._credited(intent.intent_id)
        return named if named in self._wallet_ids else self._credited(intent.intent_id) or named

    def _expect(self, wallet_id: UUID, seen: Seen) -> bool:
        """Let the books have what Stripe has; False where an operator credited it to another workspace's wallet."""
        keys = keys_of(seen)
        lacking = [key for key, _, _ in keys if not self._known(wallet_id, key)]
        if lacking:
            try:
                self._house.hear(seen)
            except NotServed:
                return False
            except (Refused, NotBookable) as problem:  # the others are compared all the same
                log.warning("what the books lack could not be booked: %s: %s", lacking, problem)
                why = problem.cause if isinstance(problem, NotBookable) else Refusal(type(problem).__name__)
                self._differs(wallet_id, lacking[0], CouldNotBook(why=why))
        for key, minor, code in keys:
            amount = from_minor(minor, Currency.of(code)).micros
            self._theirs[wallet_id, key] = Side(amount, code)
            if key in lacking and (entry := self._entry(wallet_id, key)) is not None:
                self._healed.append(entry)
        return True

    def _known(self, wallet_id: UUID, key: str) -> bool:
        return self._entry(wallet_id, key) is not None

    def _entry(self, wallet_id: UUID, key: str) -> Entry | None:
        return self._house.entry(wallet_id, key) if wallet_id in self._wallet_ids else None

    def _check_movement(self, moved: MovementSeen) -> None:
        """Each movement of the account that came from a payment of ours has its transfer."""
        wallet_id = self._owner(moved.intent_id) if moved.intent_id else None
        key = key_of_movement(moved)
        if wallet_id is None or key is None:
            return
        self.fees[moved.currency] = self.fees.get(moved.currency, 0) + moved.fee_minor
        if self._known(wallet_id, key):
            return
        # What it belongs to may be older than what was listed: a refund that failed weeks after it was made.
        self._house.look_at_source(moved)
        entry = self._entry(wallet_id, key)
        if entry is not None:
            self._healed.append(entry)
        else:
            self._differs(wallet_id, key, MovedUnknown())

    def _unmarked(self, intent: IntentSeen) -> None:
        amount = from_minor(intent.received_minor, Currency.of(intent.currency))
        cause = Unmarked(amount=Amount(amount.micros, amount.currency.code), intent_id=intent.intent_id)
        self._differs(NIL_WALLET, credit_key(intent.intent_id), cause)

    def _differs(self, wallet_id: UUID, key: str, cause: DifferenceCause) -> None:
        if wallet_id not in self._wallet_ids and wallet_id != NIL_WALLET:
            if not isinstance(cause, Legacy):
                cause = msgspec.structs.replace(cause, elsewhere=wallet_id)
            wallet_id = NIL_WALLET
        if not any(one.key == key and one.wallet_id == wallet_id for one in self._differences):
            self._differences.append(Difference(wallet_id, key, cause, found_at=self._until, new=True))

    def _compared(self) -> Sequence[Comparison]:
        compared: list[Comparison] = []
        for wallet_id in self._wallet_ids:
            ours = {one.key: one for one in self._house.entries(wallet_id, self._since, self._until)}
            theirs = {key: side for (owner, key), side in self._theirs.items() if owner == wallet_id}
            before = {key: cause for (owner, key), cause in self._looked_into.items() if owner == wallet_id}
            for key in (theirs.keys() | before.keys()) - ours.keys():
                if (entry := self._house.entry(wallet_id, key)) is not None:
                    ours[key] = entry
                elif key not in theirs and is_dispute(key):
                    self._differs(wallet_id, key, before[key])  # nothing looks a movement up by its id
            for key in ours.keys() - theirs.keys():
                seen = self._house.outside(key)
                for name, minor, code in keys_of(seen) if seen is not None else ():
                    if name == key:
                        theirs[key] = Side(from_minor(minor, Currency.of(code)).micros, code)
            found = compare(ours, theirs)
            for key, cause in found.differing.items():
                self._differs(wallet_id, key, cause)
            compared.append(found)
        return compared


@dataclass(frozen=True, slots=True)
class _Found:
    compared: Sequence[Comparison]
    healed: Sequence[Entry]
    differences: Sequence[Difference]


def _answered(answer: Ok[Sequence[T]] | Rejected | Unknown) -> Sequence[T]:
    if not isinstance(answer, Ok):
        raise NotReconciled(answer)
    return answer.seen


def _known(answer: Ok[T] | Rejected | Unknown) -> T | None:
    if isinstance(answer, Unknown):
        raise NotReconciled(answer)
    return answer.seen if isinstance(answer, Ok) else None


def _asked(was_asked: bool) -> None:
    if not was_asked:
        raise NotReconciled
