"""What the forms to add balance and to choose alert channels start from."""

from bot.facts import AddBalanceFacts, AlertsFacts
from bot.payments.top_ups import TOP_UP_MAX_MAJOR, TOP_UP_MIN_MAJOR
from bot.surfaces.automatic import card_facts
from bot.surfaces.balance import balance_facts
from bot.surfaces.figures import pace_words
from bot.surfaces.snapshot import Snapshot
from bot.wallets.alert_channels import channels_of
from ledger import MICROS, Money, rounded_up_to_major

PRESETS_MAJOR = (25, 50, 100, 250)


def add_balance_form(snapshot: Snapshot, *, amount: Money | None, pay_with: str) -> AddBalanceFacts:
    """Give what the form to add balance starts from."""
    card = card_facts(snapshot.connection, snapshot.wallet_id).get("main")
    presets = tuple(snapshot.money(major * MICROS) for major in PRESETS_MAJOR)
    paces = ((one, pace_words(snapshot.burn, one, snapshot.now, snapshot.zone)) for one in presets)
    return AddBalanceFacts(
        currency=snapshot.view.currency,
        presets=presets,
        amount=amount,
        amount_min=snapshot.money(TOP_UP_MIN_MAJOR * MICROS),
        amount_max=snapshot.money(TOP_UP_MAX_MAJOR * MICROS),
        card=card,
        pay_with=pay_with or ("card" if card is not None else "page"),
        pace=tuple((one, words) for one, words in paces if words),
        brings_back=balance_facts(snapshot).brings_back,
    )


def alerts_form(snapshot: Snapshot) -> AlertsFacts:
    """Give where alerts go, and at which amounts they start."""
    view = snapshot.view
    return AlertsFacts(
        channels=tuple(channels_of(snapshot.connection, snapshot.wallet_id)),
        warning=rounded_up_to_major(snapshot.money(view.warning_micros)),
        critical=rounded_up_to_major(snapshot.money(view.critical_micros)),
    )
