"""Watches for the signs that begin restored mode (`wallets/restored_mode.py`), and says whether it is on.

Stripe is asked when a process starts and before every charge of a saved card: does it have a payment of this install
that the books don't know? Then something else charges by a copy of these books, or these are the copy. It is one read,
of the newest hundred: before a charge of that wallet's customer, at the start of the account.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Lock
from time import monotonic
from uuid import UUID

from sqlalchemy import Connection, select

from bot.payment_rows import payment_by_id, payment_by_intent
from bot.ports import Denied, IntentSeen, Ok, PaymentGateway, Rejected, Unknown
from bot.stripe.keys import credit_key
from bot.stripe.requests import BOOKS_RESTORED
from bot.tables import NIL_WALLET, billing
from bot.wallets.books_owner import Owner, remember, stranger
from bot.wallets.named_values import is_left, named_value, set_named_value
from bot.wallets.restored_mode import Restored, RestoredCause, enter, restored
from ledger import Busy, Ledger, StoreUnusable

log = logging.getLogger("redbar.restored")
OVERLAP = timedelta(hours=1)
FIRST_LOOK = timedelta(days=30)
"""How far back is looked where nobody looked before."""
_KNOWN = "payments_known"
"""The name of the instant at which all of Stripe's payments were last known."""
_LOOK_AGAIN_SECONDS = 1
_STOPPED = Rejected(code=BOOKS_RESTORED, message="")


class RestoredWatch:
    """Says whether the books are restored, for one process and its settings."""

    def __init__(self, ledger: Ledger, gateway: PaymentGateway, *, install: str, owner: Owner) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._install = install
        self.owner = owner
        self._lock = Lock()
        self._looked: float | None = None
        self._was_read = False
        self._found: Restored | None = None
        self._said: Restored | None = None
        self._beginning = Lock()
        self._begun = False
        self._answered = False
        self._asked_account = False

    def now(self) -> Restored | None:
        """Say why the books are restored; None while they are not. The books are asked at most once a second."""
        with self._lock:
            if self._looked is None or monotonic() - self._looked >= _LOOK_AGAIN_SECONDS:
                self._read()
            return self._found

    def may_act(self) -> bool:
        """Say whether people may be told and cards charged. The first who asks waits for a look at Stripe."""
        with self._beginning:
            if not self._begun:
                if not self.is_on():
                    self.look()
                self._begun = True
        return not self.is_on()

    def is_on(self) -> bool:
        """Say whether nothing may be charged or told."""
        return self.now() is not None

    def forget(self) -> None:
        """Ask the books again at the next question."""
        with self._lock:
            self._looked = None

    def _read(self) -> None:
        try:
            with self._ledger.reading() as connection:
                found = restored(connection)
                if found is None and (foreign := stranger(connection, self.owner)) is not None:
                    cause, about = foreign
                    found = Restored(cause, about, self._ledger.now())
        except (StoreUnusable, Busy):
            if not self._was_read:
                raise
            found = self._found  # books that cannot be read begin and end nothing
        self._found, self._looked, self._was_read = found, monotonic(), True
        if (found is None) != (self._said is None):
            self._said = found
            if found is not None:
                log.error(
                    "restored mode begins (%s): nothing is charged or told",
                    " ".join((found.cause, found.about)).strip(),
                )
            else:
                log.warning("restored mode is over")

    def met(self, *, slack_team: str) -> None:
        """Learn which team Slack says we are of."""
        self.owner.slack_team = slack_team
        remember(self._ledger, self.owner)
        self.forget()

    def look(self) -> bool:
        """Ask Stripe whose our key is, if need be, and for payments unknown here; False without an answer."""
        self.learn_account()
        looked = isinstance(self._look_for_strangers(""), Ok)
        self._answered = self._answered or looked
        return looked

    def look_again(self, now: datetime) -> None:
        """Look at Stripe if it has not answered since the start."""
        if not self._answered and not self.is_on():
            self.look()

    def why_not_charge(self, wallet_id: UUID) -> Rejected | Unknown | None:
        """Ask Stripe whether a wallet's saved card may be charged now; None where it may.

        Where Stripe did not say so, this is its answer. Nothing was sent then.
        """
        self.learn_account()
        if self.is_on():
            return _STOPPED
        with self._ledger.reading() as connection:
            customer = connection.execute(
                select(billing.c.customer_id).where(billing.c.wallet_id == wallet_id)
            ).scalar_one()
        answer = self._look_for_strangers(customer)
        if not isinstance(answer, Ok):
            return answer
        return _STOPPED if answer.seen or self.is_on() else None

    def _look_for_strangers(self, customer_id: str) -> Ok[Sequence[str]] | Rejected | Unknown:
        """Begin restored mode where Stripe has payments that the books don't know; gives their ids."""
        with self._ledger.reading() as connection:
            known = named_value(connection, NIL_WALLET, _KNOWN)
        now = self._ledger.now()
        since = (known.at if known is not None else now - FIRST_LOOK) - OVERLAP
        answer = self._gateway.newest_intents(since, customer_id=customer_id)
        if not isinstance(answer, Ok):
            return answer
        with self._ledger.reading() as connection:
            strange = [one.intent_id for one in answer.seen if self.is_unknown(connection, one)]
        if strange:
            self._ledger.run(lambda tx: enter(tx, RestoredCause.PAYMENT, strange[0]), wallet_id=None)
            self.forget()
        elif not customer_id:
            self._ledger.run(lambda tx: set_named_value(tx, NIL_WALLET, _KNOWN, at=now), wallet_id=None)
        return Ok(strange)

    def is_unknown(self, connection: Connection, seen: IntentSeen) -> bool:
        """Say whether an intent is of this install, and the books know nothing of it."""
        if seen.metadata.get("redbar_install") != self._install:
            return False
        try:
            wallet_id, payment_id = (
                UUID(seen.metadata["redbar_wallet"]),
                UUID(seen.metadata["redbar_payment"]),
            )
        except (KeyError, ValueError):
            return False  # ours by its mark and nobody's: parked, and told to people
        return (
            payment_by_id(connection, wallet_id, payment_id) is None
            and payment_by_intent(connection, wallet_id, seen.intent_id) is None
            and not is_left(connection, credit_key(seen.intent_id))
        )

    def learn_account(self) -> None:
        """Ask Stripe, until it has answered once, whose our key is. A key that may not read that says nothing."""
        if self._asked_account:
            return
        answer = self._gateway.account()
        match answer:
            case Ok(seen):
                self.owner.stripe_account = seen
                remember(self._ledger, self.owner)
                self.forget()
            case Denied() if answer.whole:
                return  # until it is mended
            case Denied() | Rejected():
                pass
            case Unknown():
                return
        self._asked_account = True
