"""`/wallet` and the global shortcut."""

from typing import assert_never

from slack_bolt import Ack, App

from bot.rights import Role
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
    parse,
)
from bot.slack.ids import SHORTCUT_TOP_UP
from bot.slack.listeners import actions
from bot.slack.listeners.boundary import guarded
from bot.slack.listeners.interaction import Body, Context, Interaction
from bot.slack.views import help as help_views
from bot.slack.views import history as history_views
from bot.slack.views import status as status_views
from bot.slack.views import usage as usage_views
from bot.surfaces.home import status_facts
from bot.surfaces.snapshot import currency_of


def register(bolt: App, context: Context) -> None:
    """Register the command and the shortcut."""
    wallet_work = guarded(context, wallet)
    shortcut_work = guarded(context, shortcut)

    @bolt.command("/wallet")
    def hear_wallet(ack: Ack, body: Body) -> None:
        ack()
        wallet_work(body)()

    @bolt.shortcut(SHORTCUT_TOP_UP)
    def hear_shortcut(ack: Ack, body: Body) -> None:
        ack()
        shortcut_work(body)()


def shortcut(interaction: Interaction) -> None:
    """Open the form to add balance."""
    interaction.require()
    actions.open_add_balance(interaction, amount=None, pay_with="")


def wallet(interaction: Interaction) -> None:
    """Read what was typed and answer it."""
    who = interaction.require()
    context = interaction.context
    currency = currency_of(context.ledger, who.wallet_id)
    match parse(str(interaction.body.get("text") or ""), currency):
        case Status():
            facts = context.read(
                who.wallet_id, lambda snapshot: status_facts(snapshot, context.recharge, who.role)
            )
            interaction.tell(status_views.status(facts))
        case TopUp(amount=amount):
            if amount is None:
                actions.open_add_balance(interaction, amount=None, pay_with="")
            else:
                actions.top_up(interaction, amount)
        case Ask(person_id=person_id, amount=amount, note=note):
            if amount is None:
                actions.open_add_balance(interaction, amount=None, pay_with="ask")
            else:
                actions.ask(interaction, amount, person_id, note)
        case ShowCard():
            actions.open_connect(interaction)
        case AutomaticPayments(off=True):
            actions.automatic_off(interaction)
        case AutomaticPayments() if who.role is Role.FINANCE:
            actions.tell_automatic(interaction, who)
        case AutomaticPayments():
            actions.open_automatic(interaction)
        case ShowUsage(month=month):
            interaction.tell(usage_views.usage(*actions.month_and_balance(context, who, month)))
        case ShowHistory(kind=kind, month=month):
            interaction.tell(history_views.history(actions.page(context, who, kind, month, None), currency))
        case ShowAlerts():
            actions.open_alerts(interaction)
        case ShowPeople():
            actions.open_people(interaction)
        case Help(reason=reason):
            interaction.tell(help_views.help_message(reason, currency=currency))
        case unknown:
            assert_never(unknown)
