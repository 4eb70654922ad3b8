"""Sentences that a version before wrote into rows are read as codes, or as its own words until they end."""

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from bot.app import open_ledger
from bot.causes import (
    Amount,
    AmountDiffers,
    DifferenceCause,
    Failed,
    Gone,
    Legacy,
    OnlyInBooks,
    PaymentUnknown,
    Waits,
    as_stored,
)
from bot.notices import BooksDiffer, MoneyParked, decode
from bot.reconciliation.difference import Difference
from bot.reconciliation.open_differences import keep_differences, open_differences, parked_news
from bot.slack.views.causes import difference_words, pause_words
from bot.states.stripe_request import RequestOutcome
from bot.surfaces.automatic import pause_facts
from bot.tables import BOT_VERSIONS, NIL_WALLET, deliveries, stripe_requests
from ledger import Ledger, Pause, PauseCode, audit_books, open_store, read_notice
from ledger.storage.schema import notices, policies, wallets
from tests.ledger.test_books_of_before import BOOKS, FIRST, NOW, SECOND, THIRD
from tests.ledger.wallet_driver import ManualClock
from tests.old_books import upgrade_to, write_rows

AT = int(datetime.fromisoformat(BOOKS["clock"]).timestamp()) * 1_000_000
IDS = [UUID(int=number) for number in range(1, 20)]
SENTENCE = "nobody confirmed the payment on Visa ••4242 at the bank in time"
APART = "the books have RB-7 $5.00, Stripe has $6.00"
_numbers = count(1)


def _policy(wallet_id: UUID, sentence: str, reason: str) -> dict[str, Any]:
    (old,) = (one for one in BOOKS["tables"]["policies"] if one["wallet_id"] == str(wallet_id))
    body = json.loads(old["body"]) | {"automatic": "paused", "pause_reason": sentence}
    found: dict[str, Any] = old | {"version": 2, "body": json.dumps(body), "reason": reason}
    return found


def _notice(number: int, name: str, body: dict[str, Any], error: str = "") -> dict[str, Any]:
    return {
        "wallet_id": str(FIRST),
        "notice_id": str(IDS[number]),
        "seq": 2 + number,
        "name": name,
        "body": json.dumps(body),
        "created_at": AT,
        "due_at": AT,
        "attempts": 1,
        "state": "waiting",
        "lease_until": 0,
        "error": error,
    }


def _news(number: int, error: str) -> dict[str, Any]:
    found = {"event_id": f"evt_{number}", "kind": "payment_intent.succeeded", "object_id": f"pi_{number}"}
    times = {"created_at": AT, "taken_at": AT + number, "due_at": AT}
    return {"wallet_id": str(NIL_WALLET), "tries": 2, "error": error, **found, **times}


def _delivery(number: int, error: str) -> dict[str, Any]:
    return {
        "wallet_id": str(FIRST),
        "delivery_id": str(IDS[number]),
        "notice_id": str(IDS[1]),
        "seq": 100,
        "recipient": f"person:U{number}",
        "state": "waiting",
        "tries": 1,
        "due_at": AT,
        "changed_at": AT,
        "error": error,
    }


def _request(number: int, answer: str, state: str = "done") -> dict[str, Any]:
    return {
        "wallet_id": str(FIRST),
        "call_id": str(IDS[number]),
        "operation": "confirm",
        "key": f"redbar:confirm:{number}",
        "body": "{}",
        "state": state,
        "created_at": AT,
        "tries": 1,
        "answer": answer,
    }


OLD = {
    "policies": [
        _policy(FIRST, SENTENCE, SENTENCE),
        _policy(SECOND, "the books and Stripe differ", "the books and Stripe differ"),
        _policy(THIRD, "the card was declined 8 times in 30 days", "settings"),
    ],
    "breaks": [
        {
            "wallet_id": str(FIRST),
            "key": "credit:pi_7",
            "words": APART,
            "found_at": AT,
            "seen_at": AT,
        }
    ],
    "inbox": [
        _news(1, "AmountsDiffer: RB-9: pi_1 is in another currency or of no amount"),
        _news(2, "Unattributed: it names payment RB-8, which is not here"),
        _news(3, "ValueError: two: parts"),
        _news(4, "no idea"),
    ],
    "deliveries": [
        _delivery(1, "is_archived"),
        _delivery(2, "NotNow: ratelimited"),
        _delivery(3, "TypeError: no"),
        _delivery(4, ""),
    ],
    "calls": [
        _request(1, "declined insufficient_funds"),
        _request(2, "key not accepted", "unknown"),
        _request(3, "ok"),
        _request(4, "the key may not do this", "refused"),
        _request(5, "no answer", "unknown"),
        _request(6, "status 503", "unknown"),
    ],
    "notices": [
        _notice(
            1, "books.differ", {"count": 2, "key": "credit:pi_7", "words": APART, "paused": True}, "X: y"
        ),
        _notice(
            2,
            "money.parked",
            {"object_id": "pi_1", "words": "RB-9: pi_1 is in another currency or of no amount"},
        ),
    ],
}


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """Books with sentences in them, opened by this version."""
    url = f"sqlite:///{tmp_path}/books.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").create(f"causes_{next(_numbers)}")
    store = open_store(url)
    upgrade_to(store, "ledger_0001")
    with store.writing() as connection:
        write_rows(connection, BOOKS["tables"])
    upgrade_to(store, "ledger_0002")
    upgrade_to(store, "bot_0003", (BOT_VERSIONS, "alembic_version_bot"))
    with store.writing() as connection:
        write_rows(connection, OLD)
        connection.execute(wallets.update().values(policy_version=2, trouble=SENTENCE))
        connection.execute(wallets.update().where(wallets.c.wallet_id == FIRST).values(notice_seq=4))
        connection.execute(
            wallets.update().where(wallets.c.wallet_id == SECOND).values(trouble="capped:day_cap")
        )
    store.close()
    opened = open_ledger(url, ManualClock(NOW))
    yield opened
    opened.close()


def test_pauses_keep_their_reason(ledger: Ledger) -> None:
    """Known sentences have codes; the wording of another stays readable word for word."""
    wanted = {
        FIRST: Pause(PauseCode.LEGACY, text=SENTENCE),
        SECOND: Pause(PauseCode.BOOKS_DIFFER),
        THIRD: Pause(PauseCode.DECLINED_OFTEN),
    }
    with ledger.reading() as connection:
        found = {one: ledger.look(connection, one)[1].pause for one in wanted}
        shown = pause_facts(connection, FIRST, found[FIRST])
        reasons = connection.execute(
            select(policies.c.wallet_id, policies.c.reason).where(policies.c.version == 2)
        ).all()
        troubles = {one: ledger.look(connection, one)[0].trouble for one in wanted}
    assert found == wanted
    assert shown is not None
    assert pause_words(shown) == SENTENCE
    assert {row.wallet_id: row.reason for row in reasons} == {
        FIRST: f"legacy:{SENTENCE}",
        SECOND: "books_differ",
        THIRD: "settings",
    }
    assert troubles == {
        FIRST: f"legacy:{SENTENCE}",
        SECOND: "capped:day_cap",
        THIRD: f"legacy:{SENTENCE}",
    }


def test_the_books_stay_whole(ledger: Ledger) -> None:
    """Nothing that is proven was touched."""
    with ledger.reading() as connection:
        assert [found for one in audit_books(connection) for found in one.findings] == []


def test_a_difference_keeps_its_words_until_it_is_seen_again(ledger: Ledger) -> None:
    """The comparison of the next night writes its code; its age stays."""
    with ledger.reading() as connection:
        ((key, old),) = open_differences(connection, [FIRST]).items()
    assert (key, difference_words(old)) == ((FIRST, "credit:pi_7"), APART)

    cause: DifferenceCause = OnlyInBooks(name="RB-7", ours=Amount(5_000_000, "USD"))
    seen = Difference(FIRST, "credit:pi_7", cause, ledger.now(), new=True)
    (kept,) = keep_differences(ledger, [seen], [FIRST])

    assert not kept.new
    with ledger.reading() as connection:
        assert open_differences(connection, [FIRST]) == {key: cause}


def test_news_that_could_not_be_handled_is_listed(ledger: Ledger) -> None:
    """By the code of why; what failed otherwise with the program's own words."""
    assert [one.error for one in parked_news(ledger)] == [
        AmountDiffers("RB-9", "pi_1"),
        PaymentUnknown("RB-8"),
        Failed("ValueError", "two: parts"),
        Legacy("no idea"),
    ]


def test_notices_that_wait_are_told(ledger: Ledger) -> None:
    """Whoever was not told yet reads what was written then."""
    with ledger.reading() as connection:
        differ, parked = (decode(read_notice(connection, FIRST, IDS[number])) for number in (1, 2))
        errors = connection.execute(
            select(notices.c.error).where(notices.c.wallet_id == FIRST, notices.c.error != "")
        ).scalars()
        assert list(errors) == [as_stored(Failed("X", "y"))]
    assert differ == BooksDiffer(count=2, key="credit:pi_7", cause=Legacy(APART), paused=True)
    assert parked == MoneyParked(object_id="pi_1", cause=AmountDiffers("RB-9", "pi_1"))


def test_recipients_and_requests_keep_their_state(ledger: Ledger) -> None:
    """Codes replace what was said, and nothing said stays nothing."""
    with ledger.reading() as connection:
        errors = connection.execute(
            select(deliveries.c.error).where(deliveries.c.wallet_id == FIRST).order_by(deliveries.c.recipient)
        ).scalars()
        assert list(errors) == [
            as_stored(Gone("is_archived")),
            as_stored(Waits("ratelimited")),
            as_stored(Failed("TypeError", "no")),
            "",
        ]
        answers = connection.execute(
            select(stripe_requests.c.outcome, stripe_requests.c.answer)
            .where(stripe_requests.c.wallet_id == FIRST)
            .order_by(stripe_requests.c.key)
        ).all()
    assert [tuple(one) for one in answers] == [
        (RequestOutcome.DECLINED, "insufficient_funds"),
        (RequestOutcome.DENIED, ""),
        (RequestOutcome.OK, ""),
        (RequestOutcome.REJECTED, "key_lacks_right"),
        (RequestOutcome.UNKNOWN, "no_answer"),
        (RequestOutcome.UNKNOWN, "status:503"),
    ]
