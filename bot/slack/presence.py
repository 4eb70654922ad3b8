"""Whether the app is still installed in our workspace: learned from Slack's answers, asked anew when somebody comes.

Slack tells of an uninstallation by an event, and any process may miss one. So an answer that says that the token is
worth nothing marks the workspace as dead too. Neither says when the app is back: Slack tells an app nothing of its own
installation.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from time import monotonic
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from bot.slack.answers import NOT_THIS_WORKSPACE
from bot.wallets.wallets import REMOVED_BY_EVENT, Wallets
from ledger import assert_outside_transaction

log = logging.getLogger("redbar.slack")
ASK_SECONDS = 3
"""How long after Slack was asked about our token it is not asked again."""


class ListeningClient(WebClient):
    """Slack's client, which passes on what an answer says of the workspace as a whole."""

    def __init__(self, *, gone: Callable[[str], None], **settings: Any) -> None:
        super().__init__(**settings)
        self._gone = gone

    def api_call(self, api_method: str, **how: Any) -> SlackResponse:
        """Make a call; when Slack says that our token is worth nothing, pass that on before it is raised."""
        try:
            return super().api_call(api_method, **how)
        except SlackApiError as error:
            said = str(error.response.get("error"))
            if said in NOT_THIS_WORKSPACE:
                self._gone(said)
            raise


class Presence:
    """Keeps whether our workspace is alive."""

    def __init__(self, wallets: Wallets, team_id: str, client: WebClient) -> None:
        self._wallets = wallets
        self._team_id = team_id
        self._client = client
        self._asking = Lock()
        self._asked_at: float | None = None

    def gone(self, said: str) -> None:
        """Mark the workspace as dead, since Slack answers that our token is worth nothing."""
        assert_outside_transaction()
        if self._wallets.gone_by(self._team_id) is None:
            log.error("Slack says %s: nothing is sent or charged until the app is installed again", said)
            self._wallets.forget_workspace(self._team_id, said)

    def came(self, team_id: str) -> None:
        """Somebody of a workspace came to us through Slack; where it is ours and counts as dead, ask whether it is."""
        if team_id == self._team_id and self._wallets.gone_by(team_id) is not None:
            self._ask()

    def look(self, now: datetime) -> None:
        """Ask again by ourselves where only an answer said that we were removed: Slack may have erred, or tell later.

        After an event it is not asked: the app was removed, and whoever installs it again comes to us.
        """
        gone_by = self._wallets.gone_by(self._team_id)
        if gone_by is not None and gone_by not in REMOVED_BY_EVENT:
            self._ask()

    def _ask(self) -> None:
        # Whoever comes while another is asking waits for that answer, and is answered by it.
        with self._asking:
            if self._asked_at is not None and monotonic() - self._asked_at < ASK_SECONDS:
                return
            self._asked_at = monotonic()
            try:
                self._client.auth_test()
            except SlackApiError as error:
                log.info("auth.test said %s", error.response.get("error"))
            except (SlackClientError, OSError):
                log.warning("Slack could not be asked whether the app is installed")
            else:
                log.warning("Slack accepts our token again: the workspace is served as before")
                self._wallets.revive_workspace(self._team_id)
