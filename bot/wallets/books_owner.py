"""What is outside that these books belong to: Stripe's account and mode, Slack's team and app.

The books remember it at the first start. A process whose settings lead elsewhere is in restored mode by itself: the
books, and other processes on them, are not. What nothing was asked of yet may change: books that were tried with a
test key become those of a live one.
"""

from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, select, update

from bot.tables import NIL_WALLET, billing, payments, workspaces
from bot.wallets.named_values import named_value, set_first_value, set_named_value
from bot.wallets.restored_mode import RestoredCause
from ledger import Ledger, Tx


@dataclass(slots=True)
class Owner:
    """Where the settings of a process lead; an empty text is not known yet."""

    stripe_mode: str = ""
    stripe_account: str = ""
    slack_team: str = ""
    """The team's id, a blank and its name."""
    slack_app: str = ""


_NAMES = {
    RestoredCause.STRIPE_MODE: RestoredCause.STRIPE_MODE.value,
    RestoredCause.STRIPE_ACCOUNT: RestoredCause.STRIPE_ACCOUNT.value,
    RestoredCause.SLACK_TEAM: "team",
    RestoredCause.SLACK_APP: RestoredCause.SLACK_APP.value,
}
"""The names of the values by which the books remember each."""
_OF_STRIPE = (RestoredCause.STRIPE_MODE, RestoredCause.STRIPE_ACCOUNT)


def stranger(connection: Connection, owner: Owner) -> tuple[RestoredCause, str] | None:
    """Say what of a process's outside is not the books', and what they belong to; None where all agrees."""
    for cause, name in _NAMES.items():
        own, kept = getattr(owner, cause.value), named_value(connection, NIL_WALLET, name)
        if kept is None or not own or _id(kept.value) == _id(own):
            continue
        if cause in _OF_STRIPE and not anything_asked(connection):
            continue
        return cause, kept.value
    return None


def remember(ledger: Ledger, owner: Owner) -> None:
    """Let the books belong to what they don't know yet, or don't depend on yet."""
    with ledger.reading() as connection:
        free = not anything_asked(connection)
        known = {name: named_value(connection, NIL_WALLET, name) for name in _NAMES.values()}
    for cause, name in _NAMES.items():
        own, kept = getattr(owner, cause.value), known[name]
        if own and kept is None:
            ledger.run(partial(set_first_value, name=name, value=own), wallet_id=None)
        elif own and kept is not None and kept.value != own and cause in _OF_STRIPE and free:
            ledger.run(partial(set_named_value, wallet_id=NIL_WALLET, name=name, value=own), wallet_id=None)


def move(tx: Tx, owner: Owner) -> None:
    """Let the books belong to what a process's settings lead to, from now on.

    Where the team is another, the wallet goes with its people's team; a process that runs works for the one before.
    """
    before = named_value(tx.connection, NIL_WALLET, _NAMES[RestoredCause.SLACK_TEAM])
    if owner.slack_team and before is not None and _id(before.value) != _id(owner.slack_team):
        team_id, _, name = owner.slack_team.partition(" ")
        tx.connection.execute(
            update(workspaces)
            .where(workspaces.c.team_id == _id(before.value))
            .values(team_id=team_id, name=name)
        )
    for cause, name in _NAMES.items():
        if own := getattr(owner, cause.value):
            set_named_value(tx, NIL_WALLET, name, own)


def anything_asked(connection: Connection) -> bool:
    """Say whether anything was asked of Stripe for these books."""
    asked = select(payments.c.payment_id).limit(1)
    known = select(billing.c.customer_id).where(billing.c.customer_id != "").limit(1)
    wanted = (one.execution_options(cross_shard=True) for one in (asked, known))
    return any(connection.execute(one).first() is not None for one in wanted)


def _id(text: str) -> str:
    return text.partition(" ")[0]
