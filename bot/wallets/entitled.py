"""Rights in the transaction that commits: who somebody is by then, judged by the one table.

A workspace's own flags come from Slack and were looked up a moment before; appointments are rows and are read here,
so that a role taken away between the press and the commit counts.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, select, true

from bot.rights import Action, Person, Role, Tie, may, tie_for
from bot.states.card_slot import CardSlot
from bot.tables import cards, people
from ledger import Refused


class NotEntitled(Refused):
    """Somebody may not do this; the words are the same whatever the wallet's state."""

    def __init__(self, role: Role, *, lacks: Tie | None = None) -> None:
        self.role = role
        self.lacks = lacks
        """What somebody would have to be to the thing they act on."""
        super().__init__("This is for the people who look after billing.")


def require_right(
    connection: Connection, wallet_id: UUID, person: Person, action: Action, ties: Collection[Tie] = ()
) -> None:
    """Let through who may do this now. Refuses: NotEntitled."""
    role = role_now(connection, wallet_id, person)
    if not may(action, role, ties):
        raise NotEntitled(role, lacks=tie_for(action))


def role_now(connection: Connection, wallet_id: UUID, person: Person) -> Role:
    """Give somebody's role with the appointments as they stand in this transaction."""
    if person.role in (Role.BILLING_ADMIN, Role.FINANCE, Role.MEMBER):
        return appointed(connection, wallet_id).get(person.user_id, Role.MEMBER)
    return person.role


def appointed(connection: Connection, wallet_id: UUID) -> dict[str, Role]:
    """Give the appointed by user id, the first appointed first."""
    rows = connection.execute(
        select(people.c.user_id, people.c.role)
        .where(people.c.wallet_id == wallet_id)
        .order_by(people.c.appointed_at)
    )
    return {str(user): Role(role) for user, role in rows}


def ties_to_card(connection: Connection, wallet_id: UUID, user_id: str, card_id: str) -> frozenset[Tie]:
    """Say what somebody is to one card in use."""
    return _connector(connection, wallet_id, user_id, cards.c.card_id == card_id)


def ties_to_cards(connection: Connection, wallet_id: UUID, user_id: str) -> frozenset[Tie]:
    """Say what somebody is to the cards in use, any of them."""
    return _connector(connection, wallet_id, user_id, true())


def ties_to_rule(connection: Connection, wallet_id: UUID, user_id: str) -> frozenset[Tie]:
    """Say what somebody is to the rule: they connected a card that it may charge."""
    return _connector(connection, wallet_id, user_id, cards.c.slot.in_((CardSlot.MAIN, CardSlot.BACKUP)))


def _connector(
    connection: Connection, wallet_id: UUID, user_id: str, which: ColumnElement[bool]
) -> frozenset[Tie]:
    found = connection.execute(
        select(cards.c.card_id).where(
            cards.c.wallet_id == wallet_id,
            cards.c.slot != CardSlot.REMOVED,
            cards.c.connected_by == user_id,
            which,
        )
    ).first()
    return frozenset({Tie.CONNECTOR}) if found is not None and user_id else frozenset()
