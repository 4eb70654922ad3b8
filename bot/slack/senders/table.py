"""Which sender tells which notice: each class of notice has an arm here, and mypy refuses one that is missing.

Senders are called at least once for each notice and recipient, so all of them may run twice. A posted message is
remembered and updated in place. A crash between a message and its row may repeat the message, never an action.
`FanOut` tries each recipient alone: a sender never loops around a call to Slack.
"""

from functools import partial
from typing import assert_never

from bot import notices
from bot.delivering.deliveries import FanOut
from bot.delivering.posted_messages import PostedMessages
from bot.payments.cards import Cards
from bot.payments.recharge import Recharge
from bot.payments.requests import Payments
from bot.payments.top_ups import Charges
from bot.slack.client import SlackClient
from bot.slack.senders.automatic import AutomaticSender
from bot.slack.senders.cards import CardSender
from bot.slack.senders.changes import ChangeSender
from bot.slack.senders.episodes import EpisodeSender
from bot.slack.senders.money_out import MoneyOutSender
from bot.slack.senders.payment_lookup import PaymentLookup
from bot.slack.senders.qr_codes import QrCodes
from bot.slack.senders.recipients import Recipients
from bot.slack.senders.requests import RequestSender
from bot.slack.views import forms as form_views
from bot.slack.views import status as status_views
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
        client: SlackClient,
        people: People,
        payments: Payments,
        charges: Charges,
        recharge: Recharge,
        cards: Cards,
        episodes: Episodes,
        posted: PostedMessages,
    ) -> None:
        lookup = PaymentLookup(ledger, payments, charges)
        self.recipients = Recipients(people, client)
        self.qr_codes = QrCodes(client, posted, lookup)
        self.episodes = EpisodeSender(ledger, client, people, self.recipients, episodes)
        self.requests = RequestSender(client, people, self.recipients, posted, lookup, self.qr_codes)
        self.changes = ChangeSender(ledger, self.recipients)
        self.cards = CardSender(ledger, self.recipients, lookup)
        self.money_out = MoneyOutSender(ledger, self.recipients, lookup)
        self.automatic = AutomaticSender(
            ledger, client, self.recipients, recharge, cards, posted, lookup, self.qr_codes
        )

    def deliver(self, to: FanOut) -> None:
        """Tell one notice to its recipients. Raises: NoticeUnknown."""
        match notice := to.notice():
            case WalletLow() | WalletEmptied() | WalletPaused() | WalletRecovered():
                self.episodes.send(to, notice.episode_id)
            case WalletResumed():
                self.episodes.send_resumed(to, notice)
            case StartedAfterStop():
                self.episodes.send_started_after_stop(to, notice)
            case UsageCorrected():
                self.money_out.send_correction(to, notice)
            case WalletCredited():
                self.money_out.send_credit(to, notice)
            case RechargeWanted():
                pass  # Nobody reads it: the courier's reaction considers a charge, and that charge is told.
            case _:
                self._deliver_own(to, notice)

    def _deliver_own(self, to: FanOut, notice: notices.BotNotice) -> None:
        """Tell one of the bot's own notices."""
        match notice:
            case notices.RequestSent():
                self.requests.send_request(to, notice)
            case notices.PaymentChanged():
                self.requests.send_change(to, notice)
            case notices.PaidTwice():
                self.requests.send_paid_twice(to, notice)
            case notices.CardConnected():
                self.cards.send_connected(to, notice)
            case notices.CardsArranged():
                self.cards.send_arranged(to, notice)
            case notices.CardGone():
                self.cards.send_gone(to, notice)
            case notices.CardExpiring():
                self.cards.send_expiring(to, notice)
            case notices.RechargeMade():
                self.automatic.send_made(to, notice)
            case notices.RechargeFailed():
                self.automatic.send_failed(to, notice)
            case notices.ConfirmationDue():
                self.automatic.send_confirmation_due(to, notice)
            case notices.CapReached():
                self.automatic.send_capped(to, notice)
            case notices.ChargesSwitched():
                self.automatic.send_switched(to, notice)
            case notices.RuleChanged():
                self.automatic.send_rule_change(to, notice)
            case notices.SettingsChanged():
                self.automatic.send_settings_change(to, notice)
            case notices.RefundBooked():
                self.money_out.send_refund(to, notice)
            case notices.DisputeChanged():
                self.money_out.send_dispute(to, notice)
            case notices.BooksDiffer():
                self.money_out.send_differences(to, notice)
            case notices.MoneyParked():
                self.money_out.send_parked(to, notice)
            case notices.ManuallyCredited():
                self.money_out.send_manual_credit(to, notice)
            case notices.KeyRefused():
                self.recipients.send(to, lambda role: status_views.key_refused())
            case notices.KeyAccepted():
                self.recipients.send(to, lambda role: status_views.key_accepted())
            case notices.AccessAsked(user_id=user_id):
                self.recipients.send(to, partial(form_views.access_asked, user_id), finance=False)
            case notices.RoleChanged():
                self.changes.send_role(to, notice)
            case notices.ChannelsChanged():
                self.changes.send_channels(to, notice)
            case notices.ChannelAway():
                self.changes.send_away(to, notice)
            case _:
                assert_never(notice)
