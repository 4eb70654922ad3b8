"""What a saved card is used for, and how that changes. Pure: a total table.

Theory. A wallet has one main card, which people and the rule charge, and at most one backup. The first card that is
saved becomes the main one, the next the backup, and all others are spare: which card is charged is a choice that an
admin makes by name. A card that is out is charged again only after somebody saved it again.
"""

from collections.abc import Mapping
from enum import StrEnum

from bot.states.transitions import Transitions


class CardSlot(StrEnum):
    """What a saved card is used for."""

    MAIN = "main"  # charged first; at most one in a wallet
    BACKUP = "backup"  # charged where the main one was declined; at most one
    SPARE = "spare"  # charged by nobody until an admin chooses it
    REMOVED = "removed"  # never charged again, unless it is saved again


class CardEvent(StrEnum):
    """What happens to a saved card."""

    SAVED = "saved"  # entered by somebody, perhaps not for the first time
    MADE_MAIN = "made_main"  # the first, or chosen by an admin
    MADE_BACKUP = "made_backup"  # the second, chosen by the rule, or displaced by another main card
    SET_ASIDE = "set_aside"  # displaced, where another card is the backup
    LEFT_ALONE = "left_alone"  # the main card is gone, and this one takes its place
    TAKEN_OUT = "taken_out"  # removed by somebody, gone at Stripe, or saved again under another id


_S, _E = CardSlot, CardEvent
_IN_USE = {
    _E.MADE_MAIN: _S.MAIN,
    _E.MADE_BACKUP: _S.BACKUP,
    _E.SET_ASIDE: _S.SPARE,
    _E.LEFT_ALONE: _S.MAIN,
    _E.TAKEN_OUT: _S.REMOVED,
}

NEXT = Transitions(
    CardSlot,
    CardEvent,
    {
        **{slot: {**_IN_USE, _E.SAVED: slot} for slot in (_S.MAIN, _S.BACKUP, _S.SPARE)},
        _S.REMOVED: {**dict.fromkeys(CardEvent, _S.REMOVED), _E.SAVED: _S.SPARE},
    },
    begins=[_S.MAIN, _S.BACKUP, _S.SPARE],
)


def slot_for(slots: Mapping[str, CardSlot]) -> CardSlot:
    """Say what a card that was not in use becomes beside those that are, by id: main, backup or spare."""
    free = (one for one in (CardSlot.MAIN, CardSlot.BACKUP) if one not in slots.values())
    return next(free, CardSlot.SPARE)


def arranged(slots: Mapping[str, CardSlot], *, main_id: str, backup_id: str = "") -> dict[str, CardSlot]:
    """Give the slots of the cards in use, by id, once one was chosen to be charged, and perhaps another as its backup.

    Without a `backup_id`, the card that was main becomes the backup where no other one is it, else spare.
    """
    events = {main_id: CardEvent.MADE_MAIN}
    if backup_id in slots:
        events.setdefault(backup_id, CardEvent.MADE_BACKUP)
    has_backup = CardEvent.MADE_BACKUP in events.values()
    for slot in (CardSlot.BACKUP, CardSlot.MAIN):
        for card_id in (one for one, its in slots.items() if its is slot and one not in events):
            if slot is CardSlot.BACKUP and not has_backup:
                has_backup = True  # it stays
                continue
            events[card_id] = CardEvent.SET_ASIDE if has_backup else CardEvent.MADE_BACKUP
            has_backup = True
    return {
        card_id: NEXT.after(slot, events[card_id]) if card_id in events else slot
        for card_id, slot in slots.items()
    }
