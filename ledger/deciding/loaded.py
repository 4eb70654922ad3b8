"""What the book found for a batch, and what the planner has decided of it so far. Pure."""

from dataclasses import dataclass, field

from ledger.commands import AI_TASK, INBOUND_CALL, PLATFORM
from ledger.deciding.rows import Hold, Transfer
from ledger.standing import Stop


@dataclass(slots=True)
class Loaded:
    """The rows that commands name; each decision adds its own, so that later commands see them."""

    transfers: dict[tuple[str, str], Transfer] = field(default_factory=dict)
    """By key: what was posted before."""
    holds: dict[str, Hold] = field(default_factory=dict)
    charges: dict[str, Transfer] = field(default_factory=dict)
    """By the id of a hold, or a further id: what it was charged."""
    corrections: dict[int, list[Transfer]] = field(default_factory=dict)
    """By the number of what they correct, in order."""
    stops: list[Stop] = field(default_factory=list)
    """Those that are over, where one of them can matter."""

    def cost_of(self, hold_id: str) -> Transfer | None:
        """Give what an id was charged, by whatever door."""
        charged = self.charges.get(hold_id)
        return charged if charged is not None else self.transfers.get((PLATFORM, hold_id))

    def inbound_call(self, kind: str, parent: str | None) -> Hold | None:
        """Give the inbound call that an AI task names as its parent; work of any other kind is judged by itself."""
        hold = self.holds.get(parent) if kind == AI_TASK and parent is not None else None
        return hold if hold is not None and hold.kind == INBOUND_CALL else None
