"""A workspace's wallet: opening it, its rules, where its alerts go, and the keys of its platform."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from bot.notices import RuleChanged
from bot.tables import alert_channels, billing, cards, intents, keys, workspaces
from bot.wallets.named_values import drop_mark, mark_of, set_first_mark, set_mark
from ledger import (
    Automatic,
    Currency,
    Ledger,
    PolicyChanged,
    RechargeRule,
    Refused,
    Tx,
    WalletPolicy,
    new_id,
    new_wallet_id,
)

WISH_LIFETIME = timedelta(hours=1)
SCOPES = ("usage", "authorize", "read")
REMOVED_BY_EVENT = ("app_uninstalled", "tokens_revoked")
GONE_BY = "gone_by"
"""The mark of a dead workspace: what Slack said."""
_TEAM = "team"
"""The mark of the books: the id and the name of the team that they belong to."""


class OtherWorkspace(Refused):
    """The books belong to another Slack workspace."""

    def __init__(self, *, name: str, team_id: str) -> None:
        super().__init__(
            f"These books belong to another Slack workspace: {name} ({team_id}). Give each workspace a database of "
            "its own: name another one in REDBAR_DATABASE_URL."
        )


class NoCard(Refused):
    """Automatic payments need a card."""

    def __init__(self) -> None:
        super().__init__("There is no card to charge yet. Connect one first.")


@dataclass(frozen=True, slots=True)
class Wish:
    """A rule that somebody is about to confirm, and the policy version that it was made from."""

    rule: RechargeRule
    card_id: str
    backup_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Workspace:
    """A Slack workspace and its wallet."""

    team_id: str
    enterprise_id: str
    wallet_id: UUID
    name: str


class Wallets:
    """Opens wallets and keeps their rules."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def install_id(self) -> str:
        """Give the id of this installation, made once; it marks every object that we make outside."""

        return self._ledger.run(lambda tx: set_first_mark(tx, "install", str(new_id())), wallet_id=None)

    def open(
        self, *, team_id: str, enterprise_id: str, name: str, bot_user_id: str, currency: Currency, zone: str
    ) -> UUID:
        """Give the workspace's wallet, opened on first sight. Refuses: OtherWorkspace."""
        # In a commit of its own, before any row of a wallet: of two workspaces that start at once, one is refused.
        self._ledger.run(lambda tx: _claim(tx, team_id, name), wallet_id=None)

        def make(tx: Tx) -> UUID:
            found = tx.connection.execute(
                select(workspaces.c.wallet_id).where(workspaces.c.team_id == team_id)
            ).scalar_one_or_none()
            if found is not None:
                assert isinstance(found, UUID)
                tx.connection.execute(
                    update(workspaces).where(workspaces.c.team_id == team_id).values(dead_at=None, name=name)
                )
                drop_mark(tx, found, GONE_BY)
                return found
            wallet_id = new_wallet_id()
            tx.book.create_wallet(wallet_id, currency.code, zone)
            tx.connection.execute(insert(billing).values(wallet_id=wallet_id, customer_id="", refs_given=0))
            tx.connection.execute(
                insert(workspaces).values(
                    team_id=team_id,
                    enterprise_id=enterprise_id,
                    wallet_id=wallet_id,
                    name=name,
                    bot_user_id=bot_user_id,
                    created_at=tx.now,
                )
            )
            return wallet_id

        return self._ledger.run(make, wallet_id=None)

    def of_team(self, team_id: str, enterprise_id: str = "") -> Workspace | None:
        """Find a workspace by the ids of its installation."""
        with self._ledger.reading() as connection:
            row = connection.execute(
                select(workspaces).where(
                    workspaces.c.team_id == team_id,
                    workspaces.c.enterprise_id == enterprise_id,
                    workspaces.c.dead_at.is_(None),
                )
            ).one_or_none()
        return Workspace(row.team_id, row.enterprise_id, row.wallet_id, row.name) if row is not None else None

    def all(self) -> Sequence[Workspace]:
        """Give every living workspace."""
        with self._ledger.reading() as connection:
            rows = connection.execute(select(workspaces).where(workspaces.c.dead_at.is_(None))).all()
        return [Workspace(row.team_id, row.enterprise_id, row.wallet_id, row.name) for row in rows]

    def forget_workspace(self, team_id: str, why: str) -> None:
        """Mark a workspace whose app was removed: nothing is sent or charged for it until it comes back.

        `why` is the event or the error of Slack's that said so.
        """

        def save(tx: Tx, wallet_id: UUID) -> None:
            living = workspaces.c.dead_at.is_(None)
            died = tx.connection.execute(
                update(workspaces).where(workspaces.c.team_id == team_id, living).values(dead_at=tx.now)
            )
            # An event is Slack's word that it was removed; after an error alone Slack is asked again by itself.
            if died.rowcount or why in REMOVED_BY_EVENT:
                set_mark(tx, wallet_id, GONE_BY, why)

        self._with_wallet(team_id, save)

    def revive_workspace(self, team_id: str) -> None:
        """Take a workspace back as living: Slack accepts its token again. What waits is delivered now."""

        def save(tx: Tx, wallet_id: UUID) -> None:
            tx.connection.execute(
                update(workspaces).where(workspaces.c.team_id == team_id).values(dead_at=None)
            )
            drop_mark(tx, wallet_id, GONE_BY)

        self._with_wallet(team_id, save)

    def gone_by(self, team_id: str) -> str | None:
        """Say which event or error of Slack's said that the workspace is gone; None while it is living."""
        with self._ledger.reading() as connection:
            row = connection.execute(
                select(workspaces.c.wallet_id, workspaces.c.dead_at).where(workspaces.c.team_id == team_id)
            ).one_or_none()
            if row is None or row.dead_at is None:
                return None
            mark = mark_of(connection, row.wallet_id, GONE_BY)
        return mark.value if mark is not None else ""

    def _with_wallet(self, team_id: str, save: Callable[[Tx, UUID], None]) -> None:
        """Change a workspace under its wallet's lock: no charge is committed at the same moment."""
        with self._ledger.reading() as connection:
            found = connection.execute(
                select(workspaces.c.wallet_id).where(workspaces.c.team_id == team_id)
            ).scalar_one_or_none()
        if found is not None:
            self._ledger.run(lambda tx: save(tx, found), wallet_id=found)

    # --- Rules ---------------------------------------------------------------------------------------------

    def turn_on(
        self,
        wallet_id: UUID,
        rule: RechargeRule,
        *,
        card_id: str,
        backup_id: str,
        actor: str,
        expected_version: int | None,
    ) -> int:
        """Turn automatic payments on with a rule. Refuses: PolicyUnfit, PolicyChanged, NoCard."""
        rule.check()

        def save(tx: Tx) -> int:
            self._arrange_cards(tx, wallet_id, card_id=card_id, backup_id=backup_id)
            policy, version = tx.book.policy(wallet_id)
            turned = _with(policy, automatic=Automatic.ON, rule=rule)
            after = tx.book.set_policy(wallet_id, turned, actor=actor, expected_version=expected_version)
            tx.outbox.add(wallet_id, RuleChanged(actor=actor, before_version=version, after_version=after))
            return after

        return self._ledger.run(save, wallet_id=wallet_id)

    def keep_wish(
        self, wallet_id: UUID, rule: RechargeRule, *, card_id: str, backup_id: str, actor: str
    ) -> str:
        """Keep a rule that somebody is about to confirm; gives its id. Refuses: PolicyUnfit."""
        rule.check()

        def save(tx: Tx) -> str:
            _, version = tx.book.policy(wallet_id)
            wish = Wish(rule=rule, card_id=card_id, backup_id=backup_id, version=version)
            intent_id = new_id()
            tx.connection.execute(
                insert(intents).values(
                    wallet_id=wallet_id,
                    intent_id=intent_id,
                    purpose="automatic",
                    body=msgspec.json.encode(wish).decode(),
                    actor=actor,
                    created_at=tx.now,
                    expires_at=tx.now + WISH_LIFETIME,
                )
            )
            return str(intent_id)

        return self._ledger.run(save, wallet_id=wallet_id)

    def turn_on_wish(self, wallet_id: UUID, intent_id: str, *, actor: str) -> int:
        """Turn on the rule that was kept. Refuses: PolicyChanged, NoCard, as `turn_on`."""
        with self._ledger.reading() as connection:
            body = connection.execute(
                select(intents.c.body).where(
                    intents.c.wallet_id == wallet_id,
                    intents.c.intent_id == UUID(intent_id),
                    intents.c.purpose == "automatic",
                    intents.c.expires_at > self._ledger.now(),
                )
            ).scalar_one_or_none()
        if body is None:
            raise PolicyChanged
        wish = msgspec.json.decode(body, type=Wish)
        return self.turn_on(
            wallet_id,
            wish.rule,
            card_id=wish.card_id,
            backup_id=wish.backup_id,
            actor=actor,
            expected_version=wish.version,
        )

    def turn_off(self, wallet_id: UUID, *, actor: str) -> bool:
        """Turn automatic payments off; gives False when they were off already. Stopping is always safe."""

        def save(tx: Tx) -> bool:
            policy, version = tx.book.policy(wallet_id)
            if policy.automatic is Automatic.OFF:
                return False
            after = tx.book.set_policy(
                wallet_id,
                _with(policy, automatic=Automatic.OFF, rule=policy.rule),
                actor=actor,
                expected_version=None,
            )
            tx.outbox.add(wallet_id, RuleChanged(actor=actor, before_version=version, after_version=after))
            return True

        return self._ledger.run(save, wallet_id=wallet_id)

    def _arrange_cards(self, tx: Tx, wallet_id: UUID, *, card_id: str, backup_id: str) -> None:
        slots = {
            str(card): str(slot)
            for card, slot in tx.connection.execute(
                select(cards.c.card_id, cards.c.slot).where(
                    cards.c.wallet_id == wallet_id, cards.c.slot != "removed"
                )
            )
        }
        if card_id not in slots:
            raise NoCard
        of_wallet = update(cards).where(cards.c.wallet_id == wallet_id)
        if slots[card_id] != "main":
            tx.connection.execute(of_wallet.where(cards.c.slot == "main").values(slot="backup"))
            tx.connection.execute(of_wallet.where(cards.c.card_id == card_id).values(slot="main"))
        if backup_id and backup_id != card_id and backup_id in slots:
            tx.connection.execute(of_wallet.where(cards.c.card_id == backup_id).values(slot="backup"))

    # --- Alert channels ------------------------------------------------------------------------------------

    def set_channels(self, wallet_id: UUID, channels: Sequence[str], *, actor: str) -> None:
        """Set the channels that are alerted."""

        def save(tx: Tx) -> None:
            before = channels_of(tx.connection, wallet_id)
            tx.connection.execute(delete(alert_channels).where(alert_channels.c.wallet_id == wallet_id))
            for channel in dict.fromkeys(channels):
                tx.connection.execute(
                    insert(alert_channels).values(
                        wallet_id=wallet_id, channel_id=channel, added_by=actor, added_at=tx.now
                    )
                )
            tx.book.audit(
                wallet_id, actor, "alert_channels", {"channels": before}, {"channels": list(channels)}
            )

        self._ledger.run(save, wallet_id=wallet_id)

    # --- Platform keys -------------------------------------------------------------------------------------

    def create_key(self, wallet_id: UUID, *, name: str, scopes: Sequence[str] = SCOPES) -> str:
        """Make a platform key and give it, once: only its digest is kept."""
        return self._ledger.run(
            lambda tx: insert_key(tx, wallet_id, name=name, scopes=scopes), wallet_id=wallet_id
        )


def _claim(tx: Tx, team_id: str, name: str) -> None:
    """Let the books belong to a team, if they belong to no other. Refuses: OtherWorkspace."""
    other = tx.connection.execute(
        select(workspaces.c.team_id, workspaces.c.name)
        .where(workspaces.c.team_id != team_id)
        .order_by(workspaces.c.created_at)
        .limit(1)
    ).one_or_none()
    if other is not None:
        raise OtherWorkspace(name=other.name, team_id=other.team_id)
    owner, _, owner_name = set_first_mark(tx, _TEAM, f"{team_id} {name}").partition(" ")
    if owner != team_id:
        raise OtherWorkspace(name=owner_name, team_id=owner)


def insert_key(tx: Tx, wallet_id: UUID, *, name: str, scopes: Sequence[str] = SCOPES) -> str:
    """Insert a new key's digest and give the key itself."""
    key = f"rbk_{secrets.token_urlsafe(30)}"
    tx.connection.execute(
        insert(keys).values(
            wallet_id=wallet_id,
            key_id=new_id(),
            digest=digest_of(key),
            scopes=" ".join(scopes),
            name=name,
            created_at=tx.now,
        )
    )
    tx.book.audit(wallet_id, "operator", "key_created", {}, {"name": name, "scopes": list(scopes)})
    return key


def digest_of(key: str) -> str:
    """Give what is kept of a key. It has 240 random bits, so a plain digest cannot be guessed back."""
    return hashlib.sha256(key.encode()).hexdigest()


def key_wallet(connection: Connection, key: str) -> tuple[UUID, frozenset[str]] | None:
    """Find the wallet and scopes of a living key."""
    row = connection.execute(
        select(keys.c.wallet_id, keys.c.scopes)
        .where(keys.c.digest == digest_of(key), keys.c.revoked_at.is_(None))
        .execution_options(cross_shard=True)
    ).one_or_none()
    return (row.wallet_id, frozenset(row.scopes.split())) if row is not None else None


def channels_of(connection: Connection, wallet_id: UUID) -> list[str]:
    """Give the channels that are alerted."""
    rows = connection.execute(
        select(alert_channels.c.channel_id)
        .where(alert_channels.c.wallet_id == wallet_id)
        .order_by(alert_channels.c.added_at, alert_channels.c.channel_id)
    )
    return [str(channel) for channel in rows.scalars()]


def _with(policy: WalletPolicy, *, automatic: Automatic, rule: RechargeRule | None) -> WalletPolicy:
    return replace(policy, automatic=automatic, rule=rule, pause_reason="")
