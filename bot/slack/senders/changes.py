"""Changes of who looks after billing and where alerts go, and channels that can no longer be posted to."""

from functools import partial

from bot import notices
from bot.delivering.deliveries import FanOut
from bot.slack.senders.recipients import Recipients
from bot.slack.views import changes as change_views
from bot.surfaces.notice_facts import automatic_is_on
from ledger import Ledger


class ChangeSender:
    """Tells the others what somebody changed."""

    def __init__(self, ledger: Ledger, recipients: Recipients) -> None:
        self._ledger = ledger
        self._recipients = recipients

    def send_role(self, to: FanOut, notice: notices.RoleChanged) -> None:
        """Tell that somebody's role changed, and those whom it was taken from too."""
        stoppable = automatic_is_on(self._ledger, to.wallet_id)
        message = partial(
            change_views.role_changed,
            notice.actor,
            notice.user_id,
            notice.before,
            notice.after,
            stoppable=stoppable,
        )
        self._recipients.send(to, message, but=notice.actor)
        if notice.user_id != notice.actor:
            self._recipients.each(
                to,
                [notice.user_id],
                lambda user_id: self._recipients.post(
                    user_id, message(self._recipients.role_of(to, user_id))
                ),
            )

    def send_channels(self, to: FanOut, notice: notices.ChannelsChanged) -> None:
        """Tell that other channels are alerted from now on."""
        stoppable = automatic_is_on(self._ledger, to.wallet_id)
        message = partial(
            change_views.channels_changed, notice.actor, notice.added, notice.removed, stoppable=stoppable
        )
        self._recipients.send(to, message, but=notice.actor)

    def send_away(self, to: FanOut, notice: notices.ChannelAway) -> None:
        """Tell those who may choose channels that one cannot be posted to."""
        message = partial(change_views.channel_away, notice.channel_id, notice.presence)
        self._recipients.send(to, message, finance=False)
