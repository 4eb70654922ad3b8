"""What the message about a notice shows beside the notice itself, each read in one transaction."""

from uuid import UUID

from bot.facts import CardFacts, FailureFacts, RequestFacts
from bot.notices import RechargeFailed
from bot.payment_rows import Payment
from bot.payment_state import State
from bot.payments.recharge import card_words
from bot.stripe.declines import words_of
from bot.surfaces.read_models import balance_facts, card_facts, desk, request_facts
from ledger import Automatic, Ledger


def after_stop_count(ledger: Ledger, wallet_id: UUID) -> int:
    """Count what was started although the wallet refused it."""
    with ledger.reading() as connection:
        return balance_facts(desk(ledger, connection, wallet_id)).after_stop_count


def request_now(ledger: Ledger, payment: Payment) -> RequestFacts:
    """Give a request as it stands at this instant."""
    with ledger.reading() as connection:
        return request_facts(desk(ledger, connection, payment.wallet_id), payment)


def saved_card(ledger: Ledger, wallet_id: UUID, card_id: str) -> CardFacts | None:
    """Give a saved card; None when it was removed since."""
    with ledger.reading() as connection:
        cards = card_facts(connection, wallet_id)
    return next((one for one in cards.values() if one.card_id == card_id), None)


def removed_card_and_main(ledger: Ledger, wallet_id: UUID, card_id: str) -> tuple[str, str]:
    """Name a card that was removed, and the card that is charged now; the second is empty where there is none."""
    with ledger.reading() as connection:
        main = card_facts(connection, wallet_id).get("main")
        return card_words(connection, wallet_id, card_id), str(main) if main is not None else ""


def card_and_automatic(ledger: Ledger, wallet_id: UUID, card_id: str) -> tuple[str, bool]:
    """Name a card, and say whether automatic payments are on."""
    with ledger.reading() as connection:
        _, policy = ledger.look(connection, wallet_id)
        return card_words(connection, wallet_id, card_id), policy.automatic is Automatic.ON


def failure_facts(
    ledger: Ledger, notice: RechargeFailed, payment: Payment, rescue: Payment | None
) -> FailureFacts:
    """Say why an automatic payment failed and what follows. `rescue` is the hosted page that can be paid instead."""
    with ledger.reading() as connection:
        at = desk(ledger, connection, payment.wallet_id)
        card = card_words(connection, payment.wallet_id, payment.card_id)
        lasts_until = balance_facts(at).lasts_until
        backup = card_facts(connection, payment.wallet_id).get("backup")
        pay = request_facts(at, rescue) if rescue is not None else None
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
        pay=pay,
        backup=str(backup) if backup is not None and backup.card_id != payment.card_id else "",
        zone=at.view.zone,
    )
