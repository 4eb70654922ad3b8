"""Books with many wallets, and what a round of jobs costs there: for the quick test and the long look."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, event, insert, select, update

from bot.due_work import BotDue
from bot.scheduler import Scheduler
from bot.tables import billing, people_listings, workspaces
from ledger import EPOCH, DueKind, Ledger, Tx, new_wallet_id
from ledger.storage.schema import policies, wallet_schedule, wallets

STEPS = 10
"""Steps of SQLite's machine between two calls that count them."""


def add_wallets(ledger: Ledger, like: UUID, count: int) -> list[UUID]:
    """Add wallets of further workspaces that are like one that has just been opened: idle, and nothing due."""
    ids = [new_wallet_id() for _ in range(count)]

    def add(tx: Tx) -> None:
        for table in (wallets, policies, billing):
            (row,) = tx.connection.execute(select(table).where(table.c.wallet_id == like)).mappings()
            tx.connection.execute(insert(table), [{**row, "wallet_id": one} for one in ids])
        later = tx.now + timedelta(days=30)
        listing = {"cursor": "", "started_at": tx.now, "due_at": later, "tries": 0}
        tx.connection.execute(insert(people_listings), [{**listing, "wallet_id": one} for one in ids])
        tx.connection.execute(
            insert(workspaces),
            [
                {
                    "team_id": f"T{one.hex}",
                    "enterprise_id": "",
                    "wallet_id": one,
                    "name": "",
                    "bot_user_id": "",
                    "created_at": tx.now,
                }
                for one in ids
            ],
        )
        due = {"lease_until": EPOCH, "token": 0, "due_at": later, "kind": BotDue.HOUSEKEEPING}
        tx.connection.execute(insert(wallet_schedule), [{**due, "wallet_id": one} for one in ids])

    ledger.run(add)
    return ids


def let_fall_due(ledger: Ledger, wallet_ids: list[UUID]) -> None:
    """Let something fall due in wallets that time alone does."""

    def change(tx: Tx) -> None:
        known = (wallet_schedule.c.kind == DueKind.TIME) & wallet_schedule.c.wallet_id.in_(wallet_ids[:1])
        assert tx.connection.execute(select(wallet_schedule).where(known)).first() is None
        for first in range(0, len(wallet_ids), 500):
            some = wallet_ids[first : first + 500]
            due = {"time_due_at": tx.now}
            tx.connection.execute(update(wallets).where(wallets.c.wallet_id.in_(some)).values(**due))
        row = {"lease_until": EPOCH, "token": 0, "due_at": tx.now, "kind": DueKind.TIME}
        tx.connection.execute(insert(wallet_schedule), [{**row, "wallet_id": one} for one in wallet_ids])

    ledger.run(change)


@dataclass
class Cost:
    """What something cost the database."""

    statements: int = 0
    steps: int = 0
    """Of SQLite's machine: they grow with each row that is read, and with nothing else."""


@contextmanager
def counted() -> Iterator[Cost]:
    """Count the statements that SQLAlchemy sends to SQLite, and the steps that they take there."""
    cost = Cost()

    def step() -> int:
        cost.steps += STEPS
        return 0

    def begin(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(step, STEPS)

    def see(*more: Any) -> None:
        cost.statements += 1

    event.listen(Engine, "begin", begin)
    event.listen(Engine, "before_cursor_execute", see)
    try:
        yield cost
    finally:
        event.remove(Engine, "begin", begin)
        event.remove(Engine, "before_cursor_execute", see)


def round_of(scheduler: Scheduler, *, but: Callable[[str], bool]) -> dict[str, Cost]:
    """Run every job once; gives what each cost."""
    found = {}
    for job in scheduler.jobs:
        if not but(job.name):
            with counted() as cost:
                job.run_once(scheduler._clock.now())
            found[job.name] = cost
    return found
