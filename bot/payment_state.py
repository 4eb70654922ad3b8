"""What may become of a payment. Pure: a total table, walked by a test, and the few lines that obey it.

Theory. A payment is one request of ours to be paid (or, for a card connection, to be trusted with a card). It lives
by news: whatever brings the news (the answer to our own call, a webhook, a poll, a sweep), the same table says what
follows, so news may come twice, late and in any order. Money is never argued with: whatever we believed before, a
success is a success. Only refunds and disputes undo one, and they are transfers of their own.
"""

from collections.abc import Mapping
from enum import StrEnum


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


_S, _N = State, News
_PAID = dict.fromkeys(News, State.PAID)

NEXT: Mapping[State, Mapping[News, State]] = {  # total: a test asks every state about every news
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
    _S.PAID: _PAID,  # late or doubled news changes nothing
}

OPEN = frozenset({State.ASKED, State.OFFERED, State.COLLECTING, State.WAITING})
"""States in which money may still come."""
IN_FLIGHT = frozenset({State.ASKED, State.COLLECTING})
"""States in which a charge of the saved card may be happening right now; unknown counts as happening."""


def after(state: State, news: News) -> State:
    """Give the state that follows some news."""
    return NEXT[state][news]
