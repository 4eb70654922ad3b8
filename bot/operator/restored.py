"""What the operator reads of restored mode: by which sign it began, what rests, and what ends it."""

from collections.abc import Sequence

from bot.wallets.restored_mode import Restored, RestoredCause
from ledger import Refused

MOVED = frozenset(
    {
        RestoredCause.STRIPE_ACCOUNT,
        RestoredCause.STRIPE_MODE,
        RestoredCause.SLACK_TEAM,
        RestoredCause.SLACK_APP,
    }
)
"""What the settings of a process lead to, not the books: `redbar resume --moved` says that it is right."""


class OtherOwner(Refused):
    """The settings lead to an account, a team or an app that the books don't belong to."""

    def __init__(self, found: Restored) -> None:
        super().__init__(f"{sign(found)} Nothing was done. {remedy(found)}")


def restored_words(found: Restored) -> Sequence[str]:
    """Say it in three sentences or four, a line each."""
    return (
        sign(found),
        "So this is restored mode: nothing is charged, nobody is told anything and Slack is not connected. "
        "The HTTP API and the commands go on.",
        remedy(found),
    )


def sign(found: Restored) -> str:
    """Say what the sign was."""
    about = found.about
    match found.cause:
        case RestoredCause.BACKUP:
            return "These books come from a backup."
        case RestoredCause.FILE:
            return f"{about} is not the file that Redbar wrote last: it is a copy, or it was moved."
        case RestoredCause.PAYMENT:
            return (
                f"Stripe has a payment of these books that they don't know ({about}): they are older than it, or "
                "another Redbar charges by a copy of them."
            )
        case RestoredCause.STRIPE_ACCOUNT:
            return (
                f"These books belong to the Stripe account {about}, and REDBAR_STRIPE_API_KEY is of another."
            )
        case RestoredCause.STRIPE_MODE:
            own = "live" if about == "test" else "test"
            return (
                f"These books were begun with a {about} key of Stripe's, and REDBAR_STRIPE_API_KEY is a {own} key: "
                "what was paid in one mode is nothing in the other."
            )
        case RestoredCause.SLACK_TEAM:
            team, _, name = about.partition(" ")
            return f"These books belong to the Slack workspace {name} ({team}); REDBAR_SLACK_BOT_TOKEN is of another."
        case RestoredCause.SLACK_APP:
            return f"These books belong to the Slack app {about}; REDBAR_SLACK_APP_TOKEN is of another."


def remedy(found: Restored) -> str:
    """Say what ends it."""
    if found.cause in MOVED:
        return (
            "Set what belongs to these books again, or name another database in REDBAR_DATABASE_URL. If they really "
            "moved: redbar resume --moved."
        )
    moved = " --moved" if found.cause is RestoredCause.FILE else ""
    return (
        "Stop every other Redbar of these books. Then `redbar reconcile` brings in what happened since at Stripe, and "
        f"`redbar resume{moved}` says what follows and goes on."
    )
