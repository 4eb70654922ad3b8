"""Which sender tells which notice: each class of notice has an arm here, and mypy refuses one that is missing.

A sender shows one delivery to its one recipient: it reads the present facts, posts or updates a message, and ends the
claim together with what is to be remembered of the message. It is called at least once, so it may run twice: a crash
between a message and its row may repeat the message, never an action.
"""

from functools import partial
from typing import assert_never

from bot import notices
from bot.delivering.deliveries import Claim
from bot.delivering.posted_messages import PostedMessages
from bot.payments.cards import Cards
from bot.payments.recharge import Recharge
from bot.payments.requests import Payments
from bot.payments.top_ups import Charges
from bot.slack.senders.automatic import AutomaticSender
from bot.slack.senders.cards import CardSender
from bot.slack.senders.changes import ChangeSender
from bot.slack.senders.episodes import EpisodeSender
from bot.slack.senders.failed_charges import FailedChargeSender
from bot.slack.senders.money_out import MoneyOutSender
from bot.slack.senders.payment_lookup import PaymentLookup
from bot.slack.senders.posting import ClientOf, Posting
from bot.slack.senders.qr_codes import QrCodes
from bot.slack.senders.requests import RequestSender
from bot.slack.senders.spending import SpendingSender
from bot.slack.views import forms as form_views
from bot.slack.views import status as status_views
from bot.slack.views import unreached
from bot.states.delivery import SubjectKind
from bot.surfaces.episodes import Episodes
from bot.wallets.people import People
from ledger import (
    Ledger,
    RechargeWanted,
    StartedAfterStop,
    UsageCorrected,
    WalletCredited,
    WalletEmptied,
    WalletLow,
    WalletPaused,
    WalletRecovered,
    WalletResumed,
)


class Senders:
    """One sender for each kind of message, for the wallet of one workspace."""

    def __init__(
        self,
        ledger: Ledger,
        client_of: ClientOf,
        people: People,
        payments: Payments,
        charges: Charges,
        recharge: Recharge,
        cards: Cards,
        episodes: Episodes,
        posted: PostedMessages,
    ) -> None:
        lookup = PaymentLookup(ledger, payments, charges)
        self._posting = Posting(client_of, people, ledger.now)
        self.qr_codes = QrCodes(ledger, client_of, posted, lookup)
        self.episodes = EpisodeSender(ledger, people, self._posting, episodes)
        self._requests = RequestSender(self._posting, posted, lookup, self.qr_codes)
        self._changes = ChangeSender(ledger, self._posting)
        self._cards = CardSender(ledger, self._posting, lookup)
        self._money_out = MoneyOutSender(ledger, self._posting, lookup)
        self._spending = SpendingSender(ledger, self._posting, recharge)
        self._automatic = AutomaticSender(ledger, self._posting, recharge, cards, lookup)
        self._failed_charges = FailedChargeSender(ledger, self._posting, posted, lookup, self.qr_codes)

    def show(self, claim: Claim) -> None:
        """Show one delivery to its recipient. Raises: NotTold, LeaseLost, NoticeUnknown."""
        notice = claim.notice()
        if claim.subject.kind is SubjectKind.EPISODE:
            self.episodes.show(claim)
            return
        match notice:
            case WalletLow() | WalletEmptied() | WalletPaused() | WalletRecovered() | WalletResumed():
                pass  # Their subject is the episode.
            case StartedAfterStop():
                self.episodes.show_started_after_stop(claim, notice)
            case UsageCorrected():
                self._money_out.show_correction(claim, notice)
            case WalletCredited():
                self._money_out.show_credit(claim, notice)
            case RechargeWanted():
                pass  # It has no recipients.
            case _:
                self._show_own(claim, notice)

    def _show_own(self, claim: Claim, notice: notices.BotNotice) -> None:
        """Show one of the bot's own notices."""
        tell = self._posting.tell
        match notice:
            case notices.StillStopped():
                self.episodes.show_repeat(claim)
            case notices.RequestSent() | notices.PaymentChanged():
                self._requests.show(claim, notice)
            case notices.PaidTwice():
                self._failed_charges.show_paid_twice(claim, notice)
            case notices.OutcomeKnown():
                self._requests.show_outcome(claim, notice)
            case notices.CardConnected():
                self._cards.show_connected(claim, notice)
            case notices.CardsArranged():
                self._cards.show_arranged(claim, notice)
            case notices.CardGone():
                self._cards.show_gone(claim, notice)
            case notices.CardExpiring():
                self._cards.show_expiring(claim, notice)
            case notices.RechargeMade():
                self._automatic.show_made(claim, notice)
            case notices.RechargeFailed() | notices.RechargeChanged() | notices.ConfirmationDue():
                self._failed_charges.show(claim, notice)
            case notices.CapReached() | notices.CapNear():
                self._automatic.show_caps(claim, notice)
            case notices.SpikeSeen() | notices.RunwayShort():
                self._spending.show(claim, notice)
            case notices.ChargesSwitched():
                self._automatic.show_switched(claim, notice)
            case notices.RuleChanged():
                self._automatic.show_rule_change(claim, notice)
            case notices.SettingsChanged():
                self._automatic.show_settings_change(claim, notice)
            case notices.RefundBooked():
                self._money_out.show_refund(claim, notice)
            case notices.DisputeChanged():
                self._money_out.show_dispute(claim, notice)
            case notices.BooksDiffer():
                self._money_out.show_differences(claim, notice)
            case notices.MoneyParked():
                self._money_out.show_parked(claim, notice)
            case notices.ManuallyCredited():
                self._money_out.show_manual_credit(claim, notice)
            case notices.KeyRefused():
                tell(claim, lambda role: status_views.key_refused())
            case notices.KeyAccepted():
                tell(claim, lambda role: status_views.key_accepted())
            case notices.AccessAsked(user_id=user_id):
                tell(claim, partial(form_views.access_asked, user_id))
            case notices.RecipientLost():
                tell(claim, partial(unreached.recipient_lost, notice, claim.recipient.slack_id))
            case (
                notices.RoleChanged() | notices.ChannelsChanged() | notices.ChannelAway() | notices.CameBack()
            ):
                self._changes.show(claim, notice)
            case notices.ChannelBack():
                pass  # Its subject is the alarm that goes on.
            case _:
                assert_never(notice)
