"""QR codes of payment links: uploaded once for each payment, and deleted when the link is of no use any more."""

from bot.delivering.posted_messages import PostedMessages
from bot.payment_rows import Payment
from bot.slack.client import SlackClient
from bot.slack.pictures import qr_code
from bot.slack.senders.payment_lookup import PaymentLookup
from bot.states.payment import State, Way


class QrCodes:
    """Uploads and deletes the QR codes of payment links."""

    def __init__(self, client: SlackClient, posted: PostedMessages, lookup: PaymentLookup) -> None:
        self._client = client
        self._posted = posted
        self._lookup = lookup

    def upload(self, payment: Payment) -> str | None:
        """Draw and upload the QR code of a payment's link; None where it could not be uploaded."""
        what = "paying" if payment.amount is not None else "connecting a card"
        return self._client.upload_file(
            qr_code(payment.url, dense=payment.way is Way.PAGE),
            filename=f"{payment.ref.lower()}.png",
            title=f"{payment.ref}",
            alt=f"QR code for {what}, {payment.ref}",
        )

    def attach(self, payment: Payment) -> Payment:
        """Upload the QR code of an open request, once, and give the payment with it; messages work without it."""
        if payment.qr_file_id or payment.state is not State.OFFERED:
            return payment
        file_id = self.upload(payment)
        if file_id is None:
            return payment
        self._posted.set_qr(payment.wallet_id, payment.payment_id, file_id)
        return self._lookup.payment(payment.wallet_id, payment.payment_id)

    def remove(self, payment: Payment) -> None:
        """Delete a payment's QR code, if it has one."""
        if payment.qr_file_id:
            self._client.delete_file(payment.qr_file_id)
            self._posted.set_qr(payment.wallet_id, payment.payment_id, "")
