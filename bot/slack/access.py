"""Which right stands behind what people press, send in or type: the same for showing and for accepting. Pure."""

from collections.abc import Mapping
from typing import assert_never

from bot.rights import Action
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
)
from bot.slack.ids import Act, Form
from bot.states.payment import PayWith

RIGHT_OF: Mapping[Act, Action | None] = {
    Act.ADD_BALANCE: Action.PAY,
    Act.PAY_BY_LINK: Action.PAY,
    Act.PAY_WITH: Action.PAY,
    Act.ASK_TO_PAY: Action.ASK,
    Act.CHARGE: Action.CHARGE,
    Act.CONNECT_CARD: Action.CONNECT_CARD,
    Act.SEND_TO: Action.CONNECT_CARD,
    Act.CHARGE_FROM_NOW: Action.CHANGE_RULE,
    Act.REMOVE_CARD: Action.REMOVE_CARD,
    Act.AUTOMATIC: Action.CHANGE_RULE,
    Act.AUTOMATIC_OFF: Action.STOP_RULE,
    Act.USAGE: Action.SEE,
    Act.EARLIER_MONTH: Action.SEE,
    Act.LATER_MONTH: Action.SEE,
    Act.HISTORY: Action.SEE,
    Act.HISTORY_NEWER: Action.SEE,
    Act.HISTORY_OLDER: Action.SEE,
    Act.MONTH: Action.SEE,
    Act.KIND: Action.SEE,
    Act.NEWER: Action.SEE,
    Act.OLDER: Action.SEE,
    Act.ROW: Action.SEE,
    Act.WHY: Action.SEE,
    Act.WHY_IN_THREAD: Action.SEE,
    Act.PEOPLE: Action.APPOINT,
    Act.ALERTS: Action.SET_ALERTS,
    Act.FIX: Action.FIX,
    Act.ACKNOWLEDGE: Action.ACKNOWLEDGE,
    Act.WITHDRAW: Action.WITHDRAW,
    Act.NEW_LINK: Action.RENEW_REQUEST,
    Act.COPY_LINK: Action.COPY_LINK,
    Act.OPEN_PAGE: Action.FOLLOW_LINK,
    Act.ASK_FOR_ACCESS: Action.ASK_FOR_ACCESS,
    # Fields of forms: they do nothing by themselves, and the form that is sent in has its own right.
    Act.AMOUNT: None,
    Act.OTHER_AMOUNT: None,
    Act.SAVE_CARD: None,
    Act.PERSON: None,
    Act.NOTE: None,
    Act.THRESHOLD: None,
    Act.HOW: None,
    Act.TARGET: None,
    Act.CARD: None,
    Act.BACKUP: None,
    Act.PER_DAY: None,
    Act.DAY_CAP: None,
    Act.MONTH_CAP: None,
    Act.FINANCE: None,
    Act.BILLING_ADMINS: None,
    Act.CHANNELS: None,
    Act.INFO: None,
}
"""The right behind each action id; None for what does nothing by itself."""

FORM_RIGHT: Mapping[Form, Action | None] = {
    Form.ADD_BALANCE: Action.PAY,
    Form.CONFIRM_CHARGE: Action.CHARGE,
    Form.AUTOMATIC: Action.CHANGE_RULE,
    Form.CONFIRM_AUTOMATIC: Action.CHANGE_RULE,
    Form.PEOPLE: Action.APPOINT,
    Form.ALERTS: Action.SET_ALERTS,
    # These two have nothing to send in.
    Form.CONNECT_CARD: None,
    Form.NOTHING: None,
}
"""The right behind each form that is sent in."""

WAY_RIGHT: Mapping[str, Action] = {
    PayWith.CARD: Action.CHARGE,
    PayWith.PAGE: Action.PAY,
    PayWith.ASK: Action.ASK,
}
"""The right behind each way of paying in the form to add balance."""

SHORTCUT_RIGHT = Action.PAY
"""The right behind the global shortcut."""


def right_of(command: WalletCommand) -> Action:
    """Give the right behind what was typed."""
    match command:
        case Status() | Help() | ShowUsage() | ShowHistory():
            return Action.SEE
        case TopUp():
            return Action.PAY
        case Ask():
            return Action.ASK
        case ShowCard():
            return Action.SEE_OWN_CARD
        case AutomaticPayments(off=True):
            return Action.STOP_RULE
        case AutomaticPayments():
            return Action.SEE  # who may not change the rule is told it
        case ShowAlerts():
            return Action.SET_ALERTS
        case ShowPeople():
            return Action.APPOINT
        case unknown:
            assert_never(unknown)
