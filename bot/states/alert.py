"""How an episode stands, as its messages show it. Pure.

It follows from the facts of one instant (`phase_of` in `surfaces/figures.py`), not from the phase before; a message
keeps the phase that it shows.
"""

from enum import StrEnum


class AlertPhase(StrEnum):
    """How an episode stands."""

    LOW = "low"
    CANT_START = "cant_start"  # too little is free for what would start
    COUNTING = "counting"  # zero: inbound calls go on until the grace ends
    PAUSED = "paused"
    RESTORED = "restored"  # over, after zero
    RECOVERED = "recovered"  # over, without having reached zero


OVER = frozenset({AlertPhase.RESTORED, AlertPhase.RECOVERED})
"""Phases of an episode that has ended."""
