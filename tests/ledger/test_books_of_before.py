"""Books of the version before: they open, are whole, and go on, doubles and all.

`books_0001.json` was written by that version: a hold charged three times, one charged again under its own id, holds in
every state, a wallet that fell through its ceiling, and one that was used before its first money.
"""

import json
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ledger import (
    INBOUND_CALL,
    OUTBOUND_CALL,
    CaptureHold,
    DueKind,
    HoldAnswer,
    KeyReused,
    Ledger,
    OpenHold,
    PostUsage,
    Reason,
    Receipt,
    Standing,
    Tx,
    audit_books,
    due_wallets,
    open_store,
    unscheduled_wallets,
)
from ledger.writing.book import row_of
from tests.ledger.wallet_driver import ManualClock, usd
from tests.old_books import upgrade_to, write_rows
from tests.postgres_server import Server

BOOKS = json.loads((Path(__file__).parent / "books_0001.json").read_text(encoding="utf-8"))
FIRST, SECOND, THIRD = map(UUID, BOOKS["wallets_in_order"])
NOW = datetime.fromisoformat(BOOKS["clock"])


@pytest.fixture
def ledger(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """The books, written by the version before and opened by this one."""
    if backend == "sqlite":
        url = f"sqlite:///{tmp_path}/books.db"
    else:
        server: Server = request.getfixturevalue("postgres")
        url = server.create(f"before_{tmp_path.name}")
    store = open_store(url)
    upgrade_to(store, "ledger_0001")
    with store.writing() as connection:
        write_rows(connection, BOOKS["tables"])
    store.close()
    opened = Ledger(url, ManualClock(NOW))
    yield opened
    opened.close()


def test_the_books_are_whole_and_their_doubles_are_noted(ledger: Ledger) -> None:
    """What was charged again stays; it is named, and is no finding."""
    with ledger.reading() as connection:
        audits = {one.wallet_id: one for one in audit_books(connection)}

    assert [finding for audit in audits.values() for finding in audit.findings] == []
    notes = {note.words for note in audits[FIRST].notes}
    assert notes == {
        "charged call-A again, which transaction 3 had charged",
        "charged call-B again, which transaction 6 had charged",
    }
    assert len(audits[FIRST].notes) == 3
    assert not audits[SECOND].notes


@pytest.mark.parametrize(
    "again",
    [
        CaptureHold("call-A", usd("1.50"), None),
        PostUsage("platform", "call-A", OUTBOUND_CALL, usd("1.50"), None, hold_id="call-A"),
        PostUsage("platform", "record-A", OUTBOUND_CALL, usd("1.50"), None, hold_id="call-A"),
        PostUsage("platform", "another-A", OUTBOUND_CALL, usd("1.50"), None, hold_id="call-A"),
        PostUsage("platform", "call-B", OUTBOUND_CALL, usd("0.75"), None),
        CaptureHold("call-B", usd("0.75"), None),
        PostUsage("platform", "another-C", OUTBOUND_CALL, usd("2"), None, hold_id="call-C"),
    ],
)
def test_nothing_is_charged_once_more(ledger: Ledger, again: PostUsage | CaptureHold) -> None:
    """Every key of before is known, and every hold has its charge."""
    (outcome,) = ledger.carry_out(FIRST, [again])

    assert isinstance(outcome, Receipt)
    assert outcome.duplicate


def test_what_is_due_of_them_is_scheduled(ledger: Ledger) -> None:
    """Filled by the migration from the wallets' rows: holds that expire, money that moved, a wallet that is stopped."""
    with ledger.reading() as connection:
        assert unscheduled_wallets(connection) == []
        due = {kind: due_wallets(connection, kind, NOW + timedelta(days=30), among=None) for kind in DueKind}
        first, second, third = (row_of(connection, one) for one in (FIRST, SECOND, THIRD))
    assert due[DueKind.TIME] == [FIRST]  # the second has said that it is paused
    assert set(due[DueKind.PACE]) == {
        one for one, row in ((FIRST, first), (SECOND, second), (THIRD, third)) if row.seq
    }
    assert due[DueKind.STOPPED] == [SECOND]
    assert due[DueKind.RECHARGE] == due[DueKind.MORNING] == []
    assert first.time_due_at == first.next_hold_expires_at
    for wallet_id in (FIRST, SECOND, THIRD):
        ledger.run(partial(_follow, wallet_id=wallet_id), wallet_id=wallet_id)
    with ledger.reading() as connection:
        assert [one.findings for one in audit_books(connection)] == [[], [], []]


def _follow(tx: Tx, wallet_id: UUID) -> None:
    tx.book.observe(wallet_id)
    tx.book.follow_pace(wallet_id)


def test_holds_go_on_as_they_were(ledger: Ledger) -> None:
    """Open, expired, released, refused, captured; and what none of them has paid yet is booked."""
    with ledger.reading() as connection:
        view, _ = ledger.look(connection, FIRST)
    assert (view.held_micros, view.open_holds) == (usd("0.40"), 2)

    questions = [
        OpenHold("call-A", OUTBOUND_CALL, usd("2")),
        OpenHold("call-C", OUTBOUND_CALL),
        OpenHold("call-D", OUTBOUND_CALL),
        OpenHold("call-E", OUTBOUND_CALL),
    ]
    answers = [one for one in ledger.carry_out(FIRST, questions) if isinstance(one, HoldAnswer)]
    assert [one.permit.reason for one in answers] == [
        Reason.ENDED,
        Reason.ALREADY_CHARGED,
        Reason.ENDED,
        Reason.ALLOWED,
    ]
    refused, late = ledger.carry_out(
        FIRST, [CaptureHold("call-A", usd("9"), None), CaptureHold("call-G", usd("1"), None)]
    )
    assert isinstance(refused, KeyReused)
    assert isinstance(late, Receipt)
    with ledger.reading() as connection:
        assert [one.findings for one in audit_books(connection, FIRST)] == [[]]


def test_an_empty_wallet_and_one_that_never_had_money_go_on(ledger: Ledger) -> None:
    """They are stopped as they were."""
    with ledger.reading() as connection:
        (second, _), (third, _) = (ledger.look(connection, one) for one in (SECOND, THIRD))
    assert (second.standing, third.standing) == (Standing.PAUSED, Standing.NOT_CONNECTED)

    for number, wallet_id in enumerate((SECOND, THIRD)):
        (late,) = ledger.carry_out(wallet_id, [PostUsage("platform", f"late-{number}", INBOUND_CALL, 1, NOW)])
        assert isinstance(late, Receipt)
        assert late.after_stop
    with ledger.reading() as connection:
        assert [found for one in audit_books(connection) for found in one.findings] == []
