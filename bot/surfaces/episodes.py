"""Episodes as people are told of them: who hears, what the message says now, and who acknowledged it.

The ledger opens and closes episodes and writes the notices; here the notices become one message per recipient that
is posted once, updated in place, and threads its story.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from bot.facts import AlertFacts, ChargeFacts, PaidFacts
from bot.payments.recharge import Recharge
from bot.payments.recharge_end import declined_card
from bot.payments.top_ups import Charges
from bot.rights import Action, Person
from bot.states.alert import AlertPhase
from bot.states.delivery import Recipient
from bot.surfaces.automatic import automatic_facts
from bot.surfaces.balance import balance_facts
from bot.surfaces.figures import offered_amount, phase_of
from bot.surfaces.snapshot import snapshot_of
from bot.surfaces.transactions import how_paid
from bot.tables import alert_messages
from bot.wallets.entitled import require_right
from ledger import (
    Episode,
    Ledger,
    Level,
    Standing,
    Tx,
    WalletResumed,
    episode,
    last_episode,
)


@dataclass(frozen=True, slots=True)
class Posted:
    """A message that tells an episode to one recipient."""

    episode_id: UUID
    recipient: Recipient
    channel: str
    ts: str
    level: Level
    phase: AlertPhase
    shown: str
    """A fingerprint of what it shows, so that nothing is sent when nothing changed."""
    acknowledged_by: str
    acknowledged_level: Level
    """The level that somebody acknowledged; FINE while nobody did. A higher one is not silenced by it."""
    line_ts: str = ""
    """The line in its thread that still shows buttons; empty for none."""


class Episodes:
    """Says what every recipient of an episode should be shown."""

    def __init__(self, ledger: Ledger, recharge: Recharge, charges: Charges) -> None:
        self._ledger = ledger
        self._recharge = recharge
        self._charges = charges

    def facts(self, wallet_id: UUID, episode_id: UUID, *, resumed: WalletResumed | None = None) -> AlertFacts:
        """Say how an episode stands at this instant. `resumed` is the notice that ended it, where one did."""
        with snapshot_of(self._ledger, wallet_id) as snapshot:
            found = episode(snapshot.connection, wallet_id, episode_id)
            assert found is not None, "a notice and its episode are committed together"
            balance = balance_facts(snapshot)
            automatic = automatic_facts(snapshot, self._recharge)
            is_over = found.closed_at is not None
            stopped_anew = is_over and snapshot.view.standing in (Standing.GRACE, Standing.PAUSED)
            is_below = snapshot.view.available_micros <= snapshot.view.warning_micros
            still_low = is_over and is_below and not stopped_anew
            is_low = not is_over or still_low
            amount = offered_amount(snapshot.policy, balance.available) if is_low else None
            facts = AlertFacts(
                level=found.level,
                phase=phase_of(found, balance.standing),
                balance=balance,
                automatic=automatic,
                opened_at=found.opened_at,
                resumed_at=found.closed_at,
                stopped_for=_stopped_for(resumed),
                grace_cost=snapshot.money(resumed.grace_cost_micros) if resumed is not None else None,
                paid=_paid(snapshot.connection, wallet_id, resumed),
                charge=None,
                acknowledged_by="",
                episode_id=str(episode_id),
                offered=amount,
                still_low=still_low,
                stopped_anew=stopped_anew,
            )
            declined = declined_card(snapshot.connection, wallet_id)
        if amount is None or automatic.card is None or automatic.card.card_id == declined:
            return facts  # nobody is offered to charge the card that was just declined
        card = automatic.card
        one_time_action_id = self._charges.offer(wallet_id, episode_id, amount, card_id=card.card_id)
        charge = ChargeFacts(one_time_action_id=one_time_action_id, amount=amount, card=card)
        return replace(facts, charge=charge)

    # --- Messages posted -----------------------------------------------------------------------------------

    def posted(self, wallet_id: UUID, episode_id: UUID) -> list[Posted]:
        """Give the messages of an episode."""
        with self._ledger.reading() as connection:
            return _posted(connection, wallet_id, episode_id)

    def acknowledge(self, wallet_id: UUID, episode_id: UUID, *, by: Person) -> None:
        """Silence an episode until its next level. Refuses: NotEntitled."""

        def save(tx: Tx) -> None:
            require_right(tx.connection, wallet_id, by, Action.ACKNOWLEDGE)
            tx.connection.execute(
                update(alert_messages)
                .where(alert_messages.c.wallet_id == wallet_id, alert_messages.c.episode_id == episode_id)
                .values(acknowledged_by=by.user_id, acknowledged_level=alert_messages.c.level)
            )

        self._ledger.run(save, wallet_id=wallet_id)

    def open_episode(self, wallet_id: UUID) -> Episode | None:
        """Give the episode that is going on, if one is."""
        with self._ledger.reading() as connection:
            found = last_episode(connection, wallet_id)
        return found if found is not None and found.closed_at is None else None


def remember(tx: Tx, wallet_id: UUID, message: Posted) -> None:
    """Keep where an episode's message is and what it shows; who acknowledged it stays as it is."""
    table = alert_messages
    values = {
        "channel": message.channel,
        "ts": message.ts,
        "level": int(message.level),
        "phase": message.phase,
        "shown": message.shown,
        "line_ts": message.line_ts,
    }
    mine = (
        (table.c.wallet_id == wallet_id)
        & (table.c.episode_id == message.episode_id)
        & (table.c.audience == str(message.recipient))
    )
    if not tx.connection.execute(update(table).where(mine).values(**values)).rowcount:
        tx.connection.execute(
            insert(table).values(
                wallet_id=wallet_id,
                episode_id=message.episode_id,
                audience=str(message.recipient),
                acknowledged_by="",
                acknowledged_level=int(Level.FINE),
                **values,
            )
        )


def _stopped_for(resumed: WalletResumed | None) -> timedelta | None:
    if resumed is None or resumed.emptied_at is None:
        return None
    return resumed.resumed_at - resumed.emptied_at


def _paid(connection: Connection, wallet_id: UUID, resumed: WalletResumed | None) -> PaidFacts | None:
    """Say how money came back."""
    return how_paid(connection, wallet_id, resumed.source, resumed.source_id) if resumed is not None else None


def _posted(connection: Connection, wallet_id: UUID, episode_id: UUID) -> list[Posted]:
    rows = connection.execute(
        select(alert_messages).where(
            alert_messages.c.wallet_id == wallet_id, alert_messages.c.episode_id == episode_id
        )
    )
    return [
        Posted(
            episode_id=row.episode_id,
            recipient=Recipient.of(row.audience),
            channel=row.channel,
            ts=row.ts,
            level=Level(row.level),
            phase=AlertPhase(row.phase),
            shown=row.shown,
            acknowledged_by=row.acknowledged_by,
            acknowledged_level=Level(row.acknowledged_level),
            line_ts=row.line_ts,
        )
        for row in rows
    ]
