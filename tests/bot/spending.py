"""What a company spends, and when: days that stand out."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from bot.notices import SpikeSeen
from ledger import MICROS, OUTBOUND_CALL, PostUsage, local_day, new_id
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


def spike(one: Company) -> None:
    """Let AI tasks cost a multiple of what they cost on the same weekday of the two weeks before, and tell it."""
    one.place.clock.skip(weeks=BURN_WEEKS, days=1)  # of the weeks before nothing is known
    for weeks, dollars in ((2, 2), (1, 2), (0, 20)):
        use(one, dollars, "ai_task", ago=timedelta(weeks=weeks), reference="camp-118")
    with one.ledger.reading() as connection:
        zone = ZoneInfo(one.ledger.look(connection, one.wallet_id)[0].zone)
    seen = SpikeSeen(local_day(one.ledger.now(), zone).isoformat(), "ai_task")
    one.ledger.run(lambda tx: tx.outbox.add(one.wallet_id, seen), wallet_id=one.wallet_id)
