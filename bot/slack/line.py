"""Keeps the connection to Slack: waits for a Slack that is away, and closes it while nothing may be said.

The ledger and its API do not wait for Slack. What Slack says of a start is one of three: it knows us, it cannot be
asked now (no network, a limit, an error of its own), or it refuses a token; the last two are tried again.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread

from bot.slack.connection import Identity, NotConnected, SlackApp, TokenRefused

log = logging.getLogger("redbar.slack")
LOOK_EVERY = timedelta(seconds=1)
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(minutes=1)
Meet = Callable[[], Identity]
"""Asks Slack who we are. Raises: NotConnected."""


def next_wait(before: timedelta, problem: NotConnected) -> timedelta:
    """Say how long to wait before Slack is tried again: twice as long as before, and as long as Slack asks for."""
    doubled = min(before * 2, LONGEST_WAIT)
    return max(doubled, problem.retry_after or timedelta())


class SlackLine:
    """Opens the socket once Slack knows us, and opens it again where it was closed.

    `may_connect` is asked every second; `met` is told who Slack says we are, and says whether that is who we should be.
    """

    def __init__(
        self,
        app: SlackApp,
        meet: Meet,
        *,
        may_connect: Callable[[], bool],
        met: Callable[[Identity], bool],
        known: bool,
    ) -> None:
        self._app = app
        self._meet = meet
        self._may_connect = may_connect
        self._met = met
        self._known = known
        self._wait = FIRST_WAIT
        self.problem: NotConnected | None = None
        """Why Slack is not connected, as of the last try; None while it is, or was not tried."""
        self._ended = Event()

    def start(self) -> None:
        """Begin to connect, at once where Slack is known to be there; the rest happens on a thread of its own."""
        pause = self._step() if self._known else timedelta()
        self._thread = Thread(target=self._keep, args=(pause,), name="slack-line", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Connect no more."""
        self._ended.set()

    def _keep(self, pause: timedelta) -> None:
        while not self._ended.wait(pause.total_seconds()):
            pause = self._step()

    def _step(self) -> timedelta:
        """Do what is to be done now; gives how long to wait before the next step."""
        try:
            self._look()
        except NotConnected as problem:
            self._wait = next_wait(self._wait, problem)
            self._say(problem)
            return self._wait
        except Exception:
            log.exception("the connection to Slack could not be looked at")
        self._wait = FIRST_WAIT
        return LOOK_EVERY

    def _look(self) -> None:
        if not self._may_connect():
            self._app.hear_nothing()
            self.problem = None
        elif not self._app.hears:
            if not self._known:
                self._known = self._met(self._meet())
            if self._known and not self._ended.is_set():
                self._app.start()
                if self.problem is not None:
                    log.warning("Slack is connected")
                self.problem = None

    def _say(self, problem: NotConnected) -> None:
        before, self.problem = self.problem, problem
        if type(before) is not type(problem):
            words = str(problem) if isinstance(problem, TokenRefused) else "Slack is not connected"
            log.error("%s; it is tried again", words)
