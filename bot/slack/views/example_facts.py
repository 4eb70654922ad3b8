"""Facts as the storyboard has them: of these the examples of all surfaces are made, and what tests look at."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.causes import BlockFacts, DeclineCause, PauseFacts
from bot.facts import (
    AddBalanceFacts,
    AlertFacts,
    AutomaticConfirmFacts,
    AutomaticFacts,
    AutomaticFormFacts,
    BalanceFacts,
    Basis,
    CardFacts,
    ChargeFacts,
    DayFacts,
    DisputeFacts,
    FailureFacts,
    HistoryFacts,
    HomeFacts,
    KindFacts,
    MonthFacts,
    OfferFacts,
    PaidFacts,
    PaymentFacts,
    PeopleFacts,
    RefundFacts,
    RehearsalFacts,
    RequestFacts,
    RequestState,
    RowFacts,
    SpikeFacts,
)
from bot.rights import Role
from bot.states.alert import AlertPhase
from bot.states.dispute import DisputeStatus
from bot.states.payment import Outcome, PayWith
from bot.states.recharge import RechargePhase
from ledger import (
    AI_TASK,
    OUTBOUND_CALL,
    USD,
    Automatic,
    CreditKind,
    Level,
    Money,
    PauseCode,
    RechargeBlock,
    RechargeRule,
    Standing,
    parse_machine_amount,
)

NOW = datetime(2026, 11, 23, 14, 31, tzinfo=UTC)
VISA = CardFacts(card_id="pm_1", brand="Visa", last4="4242", exp_month=12, exp_year=2030)
BACKUP = CardFacts(card_id="pm_2", brand="Mastercard", last4="5100", exp_month=1, exp_year=2028, backup=True)
SPARE = CardFacts(card_id="pm_3", brand="Visa", last4="1881", exp_month=11, exp_year=2033, spare=True)
RULE = RechargeRule(threshold_micros=50_000_000, target_micros=200_000_000)
DECLINED = PauseFacts(PauseCode.DECLINED, card="Visa ••4242", decline=DeclineCause.DECLINED)
SPACED = BlockFacts(
    RechargeBlock.SPACING, NOW, "UTC", spacing=timedelta(minutes=15), unused_after=timedelta(days=14)
)
ATTACK = "<!channel> <https://evil.example|pay here> & *bold* _x_ `c`\n\u202egnp.exe\u200b <@U1>"


def usd(text: str) -> Money:
    """Give dollars, also below zero."""
    if text.startswith("-"):
        return -usd(text[1:])
    return parse_machine_amount(text, USD)


def balance(**changes: Any) -> BalanceFacts:
    """Give an open wallet with three running calls."""
    facts = BalanceFacts(
        now=NOW,
        zone="UTC",
        balance=usd("190.50"),
        held=usd("6.30"),
        available=usd("184.20"),
        open_holds=3,
        standing=Standing.OPEN,
        lasts_until=datetime(2026, 11, 25, 16, 12, tzinfo=UTC),
        basis=Basis.USUAL,
        emptied_at=None,
        grace_ends_at=None,
        grace=timedelta(minutes=15),
        brings_back=None,
        refused=frozenset(),
        call_needs=usd("0.50"),
        funded=True,
        after_stop_count=0,
        last_asked_at=NOW - timedelta(seconds=4),
    )
    return replace(facts, **changes)


def empty_balance(**changes: Any) -> BalanceFacts:
    """Give a wallet at −$0.18 whose grace ends in eleven minutes."""
    facts = balance(
        balance=usd("-0.18"),
        held=usd("0"),
        available=usd("-0.18"),
        open_holds=0,
        standing=Standing.GRACE,
        lasts_until=None,
        emptied_at=NOW - timedelta(minutes=4),
        grace_ends_at=NOW + timedelta(minutes=11),
        brings_back=usd("10"),
        refused=frozenset({OUTBOUND_CALL, AI_TASK}),
    )
    return replace(facts, **changes)


def new_balance() -> BalanceFacts:
    """Give a wallet that money never came into."""
    return balance(
        balance=usd("0"),
        held=usd("0"),
        available=usd("0"),
        open_holds=0,
        standing=Standing.NOT_CONNECTED,
        lasts_until=None,
        basis=Basis.EARLY,
        funded=False,
        last_asked_at=None,
    )


def automatic(state: Automatic = Automatic.ON, **changes: Any) -> AutomaticFacts:
    """Give automatic payments with the storyboard's rule, or none when they are off."""
    facts = AutomaticFacts(
        state=state,
        rule=None if state is Automatic.OFF else RULE,
        currency="USD",
        card=VISA,
        backup=None,
        charges_today=1,
        pause=DECLINED if state is Automatic.PAUSED else None,
        block=None,
    )
    return replace(facts, **changes)


def month(**changes: Any) -> MonthFacts:
    """Give the storyboard's November."""
    days = tuple(
        DayFacts(day=f"2026-11-{day:02d}", spent=usd("93.20") if day == 17 else usd("14.52"))
        for day in range(1, 24)
    )
    facts = MonthFacts(
        month="2026-11",
        running=True,
        spent=usd("412.60"),
        kinds=(
            KindFacts("outbound_call", 1204, 138_600, usd("301.20")),
            KindFacts("inbound_call", 611, 46_800, usd("88.10")),
            KindFacts("ai_task", 4050, 4050, usd("23.30")),
        ),
        credits=(KindFacts("top_up", 2, 0, usd("349")), KindFacts("recharge", 1, 0, usd("151"))),
        last_month="2026-10",
        last_spent=usd("335.45"),
        through_day=23,
        days=days,
        months=("2026-11", "2026-10"),
        spike=SpikeFacts("2026-11-17", "outbound_call", usd("93.20"), usd("30.06")),
        picture_file_id="F0SPEND",
    )
    return replace(facts, **changes)


def row(**changes: Any) -> RowFacts:
    """Give an outbound call of three minutes."""
    facts = RowFacts(
        seq=118,
        kind="outbound_call",
        amount=usd("-0.42"),
        balance_after=usd("190.50"),
        occurred_at=NOW,
        recorded_at=NOW,
        quantity=170,
        reference="camp-118",
        description="Friday campaign",
        card="",
        payment_ref="",
        has_receipt=False,
        after_stop=False,
    )
    return replace(facts, **changes)


def recharge_row() -> RowFacts:
    """Give an automatic payment with a receipt."""
    return row(
        seq=117,
        kind="recharge",
        amount=usd("151"),
        balance_after=usd("200.92"),
        quantity=None,
        reference="",
        description="",
        card="Visa ••4242",
        payment_ref="RB-7",
        has_receipt=True,
    )


def history(**changes: Any) -> HistoryFacts:
    """Give the first of several pages."""
    facts = HistoryFacts((row(), recharge_row()), None, None, None, "older:117", "UTC")
    return replace(facts, **changes)


def request(**changes: Any) -> RequestFacts:
    """Give an open request to finance."""
    facts = RequestFacts(
        payment_id="0191-pay",
        ref="RB-12",
        state=RequestState.OPEN,
        amount=usd("159"),
        asker_id="UADMIN",
        payer_id="UFINANCE",
        note="we're nearly out before the Friday campaign",
        url="https://buy.stripe.com/test_1?a=1&b=2",
        host="buy.stripe.com",
        expires_at=datetime(2026, 11, 30, 14, 0, tzinfo=UTC),
        stops_at=datetime(2026, 11, 23, 23, 43, tzinfo=UTC),
        stopped=False,
        paid_with="",
        paid_at=None,
        receipt_url="",
        balance=None,
        withdrawn_by="",
        qr_file_id="F0QR",
        zone="UTC",
    )
    return replace(facts, **changes)


def paid_request(**changes: Any) -> RequestFacts:
    """Give the request after it was paid."""
    facts = request(
        state=RequestState.PAID,
        paid_with="Visa ••1881",
        paid_at=NOW,
        receipt_url="https://pay.stripe.com/receipts/1",
        balance=usd("200.80"),
    )
    return replace(facts, **changes)


def offer(**changes: Any) -> OfferFacts:
    """Give a hosted page for the person who asked."""
    facts = OfferFacts(
        payment_id="0191-pay",
        ref="RB-13",
        amount=usd("50"),
        url="https://checkout.stripe.com/c/pay/cs_1",
        host="checkout.stripe.com",
        expires_at=NOW + timedelta(hours=24),
        saves_card=False,
        qr_file_id="F0QR",
    )
    return replace(facts, **changes)


def payment(outcome: Outcome = Outcome.PAID) -> PaymentFacts:
    """Give what became of a charge."""
    return PaymentFacts(
        ref="RB-14",
        amount=usd("100"),
        outcome=outcome,
        card="Visa ••4242",
        decline=DeclineCause.TOO_LITTLE_MONEY if outcome is Outcome.DECLINED else None,
        balance=usd("290.50"),
        receipt_url="https://pay.stripe.com/receipts/1" if outcome is Outcome.PAID else "",
    )


def failure(**changes: Any) -> FailureFacts:
    """Give a failed automatic payment with three tries to come."""
    facts = FailureFacts(
        ref="RB-4821",
        phase=RechargePhase.RETRYING,
        amount=usd("159"),
        card="Visa ••4242",
        decline=DeclineCause.TOO_LITTLE_MONEY,
        next_try_at=NOW + timedelta(hours=1),
        tries_left=3,
        automatic=Automatic.ON,
        lasts_until=datetime(2026, 11, 23, 23, 43, tzinfo=UTC),
        pay=request(asker_id="", payer_id=""),
        balance=usd("41.80"),
        zone="UTC",
    )
    return replace(facts, **changes)


def refund(**changes: Any) -> RefundFacts:
    """Give a refund that went through."""
    facts = RefundFacts(
        ref="RB-14",
        refund_id="re_3Qx",
        amount=usd("50"),
        card="Visa ••4242",
        failed=False,
        balance=usd("-12.40"),
    )
    return replace(facts, **changes)


def dispute(status: DisputeStatus = DisputeStatus.NEEDS_RESPONSE, **changes: Any) -> DisputeFacts:
    """Give a dispute as it begins: the money is gone, automatic payments are off."""
    facts = DisputeFacts(
        ref="RB-14",
        dispute_id="du_1Qx",
        status=status,
        amount=usd("100"),
        card="Visa ••4242",
        paid_at=NOW - timedelta(days=3),
        moved_out=status is DisputeStatus.NEEDS_RESPONSE,
        moved_back=status is DisputeStatus.WON,
        balance=usd("-12.40"),
        automatic=Automatic.OFF,
        due_by=NOW + timedelta(days=9),
        zone="UTC",
    )
    return replace(facts, **changes)


def alert(**changes: Any) -> AlertFacts:
    """Give an episode at warning, automatic payments off."""
    facts = AlertFacts(
        level=Level.WARNING,
        phase=AlertPhase.LOW,
        balance=balance(
            balance=usd("41.80"),
            held=usd("0"),
            available=usd("41.80"),
            open_holds=0,
            lasts_until=datetime(2026, 11, 23, 23, 43, tzinfo=UTC),
        ),
        automatic=automatic(Automatic.OFF),
        opened_at=NOW,
        resumed_at=None,
        stopped_for=None,
        grace_cost=None,
        paid=None,
        charge=ChargeFacts("intent-1", usd("159"), VISA),
        acknowledged_by="",
        episode_id="episode-1",
    )
    return replace(facts, **changes)


def zero_alert(**changes: Any) -> AlertFacts:
    """Give an episode at zero, its countdown running."""
    facts = alert(
        level=Level.ZERO,
        phase=AlertPhase.COUNTING,
        balance=empty_balance(),
        charge=ChargeFacts("intent-2", usd("201"), VISA),
    )
    return replace(facts, **changes)


def clear_alert(**changes: Any) -> AlertFacts:
    """Give the same episode after money came back."""
    facts = zero_alert(
        phase=AlertPhase.RESTORED,
        balance=balance(balance=usd("199.98"), held=usd("0"), available=usd("199.98"), open_holds=0),
        resumed_at=datetime(2026, 11, 23, 14, 38, tzinfo=UTC),
        stopped_for=timedelta(minutes=6),
        grace_cost=usd("0.84"),
        paid=PaidFacts(usd("201"), CreditKind.TOP_UP, card="Visa ••1881", payer_id="UFINANCE"),
        charge=None,
    )
    return replace(facts, **changes)


def home(**changes: Any) -> HomeFacts:
    """Give Home of an admin, everything open."""
    facts = HomeFacts(
        role=Role.BILLING_ADMIN,
        balance=balance(),
        automatic=automatic(),
        month=month(),
        history=history(),
        requests=(),
        people=people(),
    )
    return replace(facts, **changes)


def people(**changes: Any) -> PeopleFacts:
    """Give who looks after billing."""
    return replace(PeopleFacts(("UOWNER",), ("UOWNER", "UADMIN"), ("UFINANCE",)), **changes)


def add_balance(**changes: Any) -> AddBalanceFacts:
    """Give the form to add balance with a card."""
    facts = AddBalanceFacts(
        currency="USD",
        presets=(usd("25"), usd("50"), usd("100"), usd("250")),
        amount=None,
        amount_min=usd("10"),
        amount_max=usd("10000"),
        card=VISA,
        pay_with=PayWith.CARD,
        pace=((usd("100"), "$100.00 lasts about 22 hours at the present pace."),),
    )
    return replace(facts, **changes)


def automatic_form(**changes: Any) -> AutomaticFormFacts:
    """Give what the rule's form starts from."""
    facts = AutomaticFormFacts(
        currency="USD",
        current=automatic(Automatic.OFF),
        suggested=RULE,
        cards=(VISA, BACKUP),
        threshold_min=usd("10"),
        charge_min=usd("25"),
        charge_max=usd("2500"),
        rounded_to=usd("1"),
    )
    return replace(facts, **changes)


def automatic_confirm(**changes: Any) -> AutomaticConfirmFacts:
    """Give the rule about to be turned on, with its rehearsal."""
    facts = AutomaticConfirmFacts(
        one_time_action_id="intent-3",
        rule=RULE,
        currency="USD",
        card=VISA,
        rehearsal=RehearsalFacts(30, 6, usd("400"), 0, 2),
        charges_now=usd("159"),
    )
    return replace(facts, **changes)
