"""Who may do what: one table of actions by roles and ties, default deny. Pure.

Views ask it which buttons to show, the boundary of the listeners at the press, the use cases in the transaction that
commits (`wallets/entitled.py`). Nothing else decides about rights.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody is to the wallet; the strongest that applies."""

    OWNER = "owner"  # workspace owner
    ADMIN = "admin"  # workspace admin
    BILLING_ADMIN = "billing_admin"  # appointed
    FINANCE = "finance"  # appointed
    MEMBER = "member"  # everybody else of this workspace
    OUTSIDER = "outsider"  # guests, people of other workspaces, bots, the deactivated, the unknown
    OPERATOR = "operator"  # whoever runs Redbar, by its commands; nobody in Slack


OPERATOR = Role.OPERATOR.value
"""The actor in the rows of what the operator did."""
APPOINTED = (Role.BILLING_ADMIN, Role.FINANCE)
"""The roles that somebody is given here; all others come from the workspace's own flags."""
BY_WORKSPACE = (Role.OWNER, Role.ADMIN, Role.MEMBER, Role.OUTSIDER)
"""The roles that the workspace's own flags give."""


class Tie(StrEnum):
    """What somebody is to one request or card, whatever their role."""

    ASKER = "asker"  # asked for it
    PAYER = "payer"  # was asked
    CONNECTOR = "connector"  # connected this card, or for the rule a card that it charges


class Action(StrEnum):
    """Everything that somebody may do or be refused."""

    SEE = "see"  # balance, usage, transactions, requests, the rule
    EXPORT = "export"  # a month as a file
    PAY = "pay"  # on a hosted page of one's own
    ASK = "ask"  # somebody else to pay
    CHARGE = "charge"  # the saved card, by hand
    CONNECT_CARD = "connect_card"  # save a card, or ask somebody to
    RENEW_REQUEST = "renew_request"  # to connect a card: it charges nothing
    COPY_LINK = "copy_link"  # of a request
    WITHDRAW = "withdraw"  # a request
    OPEN_HOME = "open_home"  # what it shows is asked of SEE
    FOLLOW_LINK = "follow_link"  # whoever was sent it
    SEE_OWN_CARD = "see_own_card"
    REMOVE_CARD = "remove_card"
    CHANGE_RULE = "change_rule"  # turn automatic payments on, or change their rule and its cards
    STOP_RULE = "stop_rule"  # turn automatic payments off: stopping is always safe
    ACKNOWLEDGE = "acknowledge"  # an alarm
    APPOINT = "appoint"  # people to roles
    SET_ALERTS = "set_alerts"  # the channels that are alerted
    FIX = "fix"  # a channel's one button: amounts for people with a role, whom to ask for others
    ASK_FOR_ACCESS = "ask_for_access"
    MAKE_KEY = "make_key"  # of the platform
    SWITCH_CHARGES = "switch_charges"  # all automatic charges
    SEND_AGAIN = "send_again"  # a delivery that was set aside
    ACCEPT_CLOCK = "accept_clock"
    RECONCILE = "reconcile"
    RESUME = "resume"
    CREDIT = "credit"  # give money
    CORRECT = "correct"  # lower what work cost
    SETTLE = "settle"  # money that was kept aside: credit it, correct it, leave it
    CHANGE_SETTINGS = "change_settings"  # limits, holds and other defaults of a wallet


_ADMIN = frozenset({Role.OWNER, Role.ADMIN, Role.BILLING_ADMIN})
_WITH_ROLE = _ADMIN | {Role.FINANCE}
_OF_WORKSPACE = _WITH_ROLE | {Role.MEMBER}
_OPERATOR = frozenset({Role.OPERATOR})

TABLE: Mapping[Action, Collection[Role | Tie]] = {
    Action.SEE: _WITH_ROLE,
    Action.EXPORT: _WITH_ROLE | _OPERATOR,
    Action.PAY: _WITH_ROLE,
    Action.ASK: _WITH_ROLE,
    Action.CHARGE: _ADMIN,
    Action.CONNECT_CARD: _ADMIN,
    Action.RENEW_REQUEST: _ADMIN | {Tie.ASKER, Tie.PAYER},
    Action.COPY_LINK: _WITH_ROLE | {Tie.ASKER},
    Action.WITHDRAW: _ADMIN | {Tie.ASKER},
    Action.OPEN_HOME: _OF_WORKSPACE | {Role.OUTSIDER},
    Action.FOLLOW_LINK: _OF_WORKSPACE | {Role.OUTSIDER},
    Action.SEE_OWN_CARD: _ADMIN | {Tie.CONNECTOR},
    Action.REMOVE_CARD: _ADMIN | {Tie.CONNECTOR},
    Action.CHANGE_RULE: _ADMIN,
    Action.STOP_RULE: _WITH_ROLE | {Tie.CONNECTOR},
    Action.ACKNOWLEDGE: _WITH_ROLE,
    Action.APPOINT: _ADMIN,
    Action.SET_ALERTS: _ADMIN,
    Action.FIX: _WITH_ROLE,
    Action.ASK_FOR_ACCESS: frozenset({Role.MEMBER}),
    Action.MAKE_KEY: _OPERATOR,
    Action.SWITCH_CHARGES: _OPERATOR,
    Action.SEND_AGAIN: _OPERATOR,
    Action.ACCEPT_CLOCK: _OPERATOR,
    Action.RECONCILE: _OPERATOR,
    Action.RESUME: _OPERATOR,
    Action.CREDIT: _OPERATOR,
    Action.CORRECT: _OPERATOR,
    Action.SETTLE: _OPERATOR,
    Action.CHANGE_SETTINGS: _OPERATOR,
}
"""Who may do each action. A test holds it against what people were promised, row by row."""


def may(action: Action, role: Role, ties: Collection[Tie] = ()) -> bool:
    """Say whether somebody may do something; ties count for people of this workspace alone."""
    allowed = TABLE[action]
    if role in allowed:
        return True
    return role in _OF_WORKSPACE and any(tie in allowed for tie in ties)


def tie_for(action: Action) -> Tie | None:
    """Give the tie to a card that lets somebody without a role do something; None where none does."""
    return Tie.CONNECTOR if Tie.CONNECTOR in TABLE[action] else None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as the request says: ids of the installation and of the person."""

    team_id: str
    user_id: str
    user_team_id: str | None
    """The person's own workspace, where the request says it; None denies nothing by itself."""
    enterprise_id: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Who does something, and in which role they were found a moment ago; judged again in the commit."""

    user_id: str
    role: Role
