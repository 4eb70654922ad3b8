"""`/wallet` and the global shortcut."""

from functools import partial
from typing import assert_never

from slack_bolt import Ack, App

from bot.rights import Action, Role
from bot.slack.access import SHORTCUT_RIGHT, right_of
from bot.slack.commands import (
    Ask,
    AutomaticPayments,
    Help,
    ShowAlerts,
    ShowCard,
    ShowHistory,
    ShowPeople,
    ShowUsage,
    Status,
    TopUp,
    WalletCommand,
    parse,
)
from bot.slack.ids import SHORTCUT_TOP_UP, Act
from bot.slack.listeners import actions
from bot.slack.listeners.boundary import SlowWork, Task, start
from bot.slack.listeners.buttons import FORMS
from bot.slack.listeners.interaction import Body, Context, Interaction
from bot.slack.views import help as help_views
from bot.slack.views import history as history_views
from bot.slack.views import status as status_views
from bot.slack.views import usage as usage_views
from bot.states.payment import PayWith
from bot.surfaces.home import status_facts
from bot.surfaces.snapshot import currency_of
from bot.wallets.entitled import NotEntitled


def register(bolt: App, context: Context) -> None:
    """Register the command and the shortcut."""
    wallet_task = Task(lambda interaction: right_of(typed(interaction)), wallet, title)
    shortcut_task = Task(SHORTCUT_RIGHT, shortcut, lambda interaction: FORMS[Act.ADD_BALANCE])

    @bolt.command("/wallet")
    def hear_wallet(ack: Ack, body: Body) -> None:
        ack()
        start(Interaction(context, body), wallet_task)

    @bolt.shortcut(SHORTCUT_TOP_UP)
    def hear_shortcut(ack: Ack, body: Body) -> None:
        ack()
        start(Interaction(context, body), shortcut_task)


def shortcut(interaction: Interaction) -> None:
    """Show the form to add balance."""
    actions.show_add_balance(interaction, amount=None)


def title(interaction: Interaction) -> str:
    """Give the title of the form that waits for the answer; empty where it is answered in words."""
    workspace = interaction.workspace
    if workspace is None:
        return ""
    match typed(interaction):
        case TopUp(amount=None) | Ask(amount=None):
            return FORMS[Act.ADD_BALANCE]
        case TopUp() if actions.has_main_card(interaction.context, workspace.wallet_id):
            return "Charge the card?"
        case ShowCard():
            return FORMS[Act.CONNECT_CARD]
        case AutomaticPayments(off=False):
            return FORMS[Act.AUTOMATIC]
        case ShowAlerts():
            return FORMS[Act.ALERTS]
        case ShowPeople():
            return FORMS[Act.PEOPLE]
        case _:
            return ""


def typed(interaction: Interaction) -> WalletCommand:
    """Read what was typed. Refuses: NotEntitled, where there is no wallet."""
    workspace = interaction.workspace
    if workspace is None:
        raise NotEntitled(Role.OUTSIDER)
    currency = currency_of(interaction.context.ledger, workspace.wallet_id)
    return parse(str(interaction.body.get("text") or ""), currency)


def wallet(interaction: Interaction) -> SlowWork | None:
    """Answer what was typed, or return the rest of the work, which asks Stripe."""
    who, context = interaction.who, interaction.context
    currency = currency_of(context.ledger, who.wallet_id)
    match typed(interaction):
        case Status():
            facts = context.read(
                who.wallet_id, lambda snapshot: status_facts(snapshot, context.recharge, who.person)
            )
            interaction.tell(status_views.status(facts))
        case TopUp(amount=amount):
            if amount is not None:
                return actions.top_up(interaction, amount)
            actions.show_add_balance(interaction, amount=None)
        case Ask(person_id=person_id, amount=amount, note=note):
            if amount is not None:
                return partial(actions.ask, amount=amount, person_id=person_id, note=note)
            actions.show_add_balance(interaction, amount=None, pay_with=PayWith.ASK)
        case ShowCard() if interaction.may(Action.CONNECT_CARD):
            return actions.connect
        case ShowCard():
            actions.show_own_cards(interaction)
        case AutomaticPayments(off=True):
            actions.automatic_off(interaction)
        case AutomaticPayments() if interaction.may(Action.CHANGE_RULE):
            actions.show_automatic(interaction)
        case AutomaticPayments():
            actions.tell_automatic(interaction)
        case ShowUsage(month=month):
            interaction.tell(usage_views.usage(*actions.month_and_balance(context, who, month)))
        case ShowHistory(kind=kind, month=month):
            interaction.tell(history_views.history(actions.page(context, who, kind, month, None), currency))
        case ShowAlerts():
            actions.show_alerts(interaction)
        case ShowPeople():
            actions.show_people(interaction)
        case Help(reason=reason):
            interaction.tell(help_views.help_message(reason, role=who.role, currency=currency))
        case unknown:
            assert_never(unknown)
    return None
