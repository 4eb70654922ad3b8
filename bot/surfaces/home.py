"""Home and the answer to `/wallet`: everything of a wallet that somebody with a role sees at once."""

from bot.delivering.open_deliveries import untold_since
from bot.delivering.posted_messages import Viewer
from bot.facts import HomeFacts, PeopleFacts, StatusFacts
from bot.payments.recharge import Recharge
from bot.rights import Person
from bot.stripe.key_health import key_refused_at
from bot.surfaces.automatic import automatic_facts
from bot.surfaces.balance import balance_facts
from bot.surfaces.month import month_facts
from bot.surfaces.requests import open_requests
from bot.surfaces.snapshot import Snapshot
from bot.surfaces.transactions import history_facts


def status_facts(snapshot: Snapshot, recharge: Recharge, person: Person) -> StatusFacts:
    """Give what `/wallet` says."""
    return StatusFacts(
        role=person.role,
        viewer_id=person.user_id,
        balance=balance_facts(snapshot),
        automatic=automatic_facts(snapshot, recharge),
        requests=open_requests(snapshot),
        key_refused_at=key_refused_at(snapshot.connection, snapshot.wallet_id),
    )


def home_facts(
    snapshot: Snapshot, recharge: Recharge, person: Person, people: PeopleFacts, viewer: Viewer | None
) -> HomeFacts:
    """Give everything that Home shows, with the month and the transactions that its viewer chose."""
    return HomeFacts(
        role=person.role,
        viewer_id=person.user_id,
        balance=balance_facts(snapshot),
        automatic=automatic_facts(snapshot, recharge),
        month=month_facts(snapshot, viewer.month or None if viewer else None),
        history=history_facts(
            snapshot,
            kind=viewer.kind or None if viewer else None,
            cursor=viewer.cursor or None if viewer else None,
        ),
        requests=open_requests(snapshot),
        people=people,
        key_refused_at=key_refused_at(snapshot.connection, snapshot.wallet_id),
        untold_since=untold_since(snapshot.connection, snapshot.wallet_id),
    )
