"""One read transaction about one wallet: everything that is read in it belongs to the same instant."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection

from ledger import Burn, Currency, Ledger, Money, Scale, WalletPolicy, WalletView, burn_of, scale_of

FactsT = TypeVar("FactsT")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What every surface needs of a wallet, and the connection on which the rest is read."""

    connection: Connection
    now: datetime
    view: WalletView
    policy: WalletPolicy
    burn: Burn | None

    @property
    def wallet_id(self) -> UUID:
        """Give the wallet that this is about."""
        return self.view.wallet_id

    @property
    def zone(self) -> str:
        """Give the wallet's time zone."""
        return self.view.zone

    @property
    def currency(self) -> Currency:
        """Give the wallet's currency."""
        return Currency.of(self.view.currency)

    @property
    def scale(self) -> Scale:
        """Give what sums in dollars are in the wallet's currency."""
        return scale_of(self.view.currency)

    def money(self, micros: int) -> Money:
        """Give an amount in the wallet's currency."""
        return Money(micros, self.currency)


@contextmanager
def snapshot_of(ledger: Ledger, wallet_id: UUID) -> Iterator[Snapshot]:
    """Open a read transaction and read what every surface needs. It ends with the `with` block."""
    with ledger.reading() as connection:
        view, policy = ledger.look(connection, wallet_id)
        now = ledger.now()
        yield Snapshot(connection, now, view, policy, burn_of(connection, wallet_id, now))


def read_facts(ledger: Ledger, wallet_id: UUID, facts: Callable[[Snapshot], FactsT]) -> FactsT:
    """Give what a function reads in one snapshot; for rooms above, which open no transaction."""
    with snapshot_of(ledger, wallet_id) as snapshot:
        return facts(snapshot)


def currency_of(ledger: Ledger, wallet_id: UUID) -> Currency:
    """Give a wallet's currency."""
    with ledger.reading() as connection:
        view, _ = ledger.look(connection, wallet_id)
    return Currency.of(view.currency)


def zone_of(ledger: Ledger, wallet_id: UUID) -> str:
    """Give the time zone of a wallet."""
    with ledger.reading() as connection:
        return ledger.look(connection, wallet_id)[0].zone
