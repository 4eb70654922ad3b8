"""What a one-time action stands for. Pure."""

from enum import StrEnum


class ActionPurpose(StrEnum):
    """What happens when somebody presses a button that acts once."""

    CHARGE = "charge"  # the saved card is charged
    AUTOMATIC = "automatic"  # the rule is turned on as its form says
