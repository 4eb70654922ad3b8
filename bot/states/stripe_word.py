"""Words of Stripe's that may grow: what this version does not know is read as OTHER. Pure."""

from enum import StrEnum
from typing import Self


class StripeWord(StrEnum):
    """An enum of Stripe's. Each has a member OTHER, whose own comment says how it is treated."""

    @classmethod
    def _missing_(cls, value: object) -> Self:
        return cls["OTHER"]
