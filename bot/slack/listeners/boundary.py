"""The one boundary of all listeners: who acts, what refusals say, and that nothing is ever raised into Bolt.

An exception just after `ack()` can erase the ack (measured: README, R-07), so everything is caught here: a refusal
becomes its words, a bug an incident number that was logged.
"""

import functools
import logging
import secrets
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from bot.rights import Role
from bot.slack.listeners.interaction import Body, Context, Interaction
from bot.slack.views import errors, status
from bot.slack.views.blocks import Message
from bot.wallets.people import NotEntitled
from ledger import Refused

log = logging.getLogger("redbar.slack")
P = ParamSpec("P")


def guarded(
    context: Context, work: Callable[Concatenate[Interaction, P], None]
) -> Callable[[Body], Callable[P, None]]:
    """Give a runner of one listener's work that catches everything."""

    def bind(body: Body) -> Callable[P, None]:
        interaction = Interaction(context, body)

        @functools.wraps(work)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                context.presence.came(interaction.actor.team_id)
                work(interaction, *args, **kwargs)
            except NotEntitled as refusal:
                _quietly(interaction, not_entitled(interaction, refusal.role))
            except Refused as refusal:
                _quietly(interaction, errors.refused(str(refusal), getattr(refusal, "ref", "")))
            except Exception:  # noqa: BLE001 - the boundary: users see words, the log sees everything
                _quietly(interaction, errors.incident(log_incident()))

        return run

    return bind


def log_incident() -> str:
    """Log the exception being handled under a number that the person is shown."""
    incident = secrets.token_hex(3).upper()
    log.exception("incident %s", incident)
    return incident


def not_entitled(interaction: Interaction, role: Role) -> Message:
    """Say whom to ask, the same whatever the wallet's state; people from outside learn nothing."""
    workspace = interaction.workspace
    if role is Role.OUTSIDER or workspace is None:
        return status.not_here()
    return status.whom_to_ask(interaction.context.people.facts(workspace.wallet_id))


def _quietly(interaction: Interaction, message: Message) -> None:
    try:
        interaction.tell(message)
    except Exception:  # an answer that cannot be shown must not become a second failure
        log.exception("an answer could not be shown")
