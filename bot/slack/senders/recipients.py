"""The people whom a notice reaches: those with a role, and who is told when none of them can be reached."""

from collections.abc import Callable, Sequence

from bot.delivering.deliveries import FanOut
from bot.ports import NotNow, RecipientGone
from bot.rights import Role
from bot.slack.client import SlackClient
from bot.slack.views.blocks import Message
from bot.states.delivery import OWNERS, Recipient
from bot.wallets.people import People

Send = Callable[[str], None]
"""Tells one person, by user id. Raises: RecipientGone, NotNow."""


class Recipients:
    """Finds the recipients of a notice among people, and lets each be told alone."""

    def __init__(self, people: People, client: SlackClient) -> None:
        self._people = people
        self._client = client

    def send(
        self, to: FanOut, message: Callable[[Role], Message], *, finance: bool = True, but: str = ""
    ) -> None:
        """Send all people with a role a message with what each may do about it, but not the one who caused it."""

        def send_to(user_id: str) -> None:
            self.post(user_id, message(self.role_of(to, user_id)))

        self.with_role(to, send_to, finance=finance, but=[but])

    def role_of(self, to: FanOut, user_id: str) -> Role:
        """Say by which role a recipient's buttons are chosen."""
        return self._people.role_shown(to.wallet_id, user_id)

    def post(self, user_id: str, message: Message) -> None:
        """Post a message to one person. Raises: RecipientGone, NotNow."""
        self._client.post_message(user_id, message)

    def with_role(self, to: FanOut, send: Send, *, finance: bool = True, but: Sequence[str] = ()) -> None:
        """Tell the people with a role, each alone; the owners too, when none of the appointed can be reached."""
        tried: list[str] | None = None
        while tried != (found := [one for one in self._found(to, finance=finance) if one not in but]):
            self.each(to, found, send)
            tried = found

    def each(self, to: FanOut, user_ids: Sequence[str], send: Send) -> None:
        """Tell some people, each alone."""

        def send_to(recipient: Recipient) -> None:
            user_id = recipient.slack_id
            if self._people.has_left(to.wallet_id, user_id):
                # Posting into the DM of somebody deactivated succeeds, and nobody reads it.
                raise RecipientGone("left_workspace")
            send(user_id)

        to.each(_persons(user_ids), send_to)

    def _found(self, to: FanOut, *, finance: bool) -> list[str]:
        appointed = self._people.appointed(to.wallet_id)
        managers: Sequence[str] = appointed.billing_admins
        if not managers or to.are_gone(_persons(managers)):
            try:
                managers = (*managers, *self._people.owners(to.wallet_id))
            except NotNow as problem:
                # No recipient is no delivery: the owners wait under a name of their own until Slack named them.
                to.wait_for(OWNERS, problem)
        return list(dict.fromkeys((*managers, *(appointed.finance if finance else ()))))


def _persons(user_ids: Sequence[str]) -> list[Recipient]:
    return [Recipient.person(one) for one in user_ids]
