"""The saved cards of a wallet as one reads them: by slot, and in words."""

from uuid import UUID

from sqlalchemy import Connection, select

from bot.ports import card_name
from bot.states.card_slot import CardSlot
from bot.tables import cards


def card_slots(connection: Connection, wallet_id: UUID) -> dict[CardSlot, str]:
    """Give the ids of the main card and of its backup by slot: no other card is charged."""
    rows = connection.execute(
        select(cards.c.slot, cards.c.card_id).where(
            cards.c.wallet_id == wallet_id, cards.c.slot.in_((CardSlot.MAIN, CardSlot.BACKUP))
        )
    )
    return {CardSlot(slot): str(card) for slot, card in rows}


def card_words(connection: Connection, wallet_id: UUID, card_id: str) -> str:
    """Write a card as people read it: "Visa ••4242"."""
    row = connection.execute(
        select(cards.c.brand, cards.c.last4).where(cards.c.wallet_id == wallet_id, cards.c.card_id == card_id)
    ).one_or_none()
    return card_name(row.brand, row.last4) if row is not None else "the card"
