"""The one boundary of all listeners: who acts, whether they may, and what refusals say.

Nothing is ever raised into Bolt: an exception just after `ack()` can erase the ack (measured: README, R-07), so
everything is caught here. A refusal becomes its words, a bug an incident number that was logged.
"""

import functools
import logging
import secrets
from collections.abc import Callable, Collection, Mapping
from typing import Concatenate, ParamSpec
from uuid import UUID

from bot.payment_rows import ties_of
from bot.rights import Action, Role, Tie, may, tie_for
from bot.slack.listeners.interaction import Body, Context, Interaction
from bot.slack.views import errors, status
from bot.slack.views.blocks import Message
from bot.wallets.entitled import NotEntitled
from bot.wallets.people import Standpoint
from ledger import Refused

log = logging.getLogger("redbar.slack")
P = ParamSpec("P")
TiesOf = Callable[[Context, Standpoint, str], Collection[Tie]]


def guarded(
    context: Context,
    right: Action | Callable[[Interaction], Action],
    work: Callable[Concatenate[Interaction, P], None],
) -> Callable[[Body], Callable[P, None]]:
    """Give a runner of one listener's work: it lets in who has the right, and catches everything."""

    def bind(body: Body) -> Callable[P, None]:
        interaction = Interaction(context, body)

        @functools.wraps(work)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                context.presence.came(interaction.actor.team_id)
                admit(interaction, right if isinstance(right, Action) else right(interaction))
                work(interaction, *args, **kwargs)
            except NotEntitled as refusal:
                _quietly(interaction, not_entitled(interaction, refusal))
            except Refused as refusal:
                _quietly(interaction, errors.refused(str(refusal), getattr(refusal, "ref", "")))
            except Exception:  # noqa: BLE001 - the boundary: users see words, the log sees everything
                _quietly(interaction, errors.incident(log_incident()))

        return run

    return bind


def admit(interaction: Interaction, action: Action) -> None:
    """Ask afresh who acts, and let in who may do this. Refuses: NotEntitled, CannotAsk.

    What anybody may do is never asked about.
    """
    if may(action, Role.OUTSIDER):
        return
    context = interaction.context
    who = context.people.standpoint(interaction.actor, fresh=True)
    if who is None:
        raise NotEntitled(Role.OUTSIDER)
    ties_to = _TIES.get(action)
    ties = ties_to(context, who, interaction.value) if ties_to is not None else ()
    if not may(action, who.role, ties):
        raise NotEntitled(who.role, lacks=tie_for(action))
    interaction.let_in(who)


def _to_request(context: Context, who: Standpoint, value: str) -> Collection[Tie]:
    try:
        payment = context.payments.look(who.wallet_id, UUID(value))
    except ValueError:
        return ()  # not an id of ours
    return ties_of(payment, who.actor.user_id)


def _to_card(context: Context, who: Standpoint, value: str) -> Collection[Tie]:
    return context.cards.ties_to(who.wallet_id, who.actor.user_id, value)


def _to_any_card(context: Context, who: Standpoint, value: str) -> Collection[Tie]:
    return context.cards.ties_to_any(who.wallet_id, who.actor.user_id)


def _to_rule(context: Context, who: Standpoint, value: str) -> Collection[Tie]:
    return context.rules.ties(who.wallet_id, who.actor.user_id)


_TIES: Mapping[Action, TiesOf] = {
    Action.RENEW_REQUEST: _to_request,
    Action.COPY_LINK: _to_request,
    Action.WITHDRAW: _to_request,
    Action.REMOVE_CARD: _to_card,
    Action.SEE_OWN_CARD: _to_any_card,
    Action.STOP_RULE: _to_rule,
}
"""How what somebody is to the thing that they act on is found; its id stands in the button's value."""


def log_incident() -> str:
    """Log the exception being handled under a number that the person is shown."""
    incident = secrets.token_hex(3).upper()
    log.exception("incident %s", incident)
    return incident


def not_entitled(interaction: Interaction, refusal: NotEntitled) -> Message:
    """Say whom to ask, the same whatever the wallet's state; people from outside learn nothing."""
    workspace = interaction.workspace
    if refusal.role is Role.OUTSIDER or workspace is None:
        return status.not_here()
    people = interaction.context.people.facts(workspace.wallet_id)
    return status.whom_to_ask(people, refusal.role, card_gone=refusal.lacks is Tie.CONNECTOR)


def _quietly(interaction: Interaction, message: Message) -> None:
    if interaction.is_event:
        return  # nobody waits for an answer: what they look at stays as it is
    try:
        interaction.tell(message)
    except Exception:  # an answer that cannot be shown must not become a second failure
        log.exception("an answer could not be shown")
