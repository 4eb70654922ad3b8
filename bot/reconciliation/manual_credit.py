"""What an operator decides by hand, since no program may: money paid at Stripe that names no payment of ours.

Credited, it becomes a payment like any other, in whole and once, so that its refunds and disputes find it. What is
never to be booked is left as it is, and not listed any more.
"""

from uuid import UUID

from bot.notices import ManuallyCredited
from bot.payment_rows import Payment, plan
from bot.payments.settlement import NotBookable, NotServed, settle
from bot.payments.sync import Sync
from bot.ports import IntentSeen, IntentStatus, Ok, PaymentGateway, Rejected, Unknown
from bot.reconciliation.open_differences import NotCredited, leave, list_again
from bot.rights import OPERATOR
from bot.states.payment import Purpose, Way
from bot.stripe.keys import credit_key
from bot.tables import NIL_WALLET
from bot.wallets.named_values import named_value, set_named_value
from ledger import Currency, KeyReused, Ledger, Money, Tx, from_minor


class ManualCredit:
    """Settles what a reconciliation can only list."""

    def __init__(self, ledger: Ledger, gateway: PaymentGateway, sync: Sync) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._sync = sync

    def credit(self, wallet_id: UUID, intent_id: str, note: str) -> str:
        """Put what a payment at Stripe brought into a wallet; says so in words. Refuses: NotCredited."""
        seen = self._look(intent_id)
        try:
            known = self._sync.hear_intent(seen)
        except NotServed as other:
            raise NotCredited(f"{other} Nothing was booked.") from None
        except NotBookable:
            known = None
        if known is not None:
            raise NotCredited(
                f"{intent_id} is {known.ref}'s, which is {known.state}. Nothing more was booked."
            )
        # The books' key is one wallet's; this one is the installation's, so that no two wallets are credited.
        self._ledger.run(lambda tx: _claim(tx, wallet_id, intent_id), wallet_id=None)
        try:
            made, balance = self._ledger.run(
                lambda tx: _credit(tx, wallet_id, seen, note), wallet_id=wallet_id
            )
        except KeyReused:
            raise NotCredited(f"{intent_id} is in the wallet already. Nothing more was booked.") from None
        list_again(self._ledger, credit_key(intent_id))
        return f"{made.amount} of {intent_id} is in the wallet as {made.ref}. The balance is {balance}."

    def _look(self, intent_id: str) -> IntentSeen:
        if not intent_id.startswith("pi_"):
            raise NotCredited("Only a payment can be credited: name it as Stripe does, pi_…")
        match self._gateway.intent(intent_id):
            case Ok(seen) if seen.taken_back:
                raise NotCredited(
                    f"{intent_id} was given back at Stripe, in part or whole, or is disputed. "
                    "Leave it, and ask for what is still owed by a new request."
                )
            case Ok(seen) if seen.status is IntentStatus.SUCCEEDED and seen.received_minor > 0:
                return seen
            case Ok(seen):
                raise NotCredited(f"{intent_id} is {seen.status} at Stripe: no money came by it.")
            case Rejected():
                raise NotCredited(f"Stripe knows no payment {intent_id}. Nothing was booked.")
            case Unknown():
                raise NotCredited(
                    "Stripe could not be asked. Nothing was booked; try again in a few minutes."
                )


def leave_be(ledger: Ledger, what: str, note: str) -> str:
    """Leave what is listed under a key or an id as it is; says so in words. Refuses: NotCredited."""
    keys = leave(ledger, what, note)
    return (
        f"Left as it is, and not listed any more: {', '.join(keys)}. "
        "If automatic payments were paused for it, an admin turns them on again in Slack."
    )


def _claim(tx: Tx, wallet_id: UUID, intent_id: str) -> None:
    name = f"manual_credit:{intent_id}"
    claimed = named_value(tx.connection, NIL_WALLET, name)
    if claimed is not None and claimed.value != str(wallet_id):
        raise NotCredited(f"{intent_id} was credited to wallet {claimed.value}. Nothing more was booked.")
    set_named_value(tx, NIL_WALLET, name, str(wallet_id))


def _credit(tx: Tx, wallet_id: UUID, seen: IntentSeen, note: str) -> tuple[Payment, Money]:
    currency = Currency.of(tx.book.view(wallet_id).currency)
    if Currency.of(seen.currency) != currency:
        raise NotCredited(
            f"{seen.intent_id} was paid in {seen.currency.upper()}, and the wallet is in {currency.code}. "
            "Give it back in Stripe, then leave it."
        )
    payment = plan(
        tx,
        wallet_id,
        purpose=Purpose.TOP_UP,
        way=Way.LINK,
        currency=currency,
        amount=from_minor(seen.received_minor, currency),
        note=note,
        expires_at=tx.now,
    )
    payment = settle(tx, payment, seen)
    after = {"ref": payment.ref, "intent": seen.intent_id, "note": note}
    tx.book.audit(wallet_id, OPERATOR, "manual_credit", {}, after)
    tx.outbox.add(wallet_id, ManuallyCredited(payment_id=payment.payment_id))
    return payment, Money(tx.book.view(wallet_id).balance_micros, currency)
