"""Who people are to a wallet: roles from the workspace's own flags and from appointments, default deny."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, insert

from bot.facts import PeopleFacts
from bot.notices import AccessAsked, RoleChanged
from bot.ports import Directory, NotNow, PersonSeen
from bot.rights import Action, Actor, Person, Role
from bot.tables import people
from bot.wallets import workspace_people
from bot.wallets.entitled import appointed as appointed_in
from bot.wallets.entitled import require_right
from bot.wallets.named_values import named_value, set_named_value
from bot.wallets.workspaces import Workspaces
from ledger import REDBAR, Ledger, Refused, Tx

ASK_EVERY = timedelta(weeks=1)


class CannotAsk(Refused):
    """Slack doesn't answer a question about a person or a channel: neither a yes nor a no."""

    def __init__(self, about: str = "who you are") -> None:
        super().__init__(f"Slack can't be asked {about}; try again in a minute.")


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

    @property
    def person(self) -> Person:
        """Give who acts, as use cases judge them."""
        return Person(self.actor.user_id, self.role)


class People:
    """Answers who may do what, and keeps appointments."""

    def __init__(self, ledger: Ledger, workspaces: Workspaces, directory: Directory) -> None:
        self._ledger = ledger
        self._workspaces = workspaces
        self.directory = directory

    def standpoint(self, actor: Actor, *, fresh: bool = False) -> Standpoint | None:
        """Say who somebody is; None when their workspace has no wallet here. Refuses: CannotAsk.

        `fresh` asks past the cache.
        """
        workspace = self._workspaces.of_team(actor.team_id, actor.enterprise_id)
        if workspace is None:
            return None
        try:
            person = self.directory.person(actor.user_id, fresh=fresh)
        except NotNow as problem:
            raise CannotAsk from problem
        with self._ledger.reading() as connection:
            appointed = appointed_in(connection, workspace.wallet_id).get(actor.user_id)
        role = role_of(person, actor, appointed)
        return Standpoint(actor, workspace.wallet_id, role, person.zone if person is not None else "UTC")

    def role_shown(self, wallet_id: UUID, user_id: str) -> Role:
        """Say by which role somebody's buttons are chosen; what they press is judged afresh."""
        with self._ledger.reading() as connection:
            appointed = appointed_in(connection, wallet_id).get(user_id)
            role = workspace_people.workspace_role(connection, wallet_id, user_id)
        return (appointed or role) if role is Role.MEMBER else role

    def facts(self, wallet_id: UUID) -> PeopleFacts:
        """Say who looks after billing."""
        with self._ledger.reading() as connection:
            # While nobody knows the owners, the appointed are named all the same.
            owners = workspace_people.owners(connection, wallet_id) or ()
        return replace(self.appointed(wallet_id), owners=tuple(owners))

    def appointed(self, wallet_id: UUID) -> PeopleFacts:
        """Say who is appointed."""
        with self._ledger.reading() as connection:
            found = appointed_in(connection, wallet_id)
        return PeopleFacts(
            owners=(),
            billing_admins=tuple(user for user, role in found.items() if role is Role.BILLING_ADMIN),
            finance=tuple(user for user, role in found.items() if role is Role.FINANCE),
        )

    def has_left(self, wallet_id: UUID, user_id: str) -> bool:
        """Say whether Slack named somebody as deactivated or outside; of whom nothing is known has not left."""
        with self._ledger.reading() as connection:
            return workspace_people.workspace_role(connection, wallet_id, user_id) is Role.OUTSIDER

    def require_full_member(self, user_id: str) -> None:
        """Let through full members of the workspace alone, asked of afresh. Refuses: CannotAppoint, CannotAsk."""
        try:
            person = self.directory.person(user_id, fresh=True)
        except NotNow as problem:
            raise CannotAsk("who that is") from problem
        if person is None or person.is_outside:
            raise CannotAppoint(user_id)

    def appoint(
        self, wallet_id: UUID, *, billing_admins: Sequence[str], finance: Sequence[str], actor: Person
    ) -> None:
        """Set who is appointed. Refuses: NotEntitled, CannotAppoint, CannotAsk.

        The first appointments of a workspace are told to nobody: nobody looks after billing yet.
        """
        for user_id in (*billing_admins, *finance):
            self.require_full_member(user_id)
        wanted = dict.fromkeys(finance, Role.FINANCE) | dict.fromkeys(billing_admins, Role.BILLING_ADMIN)

        def save(tx: Tx) -> None:
            require_right(tx.connection, wallet_id, actor, Action.APPOINT)
            before = _appoint(tx, wallet_id, wanted, actor.user_id)
            for user_id in dict.fromkeys((*before, *wanted)) if before else ():
                was, now = before.get(user_id), wanted.get(user_id)
                if was is not now:
                    tx.outbox.add(wallet_id, RoleChanged(actor.user_id, user_id, was, now))

        self._ledger.run(save, wallet_id=wallet_id)

    def ask_for_access(self, wallet_id: UUID, person: Person) -> bool:
        """Tell who looks after billing that somebody asks for access; once a week, and says whether it was due.

        Refuses: NotEntitled.
        """

        def save(tx: Tx) -> bool:
            require_right(tx.connection, wallet_id, person, Action.ASK_FOR_ACCESS)
            name = f"access:{person.user_id}"
            asked = named_value(tx.connection, wallet_id, name)
            if asked is not None and tx.now - asked.at < ASK_EVERY:
                return False
            set_named_value(tx, wallet_id, name)
            tx.outbox.add(wallet_id, AccessAsked(user_id=person.user_id))
            return True

        return self._ledger.run(save, wallet_id=wallet_id)

    def first_admin(self, wallet_id: UUID, user_id: str) -> None:
        """Appoint the first billing admin where there is none: the setting's, or the first owner who comes."""

        def save(tx: Tx) -> None:
            appointed = appointed_in(tx.connection, wallet_id)
            if Role.BILLING_ADMIN not in appointed.values():
                _appoint(tx, wallet_id, appointed | {user_id: Role.BILLING_ADMIN}, REDBAR)

        with self._ledger.reading() as connection:
            if Role.BILLING_ADMIN in appointed_in(connection, wallet_id).values():
                return
        self._ledger.run(save, wallet_id=wallet_id)


def role_of(person: PersonSeen | None, actor: Actor, appointed: Role | None) -> Role:
    """Judge somebody's role from what the workspace says of them now; unknown is outside."""
    role = workspace_people.role_given(person) if person is not None else Role.OUTSIDER
    if actor.user_team_id is not None and actor.user_team_id != actor.team_id:
        return Role.OUTSIDER  # pressed in a shared channel by somebody of another workspace
    return (appointed or role) if role is Role.MEMBER else role


def _appoint(tx: Tx, wallet_id: UUID, wanted: dict[str, Role], actor: str) -> dict[str, Role]:
    """Set who is appointed; gives who was before."""
    before = appointed_in(tx.connection, wallet_id)
    if wanted == before:
        return before
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
    return before
