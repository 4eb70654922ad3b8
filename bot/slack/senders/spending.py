"""What is spent: a day that stands out, and money that ends soon."""

from functools import partial

from bot import notices
from bot.delivering.deliveries import Claim
from bot.payments.recharge import Recharge
from bot.slack.senders.posting import Posting
from bot.slack.views import alerts as alert_views
from bot.slack.views import usage as usage_views
from bot.surfaces.notice_facts import short_runway_facts, spike_now
from ledger import Ledger


class SpendingSender:
    """Tells of spending, as it stands when it is told; what has ended by then is not told."""

    def __init__(self, ledger: Ledger, posting: Posting, recharge: Recharge) -> None:
        self._ledger = ledger
        self._posting = posting
        self._recharge = recharge

    def show(self, claim: Claim, notice: notices.SpikeSeen | notices.RunwayShort) -> None:
        """Tell one recipient. Raises: NotTold, LeaseLost."""
        if isinstance(notice, notices.SpikeSeen):
            self._show_spike(claim, notice)
        else:
            self._show_runway(claim)

    def _show_spike(self, claim: Claim, notice: notices.SpikeSeen) -> None:
        found = spike_now(self._ledger, claim.wallet_id, notice)
        if found is not None:
            spike, lasts = found
            self._posting.tell(claim, partial(usage_views.spike_seen, spike, lasts=lasts))

    def _show_runway(self, claim: Claim) -> None:
        found = short_runway_facts(self._ledger, self._recharge, claim.wallet_id)
        if found is not None:
            self._posting.tell(claim, partial(alert_views.runway_short, *found))
