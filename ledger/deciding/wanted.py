"""What has to be loaded before a batch of commands can be decided. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never

from ledger.chart import MONEY
from ledger.commands import (
    PLATFORM,
    CaptureHold,
    Command,
    Correct,
    ExtendHold,
    OpenHold,
    PostMoney,
    PostUsage,
    ReleaseHold,
)
from ledger.deciding.charging import seconds_of
from ledger.deciding.checks import storable
from ledger.deciding.rows import Wallet


@dataclass(slots=True)
class Wanted:
    """The rows that commands name, how far they could move the balance, and how many texts they could bring."""

    keys: dict[str, set[str]] = field(default_factory=dict)
    """Ids by source."""
    holds: set[str] = field(default_factory=set)
    """Ids that are named as holds'."""
    own: set[str] = field(default_factory=set)
    """Ids of the platform's usage, each of which may be a hold's, too."""
    corrected: set[str] = field(default_factory=set)
    """Ids of usage or holds whose cost is corrected."""
    earliest: datetime | None = None
    """When the first of the usage was, of which that is said."""
    seconds_max: int = 0
    """The longest call of which it is not."""
    outgoing_micros: int = 0
    """The most that can leave the balance."""
    brings_money: bool = False
    texts: int = 0

    def may_empty(self, wallet: Wallet) -> bool:
        """Say whether the wallet could empty in this batch; its overdraft ceiling is then set anew."""
        if (wallet.emptied_at is not None or not wallet.funded) and not self.brings_money:
            return False
        return wallet.balance <= self.outgoing_micros

    def looks_back_to(self, stopped_until: datetime, now: datetime) -> bool:
        """Say whether some of the usage began before the last stop ended."""
        if self.earliest is not None and self.earliest < stopped_until:
            return True
        return now - timedelta(seconds=self.seconds_max) < stopped_until


def wanted_by(commands: Iterable[Command], *, looks: bool = True) -> Wanted:
    """Gather what has to be loaded before commands can be decided; keys of transfers only where one `looks` for them.

    Where a hold is named, its id may have been charged as usage, and usage that names it may have charged it before:
    those keys are always looked up.
    """
    wanted = Wanted()
    keys, holds = wanted.keys, wanted.holds
    always: dict[str, set[str]] = {}
    for command in commands:
        match command:
            case PostUsage():
                keys.setdefault(command.source, set()).add(command.source_id)
                if command.hold_id is not None:
                    holds.add(command.hold_id)
                    always.setdefault(command.source, set()).add(command.source_id)
                if command.parent is not None:
                    holds.add(command.parent)
                if command.occurred_at is not None:
                    _happened(wanted, command.occurred_at)
                elif type(command.quantity) is int and command.quantity > wanted.seconds_max:
                    wanted.seconds_max = max(wanted.seconds_max, seconds_of(command))
                _leaves(wanted, command.amount_micros)
                if command.reference or command.description:
                    wanted.texts += 1
            case PostMoney():
                keys.setdefault(command.source, set()).add(command.source_id)
                wanted.texts += 1
                if MONEY[command.kind].sign > 0:
                    wanted.brings_money = True
                else:
                    _leaves(wanted, command.amount_micros)
            case Correct():
                keys.setdefault(command.source, set()).add(command.source_id)
                wanted.corrected.add(command.corrects)
                wanted.texts += 1
                wanted.brings_money = True
            case OpenHold():
                holds.add(command.hold_id)
                if command.parent is not None:
                    holds.add(command.parent)
            case CaptureHold():
                holds.add(command.hold_id)
                _leaves(wanted, command.amount_micros)
                wanted.texts += 1  # its own, or its hold's
            case ExtendHold() | ReleaseHold():
                holds.add(command.hold_id)
            case _:
                assert_never(command)
    _name(wanted, always, looks=looks)
    return wanted


def _name(wanted: Wanted, always: dict[str, set[str]], *, looks: bool) -> None:
    # What no database can keep is in none: it is refused when it is decided.
    keys = wanted.keys
    wanted.own = set(filter(storable, keys.pop(PLATFORM, ())))
    wanted.holds = set(filter(storable, wanted.holds))
    wanted.corrected = set(filter(storable, wanted.corrected))
    own = wanted.own if looks else set(filter(storable, always.pop(PLATFORM, ())))
    wanted.keys = {
        source: set(filter(storable, ids))
        for source, ids in (keys if looks else always).items()
        if storable(source)
    }
    if named := own | wanted.holds | wanted.corrected:
        wanted.keys[PLATFORM] = named


def _happened(wanted: Wanted, at: datetime) -> None:
    # What is no instant at all is refused when it is decided.
    if at.tzinfo is not None and (wanted.earliest is None or at < wanted.earliest):
        wanted.earliest = at


def _leaves(wanted: Wanted, micros: int) -> None:
    # What is no amount at all is refused when it is decided.
    if type(micros) is int and micros > 0:
        wanted.outgoing_micros += micros
