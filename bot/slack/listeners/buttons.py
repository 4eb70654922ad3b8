"""Buttons and menus on messages, Home and forms."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from uuid import UUID

from slack_bolt import Ack, App

from bot.facts import RequestState
from bot.rights import Action
from bot.slack.access import RIGHT_OF
from bot.slack.ids import Act
from bot.slack.listeners import actions
from bot.slack.listeners.boundary import SlowWork, Task, start
from bot.slack.listeners.interaction import Body, Context, Interaction
from bot.slack.views import cards as card_views
from bot.slack.views import errors, money_in
from bot.slack.views import history as history_views
from bot.slack.views import usage as usage_views
from bot.slack.views.blocks import View
from bot.slack.views.conversion import as_message, as_view
from bot.states.payment import PayWith
from bot.surfaces.automatic import chosen_card
from bot.surfaces.month import spike_facts
from bot.surfaces.requests import request_facts
from bot.surfaces.snapshot import currency_of
from bot.surfaces.transactions import row_facts
from ledger import USD, Currency, Money, Refused, parse_machine_amount

Press = Callable[[Interaction, str], SlowWork | None]
"""What a button does; the value names what it points at."""


def register(bolt: App, context: Context) -> None:
    """Register every action with its right; what does nothing by itself is only acknowledged."""
    for act in Act:
        right = RIGHT_OF[act]
        hear = _only_ack if right is None else _listener(context, act, right, WORK[act])
        bolt.action(str(act))(hear)


def _listener(context: Context, act: Act, right: Action, press: Press) -> Callable[..., None]:
    task = Task(right, lambda interaction: press(interaction, interaction.value), partial(_title, act))

    def hear(ack: Ack, body: Body) -> None:
        ack()
        start(Interaction(context, body), task)

    return hear


def _title(act: Act, interaction: Interaction) -> str:
    """Give the title of the form that waits for the answer; empty where the answer needs none.

    Home is no conversation: what is answered in words elsewhere is answered in a form there.
    """
    if act is Act.PAY_BY_LINK and not _names_amount(interaction.value):
        return FORMS[Act.ADD_BALANCE]
    return FORMS.get(act) or ("Redbar" if act in TOLD and interaction.on_home else "")


def _only_ack(ack: Ack) -> None:
    ack()  # a field of a form: unanswered it would show a warning


def _names_amount(text: str) -> bool:
    """Say whether a button names an amount, in whatever currency."""
    return _amount_in(text, USD) is not None


def _amount(interaction: Interaction, text: str) -> Money | None:
    return _amount_in(text, currency_of(interaction.context.ledger, interaction.who.wallet_id))


def _amount_in(text: str, currency: Currency) -> Money | None:
    try:
        return parse_machine_amount(text, currency)
    except Refused:
        return None  # no amount, or a button from long ago: the form opens without one


def add_balance(interaction: Interaction, value: str) -> None:
    """Show the form to add balance."""
    actions.show_add_balance(interaction, amount=_amount(interaction, value))


def pay_by_link(interaction: Interaction, value: str) -> SlowWork | None:
    """Make a page that pays what an alert recommends; whoever pays it approves it by that."""
    amount = _amount(interaction, value)
    if amount is None:
        actions.show_add_balance(interaction, amount=None, pay_with=PayWith.PAGE)
        return None
    return partial(actions.offer_page, amount=amount, saves_card=False)


def ask_to_pay(interaction: Interaction, value: str) -> None:
    """Show the form in which somebody is asked to pay."""
    actions.show_add_balance(interaction, amount=_amount(interaction, value), pay_with=PayWith.ASK)


def pay_with(interaction: Interaction, value: str) -> None:
    """Show the fields that belong to another way of paying, keeping what was filled in."""
    view = actions.add_balance_view(interaction, None, PayWith(value))
    interaction.redraw(view)


def charge(interaction: Interaction, value: str) -> SlowWork:
    """Charge the saved card; the button's own dialog named amount and card."""
    return partial(actions.charge, one_time_action_id=value)


def usage(interaction: Interaction, value: str) -> None:
    """Show a month."""
    who = interaction.who
    interaction.tell(usage_views.usage(*actions.month_and_balance(interaction.context, who, value or None)))


def history(interaction: Interaction, value: str) -> None:
    """Show transactions."""
    who = interaction.who
    found = actions.page(interaction.context, who, None, value or None, None)
    interaction.tell(history_views.history(found, currency_of(interaction.context.ledger, who.wallet_id)))


def history_page(interaction: Interaction, value: str) -> None:
    """Turn the page of a list of transactions, in place."""
    who = interaction.who
    cursor, kind, month = history_views.page_of(value)
    found = actions.page(interaction.context, who, kind, month, cursor)
    interaction.replace(history_views.history(found, currency_of(interaction.context.ledger, who.wallet_id)))


def home_month(interaction: Interaction, value: str) -> None:
    """Show another month on Home."""
    interaction.context.homes.show(interaction.who, month=value)


def home_kind(interaction: Interaction, value: str) -> None:
    """Show one kind of transactions on Home, from the newest."""
    interaction.context.homes.show(interaction.who, kind="" if value == "all" else value, cursor="")


def home_page(interaction: Interaction, value: str) -> None:
    """Turn the page of transactions on Home."""
    interaction.context.homes.show(interaction.who, cursor=value)


def row(interaction: Interaction, value: str) -> SlowWork | None:
    """Show a transaction, then its receipt's link, which is read afresh."""
    who = interaction.who
    _, _, number = value.partition(":")
    found, zone = interaction.context.read(
        who.wallet_id, lambda snapshot: (row_facts(snapshot, int(number)), snapshot.zone)
    )
    if found is None:
        interaction.tell(errors.refused("That transaction is not there."))
        return None
    facts, payment = found
    shown = interaction.fill(history_views.row_details(facts, "", zone))
    if payment is None or not shown:
        return None

    def add_receipt(interaction: Interaction) -> None:
        receipt = interaction.context.payments.receipt_of(payment)
        if receipt:
            interaction.refine(history_views.row_details(facts, receipt, zone), shown)

    return add_receipt


def why(interaction: Interaction, value: str) -> None:
    """Explain a spike by its kind and references."""
    view = _explained(interaction, value)
    if view is not None:
        interaction.fill(view)


def why_in_thread(interaction: Interaction, value: str) -> None:
    """Explain it in the thread of the message that tells of it."""
    view = _explained(interaction, value)
    if view is not None:
        interaction.reply(as_message(view))


def _explained(interaction: Interaction, value: str) -> View | None:
    """Give the explanation of a spike; None where there is none, which is said."""
    day, _, kind = value.partition(":")
    found = interaction.context.read(
        interaction.who.wallet_id, lambda snapshot: spike_facts(snapshot, day, kind)
    )
    if found is None:
        interaction.tell(errors.refused("That day no longer stands out."))
        return None
    return usage_views.why(found)


def acknowledge(interaction: Interaction, value: str) -> None:
    """Silence an episode until its next level."""
    context = interaction.context
    who = interaction.who
    episode = context.episodes.open_episode(who.wallet_id)
    if episode is not None and value in ("open", str(episode.episode_id)):
        context.episodes.acknowledge(who.wallet_id, episode.episode_id, by=interaction.person)
        context.senders.episodes.refresh(who.wallet_id, episode.episode_id)


def withdraw(interaction: Interaction, value: str) -> SlowWork:
    """Take a request back."""

    def take_back(interaction: Interaction) -> None:
        payments, who = interaction.context.payments, interaction.who
        if payments.withdraw(who.wallet_id, UUID(value), by=interaction.person) is None:
            interaction.tell(errors.refused("That request is not open any more. Nothing changed."))
        interaction.refresh_home()

    return take_back


def new_link(interaction: Interaction, value: str) -> SlowWork:
    """Renew a request to connect a card; asker and payer may, since it charges nothing."""

    def renew(interaction: Interaction) -> None:
        payments, who = interaction.context.payments, interaction.who
        if payments.renew(who.wallet_id, UUID(value), by=interaction.person) is None:
            interaction.tell(errors.refused("That request cannot be renewed. Ask for a new one."))

    return renew


def remove_card(interaction: Interaction, value: str) -> SlowWork:
    """Take a card out for good; whoever connected it may, whatever their role."""

    def remove(interaction: Interaction) -> None:
        who = interaction.who
        interaction.context.cards.remove(who.wallet_id, value, actor=interaction.person)
        if interaction.in_form:
            interaction.redraw(card_views.removed_view())
        else:
            interaction.tell(card_views.removed())
        if interaction.on_home:
            interaction.context.homes.show(who)
        else:
            interaction.refresh_home()

    return remove


def charge_from_now(interaction: Interaction, value: str) -> None:
    """Have a card charged from now on: an admin chose it by its name, in the button's own dialog."""
    who, context = interaction.who, interaction.context
    context.cards.charge_from_now_on(who.wallet_id, value, actor=interaction.person)
    card, automatic = context.read(who.wallet_id, lambda snapshot: chosen_card(snapshot, value))
    said = card_views.chosen(card, automatic, who.role)
    if interaction.in_form:
        interaction.redraw(as_view(said))
    else:
        interaction.tell(said)
    interaction.refresh_home()


def copy_link(interaction: Interaction, value: str) -> None:
    """Show the bare link of an open request, to its asker and to people with a role."""
    who, context = interaction.who, interaction.context
    payment = context.payments.look(who.wallet_id, UUID(value))
    if payment is None:
        interaction.tell(errors.refused("That request is not there."))
        return
    facts, now = context.read(
        who.wallet_id, lambda snapshot: (request_facts(snapshot, payment), snapshot.now)
    )
    if facts.state is RequestState.OPEN and now >= facts.expires_at:
        facts = replace(facts, state=RequestState.EXPIRED)  # the sweep has not come by yet
    if facts.state is RequestState.OPEN and facts.url:
        interaction.fill(money_in.copy_link(facts))
    else:
        interaction.tell(money_in.no_link(facts))


def send_to(interaction: Interaction, value: str) -> SlowWork | None:
    """Send the request to connect a card to the person picked in the form."""
    context = interaction.context
    who = interaction.who
    state = interaction.body["view"]["state"]["values"]
    picked = str((state.get(str(Act.PERSON), {}).get(str(Act.PERSON)) or {}).get("selected_user") or "")
    if not picked:
        interaction.tell(errors.refused("Pick a person first."))
        return None
    context.people.require_full_member(picked)

    def send(interaction: Interaction) -> None:
        currency = currency_of(context.ledger, who.wallet_id)
        context.payments.connect(who.wallet_id, currency, asked_by=interaction.person, payer=picked)
        interaction.redraw(money_in.connect_sent(picked))

    return send


def open_page(interaction: Interaction, value: str) -> None:
    """Look out for a payment: somebody follows a link to a hosted page. Anybody who was sent the link may."""
    interaction.context.link_opened()


def ask_for_access(interaction: Interaction, value: str) -> None:
    """Tell the admins that somebody would like to see billing; once a week at the most."""
    interaction.context.people.ask_for_access(interaction.who.wallet_id, interaction.person)
    interaction.tell(errors.refused("The people who look after billing have been told."))


WORK: Mapping[Act, Press] = {
    Act.ADD_BALANCE: add_balance,
    Act.PAY_BY_LINK: pay_by_link,
    Act.ASK_TO_PAY: ask_to_pay,
    Act.FIX: add_balance,
    Act.CONNECT_CARD: lambda interaction, value: actions.connect,
    Act.CHARGE_FROM_NOW: charge_from_now,
    Act.REMOVE_CARD: remove_card,
    Act.AUTOMATIC: lambda interaction, value: actions.show_automatic(interaction),
    Act.AUTOMATIC_OFF: lambda interaction, value: actions.automatic_off(interaction),
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
    Act.WHY_IN_THREAD: why_in_thread,
    Act.PEOPLE: lambda interaction, value: actions.show_people(interaction),
    Act.ALERTS: lambda interaction, value: actions.show_alerts(interaction),
    Act.ACKNOWLEDGE: acknowledge,
    Act.WITHDRAW: withdraw,
    Act.NEW_LINK: new_link,
    Act.COPY_LINK: copy_link,
    Act.SEND_TO: send_to,
    Act.OPEN_PAGE: open_page,
    Act.ASK_FOR_ACCESS: ask_for_access,
    Act.PAY_WITH: pay_with,
}
"""What each action with a right does."""

FORMS: Mapping[Act, str] = {
    Act.ADD_BALANCE: "Add balance",
    Act.FIX: "Add balance",
    Act.ASK_TO_PAY: "Add balance",
    Act.CONNECT_CARD: "Connect a card",
    Act.AUTOMATIC: "Automatic payments",
    Act.PEOPLE: "Who looks after billing",
    Act.ALERTS: "Alerts",
    Act.ROW: "Transaction",
    Act.WHY: "Why?",
    Act.COPY_LINK: "Link to pay",
}
"""What is answered in a form wherever it stands, with the form's title until it is filled in."""

TOLD = frozenset(
    {
        Act.PAY_BY_LINK,
        Act.CHARGE,
        Act.USAGE,
        Act.HISTORY,
        Act.CHARGE_FROM_NOW,
        Act.REMOVE_CARD,
        Act.AUTOMATIC_OFF,
        Act.ASK_FOR_ACCESS,
    }
)
"""What is always answered in words. Other buttons change what stands there, and say in words only what went wrong."""
