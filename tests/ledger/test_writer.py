"""The writer: many callers, shared commits, and each its own answer."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from ledger import (
    OUTBOUND_CALL,
    Busy,
    Command,
    HoldAnswer,
    KeyReused,
    OpenHold,
    Outcome,
    PostUsage,
    Receipt,
    TimeUnfit,
    Tx,
    WalletUnknown,
    new_wallet_id,
)
from ledger.deciding.planner import Planner
from ledger.writing import writer as writer_module
from ledger.writing.book import Book
from ledger.writing.throughput import SIZES
from ledger.writing.writer import Closed
from tests.ledger.wallet_driver import WalletDriver, usd


def call(number: int, dollars: str = "0.01") -> PostUsage:
    return PostUsage("platform", f"call-{number:05}", OUTBOUND_CALL, usd(dollars), None)


def test_sixty_four_threads_at_zero_get_exactly_what_there_is(driver: WalletDriver) -> None:
    """Never one hold more, never a wrong refusal."""
    driver.top_up("20")

    def ask(number: int) -> bool:
        (answer,) = driver.do(OpenHold(f"h{number}", OUTBOUND_CALL, usd("0.10")))
        assert isinstance(answer, HoldAnswer)
        return answer.permit.allowed

    with ThreadPoolExecutor(64) as pool:
        allowed = list(pool.map(ask, range(640)))

    assert allowed.count(True) == 200
    assert driver.view().available_micros == 0


def test_threads_that_post_the_same_usage_post_it_once(driver: WalletDriver) -> None:
    """One is the first, the others are duplicates of it."""
    driver.top_up("20")

    with ThreadPoolExecutor(32) as pool:
        outcomes = [one for (one,) in pool.map(lambda _: driver.do(call(1)), range(64))]

    receipts = [one for one in outcomes if isinstance(one, Receipt)]
    assert len(receipts) == 64
    assert [one.duplicate for one in receipts].count(False) == 1
    assert driver.view().seq == 2


def test_callers_on_an_event_loop_share_commits(driver: WalletDriver) -> None:
    """A thousand at once, each with its own receipt, in numbers without a gap."""
    driver.top_up("20")

    async def post_all() -> list[list[Outcome]]:
        return await asyncio.gather(
            *(driver.ledger.carry_out_async(driver.wallet_id, [call(number)]) for number in range(1_000))
        )

    outcomes = asyncio.run(post_all())

    seqs = [receipt.seq for (receipt,) in outcomes if isinstance(receipt, Receipt)]
    assert sorted(seqs) == list(range(2, 1_002))
    assert driver.view().balance_micros == usd("10")


def test_each_caller_gets_its_own_refusal(driver: WalletDriver) -> None:
    """An unknown wallet, a conflict and a receipt in one commit."""
    driver.top_up("20")
    driver.do(call(1))

    async def post_all() -> Sequence[object]:
        return await asyncio.gather(
            driver.ledger.carry_out_async(driver.wallet_id, [call(1, "0.02"), call(2)]),
            driver.ledger.carry_out_async(new_wallet_id(), [call(3)]),
            driver.ledger.carry_out_async(driver.wallet_id, [call(4)]),
            return_exceptions=True,
        )

    first, second, third = asyncio.run(post_all())

    assert isinstance(first, list)
    assert isinstance(first[0], KeyReused)
    assert isinstance(first[1], Receipt)
    assert isinstance(second, WalletUnknown)
    assert isinstance(third, list)
    assert isinstance(third[0], Receipt)


def test_a_poisonous_command_hurts_only_its_sender(driver: WalletDriver) -> None:
    """Its neighbours in the same commit are written."""
    driver.top_up("20")

    async def post_all() -> list[list[Outcome] | BaseException]:
        batches: list[Sequence[Command]] = [[call(number)] for number in range(40)]
        # No set takes a list: the book stumbles over it before anything is decided.
        batches[17] = [PostUsage("platform", ["no", "key"], OUTBOUND_CALL, 1, None)]  # type: ignore[arg-type]
        return await asyncio.gather(
            *(driver.ledger.carry_out_async(driver.wallet_id, batch) for batch in batches),
            return_exceptions=True,
        )

    outcomes = asyncio.run(post_all())

    assert isinstance(outcomes[17], TypeError)
    assert all(isinstance(one, list) for number, one in enumerate(outcomes) if number != 17)
    assert driver.view().seq == 40


def test_a_function_that_raises_rolls_back_only_itself(driver: WalletDriver) -> None:
    """The caller hears it; the writer goes on."""
    driver.top_up("20")

    def fail(tx: Tx) -> None:
        tx.book.carry_out(driver.wallet_id, [call(1)])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        driver.ledger.run(fail)

    assert driver.view().seq == 1
    assert not driver.use("1").duplicate


def test_batches_that_wait_land_before_a_function(driver: WalletDriver) -> None:
    """What was posted first is seen by what runs next."""
    driver.top_up("20")
    entered, posted = threading.Event(), threading.Event()

    def hold_the_lane(tx: Tx) -> None:
        entered.set()
        assert posted.wait(30)

    async def post_behind() -> list[Outcome]:
        waiting = asyncio.ensure_future(driver.ledger.carry_out_async(driver.wallet_id, [call(1)]))
        await asyncio.sleep(0)
        posted.set()
        return await waiting

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(driver.ledger.run, hold_the_lane)
        assert entered.wait(30)
        seen = pool.submit(driver.ledger.run, lambda tx: tx.book.view(driver.wallet_id).seq)
        outcomes = asyncio.run(post_behind())
        first.result()

    assert isinstance(outcomes[0], Receipt)
    assert seen.result() == 2


def test_a_function_cannot_ask_for_another_turn(driver: WalletDriver) -> None:
    """It would wait for itself for ever; it is told instead."""
    with pytest.raises(AssertionError, match="another turn"):
        driver.ledger.run(lambda tx: driver.ledger.run(lambda inner: None))

    assert driver.top_up("1").seq == 1


def test_too_much_waiting_is_refused_at_the_door(
    driver: WalletDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it was done, and the same request may come again."""
    monkeypatch.setattr(writer_module, "WAITING_MAX", 10)
    driver.top_up("20")

    with pytest.raises(Busy) as caught:
        driver.do(*(call(number) for number in range(11)))

    assert caught.value.retry_after.total_seconds() > 0
    assert driver.view().seq == 1
    assert len(driver.do(*(call(number) for number in range(10)))) == 10


def test_closing_writes_what_was_taken_in(driver: WalletDriver) -> None:
    """And takes nothing more."""
    driver.top_up("20")

    async def post_and_close() -> list[list[Outcome]]:
        waiting = [
            asyncio.ensure_future(driver.ledger.carry_out_async(driver.wallet_id, [call(number)]))
            for number in range(200)
        ]
        await asyncio.sleep(0)
        await asyncio.to_thread(driver.ledger.close)
        return await asyncio.gather(*waiting)

    outcomes = asyncio.run(post_and_close())
    assert all(isinstance(one, Receipt) for (one,) in outcomes)
    with pytest.raises(Closed):
        driver.do(call(999))
    with pytest.raises(Closed):
        driver.ledger.run(lambda tx: None)

    driver.reopen()
    assert driver.view().seq == 201


def test_a_caller_who_went_away_changes_nothing_for_the_others(driver: WalletDriver) -> None:
    """Its usage is posted all the same."""
    driver.top_up("20")

    async def post_all() -> list[Outcome]:
        left = asyncio.ensure_future(driver.ledger.carry_out_async(driver.wallet_id, [call(1)]))
        stayed = asyncio.ensure_future(driver.ledger.carry_out_async(driver.wallet_id, [call(2)]))
        await asyncio.sleep(0)
        left.cancel()
        return await stayed

    (outcome,) = asyncio.run(post_all())

    assert isinstance(outcome, Receipt)
    assert driver.use("0.01", key="call-00001").duplicate


def test_many_wallets_share_a_commit_and_nothing_else(driver: WalletDriver) -> None:
    """Each has its own numbers and its own balance."""
    wallets: list[UUID] = [driver.open_wallet() for _ in range(5)]

    async def post_all() -> None:
        await asyncio.gather(
            *(
                driver.ledger.carry_out_async(wallet_id, [call(number)])
                for number in range(20)
                for wallet_id in wallets
            )
        )

    asyncio.run(post_all())

    with driver.ledger.reading() as connection:
        views = [driver.ledger.look(connection, wallet_id)[0] for wallet_id in wallets]
    assert {(view.seq, view.balance_micros) for view in views} == {(20, usd("-0.20"))}


def test_a_batch_that_crosses_zero_is_judged_in_the_middle_of_being_written(driver: WalletDriver) -> None:
    """What was sent ahead is waited for when the book has to ask something, and everything stands as if it had not."""
    driver.top_up("1")
    outcomes = driver.do(*(call(number, "0.09") for number in range(30)))

    assert [one.balance_after_micros for one in outcomes if isinstance(one, Receipt)] == [
        usd("1") - usd("0.09") * (number + 1) for number in range(30)
    ]
    assert driver.view().emptied_at is not None
    assert driver.view().seq == 31


def test_what_was_sent_ahead_of_a_failure_is_gone(
    driver: WalletDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch breaks after half of it was sent: none of it stands but what its halves make good, and nothing hangs."""
    driver.top_up("10")
    real, count = Planner.decide, 0

    def decide(self: Planner, command: Command) -> Outcome:
        nonlocal count
        count += 1
        if count == 8:
            raise ZeroDivisionError
        return real(self, command)

    monkeypatch.setattr(Planner, "decide", decide)
    with pytest.raises(ZeroDivisionError):
        driver.do(*(call(number) for number in range(12)))

    assert driver.view().seq == 1
    driver.do(*(call(number) for number in range(12)))
    assert driver.view().seq == 13


def test_a_key_that_somebody_else_posted_meanwhile_is_found_in_the_second_try(driver: WalletDriver) -> None:
    """A batch with the same key twice, and one that was posted before: each once, whatever piece it is sent in."""
    driver.top_up("10")
    first = driver.one(call(3), Receipt)
    outcomes = driver.do(*(call(number % 7) for number in range(21)))

    receipts = [one for one in outcomes if isinstance(one, Receipt)]
    assert len(receipts) == 21
    assert sum(not one.duplicate for one in receipts) == 6
    assert receipts[3].seq == first.seq
    assert driver.view().seq == 8


def test_a_repeat_that_would_be_refused_today_gets_its_first_receipt(driver: WalletDriver) -> None:
    """What happened then is too long ago by now; whoever asks again is told that it was done, and so are others."""
    driver.top_up("10")
    said = PostUsage("platform", "then", OUTBOUND_CALL, usd("1"), driver.clock.now())
    first = driver.one(said, Receipt)
    driver.clock.skip(days=500)
    driver.reopen()

    again, fresh = driver.do(said, call(1))

    assert isinstance(again, Receipt)
    assert (again.seq, again.duplicate) == (first.seq, True)
    assert isinstance(fresh, Receipt)
    assert not fresh.duplicate
    assert isinstance(
        driver.refusal(PostUsage("platform", "now", OUTBOUND_CALL, 1, said.occurred_at)), TimeUnfit
    )


@pytest.mark.backends("postgresql")
def test_keys_are_looked_up_only_where_repeats_are_about(
    driver: WalletDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first repeat is found by its unique key; for some commits after it, and after each other one, by looking."""
    looked: list[bool] = []
    real = Book.carry_out

    def watched(self: Book, wallet_id: UUID, commands: Sequence[Command], **how: bool) -> list[Outcome]:
        looked.append(how["looks"])
        return real(self, wallet_id, commands, **how)

    monkeypatch.setattr(Book, "carry_out", watched)
    monkeypatch.setattr(writer_module, "LOOKS", 3)
    driver.top_up("10")
    steps = (
        (1, [False]),
        (1, [False, True]),
        (2, [True]),
        (2, [True]),
        (3, [True]),
        (4, [True]),
        (5, [True]),
    )
    for number, expected in (*steps, (6, [False])):
        looked.clear()
        driver.one(call(number), Receipt)
        assert looked == expected

    assert driver.view().seq == 7


def test_the_first_thing_after_a_start_may_be_a_repeat(driver: WalletDriver) -> None:
    """Whoever was not answered before the bot went down asks again as soon as it is up; and others go on."""
    driver.top_up("10")
    first = driver.one(call(1), Receipt)
    driver.reopen()

    for number in range(2, 8):
        again = driver.one(call(1), Receipt)
        assert (again.seq, again.duplicate) == (first.seq, True)
        assert driver.one(call(number), Receipt).seq == first.seq + number - 1


def test_the_writer_counts_what_it_answered(driver: WalletDriver) -> None:
    """By kind, with the sizes of its commits; what it never took in is counted apart."""
    figures = driver.ledger.writer.throughput
    driver.top_up("20")
    posted, commits = figures.posted, sum(figures.by_size)
    driver.do(*(call(number) for number in range(100)))
    driver.do(
        call(1),
        call(1, "0.02"),
        OpenHold("h", OUTBOUND_CALL, usd("1")),
        OpenHold("i", OUTBOUND_CALL, usd("99")),
    )

    assert (figures.posted - posted, figures.repeated) == (100, 1)
    assert figures.holds == {"allowed": 1, "insufficient_available": 1}
    assert figures.refused == {"KeyReused": 1}
    assert sum(figures.by_size) == sum(figures.by_duration) == commits + 2
    assert figures.by_size[SIZES.index(256)] == 1
    assert figures.by_size[SIZES.index(4)] == 1
    assert figures.nanoseconds > 0
    assert (figures.failures, figures.busy) == (0, 0)
    with pytest.raises(Busy):
        driver.ledger.carry_out(driver.wallet_id, [call(1)] * (writer_module.WAITING_MAX + 1))
    with pytest.raises(WalletUnknown):
        driver.ledger.carry_out(new_wallet_id(), [call(1)])
    assert (figures.failures, figures.busy) == (1, 1)
    assert driver.ledger.writer.waiting == (0, 0)
