"""Who looks after billing and where alerts go: changed, channels that are away, and the app's own return."""

from functools import partial
from typing import assert_never

from bot import notices
from bot.delivering.deliveries import Claim
from bot.slack.senders.posting import Posting
from bot.slack.views import changes as change_views
from bot.slack.views import unreached
from bot.surfaces.notice_facts import absence_facts, automatic_is_on
from ledger import Ledger

Change = notices.RoleChanged | notices.ChannelsChanged | notices.ChannelAway | notices.CameBack


class ChangeSender:
    """Tells the others what somebody changed."""

    def __init__(self, ledger: Ledger, posting: Posting) -> None:
        self._ledger = ledger
        self._posting = posting

    def show(self, claim: Claim, notice: Change) -> None:
        """Tell one recipient what changed. Raises: NotTold, LeaseLost."""
        match notice:
            case notices.RoleChanged():
                self._show_role(claim, notice)
            case notices.ChannelsChanged():
                self._show_channels(claim, notice)
            case notices.ChannelAway():
                message = partial(change_views.channel_away, notice.channel_id, notice.presence)
                self._posting.tell(claim, message)
            case notices.CameBack():
                facts = absence_facts(self._ledger, claim.wallet_id, notice)
                self._posting.tell(claim, partial(unreached.came_back, notice, facts))
            case _:
                assert_never(notice)

    def _show_role(self, claim: Claim, notice: notices.RoleChanged) -> None:
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

    def _show_channels(self, claim: Claim, notice: notices.ChannelsChanged) -> None:
        stoppable = automatic_is_on(self._ledger, claim.wallet_id)
        message = partial(
            change_views.channels_changed,
            notice.actor,
            notice.added,
            notice.removed,
            notice.info,
            stoppable=stoppable,
        )
        self._posting.tell(claim, message)
