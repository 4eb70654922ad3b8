"""Every flow together, and the facts that need several of them: what surfaces ask for by name."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from bot.delivering.posted_messages import PostedMessages, Viewer
from bot.facts import (
    AddBalanceFacts,
    AlertsFacts,
    AutomaticConfirmFacts,
    AutomaticFacts,
    AutomaticFormFacts,
    HomeFacts,
    OfferFacts,
    SpikeFacts,
    StatusFacts,
)
from bot.payment_rows import Payment
from bot.payments.cards import Cards
from bot.payments.recharge import Recharge
from bot.payments.requests import Payments
from bot.payments.top_ups import TOP_UP_MAX_MAJOR, TOP_UP_MIN_MAJOR, Charges
from bot.stripe.key_health import key_refused_at
from bot.surfaces.episodes import Alerts
from bot.surfaces.read_models import (
    Desk,
    automatic_facts,
    balance_facts,
    card_facts,
    desk,
    history_facts,
    host_of,
    month_facts,
    open_requests,
    pace_words,
    whole_cents,
)
from bot.surfaces.rehearsal import rehearse
from bot.wallets.alert_channels import channels_of
from bot.wallets.people import People, Standpoint
from bot.wallets.rules import NoCard, Rules
from bot.wallets.workspaces import Workspaces
from ledger import (
    MICROS,
    Automatic,
    Currency,
    Funds,
    Ledger,
    Money,
    RechargePast,
    RechargeRule,
    WalletPolicy,
    cost_ahead,
    default_caps,
    recharge_decision,
    references_of,
    rounded_up_to_major,
    spikes_of,
)

PRESETS_MAJOR = (25, 50, 100, 250)
TARGET_GAP_MAX_MAJOR = 2_500


@dataclass(frozen=True, slots=True)
class Office:
    """What the surfaces are given."""

    ledger: Ledger
    workspaces: Workspaces
    rules: Rules
    people: People
    payments: Payments
    charges: Charges
    recharge: Recharge
    alerts: Alerts
    showing: PostedMessages
    cards: Cards

    def currency(self, wallet_id: UUID) -> Currency:
        """Give the wallet's currency."""
        with self.ledger.reading() as connection:
            view, _ = self.ledger.look(connection, wallet_id)
        return Currency.of(view.currency)

    def status(self, who: Standpoint) -> StatusFacts:
        """What `/wallet` says."""
        with self.ledger.reading() as connection:
            at = desk(self.ledger, connection, who.wallet_id)
            return StatusFacts(
                role=who.role,
                balance=balance_facts(at),
                automatic=automatic_facts(at, self.recharge),
                requests=open_requests(at),
                key_refused_at=key_refused_at(connection, who.wallet_id),
            )

    def home(self, who: Standpoint, viewer: Viewer | None) -> tuple[HomeFacts, str]:
        """Everything that Home shows, and a fingerprint of the state behind it."""
        people = self.people.facts(who.wallet_id)
        with self.ledger.reading() as connection:
            at = desk(self.ledger, connection, who.wallet_id)
            facts = HomeFacts(
                role=who.role,
                balance=balance_facts(at),
                automatic=automatic_facts(at, self.recharge),
                month=month_facts(at, viewer.month or None if viewer else None),
                history=history_facts(
                    at,
                    kind=viewer.kind or None if viewer else None,
                    cursor=viewer.cursor or None if viewer else None,
                ),
                requests=open_requests(at),
                people=people,
                key_refused_at=key_refused_at(connection, who.wallet_id),
            )
            return facts, fingerprint(at, facts)

    def add_balance(self, wallet_id: UUID, *, amount: Money | None, pay_with: str) -> AddBalanceFacts:
        """What the form to add balance starts from."""
        with self.ledger.reading() as connection:
            at = desk(self.ledger, connection, wallet_id)
            card = card_facts(connection, wallet_id).get("main")
            presets = tuple(at.money(major * MICROS) for major in PRESETS_MAJOR)
            chosen = pay_with or ("card" if card is not None else "page")
            return AddBalanceFacts(
                currency=at.view.currency,
                presets=presets,
                amount=amount,
                amount_min=at.money(TOP_UP_MIN_MAJOR * MICROS),
                amount_max=at.money(TOP_UP_MAX_MAJOR * MICROS),
                card=card,
                pay_with=chosen,
                pace=tuple((one, words) for one in presets if (words := pace_words(at, one))),
                brings_back=balance_facts(at).brings_back,
            )

    def automatic(self, wallet_id: UUID) -> AutomaticFacts:
        """How automatic payments stand."""
        with self.ledger.reading() as connection:
            return automatic_facts(desk(self.ledger, connection, wallet_id), self.recharge)

    def automatic_form(self, wallet_id: UUID) -> AutomaticFormFacts:
        """What the form of automatic payments starts from."""
        with self.ledger.reading() as connection:
            at = desk(self.ledger, connection, wallet_id)
            cards = card_facts(connection, wallet_id)
            return AutomaticFormFacts(
                currency=at.view.currency,
                current=automatic_facts(at, self.recharge),
                suggested=suggested_rule(at),
                cards=tuple(cards[slot] for slot in ("main", "backup") if slot in cards),
                policy_version=at.view.policy_version,
            )

    def automatic_confirm(
        self, wallet_id: UUID, rule: RechargeRule, card_id: str, intent_id: str
    ) -> AutomaticConfirmFacts:
        """What turning a rule on means. Refuses: PolicyUnfit, NoCard."""
        rule.check()
        with self.ledger.reading() as connection:
            at = desk(self.ledger, connection, wallet_id)
            card = next(
                (one for one in card_facts(connection, wallet_id).values() if one.card_id == card_id), None
            )
            if card is None:
                raise NoCard
            return AutomaticConfirmFacts(
                intent_id=intent_id,
                rule=rule,
                currency=at.view.currency,
                card=card,
                rehearsal=rehearse(at, rule),
                charges_now=_charge_now(at, rule),
            )

    def alerts_form(self, wallet_id: UUID) -> AlertsFacts:
        """Where alerts go."""
        with self.ledger.reading() as connection:
            at = desk(self.ledger, connection, wallet_id)
            return AlertsFacts(
                channels=tuple(channels_of(connection, wallet_id)),
                warning=rounded_up_to_major(at.money(at.view.warning_micros)),
                critical=rounded_up_to_major(at.money(at.view.critical_micros)),
            )

    def offer(self, payment: Payment, *, qr_file_id: str | None = None) -> OfferFacts:
        """The way to a hosted page."""
        assert payment.expires_at is not None
        with self.ledger.reading() as connection:
            view, _ = self.ledger.look(connection, payment.wallet_id)
        return OfferFacts(
            payment_id=str(payment.payment_id),
            ref=payment.ref,
            amount=payment.amount,
            url=payment.url,
            host=host_of(payment.url),
            expires_at=payment.expires_at,
            saves_card=payment.saves_card,
            qr_file_id=qr_file_id,
            zone=view.zone,
        )

    def spike(self, wallet_id: UUID, day: str, kind: str) -> SpikeFacts | None:
        """A spike with the references that explain it."""
        with self.ledger.reading() as connection:
            at = desk(self.ledger, connection, wallet_id)
            found = next(
                (one for one in spikes_of(connection, wallet_id, day, day) if one.kind == kind), None
            )
            if found is None:
                return None
            references = references_of(connection, wallet_id, day, kind)
            return SpikeFacts(
                day=found.day,
                kind=found.kind,
                spent=at.money(found.spent_micros),
                usual=at.money(whole_cents(found.usual_micros)),
                times_tenths=found.spent_micros * 10 // max(1, found.usual_micros),
                references=tuple((reference, at.money(micros)) for reference, micros in references),
            )


def fingerprint(at: Desk, facts: HomeFacts) -> str:
    """Name the state behind a Home tab, so that it is sent again only when something changed."""
    balance = facts.balance
    running = (at.now - (balance.emptied_at or at.now)) // timedelta(minutes=1)
    requests = ",".join(one.ref for one in facts.requests)
    parts = (
        at.view.seq,
        at.view.held_micros,
        at.view.policy_version,
        at.view.trouble,
        balance.standing,
        running,
        requests,
        facts.automatic.card,
        facts.automatic.held_sentence,
        facts.month.picture_file_id,
        facts.month.month,
        facts.people,
        facts.key_refused_at,
    )
    return "|".join(map(str, parts))


def suggested_rule(at: Desk) -> RechargeRule:
    """Suggest a rule from the pace: the threshold covers a day, the target a week, inside the bounds of one charge."""
    day = week = 0
    if at.burn is not None:
        day = cost_ahead(at.burn, at.now, at.view.zone, 24)
        week = at.burn.week_micros
    threshold = _up(max(50 * MICROS, day), at)
    target = min(_up(max(200 * MICROS, week), at), threshold + TARGET_GAP_MAX_MAJOR * MICROS)
    target = max(target, threshold + 25 * MICROS)
    day_cap, month_cap = default_caps(target)
    return RechargeRule(
        threshold_micros=threshold, target_micros=target, day_cap_micros=day_cap, month_cap_micros=month_cap
    )


def _up(micros: int, at: Desk) -> int:
    return rounded_up_to_major(at.money(micros)).micros


def _charge_now(at: Desk, rule: RechargeRule) -> Money | None:
    policy = WalletPolicy(automatic=Automatic.ON, rule=rule)
    view = at.view
    funds = Funds(view.balance_micros, view.held_micros, view.funded, view.emptied_at, view.grace_ends_at, 0)
    past = RechargePast(False, 0, 0, 0, None)
    decision = recharge_decision(funds, policy, past, at.now, day_ends_at=at.now)
    return at.money(decision.amount_micros) if decision.amount_micros is not None else None
