"""From a committed notice to what people see: who hears it, which message is posted or changed.

Called by the courier, at least once per notice and in order per recipient, so everything here may be done twice:
posted messages are remembered and changed in place; what was posted but not remembered before a crash may repeat as
text, never as an action. Every recipient is told alone (`delivering/deliveries.py`): no loop around a call to Slack.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from bot import notices as told
from bot.delivering.deliveries import CHANNEL, PERSON, FanOut
from bot.delivering.posted_messages import Shown
from bot.facts import AlertFacts, FailureFacts, RequestFacts
from bot.payment_rows import Payment
from bot.payment_state import State
from bot.payments.recharge import card_words
from bot.slack.client import FileNotReady, Outlet, Sent, qr_png
from bot.slack.senders.recipients import Recipients
from bot.slack.views import alerts as alert_views
from bot.slack.views import automatic as automatic_views
from bot.slack.views import cards as card_views
from bot.slack.views import forms as form_views
from bot.slack.views import money_in, money_out
from bot.slack.views import status as status_views
from bot.slack.views.blocks import Message
from bot.stripe.declines import words_of
from bot.stripe.requests import NotMade
from bot.surfaces.changes import dispute_facts, refund_facts, rule_before_and_after
from bot.surfaces.episodes import Posted
from bot.surfaces.office import Office
from bot.surfaces.read_models import balance_facts, card_facts, desk, request_facts
from ledger import (
    Automatic,
    StartedAfterStop,
    WalletEmptied,
    WalletLow,
    WalletPaused,
    WalletRecovered,
    WalletResumed,
)

log = logging.getLogger("redbar.delivery")

REFRESH_EVERY = timedelta(seconds=20)
"""Slack takes fifty updates a minute in a workspace; a countdown in minutes needs far fewer."""
QUIET = frozenset({"under_review", "warning_under_review", "appeal_under_review"})
"""Steps of a dispute that ask nothing of anybody."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Delivery:
    """Delivers notices of one workspace's wallet."""

    def __init__(self, office: Office, outlet: Outlet) -> None:
        self._ledger = office.ledger
        self._outlet = outlet
        self._people = office.people
        self._recipients = Recipients(office.people)
        self._alerts = office.alerts
        self._payments = office.payments
        self._charges = office.charges
        self._recharge = office.recharge
        self._showing = office.showing
        self._cards = office.cards
        self._refreshed: dict[UUID, datetime] = {}
        self._by_name: dict[str, Callable[[FanOut], None]] = {
            WalletLow.name: lambda one: self._episode(one, one.read(WalletLow).episode_id),
            WalletEmptied.name: lambda one: self._episode(one, one.read(WalletEmptied).episode_id),
            WalletPaused.name: lambda one: self._episode(one, one.read(WalletPaused).episode_id),
            WalletRecovered.name: lambda one: self._episode(one, one.read(WalletRecovered).episode_id),
            WalletResumed.name: self._resumed,
            StartedAfterStop.name: self._after_stop,
            told.RequestSent.name: self._request,
            told.PaymentChanged.name: self._payment_changed,
            told.CardConnected.name: self._card_connected,
            told.RechargeMade.name: self._recharge_made,
            told.RechargeFailed.name: self._recharge_failed,
            told.CapReached.name: self._capped,
            told.RuleChanged.name: self._rule_changed,
            told.PaidTwice.name: self._paid_twice,
            told.RefundBooked.name: self._refunded,
            told.DisputeChanged.name: self._disputed,
            told.BooksDiffer.name: self._books_differ,
            told.MoneyParked.name: self._parked,
            told.CreditedByHand.name: self._credited_by_hand,
            told.CardGone.name: self._card_gone,
            told.CardExpiring.name: self._card_expiring,
            told.ConfirmationDue.name: self._confirmation_due,
            told.ChargesSwitched.name: self._switched,
            told.KeyRefused.name: lambda one: self._tell(one, status_views.key_refused()),
            told.KeyAccepted.name: lambda one: self._tell(one, status_views.key_accepted()),
            told.AccessAsked.name: self._access_asked,
        }

    def deliver(self, to: FanOut) -> None:
        """Tell one notice to its recipients; those that nobody in Slack needs to hear of are done at once."""
        handler = self._by_name.get(to.name)
        if handler is not None:
            handler(to)

    # --- Episodes ------------------------------------------------------------------------------------------

    def refresh_episodes(self, wallet_id: UUID) -> None:
        """Bring the messages of the running episode up to date: the countdown moves, nobody is notified."""
        now = self._ledger.now()
        if now - self._refreshed.get(wallet_id, EPOCH) < REFRESH_EVERY:
            return
        found = self._alerts.open_episode(wallet_id)
        if found is not None:
            self._refreshed[wallet_id] = now
            self.refresh_episode(wallet_id, found.episode_id)

    def refresh_episode(self, wallet_id: UUID, episode_id: UUID) -> None:
        """Bring the messages of one episode up to date."""
        facts = self._alerts.facts(wallet_id, episode_id)
        for message in self._alerts.posted(wallet_id, episode_id):
            try:
                self._show(wallet_id, message, facts)
            except Exception:  # one message's trouble is that message's; the next look tries again
                log.warning("an alarm's message could not be refreshed", exc_info=True)

    def _resumed(self, to: FanOut) -> None:
        resumed = to.read(WalletResumed)
        if resumed.episode_id is not None:
            self._episode(to, resumed.episode_id, resumed=resumed)

    def _episode(self, to: FanOut, episode_id: UUID, *, resumed: WalletResumed | None = None) -> None:
        wallet_id = to.wallet_id
        facts = self._alerts.facts(wallet_id, episode_id, resumed=resumed)
        known = {one.audience: one for one in self._alerts.posted(wallet_id, episode_id)}
        over = facts.phase in ("restored", "recovered")
        seen: set[str] = set()

        def tell(recipient: str) -> None:
            message = known.get(recipient)
            if message is not None:
                self._show(wallet_id, message, facts)
                self._thread(message, facts)
            elif not over:
                self._post(wallet_id, episode_id, recipient, facts)

        def tell_person(user_id: str) -> None:
            seen.add(f"{PERSON}{user_id}")
            tell(f"{PERSON}{user_id}")

        # People first: a channel may be archived, and has fewer who can act.
        self._recipients.with_role(to, tell_person)
        channels = self._alerts.channels(wallet_id)
        to.each(channels, tell)
        if over:
            # Somebody who lost the role, a channel that was taken off: told how it ended.
            to.each(
                [one for one in known if one not in seen and one not in channels],
                lambda recipient: self._show(wallet_id, known[recipient], facts),
            )

    def _post(self, wallet_id: UUID, episode_id: UUID, audience: str, facts: AlertFacts) -> None:
        target = audience.partition(":")[2]
        shown = self._alert_message(wallet_id, audience, facts)
        sent = self._outlet.post(target, shown)
        self._alerts.remember(
            wallet_id,
            Posted(
                episode_id, audience, sent.channel, sent.ts, facts.level, facts.phase, _print_of(shown), ""
            ),
        )

    def _show(self, wallet_id: UUID, message: Posted, facts: AlertFacts) -> None:
        silenced = message.acknowledged_by if facts.level <= message.level else ""
        shown = self._alert_message(wallet_id, message.audience, replace(facts, acknowledged_by=silenced))
        if _print_of(shown) == message.shown:
            return
        self._outlet.update(Sent(message.channel, message.ts), shown)
        self._alerts.remember(
            wallet_id,
            Posted(
                message.episode_id,
                message.audience,
                message.channel,
                message.ts,
                max(facts.level, message.level),
                facts.phase,
                _print_of(shown),
                silenced,
            ),
        )

    def _alert_message(self, wallet_id: UUID, audience: str, facts: AlertFacts) -> Message:
        """Say an episode to one audience: channels read no amounts, finance is offered no charge of the saved card."""
        if audience.startswith(CHANNEL):
            return alert_views.alert_channel(facts)
        if audience.removeprefix(PERSON) in self._people.facts(wallet_id).finance:
            facts = replace(facts, charge=None)
        return alert_views.alert_person(facts)

    def _thread(self, message: Posted, facts: AlertFacts) -> None:
        """Tell the story in the thread; a higher level is shown in a DM's conversation too, as edits notify nobody."""
        if facts.phase == message.phase and facts.level <= message.level:
            return
        line = alert_views.story_line(facts, channel=message.audience.startswith(CHANNEL))
        loud = not message.audience.startswith(CHANNEL) and facts.level > message.level
        self._outlet.post(message.channel, line, thread_ts=message.ts, loud=loud)

    def _after_stop(self, to: FanOut) -> None:
        notice = to.read(StartedAfterStop)
        with self._ledger.reading() as connection:
            balance = balance_facts(desk(self._ledger, connection, to.wallet_id))
        if balance.after_stop_count:
            message = alert_views.after_stop(notice.kind, balance.after_stop_count)
            self._tell(to, message, finance=False)

    # --- Requests and payments -----------------------------------------------------------------------------

    def _request(self, to: FanOut) -> None:
        payment = self._with_qr(self._look(to.wallet_id, to.read(told.RequestSent).payment_id))
        facts = self._facts(payment)
        known = {one.user_id for one in self._showing.messages(to.wallet_id, payment.payment_id)}
        # Somebody who asks themselves reads one message, the payer's.
        audiences = {payment.asked_by: "asker", payment.payer: "payer"}
        self._recipients.each(
            to,
            [one for one in (payment.payer, payment.asked_by) if one and one not in known],
            lambda user_id: self._post_request(payment, facts, user_id, audiences[user_id]),
        )

    def _post_request(self, payment: Payment, facts: RequestFacts, user_id: str, audience: str) -> None:
        try:
            sent = self._outlet.post(user_id, _request_message(audience, facts))
        except FileNotReady:
            # The link works without its picture.
            sent = self._outlet.post(user_id, _request_message(audience, replace(facts, qr_file_id=None)))
        shown = Shown(user_id, audience, sent.channel, sent.ts)
        self._showing.remember_message(payment.wallet_id, payment.payment_id, shown)

    def _with_qr(self, payment: Payment) -> Payment:
        """Upload the picture of a request's link, once; the message works without it."""
        if payment.qr_file_id or payment.state is not State.OFFERED:
            return payment
        file_id = self.upload_qr(payment)
        if file_id is None:
            return payment
        self._showing.set_qr(payment.wallet_id, payment.payment_id, file_id)
        return self._look(payment.wallet_id, payment.payment_id)

    def upload_qr(self, payment: Payment) -> str | None:
        """Draw and upload the picture of a payment's link."""
        what = "paying" if payment.amount is not None else "connecting a card"
        return self._outlet.upload(
            qr_png(payment.url, dense=payment.way == "page"),
            filename=f"{payment.ref.lower()}.png",
            title=f"{payment.ref}",
            alt=f"QR code for {what}, {payment.ref}",
        )

    def _payment_changed(self, to: FanOut) -> None:
        payment_id = to.read(told.PaymentChanged).payment_id
        payment = self._look(to.wallet_id, payment_id)
        if payment.way == "saved_card":
            return  # whoever pressed was answered there and then
        facts = self._facts(payment)
        messages = self._showing.messages(to.wallet_id, payment_id)
        people = self._people.facts(to.wallet_id)
        may_see = {*people.owners, *people.billing_admins, *people.finance}
        known = {one.user_id: one for one in messages}
        self_paid = payment.state is State.PAID and payment.way == "page" and not payment.payer
        # Who paid on a page of their own has no message yet that could say it worked.
        paid_alone = self_paid and payment.amount is not None and payment.asked_by not in known

        def tell(user_id: str) -> None:
            if user_id in known:
                one = known[user_id]
                shown = facts if user_id in may_see else replace(facts, balance=None)
                self._outlet.update(Sent(one.channel, one.ts), _request_message(one.audience, shown))
                return
            sent = self._outlet.post(user_id, money_in.payment_result_message(self._charges.result(payment)))
            kept = Shown(user_id, "self", sent.channel, sent.ts)
            self._showing.remember_message(to.wallet_id, payment_id, kept)

        # A message of kind "self" already says what became of the payment.
        changed = [one.user_id for one in messages if one.audience != "self"]
        self._recipients.each(to, [*changed, *((payment.asked_by,) if paid_alone else ())], tell)
        if payment.qr_file_id and to.first_time:
            self._outlet.remove(payment.qr_file_id)
            self._showing.set_qr(payment.wallet_id, payment.payment_id, "")

    def _card_connected(self, to: FanOut) -> None:
        notice = to.read(told.CardConnected)
        payment = self._look(to.wallet_id, notice.payment_id)
        with self._ledger.reading() as connection:
            cards = card_facts(connection, to.wallet_id)
        card = next((one for one in cards.values() if one.card_id == notice.card_id), None)
        if card is not None and payment.asked_by:
            facts = self._facts(payment) if payment.purpose == "connect" else None
            message = money_in.connected(card, facts)
            self._recipients.each(to, [payment.asked_by], lambda user_id: self._say(user_id, message))

    def _card_gone(self, to: FanOut) -> None:
        notice = to.read(told.CardGone)
        with self._ledger.reading() as connection:
            words = card_words(connection, to.wallet_id, notice.card_id)
            main = card_facts(connection, to.wallet_id).get("main")
        message = card_views.gone(
            words, actor=notice.actor, stopped=notice.stopped, main=str(main) if main is not None else ""
        )
        self._tell(to, message, but=notice.actor)

    def _card_expiring(self, to: FanOut) -> None:
        notice = to.read(told.CardExpiring)
        with self._ledger.reading() as connection:
            words = card_words(connection, to.wallet_id, notice.card_id)
            _, policy = self._ledger.look(connection, to.wallet_id)
        message = card_views.expiring(words, notice.days_left, automatic=policy.automatic is Automatic.ON)
        self._tell(to, message)

    def _paid_twice(self, to: FanOut) -> None:
        payment = self._look(to.wallet_id, to.read(told.PaidTwice).payment_id)
        self._tell(to, money_in.paid_twice(self._facts(payment)))

    # --- Money out -----------------------------------------------------------------------------------------

    def _refunded(self, to: FanOut) -> None:
        notice = to.read(told.RefundBooked)
        payment = self._look(to.wallet_id, notice.payment_id)
        message = money_out.refunded(refund_facts(self._ledger, payment, notice))
        self._tell(to, message)

    def _disputed(self, to: FanOut) -> None:
        notice = to.read(told.DisputeChanged)
        if not notice.opened and not notice.moved_micros and notice.status in QUIET:
            return
        payment = self._look(to.wallet_id, notice.payment_id)
        message = money_out.disputed(dispute_facts(self._ledger, payment, notice))
        self._tell(to, message)

    def _books_differ(self, to: FanOut) -> None:
        notice = to.read(told.BooksDiffer)
        message = money_out.books_differ(notice.count, notice.key, notice.words, paused=notice.paused)
        self._tell(to, message, finance=False)

    def _parked(self, to: FanOut) -> None:
        notice = to.read(told.MoneyParked)
        message = money_out.parked(notice.object_id, notice.words)
        self._tell(to, message, finance=False)

    def _credited_by_hand(self, to: FanOut) -> None:
        payment = self._look(to.wallet_id, to.read(told.CreditedByHand).payment_id)
        self._tell(to, money_out.credited_by_hand(self._facts(payment), payment.intent_id))

    # --- Automatic payments --------------------------------------------------------------------------------

    def _recharge_made(self, to: FanOut) -> None:
        payment = self._look(to.wallet_id, to.read(told.RechargeMade).payment_id)
        message = automatic_views.recharged(self._charges.result(payment))
        self._tell(to, message, finance=False)

    def _recharge_failed(self, to: FanOut) -> None:
        notice = to.read(told.RechargeFailed)
        payment = self._look(to.wallet_id, notice.payment_id)
        rescue = self._rescue(to.wallet_id, notice.payment_id)
        facts = self._failure(notice, payment, self._with_qr(rescue) if rescue is not None else None)

        def tell(user_id: str) -> None:
            sent = self._outlet.post(user_id, automatic_views.charge_failed(facts))
            if rescue is not None:
                self._showing.remember_message(
                    to.wallet_id, rescue.payment_id, Shown(user_id, "payer", sent.channel, sent.ts)
                )

        self._recipients.with_role(to, tell)

    def _rescue(self, wallet_id: UUID, payment_id: UUID) -> Payment | None:
        try:
            return self._recharge.rescue(wallet_id, payment_id)
        except NotMade:
            return None  # that it failed is told without a link all the same

    def _failure(self, notice: told.RechargeFailed, payment: Payment, rescue: Payment | None) -> FailureFacts:
        with self._ledger.reading() as connection:
            at = desk(self._ledger, connection, payment.wallet_id)
            card = card_words(connection, payment.wallet_id, payment.card_id)
            lasts_until = balance_facts(at).lasts_until
            backup = card_facts(connection, payment.wallet_id).get("backup")
        assert payment.amount is not None
        needs_action = payment.state is State.WAITING
        return FailureFacts(
            ref=payment.ref,
            amount=payment.amount,
            card=card,
            decline_words=words_of("authentication_required" if needs_action else payment.decline_code, card),
            next_try_at=notice.next_try_at,
            tries_left=notice.tries_left,
            paused=notice.paused,
            needs_action=needs_action,
            lasts_until=lasts_until,
            pay=self._facts(rescue) if rescue is not None else None,
            backup=str(backup) if backup is not None and backup.card_id != payment.card_id else "",
            zone=at.view.zone,
        )

    def _confirmation_due(self, to: FanOut) -> None:
        notice = to.read(told.ConfirmationDue)
        payment = self._look(to.wallet_id, notice.payment_id)
        if payment.state is not State.WAITING:
            return  # somebody was quicker
        rescue = self._rescue(to.wallet_id, notice.payment_id)
        failed = told.RechargeFailed(notice.payment_id, tries_left=0, next_try_at=None, paused=False)
        message = automatic_views.confirmation_due(self._failure(failed, payment, rescue), notice.hours)
        self._tell(to, message)

    def _switched(self, to: FanOut) -> None:
        message = automatic_views.charges_switched(off=to.read(told.ChargesSwitched).off)
        self._tell(to, message)

    def _capped(self, to: FanOut) -> None:
        notice = to.read(told.CapReached)
        self._tell(to, automatic_views.capped(notice.held))

    def _rule_changed(self, to: FanOut) -> None:
        notice = to.read(told.RuleChanged)
        before, after = rule_before_and_after(
            self._ledger, self._recharge, to.wallet_id, notice.before_version, notice.after_version
        )
        connectors = self._cards.connectors(to.wallet_id)
        with_role: list[str] = []

        def tell(user_id: str) -> None:
            own = after.card if after.card and connectors.get(after.card.card_id) == user_id else None
            message = automatic_views.rule_changed(
                notice.actor, before, after, own=own, may_stop=user_id in with_role
            )
            self._outlet.post(user_id, message)

        def tell_with_role(user_id: str) -> None:
            with_role.append(user_id)
            tell(user_id)

        self._recipients.with_role(to, tell_with_role, but=[notice.actor])
        self._recipients.each(to, [one for one in connectors.values() if one != notice.actor], tell)

    def _access_asked(self, to: FanOut) -> None:
        self._tell(to, form_views.access_asked(to.read(told.AccessAsked).user_id), finance=False)

    def _tell(self, to: FanOut, message: Message, *, finance: bool = True, but: str = "") -> None:
        """Send one message to everybody whom news of the wallet reach, without whoever caused it."""
        self._recipients.with_role(
            to, lambda user_id: self._say(user_id, message), finance=finance, but=[but]
        )

    def _say(self, user_id: str, message: Message) -> None:
        self._outlet.post(user_id, message)

    # --- Facts ---------------------------------------------------------------------------------------------

    def _look(self, wallet_id: UUID, payment_id: UUID) -> Payment:
        payment = self._payments.look(wallet_id, payment_id)
        assert payment is not None, "a notice and its payment are committed together"
        return payment

    def _facts(self, payment: Payment) -> RequestFacts:
        with self._ledger.reading() as connection:
            return request_facts(desk(self._ledger, connection, payment.wallet_id), payment)


def _request_message(audience: str, facts: RequestFacts) -> Message:
    return money_in.request_to_payer(facts) if audience == "payer" else money_in.request_to_asker(facts)


def _print_of(message: Message) -> str:
    """Give a fingerprint of what a message shows."""
    return hashlib.sha256(
        msgspec.json.encode((message.text, message.blocks, message.attachments))
    ).hexdigest()[:16]
