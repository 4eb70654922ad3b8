"""What several listeners do: fill in a form, start a payment, read what is shown. The boundary has let in who acts."""

from dataclasses import replace
from functools import partial
from uuid import UUID

from bot.facts import BalanceFacts, ChargeFacts, HistoryFacts, MonthFacts
from bot.payments.top_ups import OverDailyLimit
from bot.rights import Action
from bot.slack.listeners.boundary import SlowWork
from bot.slack.listeners.interaction import Context, Interaction
from bot.slack.views import automatic as automatic_views
from bot.slack.views import cards as card_views
from bot.slack.views import forms as form_views
from bot.slack.views import money_in
from bot.slack.views.blocks import View
from bot.states.payment import PayWith
from bot.surfaces.automatic import automatic_facts, automatic_form, card_with_id, own_cards, usable_cards
from bot.surfaces.balance import balance_facts
from bot.surfaces.forms import add_balance_form, alerts_form
from bot.surfaces.month import month_facts
from bot.surfaces.requests import offer_facts, request_facts
from bot.surfaces.snapshot import currency_of
from bot.surfaces.transactions import history_facts
from bot.wallets.people import Standpoint
from bot.wallets.rules import NoCard
from ledger import Money


def add_balance_view(
    interaction: Interaction, amount: Money | None, pay_with: PayWith | None, note: str = ""
) -> View:
    """Give the form to add balance. The note says why a way of paying was chosen."""
    wallet_id = interaction.who.wallet_id
    facts = interaction.context.read(
        wallet_id, lambda snapshot: add_balance_form(snapshot, amount=amount, pay_with=pay_with)
    )
    return money_in.add_balance_form(replace(facts, note=note), interaction.who.role)


def show_add_balance(
    interaction: Interaction, *, amount: Money | None, pay_with: PayWith | None = None
) -> None:
    """Show the form to add balance."""
    interaction.fill(add_balance_view(interaction, amount, pay_with))


def has_main_card(context: Context, wallet_id: UUID) -> bool:
    """Say whether there is a card that people can charge."""
    return any(card.is_main for card in usable_cards(context.ledger, wallet_id))


def top_up(interaction: Interaction, amount: Money) -> SlowWork | None:
    """Begin a top-up of an amount: the saved card with its confirmation, or a hosted page."""
    who = interaction.who
    context = interaction.context
    context.charges.check(who.wallet_id, amount)
    if interaction.may(Action.CHARGE) and has_main_card(context, who.wallet_id):
        try:
            view = money_in.confirm_charge(prepare_charge(interaction, amount))
        except OverDailyLimit as refusal:
            view = ask_instead(interaction, amount, str(refusal))
        interaction.fill(view)
        return None
    return partial(offer_page, amount=amount, saves_card=interaction.may(Action.CONNECT_CARD))


def offer_page(interaction: Interaction, *, amount: Money, saves_card: bool) -> None:
    """Offer a hosted page that pays an amount. Refuses: NotEntitled, AmountNotTaken, Unreachable."""
    wallet_id, context = interaction.who.wallet_id, interaction.context
    context.charges.check(wallet_id, amount)
    payment = context.payments.offer_page(
        wallet_id, amount, asked_by=interaction.person, saves_card=saves_card
    )
    offer = offer_facts(context.ledger, payment)
    interaction.fill(money_in.offer_view(offer), instead=money_in.offer_message(offer))


def charge(interaction: Interaction, *, one_time_action_id: str) -> None:
    """Charge the saved card, once. Refuses: NotEntitled, AlreadyUsed, OverDailyLimit."""
    who, charges = interaction.who, interaction.context.charges
    payment = charges.charge(who.wallet_id, one_time_action_id, actor=interaction.person)
    result = charges.result(payment)
    interaction.fill(
        money_in.payment_result(result, who.role), instead=money_in.payment_result_message(result, who.role)
    )
    interaction.refresh_home()


def ask_instead(interaction: Interaction, amount: Money, why: str) -> View:
    """Give the form that asks somebody to pay what may not be charged by hand: their payment is the approval."""
    return add_balance_view(interaction, amount, PayWith.ASK, why)


def prepare_charge(interaction: Interaction, amount: Money) -> ChargeFacts:
    """Prepare a charge of the saved card, to be confirmed. Refuses: NotEntitled, NoCard, OverDailyLimit."""
    who = interaction.who
    context = interaction.context
    one_time_action_id, card_id = context.charges.prepare(who.wallet_id, amount, actor=interaction.person)
    card = context.read(
        who.wallet_id, lambda snapshot: card_with_id(snapshot.connection, who.wallet_id, card_id)
    )
    if card is None:
        raise NoCard  # removed a moment ago
    return ChargeFacts(one_time_action_id=one_time_action_id, amount=amount, card=card)


def ask(interaction: Interaction, *, amount: Money, person_id: str, note: str) -> None:
    """Ask somebody to pay. Refuses: NotEntitled, CannotAppoint, AmountNotTaken, Unreachable."""
    who = interaction.who
    context = interaction.context
    context.charges.check(who.wallet_id, amount)
    context.people.require_full_member(person_id)
    payment = context.payments.ask(
        who.wallet_id, amount, asked_by=interaction.person, payer=person_id, note=note
    )
    facts = context.read(who.wallet_id, lambda snapshot: request_facts(snapshot, payment))
    interaction.fill(money_in.request_sent(facts), instead=money_in.request_to_asker(facts, who.role))
    interaction.refresh_home()


def connect(interaction: Interaction) -> None:
    """Show the form to connect a card: the hosted page, its QR code, or sending both to somebody."""
    who = interaction.who
    context = interaction.context
    payment = context.payments.connect(
        who.wallet_id, currency_of(context.ledger, who.wallet_id), asked_by=interaction.person
    )
    offer = offer_facts(context.ledger, payment)
    cards = usable_cards(context.ledger, who.wallet_id)
    shown = interaction.fill(money_in.connect_form(offer, cards), instead=money_in.offer_message(offer))
    if shown:
        file_id = context.senders.qr_codes.attach(payment).qr_file_id
        if file_id:
            with_picture = money_in.connect_form(replace(offer, qr_file_id=file_id), cards)
            interaction.refine(with_picture, shown)


def show_automatic(interaction: Interaction) -> None:
    """Show the form of automatic payments."""
    who = interaction.who
    context = interaction.context
    facts = context.read(who.wallet_id, lambda snapshot: automatic_form(snapshot, context.recharge))
    interaction.fill(automatic_views.automatic_form(facts))


def automatic_off(interaction: Interaction) -> None:
    """Turn automatic payments off; finance and whoever connected its card may, since stopping is always safe."""
    interaction.context.rules.turn_off(interaction.who.wallet_id, actor=interaction.person)
    if interaction.may(Action.SEE):
        tell_automatic(interaction)
    else:
        interaction.tell(automatic_views.turned_off())
    interaction.refresh_home()


def tell_automatic(interaction: Interaction) -> None:
    """Say how automatic payments stand."""
    who, context = interaction.who, interaction.context
    facts = context.read(who.wallet_id, lambda snapshot: automatic_facts(snapshot, context.recharge))
    interaction.tell(automatic_views.automatic_state(facts, who.role))


def show_own_cards(interaction: Interaction) -> None:
    """Show somebody without more rights the cards that they connected, and the ways to stop them being charged."""
    who = interaction.who
    facts = interaction.context.read(who.wallet_id, lambda snapshot: own_cards(snapshot, who.actor.user_id))
    interaction.tell(card_views.own_cards(facts, who.role))


def show_people(interaction: Interaction) -> None:
    """Show the form of roles."""
    who = interaction.who
    interaction.fill(form_views.people_form(interaction.context.people.facts(who.wallet_id)))


def show_alerts(interaction: Interaction) -> None:
    """Show the form of alert channels."""
    who = interaction.who
    interaction.fill(form_views.alerts_form(interaction.context.read(who.wallet_id, alerts_form)))


def month_and_balance(
    context: Context, who: Standpoint, month: str | None
) -> tuple[MonthFacts, BalanceFacts]:
    """Give a month's usage with the balance."""
    return context.read(
        who.wallet_id, lambda snapshot: (month_facts(snapshot, month), balance_facts(snapshot))
    )


def page(
    context: Context, who: Standpoint, kind: str | None, month: str | None, cursor: str | None
) -> HistoryFacts:
    """Give a page of transactions."""
    return context.read(
        who.wallet_id, lambda snapshot: history_facts(snapshot, kind=kind, month=month, cursor=cursor)
    )
