"""What a company spends, and when: days that stand out, and money that ends soon."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bot.notices import RunwayShort, SpikeSeen
from ledger import MICROS, OUTBOUND_CALL, PostUsage, Tx, local_day, new_id
from ledger.spending import BURN_WEEKS
from tests.bot.rights_company import Company

NOW = timedelta()


def use(
    one: Company, dollars: float, kind: str = OUTBOUND_CALL, *, ago: timedelta = NOW, reference: str = ""
) -> None:
    """Post usage of some time ago."""
    at, micros = one.ledger.now() - ago, round(dollars * MICROS)
    usage = PostUsage("platform", str(new_id()), kind, micros, at, reference=reference)
    one.ledger.carry_out(one.wallet_id, [usage])


def set_policy(one: Company, **changes: Any) -> None:
    """Change settings of the wallet."""

    def save(tx: Tx) -> None:
        policy, _ = tx.book.policy(one.wallet_id)
        tx.book.set_policy(one.wallet_id, replace(policy, **changes), actor="x", expected_version=None)

    one.ledger.run(save, wallet_id=one.wallet_id)


def spike(one: Company) -> None:
    """Let AI tasks cost a multiple of what they cost on the same weekday of the two weeks before, and tell it."""
    one.place.clock.skip(weeks=BURN_WEEKS, days=1)  # of the weeks before nothing is known
    for weeks, dollars in ((2, 2), (1, 2), (0, 20)):
        use(one, dollars, "ai_task", ago=timedelta(weeks=weeks), reference="camp-118")
    with one.ledger.reading() as connection:
        zone = ZoneInfo(one.ledger.look(connection, one.wallet_id)[0].zone)
    seen = SpikeSeen(local_day(one.ledger.now(), zone).isoformat(), "ai_task")
    one.ledger.run(lambda tx: tx.outbox.add(one.wallet_id, seen), wallet_id=one.wallet_id)


def short_runway(one: Company) -> None:
    """Let people want the notice of the morning, and the money last for two days and a half, and tell it."""
    one.place.clock.skip(weeks=BURN_WEEKS, days=1)  # what was spent before foretells nothing
    for hours in range(1, 26):
        use(one, 1, "ai_task", ago=timedelta(hours=hours))
    one.ledger.run(lambda tx: tx.book.redraw_lines(one.wallet_id), wallet_id=one.wallet_id)
    one.bring_to(60)
    set_policy(one, info=True)
    one.ledger.run(lambda tx: tx.outbox.add(one.wallet_id, RunwayShort()), wallet_id=one.wallet_id)
