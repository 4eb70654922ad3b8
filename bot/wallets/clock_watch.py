"""Watches the clock of a running bot: judges it at the start, and says in health and log when it is in doubt.

While the time is in doubt, other clocks are asked again. While it is believed, the books remember how far the wall
clock is from the machine's monotonic one: a start at which nobody can be asked is judged by that.
"""

import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from uuid import UUID

from sqlalchemy import Connection, inspect

from bot.served import Served
from bot.tables import NIL_WALLET, named_values
from bot.wallets.named_values import named_value, set_named_value
from ledger import Anchor, Dated, JudgedClock, Known, Ledger, Tx, ahead_after, ahead_of, database_time

log = logging.getLogger("redbar.clock")
LOOK_EVERY = timedelta(seconds=10)
PATIENCE = timedelta(seconds=3)
"""How long clocks outside are waited for."""
_ASK_EVERY = 6
"""Looks in doubt between two questions to other clocks."""
_REMEMBER_EVERY = 60
"""Believed looks between two that the books remember."""
_COMPARE_EVERY = 6 * 360
"""Believed looks between two questions to other clocks: six hours, since each question is a read of Stripe's ration."""
_WHOLE_EVERY = 360
"""Looks between two at every wallet, an hour. A wallet gets ahead by a clock that was wrong, here or elsewhere: so all
 are looked at once at the start and whenever a doubt begins or ends, and else those that are known to be ahead.
"""
_NAME = "clock"
Ask = Callable[[JudgedClock], Sequence[Dated]]
"""Asks other clocks what time it is."""


def clocks_outside(
    ledger: Ledger,
    clocks: Mapping[str, Callable[[], datetime | None]],
    *,
    asks_database: bool,
    patience: timedelta = PATIENCE,
) -> Ask:
    """Give what asks the database server and the clocks outside what time it is, all at once.

    Whoever does not answer for `patience` has no say: the ledger waits for nobody's answer.
    """

    def ask(clock: JudgedClock) -> Sequence[Dated]:
        heard: SimpleQueue[tuple[str, Dated | None]] = SimpleQueue()

        def look(name: str, time_there: Callable[[], datetime | None]) -> None:
            at = None
            try:
                at = time_there()
            finally:
                heard.put((name, clock.heard(name, at) if at is not None else None))

        for name, time_there in clocks.items():
            Thread(target=look, args=(name, time_there), name=f"time at {name}", daemon=True).start()
        books: list[Dated] = []
        if asks_database:
            with ledger.reading() as connection:
                at = database_time(connection)
            if at is not None:
                books.append(clock.heard("the database", at, independent=False))
        said: dict[str, Dated] = {}
        until = monotonic() + patience.total_seconds()
        for _ in clocks:
            with suppress(Empty):
                name, answer = heard.get(timeout=max(0, until - monotonic()))
                if answer is not None:
                    said[name] = answer
        return [*(said[name] for name in clocks if name in said), *books]

    return ask


class ClockWatch:
    """Judges the clock of a bot; does nothing where its clock is one that nobody judges."""

    def __init__(self, ledger: Ledger, served: Served, ask: Ask) -> None:
        self._ledger = ledger
        self._served = served
        self._ask = ask
        self._clock = ledger.clock if isinstance(ledger.clock, JudgedClock) else None
        self._looks = 0
        self.skew = timedelta()
        """How far the machine's clock was ahead of the clock that differed most, when others were last asked."""
        self._said: tuple[str, ...] = ()
        self._ahead: tuple[str, ...] = ()
        self._known: Collection[UUID] = ()
        """The wallets that were ahead at the last look."""
        self._doubted = False

    def begin(self) -> None:
        """Judge the start, before anything is written."""
        if self._clock is None:
            return
        self._clock.begin(self._asked(self._clock), _known(self._ledger))
        remember_clock(self._ledger)
        self._say(whole=True)

    def look(self, now: datetime) -> None:
        """Ask again in doubt, remember what is believed, find the wallets ahead, and log what changed."""
        if self._clock is None:
            return
        self._looks += 1
        if self._clock.doubt is not None and self._looks % _ASK_EVERY == 0:
            self._clock.ask_again(self._asked(self._clock))
        elif self._looks % _COMPARE_EVERY == 0:
            self._asked(self._clock)  # a clock that drifts slowly never leaps: health says how far it is
        if self._looks % _REMEMBER_EVERY == 0:
            remember_clock(self._ledger)
        self._say(whole=self._looks % _WHOLE_EVERY == 0)

    def problems(self) -> Sequence[str]:
        """Say what is wrong with the time, for health; nothing while it is believed."""
        doubt = self._ledger.doubt
        return self._ahead if doubt is None else (str(doubt), *self._ahead)

    def _asked(self, clock: JudgedClock) -> Sequence[Dated]:
        dates = self._ask(clock)
        self.skew = max((clock.ahead_of(one) for one in dates), key=abs, default=self.skew)
        return dates

    def _say(self, *, whole: bool) -> None:
        doubt = self._ledger.doubt
        whole = whole or self._doubted
        self._doubted = doubt is not None
        ahead: dict[UUID, datetime] = {}
        if doubt is None:
            with self._ledger.reading() as connection:
                ahead = _ahead_of(self._ledger, connection, self._served, None if whole else [*self._known])
        self._known = ahead.keys()
        self._ahead = tuple(_words_of(wallet_id, at) for wallet_id, at in sorted(ahead.items()))
        # What is said of a doubt changes with the clock; that there is one since then does not.
        saying = self._ahead if doubt is None else (f"doubt since {doubt.since}", *self._ahead)
        if saying == self._said:
            return
        self._said = saying
        for problem in self.problems():
            log.error("%s", problem)
        if not saying:
            log.warning("the clock of this machine is believed again")


def _ahead_of(
    ledger: Ledger, connection: Connection, served: Served, among: Sequence[UUID] | None
) -> dict[UUID, datetime]:
    """Give which of our wallets are ahead of a believed clock, and until when. They wait for it or for the operator."""
    ahead = ahead_of(connection, ahead_after(ledger.now()), among)
    return {one: at for one, at in ahead.items() if not served.is_others(connection, one)}


def _words_of(wallet_id: UUID, touched_at: datetime) -> str:
    return (
        f"Wallet {wallet_id} was last changed at {touched_at:%Y-%m-%d %H:%M:%S} UTC, which is in the future: a clock "
        "was wrong then. Nothing is charged, nothing expires and nobody is told of it until `redbar clock accept` "
        "takes the present time as true."
    )


def judge_beside(ledger: Ledger) -> None:
    """Judge the clock of a command without a bot, by what the books remember; beside a sandbox it has skipped too."""
    if isinstance(ledger.clock, JudgedClock):
        known = _known(ledger)
        if known is not None and known.skipped:
            ledger.clock.skip(known.skipped)
        ledger.clock.begin((), known)


def remember_clock(ledger: Ledger) -> None:
    """Keep a believed reading of the clock for the next start."""
    known = ledger.clock.known() if isinstance(ledger.clock, JudgedClock) else None
    if known is None:
        return
    value = json.dumps(
        {
            "boot": known.boot,
            "at": known.anchor.at.isoformat(),
            "ticks": known.anchor.ticks // timedelta(microseconds=1),
            "skipped": known.skipped // timedelta(microseconds=1),
        }
    )

    def save(tx: Tx) -> None:
        set_named_value(tx, NIL_WALLET, _NAME, value)

    ledger.run(save, wallet_id=None)


def skipped_time(connection: Connection) -> timedelta:
    """Say how much the time had skipped on purpose where these books are kept; nothing outside a sandbox."""
    if not inspect(connection).has_table(named_values.name):
        return timedelta()  # a ledger without a bot
    known = _known_in(connection)
    return known.skipped if known is not None else timedelta()


def _known(ledger: Ledger) -> Known | None:
    with ledger.reading() as connection:
        return _known_in(connection)


def _known_in(connection: Connection) -> Known | None:
    kept = named_value(connection, NIL_WALLET, _NAME)
    if kept is None:
        return None
    found = json.loads(kept.value)
    anchor = Anchor(datetime.fromisoformat(found["at"]), timedelta(microseconds=found["ticks"]))
    return Known(found["boot"], anchor, timedelta(microseconds=found["skipped"]))
