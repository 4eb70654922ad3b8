"""Messages of a request: to its payer, to its asker, and the list of all requests. Pure."""

from collections.abc import Sequence

from bot.facts import CardFacts, RequestFacts, RequestState
from bot.rights import Role, Tie
from bot.slack.commands import NOTE_MAX
from bot.slack.ids import Act, Form
from bot.slack.views.blocks import (
    RED,
    Block,
    Message,
    View,
    actions_for,
    barred,
    button,
    code_block,
    confirm,
    context,
    modal,
    offers,
    picture,
    section,
)
from bot.slack.views.cards import choose_buttons, remove_button, use_of
from bot.slack.views.money_in.sentences import (
    asker,
    asker_line,
    link_of,
    payer_line,
    qr_alt,
    request_line,
    said,
    urgency,
    what,
    whom,
)
from bot.slack.views.text import counted, day_token, escape, moment, spoken
from ledger import decimal_text


def request_to_payer(f: RequestFacts, role: Role) -> Message:
    """Ask somebody to pay or to connect a card; later say what became of it."""
    if f.state is RequestState.OPEN:
        return _open_to_payer(f, role)
    line = payer_line(f)
    blocks = [section(line)]
    if f.state is RequestState.EXPIRED and f.amount is None:
        again = button("New link", Act.NEW_LINK, value=f.payment_id)
        blocks += actions_for(role, again, ties=[Tie.PAYER])
    return Message(text=spoken(line), blocks=blocks)


def _open_to_payer(f: RequestFacts, role: Role) -> Message:
    asks = f"{asker(f)} asks{said(f)}"
    if f.amount is None:
        headline = "*Please connect a card for the calling wallet*"
        line = (
            f"{asks} The card can then be charged for top-ups; automatic payments stay off until an admin turns "
            "them on, and you will be told."
        )
        buttons = [
            button("Connect a card", Act.OPEN_PAGE, url=f.url, style="primary"),
            button("New link", Act.NEW_LINK, value=f.payment_id),
        ]
        small = f"Opens {f.host} · valid until {moment(f.expires_at, f.zone)} · Ref {f.ref}"
    else:
        headline = f"*Please pay {f.amount} for the calling wallet*"
        line = f"{asks} {urgency(f)}".strip()
        buttons = [button(f"Pay {f.amount}", Act.OPEN_PAGE, url=f.url, style="primary")]
        small = (
            f"Opens {f.host} · works once · until {day_token(f.expires_at, f.zone)} · "
            f"/wallet lists your open requests · Ref {f.ref}"
        )
    blocks = [
        section(f"{headline}\n{line}"),
        *_qr(f),
        *actions_for(role, *buttons, ties=[Tie.PAYER]),
        context(small),
    ]
    return Message(text=spoken(f"{headline}.", line), blocks=blocks)


def request_to_asker(f: RequestFacts, role: Role) -> Message:
    """Show the asker their copy of a request, with its link; later say what became of it."""
    if f.state is RequestState.OPEN:
        return _open_to_asker(f, role)
    line = asker_line(f)
    blocks = [section(line)]
    if f.state is RequestState.EXPIRED:
        again = (
            button("Ask again", Act.ASK_TO_PAY, value=decimal_text(f.amount))
            if f.amount is not None
            else button("New link", Act.NEW_LINK, value=f.payment_id)
        )
        blocks += actions_for(role, again, ties=[Tie.ASKER])
    return Message(text=spoken(line), blocks=blocks)


def _open_to_asker(f: RequestFacts, role: Role) -> Message:
    headline = f"*{asker_line(f)}*"
    wrote = f'You wrote: "{escape(f.note, NOTE_MAX)}". ' if f.note else ""
    code = " and its QR code" if f.qr_file_id is not None else ""
    sent = f"They have the link{code}. You are told when it is done." if f.payer_id else ""
    line = f"{wrote}{sent}".strip() or "You are told when it is done."
    blocks = [
        section(f"{headline}\n{line}"),
        *_qr(f),
        *actions_for(
            role,
            button("Open the page", Act.OPEN_PAGE, url=f.url),
            button("Copy link", Act.COPY_LINK, value=f.payment_id),
            _withdraw(f),
            ties=[Tie.ASKER],
        ),
        context(f"Opens {f.host} · works once · until {moment(f.expires_at, f.zone)} · Ref {f.ref}"),
    ]
    return Message(text=spoken(headline, line), blocks=blocks)


def request_list(requests: Sequence[RequestFacts], role: Role, viewer_id: str) -> Message:
    """List every open request, so that a real one can be told from a forged one."""
    if not requests:
        line = "There are no open requests. A message that asks you to pay and isn't listed here isn't ours."
        return Message(text=line, blocks=[section(line)])
    headline = f"*{counted(len(requests), 'open request', 'open requests')}*"
    lines = [request_line(one) for one in requests]
    return Message(
        text=spoken(f"{headline}:", "; ".join(lines)),
        blocks=[section(headline), *request_rows(requests, role, viewer_id)],
    )


def request_rows(requests: Sequence[RequestFacts], role: Role, viewer_id: str) -> list[Block]:
    """Give one row for each request, with what the viewer may do about it."""
    return [
        section(
            request_line(one),
            accessory=_withdraw(one)
            if offers(role, Act.WITHDRAW, [Tie.ASKER] if one.asker_id == viewer_id else [])
            else button("Open the page", Act.OPEN_PAGE, url=one.url),
        )
        for one in requests
    ]


def connected(card: CardFacts, main: CardFacts | None, f: RequestFacts | None, role: Role) -> Message:
    """Tell the asker that a card is connected, and offer what it is good for: a later card, to be charged at all."""
    through = f" through {link_of(f)}" if f is not None and f.payer_id else ""
    line = f"*{card} is connected*{through}."
    if card.is_main:
        rest = "It can be charged for top-ups. With automatic payments on, the wallet refills before it runs dry."
        buttons = [
            button("Turn on automatic payments", Act.AUTOMATIC, style="primary"),
            button("Add balance", Act.ADD_BALANCE),
        ]
    else:
        instead = f" instead of {main}" if main is not None else ""
        rest = f"{use_of(card)} Charge it from now on{instead}?"
        buttons = [*choose_buttons(card, main), remove_button(card)]
    return Message(text=spoken(line, rest), blocks=[section(f"{line}\n{rest}"), *actions_for(role, *buttons)])


def copy_link(f: RequestFacts) -> View:
    """Show the bare link to be copied, for somebody outside Slack: an app cannot write to the clipboard."""
    until = moment(f.expires_at, f.zone)
    return modal(
        Form.NOTHING,
        "Copy link",
        [
            section(
                f"*Anybody with this link can {what(f)}*, once, until {until}. It works outside Slack too."
            ),
            code_block(f.url),
            context(f"Opens {f.host} · Send it only to whom you mean · Ref {f.ref}"),
        ],
    )


def no_link(f: RequestFacts) -> Message:
    """Say why a request has no link to be copied any more, or not yet."""
    if f.state is RequestState.OPEN:
        line = f"The link to {what(f)} isn't made yet: Stripe hasn't answered. Try again in a minute. Ref {f.ref}."
    else:
        line = f"{asker_line(f)} Its link takes nothing any more, so there is none to copy."
    return Message(text=spoken(line), blocks=[section(line)])


def paid_news(f: RequestFacts) -> Message:
    """Tell the asker in one line that their request was paid."""
    who = f"<@{f.payer_id}> paid" if f.payer_id else "Somebody paid"
    balance = f" The balance is {f.balance}." if f.balance is not None else ""
    line = f"*{who} {f.amount}* with {f.paid_with or 'a card'}.{balance}"
    return Message(text=spoken(line), blocks=[section(line)])


def paid_twice(f: RequestFacts) -> Message:
    """Tell that one request was paid by two payments."""
    balance = f"The balance is {f.balance}." if f.balance is not None else ""
    return barred(
        RED,
        f"*A request for {f.amount} was paid twice.*",
        [
            f"Both payments are in the wallet, once each. {balance}".strip(),
            "If one of them should go back, refund it in Stripe: it is then taken out of the wallet by itself.",
        ],
        small=[f"Asked of {whom(f)} · Ref {f.ref}"],
    )


def _qr(f: RequestFacts) -> list[Block]:
    if f.qr_file_id is None:
        return []
    return [picture(f.qr_file_id, qr_alt(f.host, f.amount))]


def _withdraw(f: RequestFacts) -> Block:
    sure = confirm(
        "Withdraw this request?",
        "The link stops working. You can ask again at any time.",
        "Withdraw",
        "Keep it",
    )
    return button("Withdraw", Act.WITHDRAW, value=f.payment_id, confirm=sure)


def connect_sent(user_id: str) -> View:
    """Say that the request to connect a card is on its way."""
    return modal(
        Form.NOTHING,
        "Connect a card",
        [section(f"<@{user_id}> gets the link by direct message. You are told when it is done.")],
    )


def request_sent(f: RequestFacts) -> View:
    """Say that somebody was asked to pay."""
    line = f"*{asker_line(f)}*\nThey get the link by direct message. You are told when it is done."
    return modal(Form.NOTHING, "Ask someone to pay", [section(line), context(f"Ref {f.ref}")])
