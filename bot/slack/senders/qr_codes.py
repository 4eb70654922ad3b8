"""QR codes of payment links: uploaded once for each payment, and deleted when the link is of no use any more."""

from threading import Lock
from uuid import UUID

from bot.delivering.posted_messages import PostedMessages
from bot.payment_rows import Payment
from bot.slack.pictures import qr_code
from bot.slack.senders.payment_lookup import PaymentLookup
from bot.slack.senders.posting import ClientOf
from bot.states.payment import State, Way


class QrCodes:
    """Uploads and deletes the QR codes of payment links."""

    def __init__(self, client_of: ClientOf, posted: PostedMessages, lookup: PaymentLookup) -> None:
        self._client_of = client_of
        self._posted = posted
        self._lookup = lookup
        self._uploading = Lock()
        """Payer and asker are told side by side; the picture that both messages show is uploaded once."""

    def upload(self, payment: Payment) -> str | None:
        """Draw and upload the QR code of a payment's link; None where it could not be uploaded."""
        what = "paying" if payment.amount is not None else "connecting a card"
        ref = self._lookup.request(payment).ref
        return self._client_of(payment.wallet_id).upload_file(
            qr_code(payment.url, dense=payment.way is Way.PAGE),
            filename=f"{ref.lower()}.png",
            title=ref,
            alt=f"QR code for {what}, {ref}",
        )

    def attach(self, payment: Payment) -> Payment:
        """Upload the QR code of an open request, once, and give the payment with it; messages work without it."""
        if payment.qr_file_id or payment.state is not State.OFFERED:
            return payment
        with self._uploading:
            payment = self._lookup.payment(payment.wallet_id, payment.payment_id)
            if payment.qr_file_id or payment.state is not State.OFFERED:
                return payment
            file_id = self.upload(payment)
            if file_id is None:
                return payment
            self._posted.set_qr(payment.wallet_id, payment.payment_id, file_id)
        return self._lookup.payment(payment.wallet_id, payment.payment_id)

    def remove_useless(self, wallet_id: UUID) -> None:
        """Delete the QR codes of links that are over, once every message shows that they are."""
        for payment_id, file_id in self._posted.useless_pictures(wallet_id):
            self._client_of(wallet_id).delete_file(file_id)
            self._posted.set_qr(wallet_id, payment_id, "")
