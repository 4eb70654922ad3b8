"""Stripe: the key, what it may read, its mode and account against the books, and the webhook."""

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from bot.operator.checks.database import Books
from bot.operator.checks.line import Line, caught, unseen
from bot.operator.checks.setup import STRIPE_KEY, Setup
from bot.ports import Denied, Ok, Rejected, Unknown
from bot.stripe.gateway import StripeGateway
from ledger import Clock

KEY, MODE = "stripe key", "stripe mode"
WITH_KEY = ("stripe rights", "stripe account", "webhook")
ENDPOINT = "/stripe/webhook"
"""Where our HTTP API takes Stripe's news."""


def look_at_stripe(setup: Setup, books: Books | None, clock: Clock) -> tuple[list[Line], timedelta | None]:
    """Look at Stripe; gives by how much our clock is ahead of its, too."""
    if STRIPE_KEY in setup.wrong:
        return unseen([KEY, MODE, *WITH_KEY], f"{STRIPE_KEY} comes first"), None
    gateway = StripeGateway(setup.settings.stripe_api_key, setup.settings.stripe_api_base, timeout=(5, 10))
    try:
        said_at = gateway.time()
        ahead = clock.now() - said_at if said_at is not None else None
        rights = gateway.unreadable()
        lines = [_key(rights, urlsplit(setup.settings.stripe_api_base).hostname or ""), _mode(setup, books)]
        if lines[0].ok:
            looks = (
                lambda: _rights(rights),
                lambda: _account(gateway.account(), books),
                lambda: _webhook(
                    gateway.webhook_addresses(), has_secret=bool(setup.settings.stripe_webhook_secret)
                ),
            )
            lines += [caught(name, look) for name, look in zip(WITH_KEY, looks, strict=True)]
        else:
            lines += unseen(WITH_KEY, "the key comes first")
        return lines, ahead
    finally:
        gateway.close()


def _key(rights: Ok[Sequence[str]] | Rejected | Unknown, host: str) -> Line:
    match rights:
        case Ok():
            return Line(KEY, True, "Stripe accepts it")
        case Denied():
            return Line(
                KEY, False, f"Stripe does not accept it. Copy a key that is not revoked into {STRIPE_KEY}."
            )
        case Rejected(code=code):
            return Line(
                KEY, False, f"{host} does not answer as Stripe does ({code}). Check what stands between."
            )
        case Unknown(message=message):
            words = f"{host} cannot be asked ({message}). Check the network, the proxy and the firewall."
            return Line(KEY, False, words)


def _mode(setup: Setup, books: Books | None) -> Line:
    mode = "live" if setup.settings.stripe_live else "test"
    if books is not None and books.stripe_mode not in (None, mode):
        words = f"The books were begun with a {books.stripe_mode} key, and {STRIPE_KEY} is a {mode} key. Give it a "
        return Line(MODE, False, f"{words}{books.stripe_mode} key again, or begin new books.")
    return Line(MODE, True, f"{mode}{', as the books' if books is not None and books.stripe_mode else ''}")


def _rights(rights: Ok[Sequence[str]] | Rejected | Unknown) -> Line:
    missing = rights.seen if isinstance(rights, Ok) else ()
    if missing:
        words = (
            f"The key may not read {' or '.join(missing)}. Give it these rights in Stripe (README, step 2)."
        )
        return Line("stripe rights", False, words)
    return Line(
        "stripe rights", True, "the key may read all that is read; whether it may write shows only by writing"
    )


def _account(account: Ok[str] | Rejected | Unknown, books: Books | None) -> Line:
    begun = books.stripe_account if books is not None else None
    match account:
        case Ok(found) if begun is not None and found != begun:
            words = (
                f"The key is of {found}, and the books are of {begun}. Give {STRIPE_KEY} a key of {begun}."
            )
            return Line("stripe account", False, words)
        case Ok(found):
            return Line("stripe account", True, f"{found}{', as the books' if begun is not None else ''}")
        case Rejected() | Unknown():
            return Line("stripe account", None, "the key may not read its account")


def _webhook(found: Ok[Sequence[str]] | Rejected | Unknown, *, has_secret: bool) -> Line:
    if not isinstance(found, Ok):
        words = "the secret is set" if has_secret else "not used: news is read from Stripe's list"
        return Line("webhook", True, f"{words}; the key may not read Stripe's endpoints")
    ours = [url for url in found.seen if urlsplit(url).path.endswith(ENDPOINT)]
    if has_secret and not ours:
        words = f"The secret is set, and Stripe has no enabled endpoint that ends in {ENDPOINT}. Make one, or unset it."
        return Line("webhook", False, words)
    if ours and not has_secret:
        words = (
            f"Stripe sends to {ours[0]}, and REDBAR_STRIPE_WEBHOOK_SECRET is not set. Set it, or remove that."
        )
        return Line("webhook", False, words)
    return Line("webhook", True, ours[0] if ours else "not used: news is read from Stripe's list")
