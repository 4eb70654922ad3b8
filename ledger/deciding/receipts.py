"""What a posting is answered: the receipt of a new one, and of one that came before. Pure."""

from ledger.commands import PostMoney, PostUsage, Receipt
from ledger.deciding.batch import Draft
from ledger.deciding.checks import check_same
from ledger.deciding.loaded import Loaded
from ledger.deciding.rows import Transfer
from ledger.errors import AmountOutOfRange
from ledger.instants import from_stamp

BALANCE_MAX = 2**62


def check_room(balance: int, amount: int) -> None:
    """Refuse what a balance has no room for. Refuses: AmountOutOfRange."""
    if abs(balance) + amount >= BALANCE_MAX:
        raise AmountOutOfRange("The wallet cannot hold an amount of that size.")


def posted(transfer: Transfer, draft: Draft, loaded: Loaded) -> Receipt:
    """Answer a new posting, and let later commands see it."""
    loaded.transfers[transfer.source, transfer.source_id] = transfer
    return Receipt(
        seq=transfer.seq,
        source_id=transfer.source_id,
        amount_micros=transfer.amount,
        balance_after_micros=transfer.balance_after,
        recorded_at=draft.now,
        duplicate=False,
        after_stop=bool(transfer.after_stop),
    )


def again(
    known: Transfer,
    command: PostUsage | PostMoney,
    kind: str,
    *,
    reference: str = "",
) -> Receipt:
    """Answer a key that came before: its first receipt, or a refusal that names what differs. Refuses: KeyReused."""
    usage = command if isinstance(command, PostUsage) else None
    key = command.source_id
    # The hold whose id it has need not be named.
    charged, named = (
        None if one == key else one for one in (known.hold_id, usage.hold_id if usage is not None else None)
    )
    check_same(
        key,
        ("kind", known.kind, kind),
        ("amount", known.amount, command.amount_micros),
        ("quantity", known.quantity, usage.quantity if usage is not None else None),
        ("hold", charged, named),
        ("parent", known.parent, usage.parent if usage is not None else None),
    )
    if not known.erased:
        check_same(
            key,
            ("reference", known.reference, reference),
            ("description", known.description, command.description),
        )
    if command.occurred_at is not None and known.dated:
        check_same(key, ("occurred_at", from_stamp(known.occurred_at), command.occurred_at))
    return known.receipt(duplicate=True)
