"""Buttons and menus on messages, Home and forms."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from slack_bolt import Ack, App

from bot.facts import RequestState
from bot.rights import Role
from bot.slack.ids import Act
from bot.slack.listeners import actions
from bot.slack.listeners.boundary import Desk, Front, guarded
from bot.slack.views import cards as card_views
from bot.slack.views import errors, money_in
from bot.slack.views import history as history_views
from bot.slack.views import usage as usage_views
from bot.surfaces.read_models import desk as read_desk
from bot.surfaces.read_models import request_facts, row_facts
from ledger import Money, Refused, parse_machine_amount

Body = dict[str, Any]
Action = dict[str, Any]
Work = Callable[[Desk, str], None]


def value_of(action: Action) -> str:
    """Give what a pressed element says: a button's value, or a menu's choice."""
    chosen = action.get("selected_option")
    return str((chosen or {}).get("value") if chosen else action.get("value") or "")


def register(bolt: App, front: Front) -> None:
    """Register every action; those without work of their own are only answered."""
    for act in Act:
        work = WORK.get(act)
        bolt.action(str(act))(_listener(guarded(front, work)) if work is not None else _only_ack)


def _listener(bind: Callable[[Body], Callable[[str], None]]) -> Callable[..., None]:
    def hear(ack: Ack, body: Body, action: Action) -> None:
        ack()
        bind(body)(value_of(action))

    return hear


def _only_ack(ack: Ack) -> None:
    ack()  # a url button, or a field of a form: unanswered it would show a warning


def _amount(at: Desk, text: str) -> Money | None:
    if not text:
        return None
    try:
        return parse_machine_amount(text, at.office.currency(at.require().wallet_id))
    except Refused:
        return None  # a button from long ago; the form opens empty


def add_balance(at: Desk, value: str) -> None:
    """Open the form to add balance."""
    actions.open_add_balance(at, amount=_amount(at, value), pay_with="")


def ask_to_pay(at: Desk, value: str) -> None:
    """Open the form with "ask" chosen."""
    actions.open_add_balance(at, amount=_amount(at, value), pay_with="ask")


def pay_with(at: Desk, value: str) -> None:
    """Show the fields that belong to another way of paying, keeping what was filled in."""
    who = at.require()
    facts = at.office.add_balance(who.wallet_id, amount=None, pay_with=value)
    at.change(str(at.body["view"]["id"]), money_in.add_balance_form(facts))


def charge(at: Desk, value: str) -> None:
    """Charge the saved card; the button's own dialog named amount and card."""
    who = at.require(manage=True)
    payment = at.office.charges.charge(who.wallet_id, value, actor=at.actor.user_id)
    at.tell(money_in.payment_result_message(at.office.charges.result(payment)))
    at.refresh_home()


def usage(at: Desk, value: str) -> None:
    """Show a month."""
    at.tell(usage_views.usage(*actions.month_and_balance(at.office, at.require(), value or None)))


def history(at: Desk, value: str) -> None:
    """Show transactions."""
    who = at.require()
    found = actions.page(at.office, who, None, value or None, None)
    at.tell(history_views.history(found, at.office.currency(who.wallet_id)))


def history_page(at: Desk, value: str) -> None:
    """Turn the page of a list of transactions, in place."""
    who = at.require()
    cursor, kind, month = history_views.page_of(value)
    found = actions.page(at.office, who, kind, month, cursor)
    at.replace(history_views.history(found, at.office.currency(who.wallet_id)))


def home_month(at: Desk, value: str) -> None:
    """Show another month on Home."""
    at.front.homes.show(at.require(), month=value)


def home_kind(at: Desk, value: str) -> None:
    """Show one kind of transactions on Home, from the newest."""
    at.front.homes.show(at.require(), kind="" if value == "all" else value, cursor="")


def home_page(at: Desk, value: str) -> None:
    """Turn the page of transactions on Home."""
    at.front.homes.show(at.require(), cursor=value)


def row(at: Desk, value: str) -> None:
    """Show a transaction, with its receipt's link read afresh."""
    who = at.require()
    _, _, number = value.partition(":")
    with at.office.ledger.reading() as connection:
        here = read_desk(at.office.ledger, connection, who.wallet_id)
        found = row_facts(here, int(number))
    if found is None:
        at.tell(errors.refused("That transaction is not there."))
        return
    facts, payment = found
    receipt = at.office.payments.receipt_of(payment) if payment is not None else ""
    at.show(history_views.row_details(facts, receipt, here.view.zone))


def why(at: Desk, value: str) -> None:
    """Explain a spike by its kind and references."""
    who = at.require()
    day, _, kind = value.partition(":")
    found = at.office.spike(who.wallet_id, day, kind)
    if found is None:
        at.tell(errors.refused("That day no longer stands out."))
        return
    at.show(usage_views.why(found))


def acknowledge(at: Desk, value: str) -> None:
    """Silence an episode until its next level."""
    who = at.require()
    episode = at.office.alerts.open_episode(who.wallet_id)
    if episode is not None and value in ("open", str(episode.episode_id)):
        at.office.alerts.acknowledge(who.wallet_id, episode.episode_id, by=at.actor.user_id)
        at.front.senders.episodes.refresh(who.wallet_id, episode.episode_id)


def withdraw(at: Desk, value: str) -> None:
    """Take a request back."""
    who = at.require()
    payment = at.office.payments.look(who.wallet_id, UUID(value))
    if payment is not None and payment.asked_by != at.actor.user_id:
        at.require(manage=True)
    if at.office.payments.withdraw(who.wallet_id, UUID(value), by=at.actor.user_id) is None:
        at.tell(errors.refused("That request is not open any more. Nothing changed."))
    at.refresh_home()


def new_link(at: Desk, value: str) -> None:
    """Renew a request to connect a card; whoever has the message may, since it charges nothing."""
    workspace = at.office.workspaces.of_team(at.actor.team_id, at.actor.enterprise_id)
    assert workspace is not None
    payment = at.office.payments.look(workspace.wallet_id, UUID(value))
    if payment is None or at.actor.user_id not in (payment.payer, payment.asked_by):
        at.require(manage=True)
    if payment is None or payment.amount is not None:
        at.tell(errors.refused("That request cannot be renewed. Ask for a new one."))
        return
    at.office.payments.withdraw(workspace.wallet_id, payment.payment_id, by=at.actor.user_id)
    at.office.payments.connect(
        workspace.wallet_id, payment.currency, asked_by=payment.asked_by, payer=payment.payer
    )


def remove_card(at: Desk, value: str) -> None:
    """Take a card out for good; whoever connected it may, whatever their role."""
    workspace = at.office.workspaces.of_team(at.actor.team_id, at.actor.enterprise_id)
    assert workspace is not None
    if at.office.cards.connected_by(workspace.wallet_id, value) != at.actor.user_id:
        at.require(manage=True)
    at.office.cards.remove(workspace.wallet_id, value, actor=at.actor.user_id)
    if at.in_view:
        at.change(str(at.body["view"]["id"]), card_views.removed_view())
    else:
        at.tell(card_views.removed())
    at.refresh_home()


def copy_link(at: Desk, value: str) -> None:
    """Show the bare link of an open request, to its asker and to people with a role."""
    who = at.office.people.standpoint(at.actor, fresh=True)
    payment = at.office.payments.look(who.wallet_id, UUID(value)) if who is not None else None
    if who is None or payment is None or payment.asked_by != at.actor.user_id or who.role is Role.OUTSIDER:
        who = at.require()
    if payment is None:
        at.tell(errors.refused("That request is not there."))
        return
    with at.office.ledger.reading() as connection:
        here = read_desk(at.office.ledger, connection, who.wallet_id)
        facts = request_facts(here, payment)
    if facts.state is RequestState.OPEN and here.now >= facts.expires_at:
        facts = replace(facts, state=RequestState.EXPIRED)  # the sweep has not come by yet
    if facts.state is RequestState.OPEN and facts.url:
        at.show(money_in.copy_link(facts))
    else:
        at.tell(money_in.no_link(facts))


def send_to(at: Desk, value: str) -> None:
    """Send the request to connect a card to the person picked in the form."""
    who = at.require(manage=True)
    state = at.body["view"]["state"]["values"]
    picked = str((state.get(str(Act.PERSON), {}).get(str(Act.PERSON)) or {}).get("selected_user") or "")
    if not picked:
        at.tell(errors.refused("Pick a person first."))
        return
    actions.check_person(at.office, picked)
    at.office.payments.connect(
        who.wallet_id, at.office.currency(who.wallet_id), asked_by=at.actor.user_id, payer=picked
    )
    at.change(str(at.body["view"]["id"]), money_in.connect_sent(picked))


def open_page(at: Desk, value: str) -> None:
    """Look out for a payment: somebody follows a link to Stripe's page. Whoever was sent the link may."""
    at.front.pressed()


def ask_for_access(at: Desk, value: str) -> None:
    """Tell the admins that somebody would like to see billing; once a week at the most."""
    workspace = at.office.workspaces.of_team(at.actor.team_id, at.actor.enterprise_id)
    who = at.office.people.standpoint(at.actor)
    if workspace is None or who is None or who.role.sees:
        return
    at.office.people.ask_for_access(workspace.wallet_id, at.actor.user_id)
    at.tell(errors.refused("The people who look after billing have been told."))


WORK: Mapping[Act, Work] = {
    Act.ADD_BALANCE: add_balance,
    Act.ASK_TO_PAY: ask_to_pay,
    Act.FIX: add_balance,
    Act.CONNECT_CARD: lambda at, value: actions.open_connect(at),
    Act.REMOVE_CARD: remove_card,
    Act.AUTOMATIC: lambda at, value: actions.open_automatic(at),
    Act.AUTOMATIC_OFF: lambda at, value: actions.automatic_off(at),
    Act.CHARGE: charge,
    Act.USAGE: usage,
    Act.EARLIER_MONTH: usage,
    Act.LATER_MONTH: usage,
    Act.HISTORY: history,
    Act.HISTORY_NEWER: history_page,
    Act.HISTORY_OLDER: history_page,
    Act.MONTH: home_month,
    Act.KIND: home_kind,
    Act.NEWER: home_page,
    Act.OLDER: home_page,
    Act.ROW: row,
    Act.WHY: why,
    Act.PEOPLE: lambda at, value: actions.open_people(at),
    Act.ALERTS: lambda at, value: actions.open_alerts(at),
    Act.ACKNOWLEDGE: acknowledge,
    Act.WITHDRAW: withdraw,
    Act.NEW_LINK: new_link,
    Act.COPY_LINK: copy_link,
    Act.SEND_TO: send_to,
    Act.OPEN_PAGE: open_page,
    Act.ASK_FOR_ACCESS: ask_for_access,
    Act.PAY_WITH: pay_with,
}
"""What each action does; the others only need to be answered."""
