"""What is spent: a day that stands out."""

from functools import partial

from bot import notices
from bot.delivering.deliveries import Claim
from bot.slack.senders.posting import Posting
from bot.slack.views import usage as usage_views
from bot.surfaces.notice_facts import spike_now
from ledger import Ledger


class SpendingSender:
    """Tells of spending, as it stands when it is told; what has ended by then is not told."""

    def __init__(self, ledger: Ledger, posting: Posting) -> None:
        self._ledger = ledger
        self._posting = posting

    def show_spike(self, claim: Claim, notice: notices.SpikeSeen) -> None:
        """Tell that a kind costs far more than usual. Raises: NotTold, LeaseLost."""
        found = spike_now(self._ledger, claim.wallet_id, notice)
        if found is not None:
            spike, lasts = found
            self._posting.tell(claim, partial(usage_views.spike_seen, spike, lasts=lasts))
