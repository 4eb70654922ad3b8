"""What a payment is for, how it is paid, and what may become of it. Pure: a total table, walked by a test.

Theory. A payment is one request of ours to be paid (or, for a card connection, to be trusted with a card). It lives
by news: whatever brings the news (the answer to our own request, a webhook, a poll, a sweep), the same table says
what follows, so news may come twice, late and in any order. Money is never argued with: whatever we believed before,
a success is a success. Only refunds and disputes undo one, and they are transfers of their own.
"""

from enum import StrEnum

from bot.states.transitions import Transitions


class Purpose(StrEnum):
    """What a payment is for."""

    TOP_UP = "top_up"  # a person adds balance themselves
    ASK = "ask"  # somebody was asked to pay
    RECHARGE = "recharge"  # the rule of automatic payments wants it
    CONNECT = "connect"  # no money: a card is to be saved


class Way(StrEnum):
    """How a payment is paid."""

    PAGE = "page"  # a hosted page of Stripe's
    LINK = "link"  # a durable payment link
    SAVED_CARD = "saved_card"


class PayWith(StrEnum):
    """What a person chose to pay with in the form to add balance."""

    CARD = "card"  # the saved one
    PAGE = "page"
    ASK = "ask"  # somebody else is asked


class State(StrEnum):
    """Where a payment stands."""

    ASKED = "asked"  # committed on our side; what Stripe did is not known yet
    OFFERED = "offered"  # a hosted page or link is waiting for somebody
    COLLECTING = "collecting"  # an intent on the saved card exists and is being confirmed
    WAITING = "waiting"  # the bank wants the cardholder to confirm
    FAILED = "failed"  # a definite no
    LAPSED = "lapsed"  # nobody paid in time
    WITHDRAWN = "withdrawn"  # taken back by us
    PAID = "paid"  # money (or the card) arrived


class News(StrEnum):
    """What outside says of it."""

    ACCEPTED = "accepted"  # Stripe made the page or link
    STARTED = "started"  # Stripe made the intent
    ACTION_NEEDED = "action_needed"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    EXPIRED = "expired"
    REFUSED = "refused"  # our request was wrong
    TAKEN_BACK = "taken_back"


class Withdrawer(StrEnum):
    """What takes a payment back where nobody does; of people, rows keep the user id, of the operator their role."""

    APP_REMOVED = "app_removed"  # the app was removed from the workspace; a version before wrote "redbar"
    RESTORED = "restored"  # the books were restored from a copy before it was charged


class Outcome(StrEnum):
    """What the person who paid is shown."""

    PAID = "paid"
    DECLINED = "declined"
    NEEDS_ACTION = "needs_action"  # the bank wants the cardholder to confirm
    UNREACHABLE = "unreachable"  # Stripe could not be asked: nothing is charged, and the payment is kept
    DENIED = "denied"  # Stripe did not accept our key: nothing is charged, and the payment is kept
    TAKEN_BACK = "taken_back"  # the app was removed before the card was charged
    BOOKS_RESTORED = (
        "books_restored"  # the books may be a copy: nothing is charged until the operator has looked
    )
    UNKNOWN = "unknown"  # whether money moved is not known yet


_S, _N = State, News

NEXT = Transitions(
    State,
    News,
    {
        _S.ASKED: {
            _N.ACCEPTED: _S.OFFERED,
            _N.STARTED: _S.COLLECTING,
            _N.ACTION_NEEDED: _S.WAITING,
            _N.SUCCEEDED: _S.PAID,
            _N.DECLINED: _S.FAILED,
            _N.EXPIRED: _S.LAPSED,
            _N.REFUSED: _S.FAILED,
            _N.TAKEN_BACK: _S.WITHDRAWN,
        },
        # A decline on a hosted page is one try of the payer, who may try again there.
        _S.OFFERED: {
            _N.ACCEPTED: _S.OFFERED,
            _N.STARTED: _S.OFFERED,
            _N.ACTION_NEEDED: _S.OFFERED,
            _N.SUCCEEDED: _S.PAID,
            _N.DECLINED: _S.OFFERED,
            _N.EXPIRED: _S.LAPSED,
            _N.REFUSED: _S.OFFERED,
            _N.TAKEN_BACK: _S.WITHDRAWN,
        },
        _S.COLLECTING: {
            _N.ACCEPTED: _S.COLLECTING,
            _N.STARTED: _S.COLLECTING,
            _N.ACTION_NEEDED: _S.WAITING,
            _N.SUCCEEDED: _S.PAID,
            _N.DECLINED: _S.FAILED,
            _N.EXPIRED: _S.FAILED,
            _N.REFUSED: _S.FAILED,
            _N.TAKEN_BACK: _S.WITHDRAWN,
        },
        _S.WAITING: {
            _N.ACCEPTED: _S.WAITING,
            _N.STARTED: _S.WAITING,
            _N.ACTION_NEEDED: _S.WAITING,
            _N.SUCCEEDED: _S.PAID,
            _N.DECLINED: _S.FAILED,
            _N.EXPIRED: _S.LAPSED,
            _N.REFUSED: _S.WAITING,
            _N.TAKEN_BACK: _S.WITHDRAWN,
        },
        _S.FAILED: {**dict.fromkeys(News, _S.FAILED), _N.SUCCEEDED: _S.PAID},
        _S.LAPSED: {**dict.fromkeys(News, _S.LAPSED), _N.SUCCEEDED: _S.PAID},
        _S.WITHDRAWN: {**dict.fromkeys(News, _S.WITHDRAWN), _N.SUCCEEDED: _S.PAID},
        _S.PAID: dict.fromkeys(News, _S.PAID),  # late or doubled news changes nothing
    },
    begins=[_S.ASKED],
)

OPEN = frozenset({State.ASKED, State.OFFERED, State.COLLECTING, State.WAITING})
"""States in which money may still come."""
IN_FLIGHT = frozenset({State.ASKED, State.COLLECTING})
"""States in which a charge of the saved card may be happening right now; unknown counts as happening."""
