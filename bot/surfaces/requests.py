"""Requests to pay and offers of a hosted page, as people are shown them."""

from bot import payment_rows
from bot.facts import BalanceFacts, OfferFacts, RequestFacts, RequestState
from bot.payment_rows import Payment
from bot.states.payment import Purpose, State
from bot.surfaces.balance import balance_facts
from bot.surfaces.snapshot import Snapshot
from ledger import Automatic, Ledger, Standing

_REQUEST_STATES = {
    State.ASKED: RequestState.OPEN,
    State.OFFERED: RequestState.OPEN,
    State.COLLECTING: RequestState.OPEN,
    State.WAITING: RequestState.OPEN,
    State.PAID: RequestState.PAID,
    State.FAILED: RequestState.EXPIRED,
    State.LAPSED: RequestState.EXPIRED,
    State.WITHDRAWN: RequestState.WITHDRAWN,
}


def request_facts(
    snapshot: Snapshot, payment: Payment, *, balance: BalanceFacts | None = None
) -> RequestFacts:
    """Say how a request stands. The balance is shown to people with a role alone."""
    shown = balance or balance_facts(snapshot)
    state = _REQUEST_STATES[payment.state]
    if state is RequestState.PAID and payment.amount is None:
        state = RequestState.CONNECTED
    assert payment.expires_at is not None
    return RequestFacts(
        payment_id=str(payment.payment_id),
        ref=payment_rows.shown_ref(snapshot.connection, payment),
        state=state,
        amount=payment.amount,
        asker_id=payment.asked_by,
        payer_id=payment.payer,
        note=payment.note,
        url=payment.url,
        host=host_of(payment.url),
        expires_at=payment.expires_at,
        stops_at=shown.lasts_until if snapshot.policy.automatic is not Automatic.ON else None,
        stopped=shown.funded and shown.standing is not Standing.OPEN,
        paid_with=payment.paid_with,
        paid_at=payment.settled_at,
        receipt_url=payment.receipt_url,
        balance=shown.balance,
        withdrawn_by=payment.withdrawn_by,
        qr_file_id=payment.qr_file_id or None,
        zone=snapshot.zone,
    )


def open_requests(snapshot: Snapshot) -> tuple[RequestFacts, ...]:
    """Give every open request, so that a real one can be told from a forged one."""
    shown = balance_facts(snapshot)
    found = payment_rows.open_payments(
        snapshot.connection, snapshot.wallet_id, purposes=(Purpose.ASK, Purpose.CONNECT)
    )
    return tuple(
        request_facts(snapshot, one, balance=shown)
        for one in found
        if one.state is State.OFFERED and (one.payer or one.purpose is Purpose.ASK)
    )


def host_of(url: str) -> str:
    """Give the host that a link opens, as people should check it."""
    return url.partition("://")[2].partition("/")[0]


def offer_facts(ledger: Ledger, payment: Payment, *, qr_file_id: str | None = None) -> OfferFacts:
    """Give the way to a hosted page."""
    assert payment.expires_at is not None
    with ledger.reading() as connection:
        view, _ = ledger.look(connection, payment.wallet_id)
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
