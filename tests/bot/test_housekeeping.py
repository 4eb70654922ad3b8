"""What ended long ago is cleared in slices; what is open, waits, is unread or makes a charge known stays."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Table, insert, select, update

from bot.app import open_ledger
from bot.due_work import BotDue
from bot.housekeeping import KEPT_FOR, LOOK_EVERY, LOOK_EVERY_IDLE, Housekeeping
from bot.notices import KeyAccepted
from bot.served import Served
from bot.states.delivery import DeliveryState
from bot.states.one_time_action import ActionPurpose
from bot.tables import NIL_WALLET, deliveries, inbox, one_time_actions
from ledger import (
    EPOCH,
    INBOUND_CALL,
    MICROS,
    OUTBOUND_CALL,
    CreditKind,
    HoldAnswer,
    Ledger,
    OpenHold,
    PostMoney,
    PostUsage,
    Receipt,
    Tx,
    WalletView,
    new_id,
    verify_books,
)
from ledger.storage.schema import charges, episodes, holds, notices, transfers, wallet_schedule
from tests.blank_books import lay_books
from tests.faults.driver import open_beside
from tests.postgres_server import Server
from tests.sandbox.slack_place import SettableClock

OLD, YOUNG = KEPT_FOR + timedelta(days=1), KEPT_FOR - timedelta(days=1)
TOLD, WAITING, ASIDE = DeliveryState.TOLD, DeliveryState.WAITING, DeliveryState.ASIDE


@dataclass
class Books:
    """The books of one workspace, which only the test works for."""

    ledger: Ledger
    clock: SettableClock
    wallet_id: UUID

    def clear(self, *, most: int = 500) -> None:
        """Let the housekeeper come by."""
        Housekeeping(self.ledger, Served(None), most=most).run_once(self.clock.now())

    def insert(self, table: Table, **values: Any) -> None:
        self.ledger.run(lambda tx: tx.connection.execute(insert(table).values(**values)))

    def all(self, table: Table, column: str) -> list[Any]:
        """Give the values of a column, in order."""
        with self.ledger.reading() as connection:
            return sorted(connection.execute(select(table.c[column])).scalars())

    def due_in(self) -> timedelta:
        """Say in how long the housekeeper looks at the wallet again."""
        mine = (wallet_schedule.c.wallet_id == self.wallet_id) & (
            wallet_schedule.c.kind == BotDue.HOUSEKEEPING
        )
        with self.ledger.reading() as connection:
            at: datetime = connection.execute(select(wallet_schedule.c.due_at).where(mine)).scalar_one()
        return at - self.clock.now()

    def findings(self) -> list[Any]:
        """Verify."""
        with self.ledger.reading() as connection:
            return list(verify_books(connection))

    def tell(self, count: int = 1, *, ends: str = "done") -> None:
        """Commit notices, and end them."""

        def add(tx: Tx) -> None:
            tx.outbox.add(self.wallet_id, *[KeyAccepted()] * count)
            fresh = (notices.c.wallet_id == self.wallet_id) & (notices.c.state == "waiting")
            tx.connection.execute(update(notices).where(fresh).values(state=ends))

        self.ledger.run(add, wallet_id=self.wallet_id)

    def later(self, span: timedelta) -> None:
        """Let time pass."""
        self.clock.set(self.clock.now() + span)


@pytest.fixture(params=["sqlite", "postgresql"])
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Books]:
    """Books without money, on each database."""
    clock = SettableClock()
    if request.param == "sqlite":
        url = f"sqlite:///{lay_books(tmp_path) / 'redbar.db'}"
    else:
        server: Server = request.getfixturevalue("postgres")
        url = server.create(f"kept_{new_id().hex}", template=request.getfixturevalue("blank_books"))
    ledger = open_ledger(url, clock)
    yield Books(ledger, clock, open_beside(ledger, "T0"))
    ledger.close()


# --- Deliveries --------------------------------------------------------------------------------------------


def _delivery(books: Books, subject: str, state: DeliveryState, recipient: str = "person:U1") -> None:
    books.insert(
        deliveries,
        wallet_id=books.wallet_id,
        delivery_id=new_id(),
        subject=subject,
        recipient=recipient,
        notice_id=new_id(),
        seq=1,
        urgency=1,
        wanted=1,
        shown=int(state is TOLD),
        state=state,
        tries=0,
        due_at=books.clock.now(),
        lease_until=EPOCH,
        changed_at=books.clock.now(),
        error="",
    )


def _episode(books: Books, *, closed: bool) -> UUID:
    episode_id, now = new_id(), books.clock.now()
    books.insert(
        episodes,
        wallet_id=books.wallet_id,
        episode_id=episode_id,
        opened_at=now,
        closed_at=now if closed else None,
        level=2,
    )
    return episode_id


@pytest.mark.parametrize(
    ("subject", "state", "age", "goes"),
    [
        ("notice:1", TOLD, OLD, True),
        ("notice:1", TOLD, YOUNG, False),
        ("notice:1", WAITING, OLD, False),
        ("notice:1", ASIDE, OLD, False),  # nobody has read it
        ("repeat:1", TOLD, OLD, True),
        ("key_state:", TOLD, OLD, True),
        ("episode:closed", TOLD, OLD, True),
        ("episode:closed", TOLD, YOUNG, False),
        ("episode:closed", ASIDE, OLD, False),
        ("episode:open", TOLD, OLD, False),  # edited when it ends
        ("payment:1", TOLD, OLD, False),  # edited when money comes back
        ("recharge:1", TOLD, OLD, False),
    ],
)
def test_deliveries_that_ended_go(
    books: Books, subject: str, state: DeliveryState, age: timedelta, *, goes: bool
) -> None:
    """But not what waits, was set aside unread, or has a message that may still be edited."""
    kind, _, of = subject.partition(":")
    if kind == "episode":
        subject = f"{kind}:{_episode(books, closed=of == 'closed')}"
    _delivery(books, subject, state)
    books.later(age)
    books.clear()
    assert books.all(deliveries, "subject") == ([] if goes else [subject])


def test_a_delivery_that_was_told_stays_while_somebody_else_waits_for_the_subject(books: Books) -> None:
    """Who has read it must not be told again."""
    _delivery(books, "notice:1", TOLD)
    _delivery(books, "notice:1", WAITING, "person:U2")
    books.later(OLD)
    books.clear()
    assert books.all(deliveries, "recipient") == ["person:U1", "person:U2"]


# --- Notices -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ends", "age", "goes"),
    [("done", OLD, True), ("done", YOUNG, False), ("waiting", OLD, False), ("dead", OLD, False)],
)
def test_notices_that_were_handed_out_go(books: Books, ends: str, age: timedelta, *, goes: bool) -> None:
    """What waits, or was given up unread, stays; the books are whole either way."""
    books.tell(3, ends=ends)
    books.later(age)
    books.clear()
    assert len(books.all(notices, "seq")) == (0 if goes else 3)
    assert books.findings() == []
    books.tell()
    assert books.all(notices, "seq")[-1] == 4
    assert books.findings() == []


def test_a_notice_that_a_delivery_tells_stays(books: Books) -> None:
    """A sender reads it again."""
    books.tell(2)
    first, _ = books.all(notices, "notice_id")
    _delivery(books, "payment:1", TOLD)
    books.ledger.run(lambda tx: tx.connection.execute(_of_notice(books.wallet_id, first)))
    books.later(OLD)
    books.clear()
    assert books.all(notices, "notice_id") == [first]


def _of_notice(wallet_id: UUID, notice_id: UUID) -> Any:
    return update(deliveries).where(deliveries.c.wallet_id == wallet_id).values(notice_id=notice_id)


@pytest.mark.parametrize(
    "forgery",
    [
        "DELETE FROM notices WHERE seq = 5",
        "UPDATE wallets SET notices_cleared = notices_cleared + 1",
        "UPDATE wallets SET notice_seq = notice_seq - 1",
    ],
)
def test_a_notice_that_nobody_cleared_is_missed(books: Books, forgery: str) -> None:
    """Cleared ones are counted."""
    books.tell(3)
    books.later(OLD)
    books.clear()
    books.tell(2)
    assert books.findings() == []
    books.ledger.run(lambda tx: tx.connection.exec_driver_sql(forgery))
    assert [one.check for one in books.findings()] == ["notices"]


# --- Holds -------------------------------------------------------------------------------------------------


def _do(books: Books, *commands: Any) -> list[Any]:
    return books.ledger.carry_out(books.wallet_id, commands)


def test_refused_holds_go_and_their_ids_are_judged_anew(books: Books) -> None:
    """Those that were charged all the same stay known, as does everything that was allowed."""
    _do(
        books,
        OpenHold("refused", OUTBOUND_CALL),
        OpenHold("charged", OUTBOUND_CALL),
        PostUsage("platform", "late", OUTBOUND_CALL, MICROS, None, hold_id="charged"),
        PostMoney("stripe", "credit:pi_1", CreditKind.TOP_UP, 20 * MICROS, None),
        OpenHold("open", INBOUND_CALL),
        PostUsage("platform", "usage", OUTBOUND_CALL, MICROS, None),
    )
    books.later(YOUNG)
    books.clear()
    assert books.all(holds, "hold_id") == ["charged", "open", "refused"]
    _do(books, PostMoney("stripe", "credit:pi_2", CreditKind.TOP_UP, 20 * MICROS, None))
    before = books.all(transfers, "seq"), books.all(charges, "hold_id")

    books.later(LOOK_EVERY_IDLE)
    books.clear()
    assert books.all(holds, "hold_id") == ["charged", "open"]
    assert (books.all(transfers, "seq"), books.all(charges, "hold_id")) == before
    assert books.findings() == []
    (again,) = _do(books, OpenHold("refused", OUTBOUND_CALL))
    assert isinstance(again, HoldAnswer)
    assert again.permit.allowed
    (known,) = _do(books, OpenHold("charged", OUTBOUND_CALL))
    assert isinstance(known, HoldAnswer)
    assert not known.permit.allowed


def test_usage_ids_are_never_forgotten(books: Books) -> None:
    """I6: what was answered once is answered alike years later, and charged once."""
    call = PostUsage("platform", "call-1", OUTBOUND_CALL, MICROS, None)
    of_refused = PostUsage("platform", "call-2", OUTBOUND_CALL, MICROS, None, hold_id="refused")
    _do(books, OpenHold("refused", OUTBOUND_CALL), call, of_refused)
    before = _view(books).balance_micros
    for _ in range(3):
        books.later(OLD)
        books.clear()
        for receipt in _do(books, call, of_refused):
            assert isinstance(receipt, Receipt)
            assert receipt.duplicate
    assert _view(books).balance_micros == before
    assert books.findings() == []


def _view(books: Books) -> WalletView:
    with books.ledger.reading() as connection:
        return books.ledger.look(connection, books.wallet_id)[0]


def test_a_wallet_whose_only_holds_were_cleared_is_whole(books: Books) -> None:
    """That holds were used stays true, and costs a look-up; that none were would leave one out."""
    _do(books, OpenHold("refused", OUTBOUND_CALL))
    books.later(OLD)
    books.clear()
    assert (books.all(holds, "hold_id"), books.findings()) == ([], [])


# --- One-time actions and news -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("consumed", "age", "goes"), [(True, OLD, True), (True, YOUNG, False), (False, OLD, False)]
)
def test_consumed_one_time_actions_go(books: Books, age: timedelta, *, consumed: bool, goes: bool) -> None:
    """A second press of one that goes finds nothing to do, as before."""
    now = books.clock.now()
    books.insert(
        one_time_actions,
        wallet_id=books.wallet_id,
        one_time_action_id=new_id(),
        purpose=ActionPurpose.CHARGE,
        body="{}",
        actor="U1",
        created_at=now,
        expires_at=now,
        consumed_at=now if consumed else None,
    )
    books.later(age)
    books.clear()
    assert len(books.all(one_time_actions, "actor")) == (0 if goes else 1)


def _news(books: Books, event_id: str, *, handled: bool = True) -> None:
    now = books.clock.now()
    books.insert(
        inbox,
        wallet_id=NIL_WALLET,
        event_id=event_id,
        kind="payment_intent.succeeded",
        object_id="pi_1",
        intent_id="pi_1",
        created_at=now,
        taken_at=now,
        handled_at=now if handled else None,
        tries=1,
        due_at=now,
        error="",
    )


def test_news_that_was_handled_goes(books: Books) -> None:
    """What waits, or is parked, stays."""
    _news(books, "evt_old")
    _news(books, "evt_parked", handled=False)
    books.later(timedelta(days=2))
    _news(books, "evt_young")
    books.later(YOUNG)
    books.clear()
    assert books.all(inbox, "event_id") == ["evt_parked", "evt_young"]


# --- Slices ------------------------------------------------------------------------------------------------


def test_a_slice_ends_and_the_next_run_goes_on(books: Books) -> None:
    """Two rows of a kind a run; then a look a day, and one a week where nothing was."""
    books.tell(5)
    for number in range(5):
        _news(books, f"evt_{number}")
        _do(books, OpenHold(f"hold-{number}", OUTBOUND_CALL))
    books.later(OLD)
    left = []
    for _ in range(3):
        books.clear(most=2)
        left.append(len(books.all(notices, "seq")))
        assert books.findings() == []
        assert len(books.all(inbox, "event_id")) == len(books.all(holds, "hold_id")) == left[-1]
    assert left == [3, 1, 0]
    assert books.due_in() == LOOK_EVERY
    books.later(LOOK_EVERY)
    books.clear(most=2)
    assert books.due_in() == LOOK_EVERY_IDLE


def test_a_crash_clears_all_of_a_slice_or_nothing(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next run does it."""
    books.tell(2)
    _do(books, OpenHold("refused", OUTBOUND_CALL))
    books.later(OLD)
    with monkeypatch.context() as patched:
        patched.setattr("bot.housekeeping._clear_actions", _die)
        with pytest.raises(KeyboardInterrupt):
            books.clear()
    assert (len(books.all(notices, "seq")), books.all(holds, "hold_id")) == (2, ["refused"])
    books.clear()
    assert (books.all(notices, "seq"), books.all(holds, "hold_id")) == ([], [])


def _die(*given: Any) -> int:
    raise KeyboardInterrupt
