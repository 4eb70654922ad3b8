"""What is closed once the app was removed: automatic payments, and every page and link by which somebody could pay.

Nobody in that workspace looks after the wallet, so nobody is to pay into it, and no rule is to wait for the app's
return. Money that arrives all the same is credited as ever. The sweep does this, so a crash only delays it.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from bot.notices import PaymentChanged
from bot.payment_rows import Payment, change, open_payments
from bot.states.payment import News, Purpose, State, Way, Withdrawer
from bot.stripe import requests as stripe_requests
from bot.stripe.requests import StripeRequest
from bot.wallets import rules
from bot.wallets.rules import OffCode
from bot.wallets.workspaces import is_removed
from ledger import Automatic, Ledger, Tx


def is_to_close(ledger: Ledger, connection: Connection, wallet_id: UUID, now: datetime) -> bool:
    """Say whether something is open for a wallet whose workspace removed the app."""
    if not is_removed(connection, wallet_id, now):
        return False
    _, policy = ledger.look(connection, wallet_id)
    return policy.automatic is not Automatic.OFF or bool(_offers(connection, wallet_id))


def close_down(tx: Tx, wallet_id: UUID) -> Sequence[StripeRequest]:
    """Turn automatic payments off and take every offer back; gives the requests that close the offers at Stripe.

    Does nothing where the app was installed again meanwhile.
    """
    if not is_removed(tx.connection, wallet_id, tx.now):
        return ()
    rules.turn_off(tx, wallet_id, OffCode.APP_REMOVED)
    requests = []
    for offer in _offers(tx.connection, wallet_id):
        taken = change(tx, offer, News.TAKEN_BACK, withdrawn_by=Withdrawer.APP_REMOVED.value)
        # Told after the return: the messages of that time still show the link.
        tx.outbox.add(wallet_id, PaymentChanged(payment_id=offer.payment_id))
        requests.append(stripe_requests.close(tx, taken))
    return [one for one in requests if one is not None]


def _offers(connection: Connection, wallet_id: UUID) -> Sequence[Payment]:
    """Give what people could pay by, save a card on or confirm. A charge that is under way is the sweep's."""
    found = open_payments(connection, wallet_id, purposes=tuple(Purpose))
    return [one for one in found if one.way is not Way.SAVED_CARD or one.state is State.WAITING]
