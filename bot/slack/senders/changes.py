"""Changes of who looks after billing and where alerts go, and channels that can no longer be posted to."""

from functools import partial

from bot import notices
from bot.delivering.deliveries import Claim
from bot.slack.senders.posting import Posting
from bot.slack.views import changes as change_views
from bot.surfaces.notice_facts import automatic_is_on
from ledger import Ledger


class ChangeSender:
    """Tells the others what somebody changed."""

    def __init__(self, ledger: Ledger, posting: Posting) -> None:
        self._ledger = ledger
        self._posting = posting

    def show_role(self, claim: Claim, notice: notices.RoleChanged) -> None:
        """Tell that somebody's role changed. Raises: NotTold, LeaseLost."""
        stoppable = automatic_is_on(self._ledger, claim.wallet_id)
        message = partial(
            change_views.role_changed,
            notice.actor,
            notice.user_id,
            notice.before,
            notice.after,
            stoppable=stoppable,
        )
        self._posting.tell(claim, message)

    def show_channels(self, claim: Claim, notice: notices.ChannelsChanged) -> None:
        """Tell that other channels are alerted from now on. Raises: NotTold, LeaseLost."""
        stoppable = automatic_is_on(self._ledger, claim.wallet_id)
        message = partial(
            change_views.channels_changed, notice.actor, notice.added, notice.removed, stoppable=stoppable
        )
        self._posting.tell(claim, message)

    def show_away(self, claim: Claim, notice: notices.ChannelAway) -> None:
        """Tell those who may choose channels that one cannot be posted to. Raises: NotTold, LeaseLost."""
        self._posting.tell(claim, partial(change_views.channel_away, notice.channel_id, notice.presence))
