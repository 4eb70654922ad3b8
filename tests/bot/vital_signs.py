"""How a ledger without a bot is, for HTTP applications that a test puts together itself."""

from datetime import timedelta
from functools import partial
from typing import TypeVar

from bot.http.server import Backend
from bot.scheduler import Job, Scheduler
from bot.served import Served
from bot.surfaces.vitals_reading import VitalSigns
from bot.wallets.clock_watch import ClockWatch
from bot.wallets.restored_mode import Restored, restored
from bot.wallets.usage import Usage
from ledger import Ledger

Signs = TypeVar("Signs", bound=VitalSigns)


def signs_of(ledger: Ledger) -> VitalSigns:
    """Give them with one job, which has nothing to do."""
    return tied(VitalSigns, ledger)


def tied(kind: type[Signs], ledger: Ledger) -> Signs:
    """Give vital signs of a kind that a test brings."""
    scheduler = Scheduler(ledger.clock, [Job("nothing", timedelta(days=1), lambda now: None)])
    scheduler.run_all()
    return kind(
        ledger,
        Served("T1"),
        scheduler,
        ClockWatch(ledger, Served("T1"), lambda clock: ()),
        lambda: (),
        partial(_mode, ledger),
        lambda: None,
    )


def _mode(ledger: Ledger) -> Restored | None:
    with ledger.reading() as connection:
        return restored(connection)


def backend_of(ledger: Ledger) -> Backend:
    """Give what an HTTP application needs where neither Slack nor Stripe reaches it."""
    return Backend(
        ledger=ledger,
        usage=Usage(ledger),
        news=None,
        slack=None,
        stripe_webhook_secret="",
        stripe_live=False,
        signs=signs_of(ledger),
    )
