"""`/wallet` and the global shortcut."""

from typing import Any

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
from bot.slack.listeners.boundary import Desk, Front, guarded
from bot.slack.views import automatic as automatic_views
from bot.slack.views import help as help_views
from bot.slack.views import history as history_views
from bot.slack.views import status as status_views
from bot.slack.views import usage as usage_views

Body = dict[str, Any]


def register(bolt: App, front: Front) -> None:
    """Register the command and the shortcut."""
    wallet_work = guarded(front, wallet)
    shortcut_work = guarded(front, shortcut)

    @bolt.command("/wallet")
    def hear_wallet(ack: Ack, body: Body) -> None:
        ack()
        wallet_work(body)()

    @bolt.shortcut(SHORTCUT_TOP_UP)
    def hear_shortcut(ack: Ack, body: Body) -> None:
        ack()
        shortcut_work(body)()


def shortcut(desk: Desk) -> None:
    """Open the form to add balance."""
    desk.require()
    actions.open_add_balance(desk, amount=None, pay_with="")


def wallet(desk: Desk) -> None:
    """Read what was typed and answer it."""
    who = desk.require()
    office = desk.office
    currency = office.currency(who.wallet_id)
    match parse(str(desk.body.get("text") or ""), currency):
        case Status():
            desk.tell(status_views.status(office.status(who)))
        case TopUp(amount=None):
            actions.open_add_balance(desk, amount=None, pay_with="")
        case TopUp(amount=amount):
            assert amount is not None
            actions.top_up(desk, amount)
        case Ask(person_id=person_id, amount=None):
            actions.open_add_balance(desk, amount=None, pay_with="ask")
        case Ask(person_id=person_id, amount=amount, note=note):
            assert amount is not None
            actions.ask(desk, amount, person_id, note)
        case ShowCard():
            actions.open_connect(desk)
        case AutomaticPayments(off=True):
            actions.automatic_off(desk)
        case AutomaticPayments() if who.role is Role.FINANCE:
            desk.tell(automatic_views.automatic_state(office.automatic(who.wallet_id)))
        case AutomaticPayments():
            actions.open_automatic(desk)
        case ShowUsage(month=month):
            desk.tell(usage_views.usage(*actions.month_and_balance(office, who, month)))
        case ShowHistory(kind=kind, month=month):
            desk.tell(history_views.history(actions.page(office, who, kind, month, None), currency))
        case ShowAlerts():
            actions.open_alerts(desk)
        case ShowPeople():
            actions.open_people(desk)
        case Help(reason=reason):
            desk.tell(help_views.help_message(reason))
