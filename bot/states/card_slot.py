"""What a saved card is used for, and how that changes. Pure: a total table.

Theory. A wallet has one main card, which people and the rule charge, and at most one backup. A card that is saved
becomes the main one. A card that is out is charged again only after somebody saved it again.
"""

from enum import StrEnum

from bot.states.transitions import Transitions


class CardSlot(StrEnum):
    """What a saved card is used for."""

    MAIN = "main"  # charged first; at most one in a wallet
    BACKUP = "backup"
    REMOVED = "removed"  # never charged again, unless it is saved again


class CardEvent(StrEnum):
    """What happens to a saved card."""

    MADE_MAIN = "made_main"  # saved, or chosen by the rule
    MADE_BACKUP = "made_backup"  # chosen by the rule
    DISPLACED = "displaced"  # another card was made the main one
    LEFT_ALONE = "left_alone"  # the main card is gone
    TAKEN_OUT = "taken_out"  # removed by somebody, gone at Stripe, or saved again under another id


_S, _E = CardSlot, CardEvent

NEXT = Transitions(
    CardSlot,
    CardEvent,
    {
        _S.MAIN: {
            _E.MADE_MAIN: _S.MAIN,
            _E.MADE_BACKUP: _S.BACKUP,
            _E.DISPLACED: _S.BACKUP,
            _E.LEFT_ALONE: _S.MAIN,
            _E.TAKEN_OUT: _S.REMOVED,
        },
        _S.BACKUP: {
            _E.MADE_MAIN: _S.MAIN,
            _E.MADE_BACKUP: _S.BACKUP,
            _E.DISPLACED: _S.REMOVED,
            _E.LEFT_ALONE: _S.MAIN,
            _E.TAKEN_OUT: _S.REMOVED,
        },
        _S.REMOVED: {
            **dict.fromkeys(CardEvent, _S.REMOVED),
            _E.MADE_MAIN: _S.MAIN,
        },
    },
    begins=[_S.MAIN],
)
