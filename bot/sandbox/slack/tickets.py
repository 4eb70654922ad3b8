"""One-time tickets of the Slack stand-in: trigger ids, response_urls, socket addresses.

They live by a clock of their own. It runs with real time: a day that is skipped must not void the button that somebody
has just pressed. Tests stop it and move it.
"""

import secrets
import threading
import time
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.sandbox.document_store import Doc, DocumentStore

TRIGGER_SECONDS = 3.0
RESPONSE_USES_MAX = 5
RESPONSE_SECONDS = 30 * 60
SOCKET_SECONDS = 60.0
KEPT_MAX = 1_000


class TicketProblem(StrEnum):
    """Slack's words for a ticket that isn't good."""

    INVALID_TRIGGER = "invalid_trigger_id"
    EXPIRED_TRIGGER = "expired_trigger_id"
    EXCHANGED_TRIGGER = "exchanged_trigger_id"
    EXPIRED_URL = "expired_url"
    USED_URL = "used_url"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A ticket that opens one modal; `in_modal` ones may put it on top of another."""

    user: str
    made: float
    in_modal: bool
    used: bool = False


class TicketClock:
    """Runs with real time until somebody stops it."""

    def __init__(self) -> None:
        self._ahead_seconds = 0.0
        self._stopped_at: float | None = None

    def now(self) -> float:
        """Give the time in seconds since 1970."""
        return (time.time() if self._stopped_at is None else self._stopped_at) + self._ahead_seconds

    def stop(self) -> None:
        """Stand still; from now on only `skip` moves it."""
        self._stopped_at = time.time()

    def skip(self, seconds: float) -> None:
        """Let seconds pass."""
        self._ahead_seconds += seconds


class Tickets:
    """Gives tickets out and takes them back. Those of response_urls survive a restart."""

    def __init__(self, store: DocumentStore) -> None:
        self.clock = TicketClock()
        self._store = store
        self._lock = threading.Lock()
        self._triggers: dict[str, Trigger] = {}
        self._sockets: dict[str, float] = {}

    def trigger(self, user: str, *, in_modal: bool = False) -> str:
        """Make a ticket that opens one modal within three seconds."""
        name = f"{time.time_ns() // 1_000_000}.{secrets.randbelow(10**10):010d}.{secrets.token_hex(16)}"
        with self._lock:
            if len(self._triggers) >= KEPT_MAX:
                del self._triggers[next(iter(self._triggers))]
            self._triggers[name] = Trigger(user, self.clock.now(), in_modal)
        return name

    def use_trigger(self, name: str) -> "Trigger | TicketProblem":
        """Take a trigger back, once and in time."""
        with self._lock:
            found = self._triggers.get(name)
            if found is None:
                return TicketProblem.INVALID_TRIGGER
            if found.used:
                return TicketProblem.EXCHANGED_TRIGGER
            if self.clock.now() - found.made > TRIGGER_SECONDS:
                return TicketProblem.EXPIRED_TRIGGER
            self._triggers[name] = replace(found, used=True)
            return found

    def response(
        self, user: str, channel: str, *, ts: str | None = None, thread_ts: str | None = None
    ) -> str:
        """Make a ticket that answers an interaction: a command's, or that with a message."""
        name = secrets.token_urlsafe(18)
        now = self.clock.now()
        with self._store.transaction():
            for old in self._store.all("response")[:20]:
                if now - old["made"] > RESPONSE_SECONDS:
                    self._store.delete("response", old["id"])
            ticket: Doc = {
                "id": name,
                "user": user,
                "channel": channel,
                "ts": ts,
                "thread_ts": thread_ts,
                "made": now,
                "uses": 0,
            }
            self._store.put("response", name, ticket)
        return name

    def use_response(self, name: str) -> "Doc | TicketProblem":
        """Take a response ticket, five times within half an hour."""
        with self._store.transaction():
            found = self._store.get("response", name)
            if found is None or self.clock.now() - found["made"] > RESPONSE_SECONDS:
                return TicketProblem.EXPIRED_URL
            if found["uses"] >= RESPONSE_USES_MAX:
                return TicketProblem.USED_URL
            return self._store.put("response", name, {**found, "uses": found["uses"] + 1})

    def socket(self) -> str:
        """Make the secret part of a socket's address."""
        name = secrets.token_urlsafe(18)
        with self._lock:
            self._sockets[name] = self.clock.now()
        return name

    def use_socket(self, name: str) -> bool:
        """Say whether a socket's address is good; each opens one connection, soon after it was given."""
        with self._lock:
            made = self._sockets.pop(name, None)
        return made is not None and self.clock.now() - made <= SOCKET_SECONDS
