"""Socket Mode: each envelope is acknowledged in the thread that reads it, before the next one is read.

Source: docs.slack.dev/apis/events-api/using-socket-mode. Slack waits three seconds for an acknowledgement. slack_sdk
passes each envelope through a queue and a pool of ten threads, which wait while listeners run.
"""

import json
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.socket_mode.builtin import SocketModeHandler
from slack_sdk import WebClient
from slack_sdk.socket_mode.builtin import SocketModeClient

RECEIVE_BYTES = 64 * 1024
"""How much is read from the socket at once. slack_sdk reads 1,024 bytes, less than one envelope, and gives up the
interpreter lock at each read: acknowledgements then queue behind every thread that computes."""


class EnvelopeClient(SocketModeClient):
    """Slack's client for Socket Mode, which has envelopes answered where they are read."""

    def enqueue_message(self, message: str) -> None:
        """Answer an envelope now; leave `hello` and `disconnect` to the client's own thread, which may reconnect."""
        envelope = _envelope(message)
        if envelope is None:
            super().enqueue_message(message)
        else:
            self.run_message_listeners(envelope, message)


class EnvelopeHandler(SocketModeHandler):
    """Bolt's handler for Socket Mode, with that client. The application must answer without waiting."""

    def __init__(self, app: App, app_token: str, web_client: WebClient) -> None:
        # Not the handler's own constructor: it makes a client and starts its threads.
        self.app = app
        self.app_token = app_token
        self.client = EnvelopeClient(
            app_token=app_token,
            logger=app.logger,
            web_client=web_client,
            proxy=web_client.proxy,
            ping_interval=10,
            receive_buffer_size=RECEIVE_BYTES,
        )
        self.client.socket_mode_request_listeners.append(self.handle)  # type: ignore[arg-type]


def _envelope(message: str) -> dict[str, Any] | None:
    """Give the envelope in a message; None for any other message, and for what is no JSON object."""
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "envelope_id" in found else None
