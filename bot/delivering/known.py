"""Reads, in one transaction, the stored lists that a notice's recipients are chosen from. Slack is never asked here."""

from uuid import UUID

from sqlalchemy import Connection, select

from bot import notices, payment_rows
from bot.delivering.recipients import Known, PaymentKnown, Silence
from bot.notices import AnyNotice
from bot.payments.recharge_end import failed_recharge
from bot.rights import Role
from bot.states.card_slot import CardSlot
from bot.states.delivery import Recipient, Side
from bot.tables import alert_messages, cards, payment_messages
from bot.wallets.alert_channels import channels_of
from bot.wallets.entitled import appointed
from bot.wallets.restored_mode import last_rest
from bot.wallets.workspace_people import left, owners
from bot.wallets.workspaces import came_back_at
from ledger import WalletLow, WalletRecovered, WalletResumed, last_episode
from ledger.storage.schema import wallets

_ABOUT_PAYMENTS = (
    notices.RequestSent
    | notices.PaymentChanged
    | notices.CardConnected
    | notices.RechargeFailed
    | notices.RechargeChanged
    | notices.ConfirmationDue
)
"""Notices whose recipients depend on the payment that they name."""


def read_known(connection: Connection, wallet_id: UUID, notice: AnyNotice) -> Known:
    """Give what is stored about people, channels, and the payment or episode that a notice names."""
    roles = appointed(connection, wallet_id)
    return Known(
        billing_admins=[one for one, role in roles.items() if role is Role.BILLING_ADMIN],
        finance=[one for one, role in roles.items() if role is Role.FINANCE],
        owners=owners(connection, wallet_id) or (),
        left=left(connection, wallet_id),
        channels=channels_of(connection, wallet_id),
        connectors=_connectors(connection, wallet_id),
        payment=_payment(connection, wallet_id, notice),
        posted=_posted(connection, wallet_id, notice),
        episode_id=_episode(connection, wallet_id),
        charge_failed=isinstance(notice, WalletLow) and _charge_failed(connection, wallet_id),
    )


def silence_of(connection: Connection, wallet_id: UUID) -> Silence:
    """Give when nobody could be told anything of a wallet. It is read for each notice and each delivery."""
    rest = last_rest(connection)
    return Silence(
        came_back_at(connection, wallet_id),
        rested=(rest.began_at, rest.ended_at) if rest is not None else None,
        episode_id=_episode(connection, wallet_id) if rest is not None else None,
    )


def _episode(connection: Connection, wallet_id: UUID) -> UUID | None:
    found = last_episode(connection, wallet_id)
    return found.episode_id if found is not None and found.closed_at is None else None


def _connectors(connection: Connection, wallet_id: UUID) -> list[str]:
    rows = connection.execute(
        select(cards.c.connected_by)
        .where(
            cards.c.wallet_id == wallet_id,
            cards.c.slot.in_((CardSlot.MAIN, CardSlot.BACKUP)),
            cards.c.connected_by != "",
        )
        .order_by(cards.c.connected_at)
    )
    return list(map(str, rows.scalars()))


def _payment(connection: Connection, wallet_id: UUID, notice: AnyNotice) -> PaymentKnown | None:
    if not isinstance(notice, _ABOUT_PAYMENTS):
        return None
    found = payment_rows.payment_by_id(connection, wallet_id, notice.payment_id)
    assert found is not None, "a notice and its payment are committed together"
    rows = connection.execute(
        select(payment_messages.c.user_id, payment_messages.c.audience).where(
            payment_messages.c.wallet_id == wallet_id,
            payment_messages.c.payment_id == UUID(found.recharge_id)
            if found.is_of_recharge
            else payment_messages.c.payment_id == found.payment_id,
        )
    )
    return PaymentKnown(
        state=found.state,
        way=found.way,
        asked_by=found.asked_by,
        payer=found.payer,
        is_card_alone=found.amount is None,
        recharge_id=found.recharge_id,
        messages={str(user): Side(side) for user, side in rows},
    )


def _charge_failed(connection: Connection, wallet_id: UUID) -> bool:
    trouble = connection.execute(
        select(wallets.c.trouble).where(wallets.c.wallet_id == wallet_id)
    ).scalar_one()
    return trouble != "" and failed_recharge(connection, wallet_id) is not None


def _posted(connection: Connection, wallet_id: UUID, notice: AnyNotice) -> list[Recipient]:
    if not isinstance(notice, WalletRecovered | WalletResumed) or notice.episode_id is None:
        return []
    rows = connection.execute(
        select(alert_messages.c.audience).where(
            alert_messages.c.wallet_id == wallet_id, alert_messages.c.episode_id == notice.episode_id
        )
    )
    return [Recipient.of(one) for one in rows.scalars()]
