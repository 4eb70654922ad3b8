"""Adding balance and connecting a card: forms, hosted pages, and what became of a payment. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.causes import DeclineCause
from bot.facts import AddBalanceFacts, CardFacts, ChargeFacts, OfferFacts, PaymentFacts
from bot.rights import Role
from bot.slack.commands import NOTE_MAX
from bot.slack.ids import Act, Form
from bot.slack.views.blocks import (
    GREEN,
    RED,
    Block,
    Message,
    View,
    actions,
    barred,
    button,
    checkbox,
    context,
    divider,
    field_of,
    modal,
    number,
    offers,
    option,
    permitted,
    person,
    picture,
    radio,
    section,
    text_field,
)
from bot.slack.views.cards import choose_buttons, remove_button
from bot.slack.views.causes import decline_words
from bot.slack.views.money_in.sentences import qr_alt
from bot.slack.views.text import moment, spoken
from bot.slack.views.words import expires, short
from bot.states.payment import Outcome, PayWith
from ledger import Money, decimal_text, format_money

OTHER = "other"
SAVE = "save"
SUBMIT_MAX = 24

# --- Add balance -------------------------------------------------------------------------------------------


def add_balance_form(f: AddBalanceFacts, role: Role) -> View:
    """Give the form to add balance; choosing how to pay shows the fields that belong to it."""
    if not offers(role, Act.CHARGE):
        f = replace(f, card=None, pay_with=PayWith.PAGE if f.pay_with is PayWith.CARD else f.pay_with)
    choices = [_preset(one, f) for one in f.presets]
    other = option("Other amount", OTHER)
    typed = f.amount is not None and f.amount not in f.presets
    chosen = other if typed else choices[f.presets.index(f.amount or _usual(f.presets))]
    blocks: list[Block] = [section(f.note)] if f.note else []
    blocks += [
        field_of("How much?", radio(Act.AMOUNT, [*choices, other], chosen), block_id=Act.AMOUNT),
        field_of(
            f"Other amount ({f.currency})",
            number(
                Act.OTHER_AMOUNT,
                initial=decimal_text(f.amount) if typed and f.amount is not None else None,
                least=decimal_text(f.amount_min),
            ),
            block_id=Act.OTHER_AMOUNT,
            optional=True,
            hint=f"Between {short(f.amount_min)} and {short(f.amount_max)}.",
        ),
        field_of("Pay with", radio(Act.PAY_WITH, *_ways(f)), block_id=Act.PAY_WITH, dispatch=True),
    ]
    if f.pay_with is PayWith.ASK:
        blocks += _ask_fields()
    elif f.pay_with is PayWith.PAGE:
        blocks += [_save_field()] if offers(role, Act.CONNECT_CARD) else []
    if f.brings_back is not None:
        blocks.append(context(f"{f.brings_back} or more brings everything back."))
    return modal(
        Form.ADD_BALANCE, "Add balance", blocks, submit="Continue", close="Not now", private=f.currency
    )


def _preset(amount: Money, f: AddBalanceFacts) -> Block:
    pace = dict(f.pace).get(amount, "")
    # "$100.00 lasts about 22 hours at the present pace." says the amount twice beside its own choice.
    words = pace.removeprefix(f"{format_money(amount)} ").removesuffix(".")[:75]
    return option(short(amount), decimal_text(amount), words or None)


def _usual(presets: Sequence[Money]) -> Money:
    return presets[min(2, len(presets) - 1)]


def _ways(f: AddBalanceFacts) -> tuple[list[Block], Block]:
    ways = []
    if f.card is not None:
        ways.append(option(str(f.card), PayWith.CARD))
    page = "Another card, on Stripe's page" if f.card is not None else "A card, on Stripe's page"
    ways.append(option(page, PayWith.PAGE))
    ways.append(option("Ask someone to pay", PayWith.ASK))
    return ways, next((one for one in ways if one["value"] == f.pay_with), ways[0])


def _ask_fields() -> list[Block]:
    return [
        field_of(
            "Who pays?",
            person(Act.PERSON, "Pick a person"),
            block_id=Act.PERSON,
            hint="They get a link and a QR code by direct message. They need no account anywhere.",
        ),
        field_of(
            "Why?",
            text_field(Act.NOTE, "we're nearly out before the Friday campaign", longest=NOTE_MAX),
            block_id=Act.NOTE,
            optional=True,
        ),
    ]


def _save_field() -> Block:
    saved = option(
        "Save this card",
        SAVE,
        "Next time it is charged from here, once you confirm it.",
    )
    return field_of("The card", checkbox(Act.SAVE_CARD, saved), block_id=Act.SAVE_CARD, optional=True)


def confirm_charge(f: ChargeFacts) -> View:
    """Give the second view, which names amount and card before anything is charged."""
    amount = format_money(f.amount)
    return modal(
        Form.CONFIRM_CHARGE,
        "Charge the card?",
        [
            section(f"*Charge {amount} to {f.card}?*"),
            context(
                "The money is in the wallet as soon as the bank agrees. It is charged once, however often you press."
            ),
        ],
        submit=_fitting(f"Charge {amount}", "Charge the card"),
        close="Not now",
        private=f.one_time_action_id,
    )


def _fitting(text: str, shorter: str) -> str:
    return text if len(text) <= SUBMIT_MAX else shorter


# --- Hosted pages ------------------------------------------------------------------------------------------


def offer_view(f: OfferFacts) -> View:
    """Offer a hosted page in a view, by button or by phone."""
    title = "Connect a card" if f.amount is None else _fitting(f"Pay {f.amount}", "Pay by card")
    blocks = [section(_offer_words(f)), actions(_hosted_page_button(f))]
    if f.qr_file_id is not None:
        blocks.append(picture(f.qr_file_id, qr_alt(f.host, f.amount)))
    blocks.append(context(_offer_small(f)))
    return modal(Form.NOTHING, title, blocks)


def offer_message(f: OfferFacts) -> Message:
    """Offer a hosted page in a message."""
    headline = "*Connect a card*" if f.amount is None else f"*Pay {f.amount} for the calling wallet*"
    blocks = [section(f"{headline}\n{_offer_words(f)}")]
    if f.qr_file_id is not None:
        blocks.append(picture(f.qr_file_id, qr_alt(f.host, f.amount)))
    blocks += [actions(_hosted_page_button(f)), context(_offer_small(f))]
    return Message(text=spoken(f"{headline}:", _offer_words(f)), blocks=blocks)


def _offer_words(f: OfferFacts) -> str:
    if f.amount is None:
        return (
            "The card is entered on Stripe's page, never here. It can then be charged for top-ups once you confirm "
            "each one, and by a rule only while automatic payments are on."
        )
    saved = " The card is saved for the next time." if f.saves_card else ""
    return (
        "You pay on Stripe's page; no card number is ever typed in Slack. "
        f"The wallet has the money as soon as it is paid.{saved}"
    )


def _hosted_page_button(f: OfferFacts) -> Block:
    text = "Connect a card" if f.amount is None else f"Pay {f.amount}"
    return button(text, Act.OPEN_PAGE, url=f.url, style="primary")


def _offer_small(f: OfferFacts) -> str:
    return f"Opens {f.host} · works once · until {moment(f.expires_at, f.zone)} · Ref {f.ref}"


def connect_form(offer: OfferFacts | None, cards: Sequence[CardFacts] = ()) -> View:
    """Give the form to connect a card: hosted page, QR code, or sending both to somebody; and the saved cards."""
    main = next((card for card in cards if card.is_main), None)
    blocks = [block for card in cards for block in _card_row(card, main)]
    if blocks:
        small = "A new card is charged only where an admin chooses it: until then it is the backup, or kept as a spare."
        blocks += [context(small), divider()]
    if offer is not None:
        blocks += [
            section(f"*Enter it yourself*\n{_offer_words(offer)}"),
            actions(_hosted_page_button(offer)),
        ]
        if offer.qr_file_id is not None:
            blocks.append(picture(offer.qr_file_id, qr_alt(offer.host, None)))
        blocks.append(context(_offer_small(offer)))
        blocks.append(divider())
    blocks += [
        section(
            "*Or let somebody else do it*\nThey get a link and a QR code by direct message and need no account "
            "anywhere. You are told when it is done."
        ),
        actions(
            person(Act.PERSON, "Pick a person"),
            button("Send", Act.SEND_TO, label="Send the link and the QR code to this person"),
            block_id=Act.PERSON,
        ),
    ]
    private = offer.payment_id if offer is not None else ""
    return modal(Form.CONNECT_CARD, "Connect a card", blocks, private=private)


def _card_row(card: CardFacts, main: CardFacts | None) -> list[Block]:
    """Show a saved card, and the ways to have it charged or removed."""
    use = "" if card.is_main else " · spare" if card.spare else " · backup"
    words = f"*{card}*, {expires(card)}{use}"
    if card.is_main:
        return [section(words, accessory=remove_button(card))]
    return [section(words), actions(*choose_buttons(card, main), remove_button(card))]


def working(title: str) -> View:
    """Give the view that stands there while Stripe or Slack has not answered yet."""
    return modal(Form.NOTHING, title[:SUBMIT_MAX], [section("Working… this takes a moment.")])


# --- What became of a payment ------------------------------------------------------------------------------


def payment_result(f: PaymentFacts, role: Role) -> View:
    """Say in a view what became of a payment."""
    titles = {
        Outcome.PAID: "Paid",
        Outcome.DECLINED: "Nothing was charged",
        Outcome.UNREACHABLE: "Nothing was charged",
        Outcome.DENIED: "Nothing was charged",
        Outcome.TAKEN_BACK: "Nothing was charged",
        Outcome.BOOKS_RESTORED: "Nothing was charged",
        Outcome.NEEDS_ACTION: "Not charged yet",
        Outcome.UNKNOWN: "Not known yet",
    }
    blocks = [section("\n".join(_result_lines(f)))]
    buttons = _result_buttons(f, role)
    if buttons:
        blocks.append(actions(*buttons))
    blocks.append(context(f"Ref {f.ref}"))
    return modal(Form.NOTHING, titles[f.outcome], blocks)


def payment_result_message(f: PaymentFacts, role: Role) -> Message:
    """Say in a message what became of a payment."""
    headline, *rest = _result_lines(f)
    colour = GREEN if f.outcome is Outcome.PAID else RED
    small = [f"Ref {f.ref}"]
    if not rest:
        rest = ["The wallet is as it was."]
    return barred(colour, headline, rest, buttons=_result_buttons(f, role), small=small)


def outcome_known(f: PaymentFacts, at: datetime, zone: str, role: Role) -> Message:
    """Tell somebody who read that an outcome is not known yet what became of the charge."""
    match f.outcome:
        case Outcome.PAID:
            colour, line, rest = (
                GREEN,
                f"*{f.ref}: {f.amount} was charged after all*, once, and is in the wallet.",
                "",
            )
        case Outcome.NEEDS_ACTION:
            colour, line, rest = RED, f"*{f.ref}: nothing was charged yet.* {_ASKS}", _ON_PAGE
        case Outcome.DECLINED if f.decline not in _NOBODY_DECLINED:
            why = decline_words(f.decline or DeclineCause.DECLINED, f.card)
            colour, line, rest = RED, f"*{f.ref}: nothing was charged: {why}.*", "Nothing is on its way."
        case _:
            given_up = f"The payment was given up at {moment(at, zone, day=False)}; nothing is on its way."
            colour, line, rest = RED, f"*{f.ref}: nothing was charged.*", given_up
    return barred(colour, line, [rest], buttons=_result_buttons(f, role))


_NOBODY_DECLINED = (DeclineCause.NO_ANSWER, DeclineCause.NOT_ACCEPTED)
_ASKS = "The bank wants the cardholder to confirm it."
_ON_PAGE = "Paying on Stripe's page lets the bank ask."


def _result_lines(f: PaymentFacts) -> list[str]:
    match f.outcome:
        case Outcome.PAID:
            card = f" with {f.card}" if f.card else ""
            balance = f"The balance is {f.balance}." if f.balance is not None else "It is in the wallet."
            receipt = f" <{f.receipt_url}|Receipt>" if f.receipt_url else ""
            return [f"*{f.amount} was paid*{card}.", f"{balance}{receipt}"]
        case Outcome.DECLINED:
            why = decline_words(f.decline or DeclineCause.DECLINED, f.card)
            return [
                f"*Nothing was charged: {why}.*",
                f"Try another card for {f.amount}, or ask someone to pay.",
            ]
        case Outcome.NEEDS_ACTION:
            return [
                f"*The bank wants the cardholder to confirm this payment of {f.amount}.*",
                f"Nothing was charged yet. {_ON_PAGE}",
            ]
        case Outcome.UNREACHABLE:
            return [
                "*Nothing was charged: Stripe could not be reached.*",
                "The payment is kept and tried again in a minute.",
            ]
        case Outcome.TAKEN_BACK:
            return [
                "*Nothing was charged: Redbar was removed from this workspace before the card was charged.*",
                f"Start again if {f.amount} is still wanted.",
            ]
        case Outcome.BOOKS_RESTORED:
            return [
                "*Nothing was charged: Redbar's books may be a copy.*",
                "Redbar charges nothing until whoever runs it has looked. "
                f"Start again after that if {f.amount} is still wanted.",
            ]
        case Outcome.DENIED:
            return [
                "*Nothing was charged: Stripe doesn't accept Redbar's key.*",
                "Whoever runs Redbar has to mend that. The payment is kept for 20 hours, and made as soon as it is.",
            ]
        case Outcome.UNKNOWN:
            return [
                f"*Stripe hasn't answered, so we don't know yet whether {f.amount} was charged.*",
                "It will not be charged twice; we check every minute.",
            ]


def _result_buttons(f: PaymentFacts, role: Role) -> list[Block]:
    if f.outcome not in (Outcome.DECLINED, Outcome.NEEDS_ACTION):
        return []
    return permitted(
        role,
        button("Try another way", Act.ADD_BALANCE, value=decimal_text(f.amount), style="primary"),
        button("Ask someone to pay", Act.ASK_TO_PAY, value=decimal_text(f.amount)),
    )
