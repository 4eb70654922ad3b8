"""Who may do what: roles from the workspace's own flags and from appointments, default deny."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select

from bot.facts import PeopleFacts
from bot.notices import AccessAsked
from bot.ports import Directory, NotNow, PersonSeen
from bot.rights import Actor, Role
from bot.tables import people
from bot.wallets.named_values import named_value, set_named_value
from bot.wallets.workspaces import Workspaces
from ledger import Ledger, Refused, Tx

ASK_EVERY = timedelta(weeks=1)


class NotEntitled(Refused):
    """Somebody may not do this; the words are the same whatever the wallet's state."""

    def __init__(self, role: Role) -> None:
        self.role = role
        super().__init__("This is for the people who look after billing.")


class CannotAppoint(Refused):
    """Somebody cannot be given a role."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        super().__init__("Only full members of this workspace can be given a role.")


@dataclass(frozen=True, slots=True)
class Standpoint:
    """Who somebody is to one wallet."""

    actor: Actor
    wallet_id: UUID
    role: Role
    zone: str
    """The person's own time zone."""


class People:
    """Answers who may do what, and keeps appointments."""

    def __init__(self, ledger: Ledger, workspaces: Workspaces, directory: Directory) -> None:
        self._ledger = ledger
        self._workspaces = workspaces
        self.directory = directory

    def standpoint(self, actor: Actor, *, fresh: bool = False) -> Standpoint | None:
        """Say who somebody is; None when their workspace has no wallet here. `fresh` asks past the cache."""
        workspace = self._workspaces.of_team(actor.team_id, actor.enterprise_id)
        if workspace is None:
            return None
        person = self.directory.person(actor.user_id, fresh=fresh)
        with self._ledger.reading() as connection:
            appointed = _appointed(connection, workspace.wallet_id).get(actor.user_id)
        role = role_of(person, actor, appointed)
        return Standpoint(actor, workspace.wallet_id, role, person.zone if person is not None else "UTC")

    def require(self, actor: Actor, *, manage: bool = False) -> Standpoint:
        """Give the standpoint of somebody entitled, judged afresh. Refuses: NotEntitled."""
        found = self.standpoint(actor, fresh=True)
        if found is None:
            raise NotEntitled(Role.OUTSIDER)
        if not (found.role.manages if manage else found.role.sees):
            raise NotEntitled(found.role)
        return found

    def facts(self, wallet_id: UUID) -> PeopleFacts:
        """Say who looks after billing."""
        appointed = self.appointed(wallet_id)
        try:
            owners = tuple(self.directory.owners())
        except NotNow:
            owners = ()  # the appointed are named all the same
        return replace(appointed, owners=owners)

    def appointed(self, wallet_id: UUID) -> PeopleFacts:
        """Say who is appointed, without asking Slack who the owners are."""
        with self._ledger.reading() as connection:
            found = _appointed(connection, wallet_id)
        return PeopleFacts(
            owners=(),
            billing_admins=tuple(user for user, role in found.items() if role is Role.BILLING_ADMIN),
            finance=tuple(user for user, role in found.items() if role is Role.FINANCE),
        )

    def has_left(self, user_id: str) -> bool:
        """Say whether Slack names somebody as deactivated or outside; who cannot be looked up has not left."""
        person = self.directory.person(user_id)
        return person is not None and person.is_outside

    def owners(self) -> Sequence[str]:
        """Give the owners, who are told where nobody else can be. Raises: NotNow, also when there are none."""
        found = self.directory.owners()
        if not found:
            raise NotNow("the workspace names no owner")
        return found

    def require_full_member(self, user_id: str) -> None:
        """Let through full members of the workspace alone, asked of afresh. Refuses: CannotAppoint."""
        person = self.directory.person(user_id, fresh=True)
        if person is None or person.is_outside:
            raise CannotAppoint(user_id)

    def appoint(
        self, wallet_id: UUID, *, billing_admins: Sequence[str], finance: Sequence[str], actor: str
    ) -> None:
        """Set who is appointed. Refuses: CannotAppoint."""
        for user_id in (*billing_admins, *finance):
            self.require_full_member(user_id)
        wanted = dict.fromkeys(finance, Role.FINANCE) | dict.fromkeys(billing_admins, Role.BILLING_ADMIN)
        self._ledger.run(lambda tx: _appoint(tx, wallet_id, wanted, actor), wallet_id=wallet_id)

    def ask_for_access(self, wallet_id: UUID, user_id: str) -> bool:
        """Tell who looks after billing that somebody asks for access; once a week, and says whether it was due."""

        def save(tx: Tx) -> bool:
            name = f"access:{user_id}"
            asked = named_value(tx.connection, wallet_id, name)
            if asked is not None and tx.now - asked.at < ASK_EVERY:
                return False
            set_named_value(tx, wallet_id, name)
            tx.outbox.add(wallet_id, AccessAsked(user_id=user_id))
            return True

        return self._ledger.run(save, wallet_id=wallet_id)

    def first_admin(self, wallet_id: UUID, user_id: str) -> None:
        """Appoint the first billing admin where there is none: the setting's, or the first owner who comes."""

        def save(tx: Tx) -> None:
            appointed = _appointed(tx.connection, wallet_id)
            if Role.BILLING_ADMIN not in appointed.values():
                _appoint(tx, wallet_id, appointed | {user_id: Role.BILLING_ADMIN}, "redbar")

        with self._ledger.reading() as connection:
            if Role.BILLING_ADMIN in _appointed(connection, wallet_id).values():
                return
        self._ledger.run(save, wallet_id=wallet_id)


def role_of(person: PersonSeen | None, actor: Actor, appointed: Role | None) -> Role:
    """Judge somebody's role from what the workspace says of them now; unknown is outside."""
    if person is None or person.is_outside:
        return Role.OUTSIDER
    if actor.user_team_id is not None and actor.user_team_id != actor.team_id:
        return Role.OUTSIDER  # pressed in a shared channel by somebody of another workspace
    if person.is_owner:
        return Role.OWNER
    if person.is_admin:
        return Role.ADMIN
    return appointed or Role.MEMBER


def _appointed(connection: Connection, wallet_id: UUID) -> dict[str, Role]:
    rows = connection.execute(
        select(people.c.user_id, people.c.role)
        .where(people.c.wallet_id == wallet_id)
        .order_by(people.c.appointed_at)
    )
    return {str(user): Role(role) for user, role in rows}


def _appoint(tx: Tx, wallet_id: UUID, wanted: dict[str, Role], actor: str) -> None:
    before = _appointed(tx.connection, wallet_id)
    if wanted == before:
        return
    tx.connection.execute(delete(people).where(people.c.wallet_id == wallet_id))
    for user_id, role in wanted.items():
        tx.connection.execute(
            insert(people).values(
                wallet_id=wallet_id, user_id=user_id, role=role.value, appointed_by=actor, appointed_at=tx.now
            )
        )
    tx.book.audit(
        wallet_id,
        actor,
        "people",
        {u: r.value for u, r in before.items()},
        {u: r.value for u, r in wanted.items()},
    )
