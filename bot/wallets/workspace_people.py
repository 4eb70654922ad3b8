"""The stored list of the people in a workspace: who owns it, who administers it, who has left.

Deliveries read it inside their transaction, since Slack must not be asked there. `people_listing.py` fills it. It keeps
no row of plain members, so it stays small in a workspace of 50,000: a person without a row is a member, or somebody
of whom the wallet knows nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select, union, update

from bot.ports import PersonSeen
from bot.rights import Role
from bot.tables import cards, payments, people, people_listings, workspace_people
from ledger import Tx


def listed_at(connection: Connection, wallet_id: UUID) -> datetime | None:
    """Give when the last complete listing began; None while Slack never listed everybody yet."""
    return connection.execute(
        select(people_listings.c.listed_at).where(people_listings.c.wallet_id == wallet_id)
    ).scalar_one_or_none()


def owners(connection: Connection, wallet_id: UUID) -> Sequence[str] | None:
    """Give the owners of the workspace, then its admins; None while Slack never listed everybody yet.

    An empty list says that Slack named no owner. None says that nobody knows.
    """
    if listed_at(connection, wallet_id) is None:
        return None
    return [user_id for role in (Role.OWNER, Role.ADMIN) for user_id in _in_role(connection, wallet_id, role)]


def left(connection: Connection, wallet_id: UUID) -> frozenset[str]:
    """Give those whom Slack named as deactivated or as outside of the workspace, among the people we deal with."""
    return frozenset(_in_role(connection, wallet_id, Role.OUTSIDER))


def workspace_role(connection: Connection, wallet_id: UUID, user_id: str) -> Role:
    """Give the role that the workspace's own flags give somebody, as far as Slack said."""
    found = connection.execute(
        select(workspace_people.c.role).where(
            workspace_people.c.wallet_id == wallet_id, workspace_people.c.user_id == user_id
        )
    ).scalar_one_or_none()
    return Role(found) if found is not None else Role.MEMBER


def role_given(seen: PersonSeen) -> Role:
    """Judge the role that the workspace's own flags give somebody."""
    if seen.is_outside:
        return Role.OUTSIDER
    if seen.is_owner:
        return Role.OWNER
    return Role.ADMIN if seen.is_admin else Role.MEMBER


def is_news(connection: Connection, wallet_id: UUID, seen: PersonSeen) -> bool:
    """Say whether a description of somebody would change the list. Slack also sends one for each change of status."""
    roles, known = _to_keep(connection, wallet_id, [seen])
    return seen.user_id in roles and roles[seen.user_id] is not known.get(seen.user_id, Role.MEMBER)


def keep_people(tx: Tx, wallet_id: UUID, seen: Collection[PersonSeen], known_at: datetime) -> None:
    """Keep what Slack said of some people at an instant, unless something newer is known of them."""
    roles, known = _to_keep(tx.connection, wallet_id, seen)
    for user_id, role in roles.items():
        values = {"role": role, "known_at": known_at}
        if user_id not in known:
            row = {"wallet_id": wallet_id, "user_id": user_id, **values}
            tx.connection.execute(insert(workspace_people).values(**row))
            continue
        mine = (workspace_people.c.wallet_id == wallet_id) & (workspace_people.c.user_id == user_id)
        older = workspace_people.c.known_at <= known_at
        tx.connection.execute(update(workspace_people).where(mine, older).values(**values))


def forget_unlisted(tx: Tx, wallet_id: UUID, started_at: datetime) -> None:
    """Delete the people whom a complete listing that began then did not name."""
    mine = workspace_people.c.wallet_id == wallet_id
    tx.connection.execute(delete(workspace_people).where(mine, workspace_people.c.known_at < started_at))


def _in_role(connection: Connection, wallet_id: UUID, role: Role) -> Sequence[str]:
    return (
        connection.execute(
            select(workspace_people.c.user_id)
            .where(workspace_people.c.wallet_id == wallet_id, workspace_people.c.role == role)
            .order_by(workspace_people.c.user_id)
        )
        .scalars()
        .all()
    )


def _to_keep(
    connection: Connection, wallet_id: UUID, seen: Collection[PersonSeen]
) -> tuple[Mapping[str, Role], Mapping[str, Role]]:
    """Give the roles of the people who need a row, and the roles in the rows that these people have.

    Owners and admins need one, whom we deal with once they have left, and who has one already.
    """
    given = {one.user_id: role_given(one) for one in seen}
    rows = connection.execute(
        select(workspace_people.c.user_id, workspace_people.c.role).where(
            workspace_people.c.wallet_id == wallet_id, workspace_people.c.user_id.in_(given)
        )
    )
    known = {str(row.user_id): Role(row.role) for row in rows}
    outside = [user_id for user_id, role in given.items() if role is Role.OUTSIDER]
    needed = known.keys() | _dealt_with(connection, wallet_id, outside)
    return {
        user_id: role
        for user_id, role in given.items()
        if role in (Role.OWNER, Role.ADMIN) or user_id in needed
    }, known


def _dealt_with(connection: Connection, wallet_id: UUID, user_ids: Collection[str]) -> frozenset[str]:
    """Give those among some people to whom something may be sent: appointed, asker, payer or connector of a card."""
    if not user_ids:
        return frozenset()
    columns = (people.c.user_id, payments.c.asked_by, payments.c.payer, cards.c.connected_by)
    found = connection.execute(
        union(*(select(one).where(one.table.c.wallet_id == wallet_id, one.in_(user_ids)) for one in columns))
    )
    return frozenset(found.scalars())
