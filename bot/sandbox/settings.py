"""What the stand-ins need to know of each other's address and keys."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Addresses and secrets of one sandbox; all of them are worthless outside it."""

    base_url: str
    """Where the sandbox is served, without a trailing slash."""
    slack_bot_token: str
    slack_app_token: str
    slack_signing_secret: str
    slack_delivery: Literal["socket", "http"]
    """How commands, interactions and events reach the bot."""
    slack_request_url: str
    """Where they go in `http` delivery."""
    stripe_key: str
    stripe_webhook_url: str | None
    stripe_webhook_secret: str | None
