"""The bodies of POSTs to Stripe, exactly as they are frozen before they are sent. Pure.

Names and rules of parameters: docs.stripe.com/api, version 2026-10-28.endive.
"""

import json

from bot.payment_rows import Payment
from ledger import Money, to_minor
from ledger.instants import to_stamp

Body = dict[str, object]


ROW = "redbar_row"
"""The name of the metadata that holds a payment's row, for books that lost it."""


def metadata(install: str, payment: Payment) -> dict[str, str]:
    """Say on every object whose it is, so that it leads back to its payment; no person is named."""
    return {
        "redbar_install": install,
        "redbar_wallet": str(payment.wallet_id),
        "redbar_payment": str(payment.payment_id),
        "redbar_ref": payment.ref,
        "redbar_attempt": str(payment.try_number),
        ROW: json.dumps(_row(payment), separators=(",", ":")),
    }


def _row(payment: Payment) -> dict[str, object]:
    """Give the columns that Stripe's objects don't say themselves, without those that are empty."""
    columns = {
        "purpose": payment.purpose,
        "way": payment.way,
        "amount": payment.amount.micros if payment.amount is not None else None,
        "currency": payment.currency.code,
        "card": payment.card_id,
        "saves": int(payment.saves_card),
        "created": to_stamp(payment.created_at),
        "expires": to_stamp(payment.expires_at) if payment.expires_at is not None else None,
        "recharge": payment.recharge_id if payment.recharge_id != str(payment.payment_id) else "",
    }
    return {name: value for name, value in columns.items() if value}


def page(payment: Payment, *, customer: str, install: str, return_url: str) -> Body:
    """A hosted page that takes a payment, or (without an amount) saves a card."""
    marks = metadata(install, payment)
    assert payment.expires_at is not None
    body: Body = {
        "customer": customer,
        "client_reference_id": str(payment.payment_id),
        "metadata": marks,
        "allowed_payment_method_types": ["card"],
        "success_url": return_url,  # where the payer goes afterwards; nothing is believed because of it
        "cancel_url": return_url,
        # Fixed when the row was made: a retry has to send the same bytes.
        "expires_at": int(payment.expires_at.timestamp()),
    }
    if payment.amount is None:
        return body | {
            "mode": "setup",
            "currency": payment.currency.code.lower(),
            "setup_intent_data": {"metadata": marks},
        }
    # A page's own metadata is not copied to the intent it makes.
    data: Body = {"metadata": marks, "description": f"Wallet top-up {payment.ref}"}
    if payment.saves_card:
        data["setup_future_usage"] = "off_session"
    return body | {
        "mode": "payment",
        "line_items": [_line(payment.amount)],
        "payment_intent_data": data,
        "adaptive_pricing": {"enabled": False},  # else the payer may be shown another currency
    }


def link(payment: Payment, *, install: str) -> Body:
    """A durable link that takes one payment."""
    assert payment.amount is not None
    marks = metadata(install, payment)
    return {
        "line_items": [_line(payment.amount)],
        "payment_method_types": ["card"],  # the one place that still takes it
        "metadata": marks,
        "payment_intent_data": {"metadata": marks, "description": f"Wallet top-up {payment.ref}"},
        "restrictions": {"completed_sessions": {"limit": 1}},
        "inactive_message": "This request is closed: it was paid or withdrawn. Ask for a new link in Slack.",
        "after_completion": {
            "type": "hosted_confirmation",
            "hosted_confirmation": {"custom_message": "Thank you. The wallet is topped up within a minute."},
        },
    }


def intent(payment: Payment, *, customer: str, install: str) -> Body:
    """An intent to charge a saved card, not confirmed yet."""
    assert payment.amount is not None
    return {
        "amount": to_minor(payment.amount),
        "currency": payment.currency.code.lower(),
        "customer": customer,
        "payment_method": payment.card_id,
        "allowed_payment_method_types": ["card"],
        "metadata": metadata(install, payment),
        "description": f"Wallet top-up {payment.ref}",
    }


def confirm(payment: Payment) -> Body:
    """The charge itself, without the cardholder present."""
    return {"off_session": True, "payment_method": payment.card_id, "expand": ["latest_charge"]}


def _line(amount: Money) -> Body:
    return {
        "quantity": 1,
        "price_data": {
            "currency": amount.currency.code.lower(),
            "unit_amount": to_minor(amount),
            "product_data": {"name": "Redbar wallet top-up"},
        },
    }
