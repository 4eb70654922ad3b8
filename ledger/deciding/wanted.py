"""What has to be loaded before a batch of commands can be decided. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import assert_never

from ledger.chart import MONEY
from ledger.commands import (
    CaptureHold,
    Command,
    Correct,
    ExtendHold,
    OpenHold,
    PostMoney,
    PostUsage,
    ReleaseHold,
)
from ledger.deciding.checks import storable
from ledger.deciding.planner import HOLDS
from ledger.deciding.rows import Wallet


@dataclass(slots=True)
class Wanted:
    """The rows that commands name, how far they could move the balance, and how many texts they could bring."""

    keys: dict[str, set[str]] = field(default_factory=dict)
    """Ids by source."""
    holds: set[str] = field(default_factory=set)
    seqs: set[int] = field(default_factory=set)
    outgoing_micros: int = 0
    """The most that can leave the balance."""
    brings_money: bool = False
    texts: int = 0

    def may_empty(self, wallet: Wallet) -> bool:
        """Say whether the wallet could empty in this batch; its overdraft ceiling is then set anew."""
        if (wallet.emptied_at is not None or not wallet.funded) and not self.brings_money:
            return False
        return wallet.balance <= self.outgoing_micros


def wanted_by(commands: Iterable[Command], *, looks: bool = True) -> Wanted:
    """Gather what has to be loaded before commands can be decided; keys of transfers only where one `looks` for them.

    A hold's own key is always among them: whether it ended is told by what ended it.
    """
    wanted = Wanted()
    keys, holds = wanted.keys, wanted.holds
    for command in commands:
        match command:
            case PostUsage():
                keys.setdefault(command.source, set()).add(command.source_id)
                if command.hold_id is not None:
                    holds.add(command.hold_id)
                if command.parent is not None:
                    holds.add(command.parent)
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
                wanted.seqs.add(command.corrects_seq)
                wanted.texts += 1
                # Either way: what it corrects is not known yet.
                wanted.brings_money = True
                _leaves(wanted, command.amount_micros)
            case OpenHold():
                holds.add(command.hold_id)
                if command.parent is not None:
                    holds.add(command.parent)
            case CaptureHold():
                keys.setdefault(HOLDS, set()).add(command.hold_id)
                holds.add(command.hold_id)
                _leaves(wanted, command.amount_micros)
                wanted.texts += 1  # its own, or its hold's
            case ExtendHold() | ReleaseHold():
                holds.add(command.hold_id)
            case _:
                assert_never(command)
    # What no database can keep is in none: it is refused when it is decided.
    wanted.keys = {
        source: set(filter(storable, ids))
        for source, ids in keys.items()
        if (looks or source == HOLDS) and storable(source)
    }
    wanted.holds = set(filter(storable, holds))
    return wanted


def _leaves(wanted: Wanted, micros: int) -> None:
    # What is no amount at all is refused when it is decided.
    if type(micros) is int and micros > 0:
        wanted.outgoing_micros += micros
