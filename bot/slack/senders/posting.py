"""Posting for a delivery: by the wallet's own client, to nobody who left, and what was posted is kept or taken back."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from bot.delivering.deliveries import Claim, LeaseLost
from bot.ports import MessageGone, NotTold, RecipientGone
from bot.rights import Role
from bot.slack.client import MessageRef, SlackClient
from bot.slack.pace import DELETE, POST, UPDATE, Pace
from bot.slack.views.blocks import Message
from bot.wallets.people import People
from ledger import Tx

log = logging.getLogger("redbar.delivery")

ClientOf = Callable[[UUID], SlackClient]
"""Gives the client of the workspace that a wallet belongs to."""
Keep = Callable[[Tx, MessageRef], object]
"""Remembers where a message was posted, in the transaction that ends its delivery."""


class Posting:
    """Posts what a delivery shows."""

    def __init__(self, client_of: ClientOf, people: People, now: Callable[[], datetime]) -> None:
        self._client_of = client_of
        self._people = people
        self._now = now
        self._paces: dict[UUID, Pace] = {}

    def role(self, claim: Claim) -> Role:
        """Say by which role the recipient's buttons are chosen."""
        return self._people.role_shown(claim.wallet_id, claim.recipient.slack_id)

    def require_there(self, claim: Claim) -> None:
        """Let nothing be posted to somebody who left. Raises: RecipientGone.

        Posting into the DM of somebody deactivated succeeds, and nobody reads it.
        """
        if not claim.recipient.is_channel and self._people.has_left(
            claim.wallet_id, claim.recipient.slack_id
        ):
            raise RecipientGone("left_workspace")

    def tell(self, claim: Claim, message: Callable[[Role], Message]) -> None:
        """Post a message, with the buttons of its reader's role, that is told once. Raises: NotTold, LeaseLost."""
        self.require_there(claim)
        self.post(claim, message(self.role(claim)))

    def post(self, claim: Claim, message: Message, keep: Keep | None = None) -> None:
        """Post a message and end its delivery. Raises: NotTold, LeaseLost.

        Where another process took the delivery over meanwhile, that one's message counts, and this copy is deleted.
        """
        ref = self._send(claim, claim.recipient.slack_id, message)
        self._end(claim, ref, keep)

    def reply(
        self,
        claim: Claim,
        to: MessageRef,
        message: Message,
        *,
        broadcast: bool,
        keep: Keep | None = None,
    ) -> None:
        """Add a line to the thread of a message and end its delivery. Raises: NotTold, LeaseLost.

        With `broadcast` the conversation shows it too. Where the message was deleted meanwhile, or takes no reply, the
        line is a message of its own. The line is deleted where another process's counts.
        """
        try:
            ref = self._send(claim, to.channel, message, thread_ts=to.ts, broadcast=broadcast)
        except MessageGone as gone:
            log.info("a line is told as a message of its own, since there is no thread: %s", gone)
            ref = self._send(claim, to.channel, message)
        self._end(claim, ref, keep)

    def update(self, claim: Claim, ref: MessageRef, message: Message) -> MessageRef:
        """Update a message in place. Raises: NotTold; MessageGone where it cannot be changed any more."""
        with self._pace(claim).sending(UPDATE):
            return self._client_of(claim.wallet_id).update_message(ref, message)

    def _end(self, claim: Claim, ref: MessageRef, keep: Keep | None) -> None:
        """End a delivery whose message was just posted; delete that copy where the lease is lost. Raises: LeaseLost."""
        try:
            claim.done((lambda tx: keep(tx, ref)) if keep is not None else None)
        except LeaseLost:
            try:
                with self._pace(claim).sending(DELETE):
                    self._client_of(claim.wallet_id).delete_message(ref)
            except NotTold as problem:
                log.warning("a second copy of a message stays: %s", problem)
            raise

    def _send(self, claim: Claim, channel: str, message: Message, **where: Any) -> MessageRef:
        with self._pace(claim).sending(POST, channel):
            return self._client_of(claim.wallet_id).post_message(channel, message, **where)

    def _pace(self, claim: Claim) -> Pace:
        return self._paces.setdefault(claim.wallet_id, Pace(self._now))
