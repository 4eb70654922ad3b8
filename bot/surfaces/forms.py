"""What the forms to add balance and to choose alert channels start from."""

from bot.facts import AddBalanceFacts, AlertsFacts
from bot.states.card_slot import CardSlot
from bot.states.payment import PayWith
from bot.surfaces.automatic import card_facts
from bot.surfaces.balance import balance_facts
from bot.surfaces.figures import pace_words
from bot.surfaces.snapshot import Snapshot
from bot.wallets.alert_channels import channels_of
from ledger import PRESETS_DOLLARS, Money, Scale, WalletPolicy, rounded_up


def presets_of(policy: WalletPolicy, scale: Scale) -> tuple[Money, ...]:
    """Give the amounts that are offered for adding balance: those inside the wallet's bounds, else its least."""
    amounts = (scale.dollars(one) for one in PRESETS_DOLLARS)
    inside = [one for one in amounts if policy.top_up_min_micros <= one <= policy.top_up_max_micros]
    return tuple(scale.money(one) for one in inside or [policy.top_up_min_micros])


def add_balance_form(
    snapshot: Snapshot, *, amount: Money | None, pay_with: PayWith | None
) -> AddBalanceFacts:
    """Give what the form to add balance starts from."""
    card = card_facts(snapshot.connection, snapshot.wallet_id).get(CardSlot.MAIN)
    presets = presets_of(snapshot.policy, snapshot.scale)
    paces = ((one, pace_words(snapshot.burn, one, snapshot.now, snapshot.zone)) for one in presets)
    return AddBalanceFacts(
        currency=snapshot.view.currency,
        presets=presets,
        amount=amount,
        amount_min=snapshot.money(snapshot.policy.top_up_min_micros),
        amount_max=snapshot.money(snapshot.policy.top_up_max_micros),
        card=card,
        pay_with=pay_with or (PayWith.CARD if card is not None else PayWith.PAGE),
        pace=tuple((one, words) for one, words in paces if words),
        brings_back=balance_facts(snapshot).brings_back,
    )


def alerts_form(snapshot: Snapshot) -> AlertsFacts:
    """Give where alerts go, and at which amounts they start."""
    view = snapshot.view
    return AlertsFacts(
        channels=tuple(channels_of(snapshot.connection, snapshot.wallet_id)),
        warning=rounded_up(snapshot.money(view.warning_micros)),
        critical=rounded_up(snapshot.money(view.critical_micros)),
        info=snapshot.policy.info,
        info_hours=snapshot.policy.info_hours,
    )
