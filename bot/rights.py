"""Who acts, what somebody is to a wallet, and what that lets them do. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody is to the wallet; the strongest that applies."""

    OWNER = "owner"  # workspace owner
    ADMIN = "admin"  # workspace admin
    BILLING_ADMIN = "billing_admin"  # appointed
    FINANCE = "finance"  # appointed
    MEMBER = "member"  # everybody else of this workspace
    OUTSIDER = "outsider"  # guests, people of other workspaces, bots, the deactivated, the unknown

    @property
    def sees(self) -> bool:
        """May see balance, usage and history, and pay by link."""
        return self not in (Role.MEMBER, Role.OUTSIDER)

    @property
    def manages(self) -> bool:
        """May charge or change the saved card and change rules."""
        return self in (Role.OWNER, Role.ADMIN, Role.BILLING_ADMIN)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as the request says: ids of the installation and of the person."""

    team_id: str
    user_id: str
    user_team_id: str | None
    """The person's own workspace, where the request says it; None denies nothing by itself."""
    enterprise_id: str = ""
