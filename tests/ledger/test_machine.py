"""Any order of commands, repeats and waits, against a model that is too simple to be wrong.

The model counts grace in whole minutes, which is what its clock moves by; everything else it recomputes from lists.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ledger import (
    AI_TASK,
    INBOUND_CALL,
    OUTBOUND_CALL,
    CaptureHold,
    Command,
    Correct,
    CorrectionTooLarge,
    CreditKind,
    ExtendHold,
    HistoryRow,
    HoldAnswer,
    HoldEnded,
    HoldReleased,
    HoldUnknown,
    KeyReused,
    OpenHold,
    Outcome,
    PostMoney,
    PostUsage,
    Receipt,
    Refused,
    ReleaseHold,
    Standing,
)
from tests.conftest import REQUIRE_ALL
from tests.ledger.wallet_driver import MORNING, WalletDriver, usd
from tests.postgres_server import Server

SIZE = os.environ.get("REDBAR_MACHINE") or ("100x50" if REQUIRE_ALL else "25x40")
"""Examples and steps of each; `REDBAR_MACHINE=500x50` for a long look."""
PARTS = 4
"""Walked apart, each from a seed of its own, so that they can be walked side by side."""
KINDS = (OUTBOUND_CALL, INBOUND_CALL, AI_TASK)
BUDGET, DAY, LIFETIME = 15, 24 * 60, 5
CEILING = usd("25")

amounts = st.integers(1, usd("12"))
kinds = st.sampled_from(KINDS)
names = st.integers(1, 6).map(lambda number: f"n{number}")
parents = st.none() | names


@dataclass
class ModelHold:
    """What the model knows of a hold."""

    kind: str
    asked: int
    parent: str | None
    inbound: bool
    amount: int
    ends: int
    state: str = "open"


@dataclass
class Model:
    """A wallet as a person with paper would keep it. Time in minutes."""

    now: int = 0
    balance: int = 0
    funded: bool = False
    keys: dict[str, tuple[object, ...]] = field(default_factory=dict)
    late: set[str] = field(default_factory=set)
    """Keys of usage that began after the stop."""
    amounts: dict[int, int] = field(default_factory=dict)
    given_back: dict[int, int] = field(default_factory=dict)
    corrections: set[int] = field(default_factory=set)
    seq: int = 0
    holds: dict[str, ModelHold] = field(default_factory=dict)
    emptied: int | None = None
    grace_until: int = 0
    grace_minutes: list[int] = field(default_factory=list)

    def live(self, name: str) -> bool:
        one = self.holds.get(name)
        return one is not None and one.state == "open" and self.now < one.ends

    def held(self) -> int:
        return sum(one.amount for name, one in self.holds.items() if self.live(name))

    def standing(self) -> Standing:
        if not self.funded:
            return Standing.NOT_CONNECTED
        if self.balance > 0:
            return Standing.OPEN
        graceful = self.now < self.grace_until and self.balance > -CEILING
        return Standing.GRACE if graceful else Standing.PAUSED

    def in_inbound_call(self, kind: str, parent: str | None) -> bool:
        """An AI task names an inbound call that was allowed; no other kind of work may hide in one."""
        call = self.holds.get(parent) if parent is not None else None
        return kind == AI_TASK and call is not None and call.kind == INBOUND_CALL and call.state != "refused"

    def judged_as_inbound(self, kind: str, parent: str | None) -> bool:
        inside = parent is not None and self.live(parent) and self.in_inbound_call(kind, parent)
        return kind == INBOUND_CALL or inside

    def stopped(self, kind: str, parent: str | None) -> bool:
        """Whether what is posted now began after its kind was stopped."""
        inbound = kind == INBOUND_CALL or self.in_inbound_call(kind, parent)
        return self.emptied is not None and (self.grace_until if inbound else self.emptied) <= self.now

    def may(self, amount: int, *, inbound: bool, own: int = 0) -> bool:
        left = self.balance - (self.held() - own) - amount
        match self.standing():
            case Standing.OPEN:
                return left >= 0
            case Standing.GRACE:
                return inbound and left >= -CEILING
            case _:
                return False

    def move(self, effect: int, *, refills: bool = False) -> None:
        self.seq += 1
        self.amounts[self.seq] = abs(effect)
        self.balance += effect
        if self.funded and self.balance <= 0 and self.emptied is None:
            used = sum(1 for minute in self.grace_minutes if minute >= self.now - DAY)
            self.emptied, self.grace_until = self.now, self.now + max(0, BUDGET - used)
        elif self.balance > 0 and self.emptied is not None:
            self.grace_minutes += range(self.emptied, min(self.now, self.grace_until))
            if refills:
                self.grace_minutes = []
            self.emptied = None


class WalletDrivers:
    """One wallet in each database: everything is done to all of them, and they have to say the same."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.all = [WalletDriver(url) for url in urls]

    def do(self, command: Command) -> Outcome:
        first, *others = [one for driver in self.all for one in driver.do(command)]
        for other in others:
            assert said(other) == said(first)
        return first

    def history(self) -> list[HistoryRow]:
        first, *others = [driver.history(limit=100) for driver in self.all]
        assert all(other == first for other in others)
        return first


def said(outcome: Outcome) -> object:
    """Give an outcome as something that compares."""
    return (type(outcome), str(outcome)) if isinstance(outcome, Refused) else outcome


class LedgerMachine(RuleBasedStateMachine):
    """Does the same to the ledgers and to the model, and compares."""

    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__()
        self.drivers = WalletDrivers(urls)
        self.model = Model()

    @initialize(micros=st.none() | st.integers(usd("1"), usd("40")))
    def begin(self, micros: int | None) -> None:
        """Many walks begin with money: without it nothing may start."""
        if micros is not None:
            self.money("first", micros, CreditKind.TOP_UP)

    def teardown(self) -> None:
        for driver in self.drivers.all:
            driver.close()

    def expect_posted(
        self, key: str, contents: tuple[object, ...], outcome: Outcome, *, late: bool = False
    ) -> bool:
        """Check how a key was answered; says whether it was new."""
        known = self.model.keys.get(key)
        if known is not None and known != contents:
            assert isinstance(outcome, KeyReused)
            return False
        assert isinstance(outcome, Receipt)
        assert outcome.duplicate is (known is not None)
        self.model.keys[key] = contents
        if known is None and late:
            self.model.late.add(key)
        assert outcome.after_stop is (key in self.model.late)
        return known is None

    @rule(name=names, micros=amounts, kind=kinds, parent=parents)
    def use(self, name: str, micros: int, kind: str, parent: str | None) -> None:
        outcome = self.drivers.do(PostUsage("platform", name, kind, micros, None, parent=parent))
        late = self.model.stopped(kind, parent)
        if self.expect_posted(f"platform:{name}", (kind, micros, None, parent), outcome, late=late):
            self.model.move(-micros)

    @rule(name=names, micros=amounts, hold=names)
    def use_with_a_hold(self, name: str, micros: int, hold: str) -> None:
        outcome = self.drivers.do(PostUsage("platform", name, OUTBOUND_CALL, micros, None, hold_id=hold))
        known = self.model.holds.get(hold)
        started = known is not None and known.state != "refused"
        late = not started and self.model.stopped(OUTBOUND_CALL, None)
        if self.expect_posted(f"platform:{name}", (OUTBOUND_CALL, micros, hold, None), outcome, late=late):
            if self.model.live(hold):
                self.model.holds[hold].state = "captured"
            self.model.move(-micros)

    @rule(name=names, micros=st.integers(1, usd("40")), kind=st.sampled_from(CreditKind))
    def money(self, name: str, micros: int, kind: CreditKind) -> None:
        outcome = self.drivers.do(PostMoney("stripe", name, kind, micros, None))
        if self.expect_posted(f"stripe:{name}", (kind.value, micros), outcome):
            out = kind in (CreditKind.REFUND, CreditKind.DISPUTE_WITHDRAWN, CreditKind.ADJUSTMENT_DOWN)
            self.model.funded = self.model.funded or not out
            paid = kind in (CreditKind.TOP_UP, CreditKind.RECHARGE) and micros >= usd("10")
            self.model.move(-micros if out else micros, refills=paid)

    @precondition(lambda self: self.model.seq > 0)
    @rule(name=names, which=st.integers(0, 10**6), micros=amounts)
    def correct(self, name: str, which: int, micros: int) -> None:
        seq = which % self.model.seq + 1
        if seq in self.model.corrections:
            return
        effect = next(row.amount_micros for row in self.drivers.history() if row.seq == seq)
        outcome = self.drivers.do(Correct("operator", name, seq, micros, None))
        left = self.model.amounts[seq] - self.model.given_back.get(seq, 0)
        if f"operator:{name}" not in self.model.keys and micros > left:
            assert isinstance(outcome, CorrectionTooLarge)
            assert outcome.left_micros == left
        elif self.expect_posted(f"operator:{name}", (seq, micros), outcome):
            self.model.given_back[seq] = self.model.given_back.get(seq, 0) + micros
            self.model.move(micros if effect < 0 else -micros)
            self.model.corrections.add(self.model.seq)

    @rule(name=names, micros=st.integers(1, usd("6")), kind=kinds, parent=parents)
    def ask(self, name: str, micros: int, kind: str, parent: str | None) -> None:
        outcome = self.drivers.do(OpenHold(name, kind, micros, parent=parent))
        known = self.model.holds.get(name)
        if known is not None:
            if (known.kind, known.asked, known.parent) != (kind, micros, parent):
                assert isinstance(outcome, KeyReused)
            else:
                assert isinstance(outcome, HoldAnswer)
                assert outcome.duplicate
                assert outcome.permit.allowed is (known.state != "refused")
            return
        assert isinstance(outcome, HoldAnswer)
        inbound = self.model.judged_as_inbound(kind, parent)
        allowed = self.model.may(micros, inbound=inbound)
        assert outcome.permit.allowed is allowed
        state = "open" if allowed else "refused"
        held = micros if allowed else 0
        ends = self.model.now + LIFETIME
        self.model.holds[name] = ModelHold(kind, micros, parent, inbound, held, ends, state)

    @precondition(lambda self: self.model.standing() in (Standing.OPEN, Standing.GRACE))
    @rule(micros=amounts, kind=kinds, posted=st.booleans())
    def do_more_inside_an_inbound_call(self, micros: int, kind: str, *, posted: bool) -> None:
        """After the stop, which chance alone seldom meets: may other work hide in a call, and tasks in that work?"""
        number = len(self.model.holds) + len(self.model.keys)
        call, inside = f"call-{number}", f"inside-{number}"
        self.ask(call, 1, INBOUND_CALL, None)
        if self.model.balance > 0:
            self.use(f"last-{number}", self.model.balance, OUTBOUND_CALL, None)
        if posted:
            self.use(inside, micros, kind, call)
            return
        self.ask(inside, micros, kind, call)
        self.extend(inside, None)
        self.ask(f"deeper-{number}", micros, AI_TASK, inside)

    @rule(name=names, micros=st.none() | st.integers(1, usd("6")))
    def extend(self, name: str, micros: int | None) -> None:
        outcome = self.drivers.do(ExtendHold(name, micros))
        if not self.ended(name, outcome):
            return
        one = self.model.holds[name]
        wanted = max(one.amount, micros or 0)
        allowed = self.model.may(wanted, inbound=one.inbound, own=one.amount)
        assert isinstance(outcome, HoldAnswer)
        assert outcome.permit.allowed is (allowed or one.inbound)
        if allowed or one.inbound:
            one.amount = wanted if allowed else one.amount
            one.ends = self.model.now + LIFETIME

    @rule(name=names, micros=st.integers(0, usd("6")))
    def capture(self, name: str, micros: int) -> None:
        outcome = self.drivers.do(CaptureHold(name, micros, None))
        key, contents = f"hold:{name}", (micros,)
        if key not in self.model.keys and not self.ended(name, outcome):
            return
        if self.expect_posted(key, contents, outcome):
            self.model.holds[name].state = "captured"
            self.model.move(-micros)

    @rule(name=names)
    def release(self, name: str) -> None:
        outcome = self.drivers.do(ReleaseHold(name))
        one = self.model.holds.get(name)
        if one is not None and one.state == "released":
            assert isinstance(outcome, HoldReleased)
            assert outcome.duplicate
        elif self.ended(name, outcome):
            assert isinstance(outcome, HoldReleased)
            self.model.holds[name].state = "released"

    def ended(self, name: str, outcome: Outcome) -> bool:
        """Check that a hold that is no longer live was refused; says whether it still is."""
        if name not in self.model.holds:
            assert isinstance(outcome, HoldUnknown)
            return False
        if not self.model.live(name):
            assert isinstance(outcome, HoldEnded)
            one = self.model.holds[name]
            assert outcome.ending == ("expired" if one.state == "open" else one.state)
            return False
        return True

    @rule(minutes=st.sampled_from([1, 1, 4, 5, 14, 15, 60, DAY]))
    def wait(self, minutes: int) -> None:
        for driver in self.drivers.all:
            driver.clock.skip(minutes=minutes)
        self.model.now += minutes

    @rule()
    def look(self) -> None:
        for driver in self.drivers.all:
            driver.observe()

    @rule()
    def restart(self) -> None:
        for driver in self.drivers.all:
            driver.reopen()

    @invariant()
    def all_say_the_same(self) -> None:
        model = self.model
        for driver in self.drivers.all:
            view = driver.view()
            assert (view.balance_micros, view.held_micros, view.seq) == (
                model.balance,
                model.held(),
                model.seq,
            )
            assert view.standing is model.standing()
            assert view.open_holds == sum(1 for name in model.holds if model.live(name))
            assert (view.emptied_at is None) is (model.emptied is None)
            if model.emptied is not None:
                assert view.grace_ends_at == MORNING + timedelta(minutes=model.grace_until)

    @invariant()
    def the_books_are_right(self) -> None:
        for driver in self.drivers.all:
            assert driver.findings(everybody=False) == []

    @invariant()
    def the_story_is_told_in_order(self) -> None:
        """A stop is told once and taken back before the next; at the end stands what is true now."""
        first, *others = [driver.told() for driver in self.drivers.all]
        assert all(other == first for other in others)
        story = [one for one in first if one in ("wallet.grace_started", "wallet.resumed")]
        assert all(before != after for before, after in pairwise(story))
        stopped = bool(story) and story[-1] == "wallet.grace_started"
        assert stopped is (self.model.emptied is not None)


@pytest.mark.parametrize("part", range(PARTS))
def test_the_ledgers_and_the_model_agree(
    blank: Path, tmp_path: Path, postgres_if_there: Server | None, request: pytest.FixtureRequest, part: int
) -> None:
    """Three backends, one story: a model on paper, SQLite, PostgreSQL. All invariants after every step."""
    urls = [f"sqlite:///{shutil.copy(blank, tmp_path)}"]
    if postgres_if_there is not None:
        urls.append(
            postgres_if_there.create(f"machine_{part}", template=request.getfixturevalue("blank_on_server"))
        )
    examples, steps = map(int, SIZE.split("x"))
    run_state_machine_as_test(
        seed(part)(partial(LedgerMachine, urls)),  # type: ignore[arg-type] # whatever makes a machine will do
        settings=settings(
            max_examples=-(-examples // PARTS),
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
