"""Webhooks out: events are posted to the bot's endpoint, signed, until each was taken."""

import hashlib
import hmac
import json
import logging
import threading
import time

import httpx

from bot.sandbox.document_store import Doc
from bot.sandbox.loopback import loopback
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.stripe.state import StripeState, without_notes
from bot.sandbox.wire import Wire

log = logging.getLogger("redbar.sandbox.stripe")
PAUSE_SECONDS = 1.0
PAUSE_SECONDS_MAX = 30.0
WAIT_SECONDS = 5.0


class Webhooks:
    """Posts events in their order on a thread of its own; what is not taken survives a restart."""

    def __init__(self, state: StripeState, wire: Wire, settings: SandboxSettings) -> None:
        assert settings.stripe_webhook_url is not None
        assert settings.stripe_webhook_secret is not None
        self._url = settings.stripe_webhook_url
        self._secret = settings.stripe_webhook_secret
        self._state = state
        self._wire = wire
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._deliver = True
        self._thread = threading.Thread(target=self._work, name="stripe-webhooks", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look for events at once."""
        self._wake.set()

    def deliver(self, on: bool) -> None:
        """Let webhooks through, or hold them back."""
        self._deliver = on
        self.wake()

    def again(self, event_id: str) -> bool:
        """Send an event once more, as Stripe sometimes does by itself; False when there is none of that id."""
        if self._state.store.get("event", event_id) is None:
            return False
        self._state.queue(event_id)
        self.wake()
        return True

    def close(self) -> None:
        """Stop; what waits is kept."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout=2 * WAIT_SECONDS)

    def _work(self) -> None:
        pause = PAUSE_SECONDS
        with loopback(timeout=WAIT_SECONDS) as client:
            while not self._closing.is_set():
                waiting = self._deliver and self._state.store.all("undelivered")
                self._wake.wait(pause if waiting else PAUSE_SECONDS_MAX)
                self._wake.clear()
                if self._deliver:
                    pause = PAUSE_SECONDS if self._send_all(client) else min(pause * 2, PAUSE_SECONDS_MAX)

    def _send_all(self, client: httpx.Client) -> bool:
        """Send what waits and is visible, in order, up to the first that is not taken."""
        for waiting in self._state.store.all("undelivered"):
            if self._closing.is_set() or not self._deliver:
                return True
            event = self._state.store.get("event", waiting["event"])
            assert event is not None, "events are never forgotten"
            if not self._state.shows(event):
                continue
            if not self._send(client, event):
                return False
            self._state.store.delete("undelivered", waiting["id"])
        return True

    def _signature(self, body: str) -> str:
        """Sign as Stripe does (docs.stripe.com/webhooks/signature); the library that receives it judges it."""
        sent_at = int(time.time())  # signatures keep real time, whatever the sandbox's clock says
        signed = hmac.new(self._secret.encode(), f"{sent_at}.{body}".encode(), hashlib.sha256)
        return f"t={sent_at},v1={signed.hexdigest()}"

    def _send(self, client: httpx.Client, event: Doc) -> bool:
        body = json.dumps(without_notes(event))
        headers = {
            "Stripe-Signature": self._signature(body),
            "Content-Type": "application/json; charset=utf-8",
        }
        try:
            answer = client.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as problem:
            log.info("a webhook was not taken: %s", type(problem).__name__)
            return False
        self._wire.record("webhook", "POST", httpx.URL(self._url).path, None, event, answer.status_code, {})
        return answer.is_success
