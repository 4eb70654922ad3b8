"""Money coming in, in words: forms, hosted pages, requests to somebody, and what became of a payment. Pure."""

from bot.slack.views.money_in.checkout import (
    OTHER,
    SAVE,
    add_balance_form,
    confirm_charge,
    connect_form,
    offer_message,
    offer_view,
    payment_result,
    payment_result_message,
    working,
)
from bot.slack.views.money_in.requests import (
    connect_sent,
    connected,
    copy_link,
    no_link,
    paid_twice,
    request_list,
    request_rows,
    request_sent,
    request_to_asker,
    request_to_payer,
)

__all__ = [
    "OTHER",
    "SAVE",
    "add_balance_form",
    "confirm_charge",
    "connect_form",
    "connect_sent",
    "connected",
    "copy_link",
    "no_link",
    "offer_message",
    "offer_view",
    "paid_twice",
    "payment_result",
    "payment_result_message",
    "request_list",
    "request_rows",
    "request_sent",
    "request_to_asker",
    "request_to_payer",
    "working",
]
