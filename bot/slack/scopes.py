"""The scopes that the Slack app needs, and which of them the workspace did not grant.

A manifest that asks for more takes effect when the app is installed again; until then Slack refuses what needs it.
"""

from collections.abc import Sequence

from slack_sdk import WebClient

from bot.slack.failures import UNREACHED

GRANTED = "x-oauth-scopes"
"""The header in which Slack names the scopes of a token, with each answer."""
NEEDED = ("commands", "chat:write", "files:write", "users:read", "channels:read", "groups:read")
"""The scopes that `manifest.yml` asks for."""


def missing_scopes(client: WebClient) -> Sequence[str]:
    """Give the needed scopes that were not granted; none where Slack does not say."""
    try:
        headers = client.auth_test().headers
    except UNREACHED:
        return ()
    named = next((str(value) for name, value in headers.items() if name.lower() == GRANTED), None)
    if named is None:
        return ()
    granted = {one.strip() for one in named.split(",")}
    return [scope for scope in NEEDED if scope not in granted]
