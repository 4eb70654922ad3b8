"""Which messages and pictures were posted where, and who has Home open: what updates in place need to know."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select, update

from bot.payment_rows import Payment, open_payments
from bot.states.delivery import DeliveryState, Recipient, Side, Subject, SubjectKind
from bot.states.payment import OPEN, Purpose, State
from bot.tables import NIL_WALLET, deliveries, payment_messages, payments, pictures, slack_events, viewers
from ledger import Ledger, Tx, any_waiting

RECENT = timedelta(hours=2)
"""Home is refreshed for people who opened it within this time."""
EVENTS_KEPT = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class PaymentMessage:
    """A message about a payment."""

    user_id: str
    side: Side
    channel: str
    ts: str
    said: str = ""
    """What its reader was last notified of: a state of the payment, or of the automatic payment that failed."""
    picture: str = ""
    """The file of the picture that it shows; empty for none."""


@dataclass(frozen=True, slots=True)
class OpenLink:
    """An open link that somebody was asked to pay or to enter a card by."""

    payment_id: UUID
    file_id: str
    """Its picture, which the messages are to show; empty where none was uploaded."""
    subject: Subject
    lacking: tuple[Recipient, ...]
    """Who was told by a message that does not show it."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person who opened Home lately, and what they chose to see there."""

    user_id: str
    viewed_at: datetime
    shown: str
    """A fingerprint of the state that was shown."""
    kind: str
    month: str
    cursor: str


class PostedMessages:
    """Remembers messages, viewers of Home, pictures and Slack's event ids."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    # --- Messages about payments ---------------------------------------------------------------------------

    def messages(self, wallet_id: UUID, payment_id: UUID) -> list[PaymentMessage]:
        """Give the messages about a payment."""
        table = payment_messages
        with self._ledger.reading() as connection:
            rows = connection.execute(
                select(table).where(table.c.wallet_id == wallet_id, table.c.payment_id == payment_id)
            ).all()
        return [
            PaymentMessage(row.user_id, Side(row.audience), row.channel, row.ts, row.said, row.picture)
            for row in rows
        ]

    def set_qr(self, wallet_id: UUID, payment_id: UUID, file_id: str) -> None:
        """Store which file shows a payment's QR code; empty when it was deleted."""
        self._ledger.run(
            lambda tx: tx.connection.execute(
                update(payments)
                .where(payments.c.wallet_id == wallet_id, payments.c.payment_id == payment_id)
                .values(qr_file_id=file_id)
            ),
            wallet_id=wallet_id,
        )

    def open_links(self, wallet_id: UUID) -> list[OpenLink]:
        """Give the open links, and which messages about them lack their picture.

        Who is still to be told of a link is told with its picture anyway.
        """
        with self._ledger.reading() as connection:
            asked = open_payments(connection, wallet_id, purposes=[Purpose.ASK, Purpose.CONNECT])
            # Of the links of one automatic payment, its message shows the newest.
            newest = {_subject_of(one): one for one in asked if one.state is State.OFFERED}
            return [_open_link(connection, one, subject) for subject, one in newest.items()]

    def useless_pictures(self, wallet_id: UUID) -> list[tuple[UUID, str]]:
        """Give the QR codes of links that are over and that no message shows any more, as payments and file ids.

        A link is over before anybody is told of it: what still waits to be handed out may change a message.
        """
        with self._ledger.reading() as connection:
            if any_waiting(connection, wallet_id):
                return []
            rows = connection.execute(
                select(payments.c.payment_id, payments.c.recharge_id, payments.c.qr_file_id).where(
                    payments.c.wallet_id == wallet_id,
                    payments.c.qr_file_id != "",
                    payments.c.state.not_in([one.value for one in OPEN]),
                )
            ).all()
            return [
                (one.payment_id, one.qr_file_id)
                for one in rows
                if not _is_awaited(connection, wallet_id, one)
            ]

    # --- Home ----------------------------------------------------------------------------------------------

    def viewer(self, wallet_id: UUID, user_id: str) -> Viewer | None:
        """Give what a person last saw of Home; None if they never opened it."""
        with self._ledger.reading() as connection:
            row = connection.execute(
                select(viewers).where(viewers.c.wallet_id == wallet_id, viewers.c.user_id == user_id)
            ).one_or_none()
        return _viewer(row) if row is not None else None

    def viewers(self, wallet_id: UUID, now: datetime) -> list[Viewer]:
        """Give the people who opened Home lately."""
        with self._ledger.reading() as connection:
            rows = connection.execute(
                select(viewers).where(viewers.c.wallet_id == wallet_id, viewers.c.viewed_at > now - RECENT)
            ).all()
        return [_viewer(row) for row in rows]

    def remember_viewer(
        self, wallet_id: UUID, user_id: str, *, shown: str, kind: str, month: str, cursor: str, opened: bool
    ) -> None:
        """Store what a person was shown; `opened` says that they opened Home, rather than that it was refreshed."""

        def save(tx: Tx) -> None:
            mine = (viewers.c.wallet_id == wallet_id) & (viewers.c.user_id == user_id)
            values: dict[str, object] = {"shown": shown, "kind": kind, "month": month, "cursor": cursor}
            known = tx.connection.execute(select(viewers.c.user_id).where(mine)).scalar_one_or_none()
            if known is None:
                tx.connection.execute(
                    insert(viewers).values(wallet_id=wallet_id, user_id=user_id, viewed_at=tx.now, **values)
                )
                return
            if opened:
                values["viewed_at"] = tx.now
            tx.connection.execute(update(viewers).where(mine).values(**values))

        self._ledger.run(save, wallet_id=wallet_id)

    # --- Pictures and events -------------------------------------------------------------------------------

    def picture(self, wallet_id: UUID, name: str) -> tuple[str, datetime] | None:
        """Give an uploaded picture's file id and when it was made."""
        with self._ledger.reading() as connection:
            row = connection.execute(
                select(pictures.c.file_id, pictures.c.at).where(
                    pictures.c.wallet_id == wallet_id, pictures.c.name == name
                )
            ).one_or_none()
        return (row.file_id, row.at) if row is not None else None

    def remember_picture(self, wallet_id: UUID, name: str, file_id: str) -> None:
        """Store an uploaded picture in place of the one before."""

        def save(tx: Tx) -> None:
            tx.connection.execute(
                delete(pictures).where(pictures.c.wallet_id == wallet_id, pictures.c.name == name)
            )
            tx.connection.execute(
                insert(pictures).values(wallet_id=wallet_id, name=name, file_id=file_id, at=tx.now)
            )

        self._ledger.run(save, wallet_id=wallet_id)

    def first_sight(self, event_id: str) -> bool:
        """Say whether Slack sends an event for the first time; its id is kept for `EVENTS_KEPT`."""

        def save(tx: Tx) -> bool:
            mine = slack_events.c.wallet_id == NIL_WALLET
            known = tx.connection.execute(
                select(slack_events.c.event_id).where(mine, slack_events.c.event_id == event_id)
            ).scalar_one_or_none()
            if known is not None:
                return False
            tx.connection.execute(delete(slack_events).where(mine, slack_events.c.at < tx.now - EVENTS_KEPT))
            tx.connection.execute(
                insert(slack_events).values(wallet_id=NIL_WALLET, event_id=event_id, at=tx.now)
            )
            return True

        return self._ledger.run(save, wallet_id=None)


def _subject_of(payment: Payment) -> Subject:
    """Say what the messages that show the picture of a payment's link are about."""
    if payment.is_of_recharge:
        return Subject(SubjectKind.RECHARGE, payment.recharge_id)
    return Subject(SubjectKind.PAYMENT, str(payment.payment_id))


def _open_link(connection: Connection, payment: Payment, subject: Subject) -> OpenLink:
    table = payment_messages
    told = select(deliveries.c.recipient).where(
        deliveries.c.wallet_id == payment.wallet_id,
        deliveries.c.subject == str(subject),
        deliveries.c.state == DeliveryState.TOLD,
    )
    told_to = set(connection.execute(told).scalars())
    messages = connection.execute(
        select(table.c.user_id).where(
            table.c.wallet_id == payment.wallet_id,
            table.c.payment_id == UUID(subject.of),
            (table.c.picture == "") | (table.c.picture != payment.qr_file_id),
        )
    )
    readers = [Recipient.person(str(one)) for one in messages.scalars()]
    lacking = tuple(one for one in readers if str(one) in told_to)
    return OpenLink(payment.payment_id, payment.qr_file_id, subject, lacking)


def _is_awaited(connection: Connection, wallet_id: UUID, payment: Any) -> bool:
    """Say whether a message about a payment is still to be changed; until then it may show the picture."""
    subjects = [
        Subject(SubjectKind.PAYMENT, str(payment.payment_id)),
        Subject(SubjectKind.RECHARGE, payment.recharge_id),  # its link is shown by the recharge's message
    ]
    wanted = select(deliveries.c.delivery_id).where(
        deliveries.c.wallet_id == wallet_id,
        deliveries.c.subject.in_(map(str, subjects)),
        deliveries.c.state == DeliveryState.WAITING,
    )
    return connection.execute(wanted).first() is not None


def remember_message(tx: Tx, wallet_id: UUID, payment_id: UUID, message: PaymentMessage) -> None:
    """Store where a message about a payment is."""
    table = payment_messages
    mine = (
        (table.c.wallet_id == wallet_id)
        & (table.c.payment_id == payment_id)
        & (table.c.user_id == message.user_id)
    )
    tx.connection.execute(delete(table).where(mine))
    tx.connection.execute(
        insert(table).values(
            wallet_id=wallet_id,
            payment_id=payment_id,
            user_id=message.user_id,
            audience=message.side,
            channel=message.channel,
            ts=message.ts,
            said=message.said,
            picture=message.picture,
        )
    )


def _viewer(row: Any) -> Viewer:
    return Viewer(
        user_id=row.user_id,
        viewed_at=row.viewed_at,
        shown=row.shown,
        kind=row.kind,
        month=row.month,
        cursor=row.cursor,
    )
