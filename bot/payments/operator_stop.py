"""The operator's switch: one word stops every automatic charge, whatever rules say."""

from uuid import UUID

from sqlalchemy import Connection

from bot.notices import ChargesSwitched
from bot.wallets.named_values import forget_named_value, named_value, set_named_value
from ledger import Ledger, Tx

_NAME = "charges_off"


def charges_are_off(connection: Connection, wallet_id: UUID) -> bool:
    """Say whether the operator has stopped a wallet's automatic charges."""
    return named_value(connection, wallet_id, _NAME) is not None


def switch_charges(ledger: Ledger, wallet_id: UUID, *, off: bool, actor: str) -> bool:
    """Stop a wallet's automatic charges, or let them be made again; says whether that changed anything.

    A charge that was sent already is settled as ever, and one that was only begun is taken back; what people start
    themselves goes on.
    """

    def save(tx: Tx) -> bool:
        before = charges_are_off(tx.connection, wallet_id)
        if before == off:
            return False
        if off:
            set_named_value(tx, wallet_id, _NAME, actor)
        else:
            forget_named_value(tx, wallet_id, _NAME)
        tx.outbox.add(wallet_id, ChargesSwitched(off=off))
        tx.book.audit(wallet_id, actor, "charges", "off" if before else "on", "off" if off else "on")
        return True

    return ledger.run(save, wallet_id=wallet_id)
