"""What the Slack stand-in tells the bot of its own accord, in the order in which it happened."""

import asyncio
import secrets
import threading
from collections import deque
from typing import Any

from bot.sandbox.document_store import Doc
from bot.sandbox.slack.delivery import Delivered, Delivery
from bot.sandbox.slack.installation import Installation
from bot.sandbox.slack.seed import APP, BOT_USER, TEAM
from bot.sandbox.slack.state import SlackState

VERIFICATION = "superseded"
"""Slack still sends such a word; nobody should look at it."""


class Events:
    """Delivers events to which the app has subscribed."""

    def __init__(self, state: SlackState, installation: Installation, delivery: Delivery) -> None:
        self._state = state
        self._installation = installation
        self._delivery = delivery
        self._lock = threading.Lock()
        self._waiting: deque[Doc] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, kind: str, *, private: bool = False, **about: Any) -> None:
        """Put down that something happened, if the app is told of it; whoever caused it has it delivered."""
        if self._installation.hears(kind, private=private):
            with self._lock:
                self._waiting.append({"type": kind, "event_ts": self._state.next_ts(), **about})

    async def deliver_waiting(self) -> None:
        """Deliver what was put down."""
        while True:
            with self._lock:
                event = self._waiting.popleft() if self._waiting else None
            if event is None:
                return
            await self.deliver(event)

    def deliver_later(self) -> None:
        """Deliver what was put down beside what the event loop does now."""
        with self._lock:
            if not self._waiting:
                return
        task = asyncio.get_running_loop().create_task(self.deliver_waiting())
        self._tasks.add(task)  # the loop itself would let a waiting task be collected
        task.add_done_callback(self._tasks.discard)

    async def deliver(self, event: Doc) -> Delivered:
        """Deliver one event, and again when it was not taken."""
        payload = {
            "token": VERIFICATION,
            "team_id": TEAM,
            "api_app_id": APP,
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev0{secrets.token_hex(5).upper()}",
            "event_time": int(self._state.now().timestamp()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": TEAM,
                    "user_id": BOT_USER,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
        }
        return await self._delivery.deliver_event(payload)
