"""Payments that books restored from a copy don't know, made again as rows from what Stripe keeps of them.

Each object that we make at Stripe carries its payment's row (`request_bodies.metadata`). What was paid is credited,
what people can still pay is offered again, and what failed counts for the caps. No reference is given out twice.
Nobody is told of it: they were, when it happened.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import insert, select, update

from bot.payment_rows import FIRST_REF, payment_by_id
from bot.payments import settlement
from bot.payments.settlement import NotBookable
from bot.ports import (
    IntentSeen,
    IntentStatus,
    LinkSeen,
    Ok,
    PageMode,
    PageStatus,
    PaymentGateway,
    Rejected,
    SessionSeen,
    Unknown,
)
from bot.states.payment import Purpose, State, Way
from bot.stripe.request_bodies import ROW
from bot.tables import billing, payments
from ledger import Currency, Ledger, Refused, Tx, from_minor
from ledger.instants import from_stamp

log = logging.getLogger("redbar.reconcile")
LIFETIME = timedelta(days=1)
"""How long something open is taken to live whose end is not on it."""
_OPEN = frozenset({IntentStatus.PROCESSING, IntentStatus.REQUIRES_ACTION})
"""Where an intent may bring money yet; every other one that brought none failed."""


class _Kept(msgspec.Struct):
    """What an object keeps of its payment's row, as `request_bodies` writes it; a version before kept nothing."""

    purpose: Purpose = Purpose.TOP_UP
    way: Way = Way.PAGE
    amount: int | None = None
    currency: str = ""
    card: str = ""
    saves: int = 0
    created: int = 0
    expires: int = 0
    recharge: str = ""


class Rebuilding:
    """Makes the rows of what Stripe has beside the books."""

    def __init__(
        self, ledger: Ledger, gateway: PaymentGateway, wallet_ids: Sequence[UUID], install: str
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._wallet_ids = wallet_ids
        self._install = install
        self.rebuilt: list[str] = []
        """The references of the payments that were made again."""

    def run(self, intents: Sequence[IntentSeen], since: datetime) -> Rejected | Unknown | None:
        """Make every row that is missing; gives Stripe's answer where it could not be asked for all."""
        sessions, links = self._gateway.sessions(since), self._gateway.active_links()
        for listed in (sessions, links):
            if not isinstance(listed, Ok):
                return listed
        assert isinstance(sessions, Ok)
        assert isinstance(links, Ok)
        for intent in reversed(intents):  # a recharge's first try before the others
            self._make(intent.metadata, partial(_of_intent, seen=intent), partial(_pay, seen=intent))
        for session in sessions.seen:
            if not session.link_id:
                self._make(session.metadata, partial(_of_session, seen=session))
        for link in links.seen:
            self._make(link.metadata, partial(_of_link, seen=link))
        return None

    def _make(
        self,
        marks: Mapping[str, str],
        columns: Callable[[], dict[str, Any] | None],
        then: Callable[[Tx, UUID, UUID], None] | None = None,
    ) -> None:
        """Make the row that an object names, unless it is here; and give its reference to nobody else."""
        try:
            wallet_id, payment_id = UUID(marks["redbar_wallet"]), UUID(marks["redbar_payment"])
        except (KeyError, ValueError):
            return
        if marks.get("redbar_install") != self._install or wallet_id not in self._wallet_ids:
            return
        ref = marks.get("redbar_ref", "")

        def make(tx: Tx) -> None:
            _keep_ref(tx, wallet_id, ref)
            if (
                payment_by_id(tx.connection, wallet_id, payment_id) is not None
                or (found := columns()) is None
            ):
                return
            taken = select(payments.c.ref).where(payments.c.wallet_id == wallet_id, payments.c.ref == ref)
            if not ref or tx.connection.execute(taken).first() is not None:
                # Both were given out by one copy each; the row here came first.
                found["ref"] = f"{ref or 'RB'}-{str(payment_id)[-4:]}"
            row = _row(tx, wallet_id, payment_id, marks) | {"ref": ref} | found
            if row["currency"] != tx.book.view(wallet_id).currency:
                return  # never ours to credit: the comparison lists it
            tx.connection.execute(insert(payments).values(**row))
            if then is not None:
                then(tx, wallet_id, payment_id)
            self.rebuilt.append(str(row["ref"]))

        try:
            self._ledger.run(make, wallet_id=wallet_id)
        except (Refused, NotBookable) as problem:
            log.warning("%s of Stripe's is left to the comparison: %s", ref, problem)


def _kept(marks: Mapping[str, str]) -> _Kept:
    """Read it; whoever has the account may have changed it there."""
    try:
        return msgspec.json.decode(marks.get(ROW) or "{}", type=_Kept)
    except msgspec.MsgspecError:
        log.warning("%s does not say what its payment was", marks.get("redbar_ref", ""))
        return _Kept()


def _keep_ref(tx: Tx, wallet_id: UUID, ref: str) -> None:
    number = ref.removeprefix("RB-")
    if number.isdecimal():
        given = int(number) - FIRST_REF
        tx.connection.execute(
            update(billing)
            .where(billing.c.wallet_id == wallet_id, billing.c.refs_given < given)
            .values(refs_given=given)
        )


def _row(tx: Tx, wallet_id: UUID, payment_id: UUID, marks: Mapping[str, str]) -> dict[str, Any]:
    kept, tries = _kept(marks), marks.get("redbar_attempt", "")
    return {
        "wallet_id": wallet_id,
        "payment_id": payment_id,
        "purpose": kept.purpose,
        "way": kept.way,
        "amount_micros": kept.amount,
        "currency": kept.currency or tx.book.view(wallet_id).currency,
        "card_id": kept.card,
        "saves_card": int(bool(kept.saves)),
        "created_at": from_stamp(kept.created) if kept.created else tx.now,
        "expires_at": from_stamp(kept.expires) if kept.expires else tx.now + LIFETIME,
        "try_number": int(tries) if tries.isdecimal() else 1,
        "recharge_id": kept.recharge or str(payment_id),
    }


def _of_intent(*, seen: IntentSeen) -> dict[str, Any] | None:
    """Give the columns of a payment by what its intent says; None for a page's, whose page says more."""
    paid = seen.status is IntentStatus.SUCCEEDED
    is_charge = _kept(seen.metadata).way is Way.SAVED_CARD
    if not paid and not is_charge:
        return None
    amount = from_minor(seen.received_minor if paid else seen.amount_minor, Currency.of(seen.currency))
    # A row that is in flight may be there already, and there is only one: what is open waits, and what is paid is
    # decided in this commit.
    waits = State.WAITING if seen.status in _OPEN else State.FAILED
    return {
        "state": (State.OFFERED if paid else waits).value,
        "amount_micros": amount.micros,
        "currency": amount.currency.code,
        "intent_id": seen.intent_id,
        "decline_code": seen.decline_code,
        "advice_code": seen.advice_code,
    }


def _pay(tx: Tx, wallet_id: UUID, payment_id: UUID, *, seen: IntentSeen) -> None:
    if seen.status is IntentStatus.SUCCEEDED:
        payment = payment_by_id(tx.connection, wallet_id, payment_id)
        assert payment is not None
        settlement.settle(tx, payment, seen, told_before=True)


def _of_session(*, seen: SessionSeen) -> dict[str, Any] | None:
    """Give the columns of a page that is open, or that saved a card; what was paid by one has its intent."""
    if seen.status is PageStatus.EXPIRED or (
        seen.status is PageStatus.COMPLETE and seen.mode is not PageMode.SETUP
    ):
        return None
    found = {"state": State.OFFERED.value, "session_id": seen.session_id, "url": seen.url}
    return found | ({"purpose": Purpose.CONNECT.value} if seen.mode is PageMode.SETUP else {})


def _of_link(*, seen: LinkSeen) -> dict[str, Any] | None:
    if not seen.active:
        return None
    return {"state": State.OFFERED.value, "link_id": seen.link_id, "url": seen.url, "way": Way.LINK.value}
