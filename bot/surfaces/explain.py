"""The whole story of a reference, a payment, an object of Stripe's, a call or a task: what happened, and what is so.

Only reads, beside a running bot. A payment's story is gathered from its row, its requests to Stripe, the news of it,
the transfers that carry its reference, and what people were told; a call's from its hold and its transfers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, or_, select

from bot.causes import in_short
from bot.payment_rows import Payment, payment_of, payments_of_recharge, shown_ref
from bot.payments.open_checks import LOOK
from bot.payments.saved_cards import card_words
from bot.rights import OPERATOR
from bot.states.payment import Purpose, State, Way, Withdrawer
from bot.states.stripe_request import RequestOutcome, RequestState
from bot.stripe.keys import credit_key, possible_keys
from bot.tables import NIL_WALLET, disputes, inbox, payment_messages, payments, stripe_requests
from ledger import (
    Currency,
    HistoryRow,
    HoldStory,
    Money,
    TransferStory,
    history,
    hold_story,
    transfer_by_key,
    transfer_story,
)
from ledger.storage.schema import audit_log, notices, wallets

_PURPOSES = {
    Purpose.TOP_UP: "a top-up",
    Purpose.ASK: "a request to pay",
    Purpose.RECHARGE: "an automatic payment",
}
_WAYS = {
    Way.PAGE: "on a page of Stripe's",
    Way.LINK: "by a link",
    Way.SAVED_CARD: "with the saved card",
}
_OUTCOMES = {
    RequestOutcome.OK: "ok",
    RequestOutcome.DECLINED: "declined",
    RequestOutcome.NEEDS_ACTION: "the bank wants a confirmation",
    RequestOutcome.REJECTED: "not accepted",
    RequestOutcome.DENIED: "key not accepted",
    RequestOutcome.UNKNOWN: "no answer",
}
_SOURCES = ("platform", "hold", OPERATOR, "stripe")
"""Who posts transfers; a key is unique within one of them."""


NEWEST = 200
"""How many transactions of a reference are told."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened."""

    at: datetime
    words: str


@dataclass(frozen=True, slots=True)
class Story:
    """Everything about one thing, in order, and how it stands."""

    about: str
    wallet_id: UUID
    zone: str
    moments: Sequence[Moment]
    now: str
    """One or two sentences: how it stands, whether money moved, what is to be done."""


def stories(connection: Connection, asked: str, wallet_id: UUID | None = None) -> list[Story]:
    """Give the stories that a reference, an id or a call's name may mean; none when nothing is known by it."""
    found = connection.execute(
        select(wallets.c.wallet_id, wallets.c.zone, wallets.c.currency)
        .order_by(wallets.c.created_at)
        .execution_options(cross_shard=True)
    ).all()
    told: list[Story] = []
    for row in found:
        if wallet_id is None or row.wallet_id == wallet_id:
            teller = _Teller(connection, row.wallet_id, row.zone, Currency.of(row.currency))
            told += teller.stories(asked)
    return told


class _Teller:
    """Tells of one wallet."""

    def __init__(self, connection: Connection, wallet_id: UUID, zone: str, currency: Currency) -> None:
        self._connection = connection
        self._wallet_id = wallet_id
        self._zone = zone
        self._currency = currency

    def stories(self, asked: str) -> Iterator[Story]:
        seen: set[UUID] = set()
        for payment in self._payments(asked):
            if payment.payment_id not in seen:
                seen.add(payment.payment_id)
                yield self._of_payment(payment)
        if not seen:
            yield from self._of_work(asked)

    # --- Which payments are meant ---------------------------------------------------------------------------

    def _payments(self, asked: str) -> Iterator[Payment]:
        c = payments.c
        known = or_(c.ref == asked.upper(), c.intent_id == asked, c.session_id == asked, c.link_id == asked)
        yield from self._rows(known)
        if (payment_id := _uuid(asked)) is not None:
            yield from self._rows(c.payment_id == payment_id)
        for reference in self._references(asked):
            yield from self._rows(c.ref == reference)
        disputed = self._connection.execute(
            select(disputes.c.payment_id).where(
                disputes.c.wallet_id == self._wallet_id, disputes.c.dispute_id == asked
            )
        ).scalars()
        for payment_id in disputed:
            yield from self._rows(c.payment_id == payment_id)
        if asked.startswith("evt_"):
            news = self._connection.execute(
                select(inbox).where(inbox.c.wallet_id == NIL_WALLET, inbox.c.event_id == asked)
            ).one_or_none()
            if news is not None:
                for name in filter(None, (news.object_id, news.intent_id)):
                    yield from self._payments(name)

    def _rows(self, known: Any) -> Iterator[Payment]:
        rows = self._connection.execute(
            select(payments).where(payments.c.wallet_id == self._wallet_id, known)
        ).mappings()
        yield from [payment_of(row) for row in rows]

    def _references(self, asked: str) -> Iterator[str]:
        """Give the references of transfers that came from an object of Stripe's."""
        for key in possible_keys(asked):
            row = transfer_by_key(self._connection, self._wallet_id, "stripe", key)
            if row is not None and row.reference:
                yield row.reference

    # --- A payment ------------------------------------------------------------------------------------------

    def _of_payment(self, payment: Payment) -> Story:
        moments = [
            *self._asked_for(payment),
            *self._stripe_requests(payment),
            *self._news(payment),
            *self._moved(payment),
            *self._disputed(payment),
            *self._told(payment),
            *self._audited(payment),
        ]
        shown = shown_ref(self._connection, payment)
        instead = f", shown to people as {shown}" if shown != payment.ref else ""
        about = f"{payment.ref}: {self._what(payment)}{instead}"
        return self._story(about, moments, self._stands(payment))

    def _story(self, about: str, moments: Sequence[Moment], now: str) -> Story:
        ordered = sorted(moments, key=lambda one: one.at)
        return Story(about, self._wallet_id, self._zone, ordered, now)

    def _what(self, payment: Payment) -> str:
        if payment.amount is None:
            return "a request to connect a card"
        if _is_by_hand(payment):
            return f"{payment.amount}, paid outside Redbar and put into the wallet by hand"
        return f"{_PURPOSES[payment.purpose]} of {payment.amount} {_WAYS[payment.way]}"

    def _asked_for(self, payment: Payment) -> Iterator[Moment]:
        itself = "Put in by the operator" if _is_by_hand(payment) else "Asked for by Redbar itself"
        by = f"Asked for by {payment.asked_by}" if payment.asked_by else itself
        to = f", of {payment.payer}" if payment.payer else ""
        note = f', saying "{payment.note}"' if payment.note else ""
        with_card = f", {self._card(payment.card_id)}" if payment.card_id else ""
        attempt = f", try {payment.try_number}" if payment.try_number > 1 else ""
        yield Moment(payment.created_at, f"{by}{to}{note}{with_card}{attempt}.")
        if payment.is_of_recharge:
            for other in payments_of_recharge(self._connection, self._wallet_id, payment.recharge_id):
                if other.payment_id != payment.payment_id:
                    what = (
                        "the link that can be paid instead" if other.is_rescue else f"try {other.try_number}"
                    )
                    words = f"{other.ref}, {what} of the same: {self._outcome(other)}."
                    yield Moment(other.created_at, words)

    def _card(self, card_id: str) -> str:
        return card_words(self._connection, self._wallet_id, card_id)

    def _stripe_requests(self, payment: Payment) -> Iterator[Moment]:
        rows = self._connection.execute(
            select(stripe_requests).where(
                stripe_requests.c.wallet_id == self._wallet_id,
                stripe_requests.c.payment_id == payment.payment_id,
            )
        ).all()
        for row in rows:
            what = row.operation.replace("_", " ")
            yield Moment(row.created_at, f"Stripe request committed: {what} (key {row.key}).")
            if row.tried_at is not None:
                times = f", tried {row.tries} times" if row.tries > 1 else ""
                code = f" ({row.answer})" if row.answer else ""
                answer = f"{_OUTCOMES[RequestOutcome(row.outcome)]}{code}"
                still = "; asked again with the same key" if row.state == RequestState.UNKNOWN else ""
                yield Moment(row.tried_at, f"Stripe on {what}: {answer}{times}{still}.")

    def _news(self, payment: Payment) -> Iterator[Moment]:
        names = [one for one in (payment.session_id, payment.link_id, payment.intent_id) if one]
        if not names:
            return
        c = inbox.c
        rows = self._connection.execute(
            select(inbox).where(
                c.wallet_id == NIL_WALLET, or_(c.object_id.in_(names), c.intent_id.in_(names))
            )
        ).all()
        for row in rows:
            if row.event_id.startswith(LOOK):
                yield Moment(row.taken_at, f"A look at {row.object_id} at Stripe found it complete.")
            else:
                yield Moment(row.created_at, f"At Stripe: {row.kind} of {row.object_id} ({row.event_id}).")
                yield Moment(row.taken_at, f"Heard of {row.event_id}.")
            if row.handled_at is None and row.tries:
                words = f"{row.event_id} could not be handled, tried {row.tries} times: {in_short(row.error)}"
                yield Moment(row.due_at, f"{words}; tried again then.")

    def _moved(self, payment: Payment) -> Iterator[Moment]:
        rows = history(self._connection, self._wallet_id, reference=payment.ref, limit=100)
        if payment.intent_id:
            credit = transfer_by_key(
                self._connection, self._wallet_id, "stripe", credit_key(payment.intent_id)
            )
            if credit is not None and credit.seq not in {row.seq for row in rows}:
                rows = [*rows, credit]  # its reference was erased
        for row in rows:
            yield self._transfer(row)

    def _transfer(self, row: HistoryRow) -> Moment:
        amount, balance = (
            Money(micros, self._currency) for micros in (row.amount_micros, row.balance_after_micros)
        )
        late = "" if row.occurred_at == row.recorded_at else f", happened {row.occurred_at:%Y-%m-%d %H:%M:%S}"
        stop = ", after the stop" if row.after_stop else ""
        words = f"Transaction {row.seq}, {row.kind}: {amount}{late}{stop}. The balance was {balance} then."
        return Moment(row.recorded_at, f"{words} (key {row.source_id})")

    def _disputed(self, payment: Payment) -> Iterator[Moment]:
        rows = self._connection.execute(
            select(disputes).where(
                disputes.c.wallet_id == self._wallet_id, disputes.c.payment_id == payment.payment_id
            )
        ).all()
        for row in rows:
            yield Moment(
                row.opened_at, f"Dispute or warning heard of: {row.dispute_id} ({row.reason or 'no reason'})."
            )
            if row.changed_at != row.opened_at:
                yield Moment(row.changed_at, f"{row.dispute_id} is {row.status}.")

    def _told(self, payment: Payment) -> Iterator[Moment]:
        rows = self._connection.execute(
            select(notices).where(
                notices.c.wallet_id == self._wallet_id, notices.c.body.contains(str(payment.payment_id))
            )
        ).all()
        for row in rows:
            why = in_short(row.error)
            ended = {"done": "told", "dead": f"given up: {why}"}.get(row.state, f"waits: {why}")
            yield Moment(row.created_at, f"Notice {row.name}: {ended.rstrip(': ')}.")
        shown = self._connection.execute(
            select(payment_messages).where(
                payment_messages.c.wallet_id == self._wallet_id,
                payment_messages.c.payment_id == payment.payment_id,
            )
        ).all()
        for row in shown:
            at = datetime.fromtimestamp(int(row.ts.partition(".")[0]), UTC)
            yield Moment(at, f"Message to {row.user_id}, as the {row.audience}.")

    def _audited(self, payment: Payment) -> Iterator[Moment]:
        rows = self._connection.execute(
            select(audit_log).where(
                audit_log.c.wallet_id == self._wallet_id, audit_log.c.after.contains(f'"{payment.ref}"')
            )
        ).all()
        for row in rows:
            yield Moment(row.at, f"{row.actor} did: {row.action}.")

    def _outcome(self, payment: Payment) -> str:
        if payment.state is State.FAILED:
            card = f" on {self._card(payment.card_id)}" if payment.card_id else ""
            return f"{payment.decline_code or 'failed'}{card}"
        return {State.PAID: "paid", State.WAITING: "waits for a person"}.get(
            payment.state, payment.state.value
        )

    def _stands(self, payment: Payment) -> str:
        match payment.state:
            case State.PAID if payment.amount is None:
                return f"{payment.paid_with or 'The card'} is connected. No money moved for it."
            case State.PAID:
                return f"Paid with {payment.paid_with or 'a card'}: the money is in the wallet. Nothing is to be done."
            case State.OFFERED:
                until = f" until {payment.expires_at:%Y-%m-%d %H:%M} UTC" if payment.expires_at else ""
                return f"Open{until}: nobody has paid yet, and no money moved."
            case State.ASKED:
                return (
                    "No money moved: Stripe hasn't said that it knows of it. It is asked again every minute."
                )
            case State.COLLECTING:
                return "It isn't known yet whether the card was charged. It will not be charged twice; Stripe is asked."
            case State.WAITING:
                return "No money moved: the cardholder's bank wants a confirmation, by the link that people were sent."
            case State.FAILED if payment.next_try_at is not None:
                at = f"{payment.next_try_at:%Y-%m-%d %H:%M} UTC"
                return f"Nothing was charged: {self._outcome(payment)}. It is tried again at {at}."
            case State.FAILED:
                return f"Nothing was charged: {self._outcome(payment)}. It is not tried again by itself."
            case State.LAPSED:
                return "Nobody paid in time. No money moved; ask again if it is still wanted."
            case State.WITHDRAWN:
                if payment.withdrawn_by == Withdrawer.APP_REMOVED:
                    return "Taken back, since the app was removed from the workspace. No money moved."
                if payment.withdrawn_by == Withdrawer.RESTORED:
                    return "Taken back, since the books were restored from a copy. No money moved."
                by = f" by {payment.withdrawn_by}" if payment.withdrawn_by else ""
                return f"Taken back{by}. No money moved."

    # --- Calls and tasks ------------------------------------------------------------------------------------

    def _of_work(self, asked: str) -> Iterator[Story]:
        """Tell of a call or a task by its id, or of all that carry a reference."""
        held = hold_story(self._connection, self._wallet_id, asked)
        posted = [
            row
            for source in _SOURCES
            if (row := transfer_story(self._connection, self._wallet_id, source, asked)) is not None
        ]
        if held is not None or posted:
            yield self._work(asked, held, posted)
        elif rows := history(self._connection, self._wallet_id, reference=asked, limit=NEWEST):
            spent = Money(sum(row.amount_micros for row in rows), self._currency)
            moments = [self._transfer(row) for row in rows]
            many = "1 transaction" if len(rows) == 1 else f"{len(rows)} transactions"
            more = ", the newest of them" if len(rows) == NEWEST else ""
            yield self._story(f"Reference {asked}", moments, f"{many}{more}, {spent} in all.")

    def _work(self, asked: str, held: HoldStory | None, posted: Sequence[TransferStory]) -> Story:
        moments: list[Moment] = []
        now = "Nothing is held for it."
        if held is not None:
            moments += list(self._hold(held))
            now = {
                "open": "It may run, and its money is held.",
                "captured": "It ended, and what it cost was posted.",
                "released": "It was given back unused: nothing was charged.",
                "expired": "Its time ran out: nothing is held for it.",
                "refused": f"It was refused: {held.reason}. Nothing was held or charged.",
            }[held.state]
        for one in posted:
            moments.append(self._transfer(one.row))
            moments += [self._transfer(row) for row in one.corrections]
            now = "It was posted." if held is None else now
        return self._story(asked, moments, now)

    def _hold(self, held: HoldStory) -> Iterator[Moment]:
        amount = Money(held.amount_micros, self._currency)
        inside = f" inside {held.parent}" if held.parent else ""
        if held.state == "refused":
            yield Moment(
                held.opened_at,
                f"Asked to start, {held.kind}{inside}: refused, {held.reason} ({held.standing}).",
            )
            return
        yield Moment(
            held.opened_at, f"Asked to start, {held.kind}{inside}: allowed ({held.standing}), {amount} held."
        )
        if held.ended_at is not None:
            yield Moment(held.ended_at, f"The hold ended: {held.state}.")
        else:
            yield Moment(held.expires_at, "Until then its hold lasts, unless it is extended.")


def _is_by_hand(payment: Payment) -> bool:
    return payment.way is Way.LINK and payment.state is State.PAID and not payment.link_id


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
