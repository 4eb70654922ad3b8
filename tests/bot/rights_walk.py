"""Walks over everybody and everything that needs a right: what is shown, what a press reaches, what is committed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import pytest
from slack_bolt import App, BoltRequest

from bot.causes import MovedUnknown
from bot.change_facts import SettingsChangeFacts
from bot.facts import OwnCardsFacts, RequestState, StatusFacts
from bot.rights import Action, Person, Role, Tie, may
from bot.slack.access import FORM_RIGHT, RIGHT_OF, SHORTCUT_RIGHT, WAY_RIGHT
from bot.slack.client import SlackClient
from bot.slack.ids import SHORTCUT_TOP_UP, Act
from bot.slack.listeners import buttons, commands, events, forms
from bot.slack.listeners.forms import Submission
from bot.slack.modals import Modals, OpenForm, ShownForm
from bot.slack.views import alerts, automatic, cards, failed_charges, help, home, money_in, money_out, status
from bot.slack.views import forms as form_views
from bot.slack.views.blocks import Message, View
from bot.states.dispute import DisputeStatus
from bot.states.payment import Outcome, PayWith
from bot.states.recharge import RechargePhase
from bot.wallets.alert_channels import set_channels
from bot.wallets.entitled import NotEntitled
from bot.wallets.rules import Rules
from ledger import USD, Automatic, Refused, new_id
from tests.bot import view_facts as v
from tests.bot.rights_company import FIFTY, IN_SLACK, OPERATOR, PROMISED, RULE, TIES, USERS, Company, actor
from tests.persons import owner

# --- Shown -------------------------------------------------------------------------------------------------

Shown = Message | dict[str, Any]
ROLES: Mapping[str, Role] = {
    "owner": Role.OWNER,
    "workspace admin": Role.ADMIN,
    "appointed admin": Role.BILLING_ADMIN,
    "finance": Role.FINANCE,
    "operator": Role.OPERATOR,
    **dict.fromkeys(("asker", "payer", "connector", "member"), Role.MEMBER),
    **dict.fromkeys(("guest", "Slack Connect", "bot", "deactivated", "other workspace"), Role.OUTSIDER),
}
NEVER_SHOWN = frozenset(
    {
        Action.EXPORT,  # a file of the operator's
        Action.SEE_OWN_CARD,  # a command
        Action.OPEN_HOME,
        Action.FOLLOW_LINK,  # whoever was sent it
        Action.FIX,  # in channels, which everybody reads: it is answered, with whom to ask too
    }
)


def surfaces(role: Role, ties: frozenset[Tie], user_id: str) -> Iterator[Shown]:
    """Give every message, form and Home whose buttons depend on who reads it, in its states."""
    off, no_card = v.automatic(Automatic.OFF), v.automatic(Automatic.OFF, card=None)
    asked = v.request(asker_id=user_id if Tie.ASKER in ties else "UOTHER")
    for rule in (off, no_card, v.automatic(), v.automatic(Automatic.PAUSED)):
        yield automatic.automatic_state(rule, role)
        for balance in (v.balance(), v.new_balance(), v.empty_balance()):
            yield status.status(StatusFacts(role, balance, rule, (asked,), viewer_id=user_id))
            if may(Action.SEE, role):  # `Homes` asks before it reads; a test below removes that
                yield home.home(
                    v.home(role=role, balance=balance, automatic=rule, requests=(asked,), viewer_id=user_id)
                )
        yield automatic.rule_changed("UOTHER", off, rule, role=role)
    for alert in (v.alert(), v.zero_alert(), v.clear_alert()):
        yield alerts.alert_person(replace(alert, automatic=off, offered=v.usd("159")), role)
        yield alerts.alert_person(replace(alert, automatic=off, charge=None), role)
    yield alerts.after_stop("outbound_call", 14, role)
    yield help.help_message(role=role)
    for way in PayWith if may(Action.PAY, role) else ():
        yield money_in.add_balance_form(v.add_balance(pay_with=way), role)
    for card in (v.VISA, v.BACKUP, v.SPARE):
        yield money_in.connected(card, v.VISA, None, role)
    yield money_in.payment_result(v.payment(Outcome.DECLINED), role)
    yield money_in.payment_result_message(v.payment(Outcome.NEEDS_ACTION), role)
    yield money_in.request_list([asked], role, user_id)
    for stopped in (False, True):
        yield cards.gone("Visa ••4242", actor="", stopped=stopped, main="", role=role)
    yield cards.expiring("Visa ••4242", 7, automatic=True, role=role)
    for phase in RechargePhase:
        for pay in (None, v.request(asker_id="", payer_id="")):
            yield failed_charges.charge_failed(v.failure(phase=phase, pay=pay), role)
    for outcome in Outcome:
        yield money_in.outcome_known(v.payment(outcome), v.NOW, "UTC", role)
    yield automatic.capped("day_cap", role)
    yield automatic.charges_switched(off=True, role=role)
    for dispute in DisputeStatus:
        for rule_is in Automatic:
            yield money_out.disputed(v.dispute(dispute, automatic=rule_is), role)
    yield money_out.books_differ(1, "key", MovedUnknown(), paused=True, role=role)
    yield status.settings_changed(SettingsChangeFacts(True, "USD", (), v.RULE), role)
    yield status.whom_to_ask(v.people(), role)
    yield form_views.access_asked("UMEMBER", role)
    own = OwnCardsFacts((v.VISA,), rule_uses=True) if Tie.CONNECTOR in ties else OwnCardsFacts()
    yield home.home_for_member(v.people(), own, role, untold_since=v.NOW, zone="UTC")
    yield cards.own_cards(own, role)
    for state in RequestState:
        for amount in (None, v.usd("159")):
            if Tie.PAYER in ties:
                yield money_in.request_to_payer(v.request(state=state, amount=amount), role)
            if Tie.ASKER in ties:
                yield money_in.request_to_asker(v.request(state=state, amount=amount), role)
    if Tie.CONNECTOR in ties:
        yield automatic.rule_changed("UOTHER", off, v.automatic(), role=role, own=v.VISA)
    # What follows is opened by a press that was let in: it is shown to nobody else.
    if role in (Role.OWNER, Role.ADMIN, Role.BILLING_ADMIN):
        yield automatic.automatic_form(v.automatic_form(current=v.automatic()))
        yield money_in.connect_form(v.offer(amount=None), [v.VISA, v.BACKUP])


def rights_in(node: object) -> Iterator[Action]:
    """Give the rights behind the buttons and the choices that are shown."""
    if isinstance(node, Message):
        yield from rights_in([*node.blocks, *node.attachments])
    elif isinstance(node, dict):
        act = node.get("action_id")
        right = RIGHT_OF[Act(act)] if act else None
        if act == Act.PAY_WITH:
            yield from (WAY_RIGHT[one["value"]] for one in node["options"])
        elif act == Act.SAVE_CARD:
            yield Action.CONNECT_CARD
        elif right is not None:
            yield right
        for one in node.values():
            yield from rights_in(one)
    elif isinstance(node, list):
        for one in node:
            yield from rights_in(one)


def shown_to() -> dict[str, set[Action]]:
    """Give what everybody is offered on all surfaces."""
    return {
        column: {
            right
            for one in surfaces(ROLES[column], frozenset(TIES.get(column, ())), user_id or "UNOBODY")
            for right in rights_in(one)
        }
        for column, user_id in USERS.items()
    }


def wrongly_shown(*actions: Action) -> Iterator[str]:
    """Look at everything as everybody; gives what is offered or missing against the promise."""
    for column, offered in shown_to().items():
        for action in actions:
            promised = column in PROMISED[action] - OPERATOR
            # The messages of a request go to asker and payer: whoever else may, finds it on no surface.
            missing = promised and action not in offered
            if (action in offered and not promised) or (missing and not _is_elsewhere(action, column)):
                yield f"{action} to {column}: {'not offered' if missing else 'offered'}"


def _is_elsewhere(action: Action, column: str) -> bool:
    return action in (Action.RENEW_REQUEST, Action.COPY_LINK) and column not in TIES


# --- Pressed -----------------------------------------------------------------------------------------------

Press = tuple[str, Action, Callable[[Company, str], dict[str, Any]]]
"""A name, the right that it stands for, and the request that Slack sends for somebody."""
COMMANDS = {
    "": Action.SEE,
    "help": Action.SEE,
    "usage": Action.SEE,
    "history": Action.SEE,
    "nonsense": Action.SEE,
    "auto": Action.SEE,
    "topup": Action.PAY,
    "topup 50": Action.PAY,
    "ask <@U0FINANCE> 50": Action.ASK,
    "card": Action.SEE_OWN_CARD,
    "auto off": Action.STOP_RULE,
    "alerts": Action.SET_ALERTS,
    "people": Action.APPOINT,
}


def _sent(column: str, **more: Any) -> dict[str, Any]:
    who = actor(column)
    return {
        "team": {"id": who.team_id},
        "user": {"id": who.user_id, "team_id": who.user_team_id},
        "channel": {"id": "C0GENERAL"},
        "trigger_id": "none",
        **more,
    }


def _pressed(act: Act) -> Callable[[Company, str], dict[str, Any]]:
    def body(company: Company, column: str) -> dict[str, Any]:
        value = company.target(act, column)
        pressed = {"type": "button", "action_id": str(act), "block_id": "b", "value": value}
        return _sent(column, type="block_actions", actions=[pressed])

    return body


def _sent_in(form: str, way: str = "") -> Callable[[Company, str], dict[str, Any]]:
    def body(company: Company, column: str) -> dict[str, Any]:
        chosen = {str(Act.PAY_WITH): {str(Act.PAY_WITH): {"selected_option": {"value": way}}}} if way else {}
        view = {"id": "V1", "type": "modal", "callback_id": form, "state": {"values": chosen}}
        return _sent(column, type="view_submission", view=view)

    return body


def _typed(text: str) -> Callable[[Company, str], dict[str, Any]]:
    def body(company: Company, column: str) -> dict[str, Any]:
        company.card_of(column)
        who = actor(column)
        return {
            "command": "/wallet",
            "text": text,
            "team_id": who.team_id,
            "user_id": who.user_id,
            "channel_id": "C0GENERAL",
            # A command does not say whose the person is: Slack's description of them does.
        }

    return body


def _opened(company: Company, column: str) -> dict[str, Any]:
    who = actor(column)
    event = {"type": "app_home_opened", "tab": "home", "user": who.user_id}
    return {"type": "event_callback", "team_id": who.team_id, "event_id": str(new_id()), "event": event}


def presses() -> Iterator[Press]:
    """Give everything that a person can press, send in, type or open."""
    for act, right in RIGHT_OF.items():
        if right is not None:
            yield f"[{act}]", right, _pressed(act)
    for form, right in FORM_RIGHT.items():
        if right is not None:
            yield f"form {form}", right, _sent_in(str(form))
    for way, right in WAY_RIGHT.items():
        yield f"form to add balance by {way}", right, _sent_in("add_balance_1", way)
    for text, right in COMMANDS.items():
        yield f"/wallet {text}", right, _typed(text)
    shortcut = {"type": "shortcut", "callback_id": SHORTCUT_TOP_UP}
    yield "the shortcut", SHORTCUT_RIGHT, lambda company, column: _sent(column, **shortcut)
    yield "Home", Action.OPEN_HOME, _opened


class Deaf:
    """Takes the answers of refusals: what they say is not what is walked."""

    def post_ephemeral(self, channel: str, user: str, message: Message) -> None:
        """Take one."""


class DeafForms:
    """Takes the answers that are shown in forms."""

    def open(self, trigger_id: str, view: View) -> OpenForm:
        """Take one."""
        return OpenForm("V1")

    def change(self, form: OpenForm, view: View) -> ShownForm:
        """Take one."""
        return ShownForm(form, "hash")


def recording(company: Company, patch: pytest.MonkeyPatch) -> App:
    """Make an application whose listeners only say that they were reached: what is walked is the boundary."""

    def work(interaction: object, *rest: object) -> None:
        company.ran.append("work")

    for act in buttons.WORK:
        patch.setitem(buttons.WORK, act, work)
    for form in forms.WORK:
        patch.setitem(forms.WORK, form, Submission(work))
    patch.setattr(commands, "wallet", work)
    patch.setattr(commands, "shortcut", work)
    patch.setattr(events, "open_home", work)
    bolt = company.bolt()
    heard = replace(company.context, slack=cast(SlackClient, Deaf()), modals=cast(Modals, DeafForms()))
    for room in (commands, events, buttons, forms):
        room.register(bolt, heard)
    return bolt


def wrongly_pressed(company: Company, bolt: App, action: Action) -> Iterator[str]:
    """Press everything that stands for an action as everybody; gives what was let in or refused against the promise."""
    for name, right, body in presses():
        if right is not action:
            continue
        for column in IN_SLACK:
            if right is Action.OPEN_HOME and column == "bot":
                continue  # Bolt drops the app's own events
            company.ran.clear()
            bolt.dispatch(BoltRequest(body=body(company, column), mode="socket_mode"))
            company.work.run()
            if bool(company.ran) != (column in PROMISED[action]):
                yield f"{name} by {column}: {'let in' if company.ran else 'refused'}"


# --- Committed ---------------------------------------------------------------------------------------------

Commit = Callable[[Company, Person, str], object]


def _turn_on(company: Company, who: Person, column: str) -> object:
    return Rules(company.ledger).turn_on(
        company.wallet_id, RULE, card_id="pm_none", backup_id="", actor=who, expected_version=None
    )


COMMITS: Mapping[str, tuple[Action, Commit]] = {
    "prepare a charge": (
        Action.CHARGE,
        lambda made, who, column: made.cases.charges.prepare(made.wallet_id, FIFTY, actor=who),
    ),
    "charge": (
        Action.CHARGE,
        lambda made, who, column: made.cases.charges.charge(made.wallet_id, "none", actor=who),
    ),
    "pay by page": (
        Action.PAY,
        lambda made, who, column: made.cases.payments.offer_page(
            made.wallet_id, FIFTY, asked_by=who, saves_card=False
        ),
    ),
    "pay by page and save the card": (
        Action.CONNECT_CARD,
        lambda made, who, column: made.cases.payments.offer_page(
            made.wallet_id, FIFTY, asked_by=who, saves_card=True
        ),
    ),
    "charge a card from now on": (
        Action.CHANGE_RULE,
        lambda made, who, column: made.cases.cards.charge_from_now_on(
            made.wallet_id, made.card_of(column), actor=who
        ),
    ),
    "ask": (
        Action.ASK,
        lambda made, who, column: made.cases.payments.ask(
            made.wallet_id, FIFTY, asked_by=who, payer="U0FINANCE", note=""
        ),
    ),
    "connect": (
        Action.CONNECT_CARD,
        lambda made, who, column: made.cases.payments.connect(made.wallet_id, USD, asked_by=who),
    ),
    "renew": (
        Action.RENEW_REQUEST,
        lambda made, who, column: made.cases.payments.renew(made.wallet_id, made.request_of(column), by=who),
    ),
    "withdraw": (
        Action.WITHDRAW,
        lambda made, who, column: made.cases.payments.withdraw(
            made.wallet_id, made.request_of(column, pays=True), by=who
        ),
    ),
    "remove a card": (
        Action.REMOVE_CARD,
        lambda made, who, column: made.cases.cards.remove(made.wallet_id, made.card_of(column), actor=who),
    ),
    "keep a rule": (
        Action.CHANGE_RULE,
        lambda made, who, column: Rules(made.ledger).keep_pending(
            made.wallet_id, RULE, card_id="pm_none", backup_id="", actor=who
        ),
    ),
    "turn the rule on": (Action.CHANGE_RULE, _turn_on),
    "turn the kept rule on": (
        Action.CHANGE_RULE,
        lambda made, who, column: Rules(made.ledger).turn_on_pending(
            made.wallet_id,
            Rules(made.ledger).keep_pending(
                made.wallet_id, RULE, card_id="pm_none", backup_id="", actor=owner("U0OWNER01")
            ),
            actor=who,
        ),
    ),
    "turn the rule off": (
        Action.STOP_RULE,
        lambda made, who, column: (
            made.card_of(column),
            Rules(made.ledger).turn_off(made.wallet_id, actor=who),
        ),
    ),
    "acknowledge": (
        Action.ACKNOWLEDGE,
        lambda made, who, column: made.context.episodes.acknowledge(made.wallet_id, new_id(), by=who),
    ),
    "appoint": (
        Action.APPOINT,
        lambda made, who, column: made.context.people.appoint(
            made.wallet_id, billing_admins=["U0APPOINT"], finance=["U0FINANCE"], actor=who
        ),
    ),
    "choose channels": (
        Action.SET_ALERTS,
        lambda made, who, column: set_channels(made.ledger, made.wallet_id, ["C0CALLS01"], actor=who),
    ),
    "ask for access": (
        Action.ASK_FOR_ACCESS,
        lambda made, who, column: made.context.people.ask_for_access(made.wallet_id, who),
    ),
}
"""Everything that commits on somebody's word, with the right that it needs."""


def wrongly_committed(company: Company, name: str) -> Iterator[str]:
    """Do one thing as everybody; gives what was let in or refused against the promise."""
    action, commit = COMMITS[name]
    for column in USERS:
        refused = False
        try:
            commit(company, company.person(column), column)
        except NotEntitled:
            refused = True
        except Refused:
            pass  # let in, and then refused for what it asked for
        if refused == (column in PROMISED[action]):
            yield f"{name} by {column}: {'refused' if refused else 'let in'}"
