"""Whether the app is still installed in our workspace, as Slack's answers say.

Slack sends an event when the app is uninstalled, and any process may miss it. So an answer that rejects our token marks
the workspace as removed too. Slack sends no event when the app is installed again: we ask when a person interacts.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from time import monotonic
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bot.slack.answers import Meaning
from bot.slack.failures import UNREACHED, ReadingClient, answer_to
from bot.wallets.workspaces import REMOVED_BY_EVENT, Workspaces
from ledger import assert_outside_transaction

log = logging.getLogger("redbar.slack")
ASK_SECONDS = 3
"""The shortest time between two questions to Slack about our token."""


class ListeningClient(ReadingClient):
    """Slack's client, which reports when an answer rejects our token."""

    def __init__(self, *, gone: Callable[[str], None], **settings: Any) -> None:
        super().__init__(**settings)
        self._gone = gone

    def api_call(self, api_method: str, **how: Any) -> SlackResponse:
        """Send a request; if Slack rejects our token, report that before the error is raised."""
        try:
            return super().api_call(api_method, **how)
        except SlackApiError as error:
            answer = answer_to(error)
            if answer.meaning is Meaning.WORKSPACE:
                self._gone(answer.code)
            raise


class Presence:
    """Stores whether the app is installed in our workspace."""

    def __init__(self, workspaces: Workspaces, team_id: str, client: WebClient) -> None:
        self._workspaces = workspaces
        self.team_id = team_id
        self._client = client
        self._asking = Lock()
        self._asked_at: float | None = None

    def gone(self, said: str) -> None:
        """Mark the workspace as removed: Slack rejects our token."""
        assert_outside_transaction()
        if self._workspaces.gone_by(self.team_id) is None:
            log.error("Slack says %s: nothing is sent or charged until the app is installed again", said)
            self._workspaces.forget(self.team_id, said)

    def is_here(self) -> bool:
        """Say whether the app is installed, as far as we know."""
        return self._workspaces.gone_by(self.team_id) is None

    def came(self, team_id: str) -> None:
        """Ask Slack again when somebody of our workspace interacts while it counts as removed."""
        if team_id == self.team_id and self._workspaces.gone_by(team_id) is not None:
            self._ask()

    def look(self, now: datetime) -> None:
        """Ask Slack again on our own if only an answer said that the app was removed: Slack may have erred.

        After an uninstall event we do not ask: a person who installs the app again will interact with it.
        """
        gone_by = self._workspaces.gone_by(self.team_id)
        if gone_by is not None and gone_by not in REMOVED_BY_EVENT:
            self._ask()

    def _ask(self) -> None:
        # A thread that arrives while another is asking waits for that answer and uses it.
        with self._asking:
            if self._asked_at is not None and monotonic() - self._asked_at < ASK_SECONDS:
                return
            self._asked_at = monotonic()
            try:
                self._client.auth_test()
            except UNREACHED as error:
                log.warning("Slack does not confirm that the app is installed: %s", answer_to(error).why)
            else:
                log.warning("Slack accepts our token again: the workspace is served as before")
                self._workspaces.revive(self.team_id)
