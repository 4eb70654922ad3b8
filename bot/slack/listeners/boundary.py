"""The one boundary of all listeners: who acts, whether they may, and what refusals say.

A listener acknowledges and starts work; it waits for nothing. The work runs here, on threads of ours: first quick work,
then, where Stripe has to be asked, what that returned. Nothing is ever raised into Bolt or into a pool: a refusal
becomes its words, a bug an incident number that was logged.
"""

import logging
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from bot.payment_rows import ties_of
from bot.rights import Action, Role, Tie, may, tie_for
from bot.slack.listeners.interaction import Context, Interaction, NotShown
from bot.slack.views import errors, status
from bot.slack.views.blocks import Message
from bot.wallets.entitled import NotEntitled
from bot.wallets.people import Standpoint
from ledger import Refused, StoreTroubled

log = logging.getLogger("redbar.slack")
TiesOf = Callable[[Context, Standpoint, str], Collection[Tie]]
SlowWork = Callable[[Interaction], None]
"""Work that asks Stripe."""
Work = Callable[[Interaction], SlowWork | None]
"""Work that asks Stripe for nothing; what follows and does is returned."""


@dataclass(frozen=True, slots=True)
class Task:
    """What follows from something that a person did."""

    right: Action | Callable[[Interaction], Action]
    work: Work
    opens: Callable[[Interaction], str] | None = None
    """Gives the title of the form that is opened before anything else; empty where the answer needs none."""


def start(interaction: Interaction, task: Task) -> None:
    """Start the work of something that a person did. Returns at once."""
    interaction.context.workers.start(partial(_guarded, interaction, partial(_carry_out, interaction, task)))


def _carry_out(interaction: Interaction, task: Task) -> None:
    title = task.opens(interaction) if task.opens is not None else ""
    if title:
        interaction.open(title)
    interaction.context.presence.came(interaction.actor.team_id)
    right = task.right if isinstance(task.right, Action) else task.right(interaction)
    admit(interaction, right)
    slow = task.work(interaction)
    if slow is not None:
        interaction.context.workers.start_slow(
            partial(_guarded, interaction, partial(_carry_out_slow, interaction, right, slow))
        )


def _carry_out_slow(interaction: Interaction, right: Action, slow: SlowWork) -> None:
    admit(interaction, right)  # anew: it may have waited for a thread
    slow(interaction)


def _guarded(interaction: Interaction, run: Callable[[], None]) -> None:
    """Run work, and say what keeps it from being done."""
    try:
        run()
    except NotEntitled as refusal:
        _tell(interaction, partial(not_entitled, interaction, refusal))
    except Refused as refusal:
        _tell(interaction, partial(errors.refused, str(refusal), getattr(refusal, "ref", "")))
    except NotShown as problem:
        _tell(interaction, partial(errors.not_shown, refused=problem.refused))
    except StoreTroubled:  # the store has logged it
        _tell(interaction, errors.books_unavailable)
    except Exception:  # noqa: BLE001 - the boundary: users see words, the log sees everything
        _tell(interaction, partial(errors.incident, log_incident()))


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


def _tell(interaction: Interaction, words: Callable[[], Message]) -> None:
    if interaction.is_event:
        return  # nobody waits for an answer: what they look at stays as it is
    try:
        interaction.tell(words())
    except Exception:  # an answer that cannot be shown must not become a second failure
        log.exception("an answer could not be shown")
