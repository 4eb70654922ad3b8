"""QR codes of payment links: uploaded once for each payment, and deleted when the link is of no use any more.

The words never wait for the picture. Where Slack does not take it, the messages go without it, and are edited once it
is there. Rows say which message lacks its picture, so that a process that starts anew goes on where another ended.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from uuid import UUID

from bot.delivering.deliveries import show_again
from bot.delivering.posted_messages import OpenLink, PostedMessages
from bot.payment_rows import Payment
from bot.slack.picture_waits import PictureWait
from bot.slack.pictures import qr_code
from bot.slack.senders.payment_lookup import PaymentLookup
from bot.slack.senders.posting import ClientOf
from bot.states.payment import State, Way
from ledger import Ledger

LONGEST_WAIT = timedelta(minutes=10)
"""Somebody may be about to pay: a picture follows within this time once Slack takes it."""


@dataclass(slots=True)
class _Code:
    """What this process knows of the picture of one link."""

    wait: PictureWait = field(default_factory=lambda: PictureWait(LONGEST_WAIT))
    uploading: Lock = field(default_factory=Lock)
    """Payer and asker are told side by side; the picture that both messages show is uploaded once."""


class QrCodes:
    """Uploads and deletes the QR codes of payment links."""

    def __init__(
        self, ledger: Ledger, client_of: ClientOf, posted: PostedMessages, lookup: PaymentLookup
    ) -> None:
        self._ledger = ledger
        self._client_of = client_of
        self._posted = posted
        self._lookup = lookup
        self._codes: dict[tuple[UUID, UUID], _Code] = {}
        """By wallet and payment; a process that starts anew tries at once."""

    def attach(self, payment: Payment) -> Payment:
        """Upload the QR code of an open request, once, and give the payment with it; messages work without it."""
        if payment.qr_file_id or payment.state is not State.OFFERED:
            return payment
        with self._code_of(payment.wallet_id, payment.payment_id).uploading:
            payment = self._lookup.payment(payment.wallet_id, payment.payment_id)
            if payment.qr_file_id or payment.state is not State.OFFERED:
                return payment
            self._upload(payment)
        return self._lookup.payment(payment.wallet_id, payment.payment_id)

    def follow(self, wallet_id: UUID) -> None:
        """Bring pictures to messages that went without them, while their link is open."""
        links = self._posted.open_links(wallet_id)
        for link in links:
            wait, now = self._code_of(wallet_id, link.payment_id).wait, self._ledger.now()
            if link.lacking and wait.is_over(now) and self._is_there(wallet_id, link):
                # Where the picture is left out of that edit too, the next one is due later.
                wait.failed(now)
                show_again(self._ledger, wallet_id, link.subject, link.lacking)
        still_open = {(wallet_id, one.payment_id) for one in links}
        for key in list(self._codes):
            if key[0] == wallet_id and key not in still_open:
                self._codes.pop(key, None)

    def remove_useless(self, wallet_id: UUID) -> None:
        """Delete the QR codes of links that are over, once every message shows that they are."""
        for payment_id, file_id in self._posted.useless_pictures(wallet_id):
            self._client_of(wallet_id).delete_file(file_id)
            self._posted.set_qr(wallet_id, payment_id, "")

    def _is_there(self, wallet_id: UUID, link: OpenLink) -> bool:
        """Say whether a picture can be shown; it is uploaded where it is missing or gone."""
        client = self._client_of(wallet_id)
        if link.file_id and not client.lost_picture(link.file_id):
            return not client.refuses_picture(link.file_id)
        with self._code_of(wallet_id, link.payment_id).uploading:
            payment = self._lookup.payment(wallet_id, link.payment_id)
            if payment.state is not State.OFFERED or payment.qr_file_id != link.file_id:
                return False  # it is over, or was uploaded meanwhile: the next look sees how it is
            return self._upload(payment)

    def _upload(self, payment: Payment) -> bool:
        """Draw and upload the QR code of a payment's link, where a try is due; says whether it is there."""
        wait, now = self._code_of(payment.wallet_id, payment.payment_id).wait, self._ledger.now()
        if not wait.is_over(now):
            return False
        what = "paying" if payment.amount is not None else "connecting a card"
        ref = self._lookup.request(payment).ref
        upload = self._client_of(payment.wallet_id).try_upload(
            qr_code(payment.url, dense=payment.way is Way.PAGE),
            filename=f"{ref.lower()}.png",
            title=ref,
            alt=f"QR code for {what}, {ref}",
        )
        if upload.file_id is None:
            wait.failed(now, later=upload.later, retry_after=upload.retry_after)
            return False
        self._posted.set_qr(payment.wallet_id, payment.payment_id, upload.file_id)
        return True

    def _code_of(self, wallet_id: UUID, payment_id: UUID) -> _Code:
        return self._codes.setdefault((wallet_id, payment_id), _Code())
