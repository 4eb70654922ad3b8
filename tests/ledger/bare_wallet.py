"""A wallet as the book would load it, without a book: what tests of the planner decide on."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from ledger import Level, Lines
from ledger.alert_policy import Watch
from ledger.deciding.chain import GENESIS
from ledger.deciding.rows import Wallet

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def wallet(balance: int = 0, *, funded: bool = False, emptied: bool = False) -> Wallet:
    """Give a wallet that was funded for the last time a while ago."""
    level = Level.ZERO if emptied else Level.FINE
    return Wallet(
        wallet_id=UUID(int=1),
        currency="USD",
        zone="America/New_York",
        created_at=NOW - timedelta(days=30),
        balance=balance,
        held=0,
        next_hold_expires_at=None,
        seq=0,
        chain_head=GENESIS,
        funded=funded,
        emptied_at=NOW if emptied else None,
        grace_ends_at=NOW + timedelta(minutes=15) if emptied else None,
        grace_spent=(),
        ceiling=0,
        grace_cost=0,
        after_stop_count=0,
        last_asked_at=None,
        trouble="",
        lines=Lines(warning_micros=20, critical_micros=5),
        watch=Watch(announced=level, episode_id=UUID(int=2) if emptied else None, episode_level=level),
        ceiling_month=0,
        ceiling_hit_at=None,
        stopped_until=None,
        open_holds=0,
        holds_used=False,
        time_due_at=None,
        pace_due_at=None,
        seldom_read=(),
    )
