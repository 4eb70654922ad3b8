"""What several listeners do: open a form, start a payment, show a page. Each checks rights before it acts."""

from dataclasses import replace
from uuid import UUID

from bot.facts import BalanceFacts, CardFacts, ChargeFacts, HistoryFacts, MonthFacts, RequestFacts
from bot.payments.top_ups import OverDailyLimit, check_amount
from bot.slack.listeners.boundary import Desk
from bot.slack.views import automatic as automatic_views
from bot.slack.views import forms as form_views
from bot.slack.views import money_in
from bot.slack.views.blocks import View
from bot.surfaces.office import Office
from bot.surfaces.read_models import (
    balance_facts,
    card_facts,
    desk,
    history_facts,
    month_facts,
    request_facts,
)
from bot.wallets.people import CannotAppoint, Standpoint
from ledger import Money


def open_add_balance(at: Desk, *, amount: Money | None, pay_with: str) -> None:
    """Open the form to add balance."""
    who = at.require()
    at.show(money_in.add_balance_form(at.office.add_balance(who.wallet_id, amount=amount, pay_with=pay_with)))


def top_up(at: Desk, amount: Money) -> None:
    """Begin a top-up of an amount: the saved card with its confirmation, or a page."""
    who = at.require()
    check_amount(amount)
    if who.role.manages and has_card(at.office, who.wallet_id):
        try:
            view = money_in.confirm_charge(prepare_charge(at, amount))
        except OverDailyLimit as refusal:
            view = ask_instead(at, amount, str(refusal))
        at.show(view)
        return
    payment = at.office.payments.offer_page(
        who.wallet_id, amount, asked_by=at.actor.user_id, saves_card=who.role.manages
    )
    at.tell(money_in.offer_message(at.office.offer(payment)))


def ask_instead(at: Desk, amount: Money, why: str) -> View:
    """Give the form that asks somebody to pay what may not be charged by hand: their payment is the approval."""
    facts = at.office.add_balance(at.require().wallet_id, amount=amount, pay_with="ask")
    return money_in.add_balance_form(replace(facts, note=why))


def has_card(office: Office, wallet_id: UUID) -> bool:
    """Say whether there is a card to charge."""
    with office.ledger.reading() as connection:
        return "main" in card_facts(connection, wallet_id)


def cards_of(office: Office, wallet_id: UUID) -> list[CardFacts]:
    """Give the usable cards, the one that is charged first."""
    with office.ledger.reading() as connection:
        return sorted(card_facts(connection, wallet_id).values(), key=lambda one: one.backup)


def prepare_charge(at: Desk, amount: Money) -> ChargeFacts:
    """Keep a wish to charge the saved card, to be confirmed. Refuses: NotEntitled, NoCard, OverDailyLimit."""
    who = at.require(manage=True)
    intent_id, card_id = at.office.charges.prepare(who.wallet_id, amount, actor=at.actor.user_id)
    with at.office.ledger.reading() as connection:
        cards = card_facts(connection, who.wallet_id)
    card = next(one for one in cards.values() if one.card_id == card_id)
    return ChargeFacts(intent_id=intent_id, amount=amount, card=card)


def ask(at: Desk, amount: Money, person_id: str, note: str) -> RequestFacts:
    """Ask somebody to pay. Refuses: NotEntitled, CannotAppoint, AmountNotTaken, Unreachable."""
    who = at.require()
    check_amount(amount)
    check_person(at.office, person_id)
    payment = at.office.payments.ask(
        who.wallet_id, amount, asked_by=at.actor.user_id, payer=person_id, note=note
    )
    with at.office.ledger.reading() as connection:
        facts = request_facts(desk(at.office.ledger, connection, who.wallet_id), payment)
    if not at.in_view:
        at.tell(money_in.request_to_asker(facts))
    return facts


def check_person(office: Office, person_id: str) -> None:
    """Refuse to ask anybody but full members. Refuses: CannotAppoint."""
    person = office.people.directory.person(person_id, fresh=True)
    if person is None or person.is_outside:
        raise CannotAppoint(person_id)


def open_connect(at: Desk) -> None:
    """Open the form to connect a card: the page, its QR code, or sending both to somebody."""
    who = at.require(manage=True)
    view_id = at.show(money_in.working("Connect a card"))
    payment = at.office.payments.connect(
        who.wallet_id, at.office.currency(who.wallet_id), asked_by=at.actor.user_id
    )
    offer = at.office.offer(payment)
    cards = cards_of(at.office, who.wallet_id)
    shown = at.change(view_id, money_in.connect_form(offer, cards))
    file_id = at.front.senders.qr_codes.upload(payment) if shown else None
    if file_id is not None:
        at.office.showing.set_qr(who.wallet_id, payment.payment_id, file_id)
        with_picture = money_in.connect_form(at.office.offer(payment, qr_file_id=file_id), cards)
        at.front.slack.retry_until_file_ready(lambda: at.change(view_id, with_picture, instead_of=shown))


def open_automatic(at: Desk) -> None:
    """Open the form of automatic payments."""
    who = at.require(manage=True)
    at.show(automatic_views.automatic_form(at.office.automatic_form(who.wallet_id)))


def automatic_off(at: Desk) -> None:
    """Turn automatic payments off; finance may, since stopping is always safe."""
    who = at.require()
    at.office.rules.turn_off(who.wallet_id, actor=at.actor.user_id)
    at.tell(automatic_views.automatic_state(at.office.automatic(who.wallet_id)))
    at.refresh_home()


def open_people(at: Desk) -> None:
    """Open the form of roles."""
    who = at.require(manage=True)
    at.show(form_views.people_form(at.office.people.facts(who.wallet_id)))


def open_alerts(at: Desk) -> None:
    """Open the form of alert channels."""
    who = at.require(manage=True)
    at.show(form_views.alerts_form(at.office.alerts_form(who.wallet_id)))


def month_and_balance(office: Office, who: Standpoint, month: str | None) -> tuple[MonthFacts, BalanceFacts]:
    """Give a month's usage with the balance."""
    with office.ledger.reading() as connection:
        at = desk(office.ledger, connection, who.wallet_id)
        return month_facts(at, month), balance_facts(at)


def page(
    office: Office, who: Standpoint, kind: str | None, month: str | None, cursor: str | None
) -> HistoryFacts:
    """Give a page of transactions."""
    with office.ledger.reading() as connection:
        at = desk(office.ledger, connection, who.wallet_id)
        return history_facts(at, kind=kind, month=month, cursor=cursor)
