"""Any order of commands, repeats and waits, against a model that is too simple to be wrong.

Every refusal is predicted with the field that it names, and what is refused leaves everything as it was. A longer look:
`python -m tests.long machine`.
"""

import shutil
from collections.abc import Sequence
from datetime import datetime
from functools import partial
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
    CreditKind,
    ExtendHold,
    HoldAnswer,
    HoldReleased,
    KeyReused,
    OpenHold,
    Outcome,
    PostMoney,
    PostUsage,
    Reason,
    Receipt,
    Refused,
    ReleaseHold,
    Standing,
)
from tests.ledger.paper_model import DAY, UNIT, Charge, No, Paper
from tests.ledger.wallet_driver import MORNING, WalletDriver, usd
from tests.postgres_server import Server
from tests.sizes import size

SIZE = size("machine", local="12x40", ci="12x40", full="2000x50")
"""Examples and steps of each."""
PARTS = 4
"""Walked apart, each from a seed of its own, so that they can be walked side by side."""
BOOKS_EVERY = 10
KINDS = (OUTBOUND_CALL, INBOUND_CALL, AI_TASK)

amounts = st.integers(1, usd("10"))
kinds = st.sampled_from(KINDS)
names = st.integers(1, 6).map(lambda number: f"n{number}")
parents = st.none() | names


class WalletDrivers:
    """One wallet in each database: everything is done to all of them, and they have to say the same."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.all = [WalletDriver(url) for url in urls]
        self.paid: set[str] = set()

    def now(self) -> datetime:
        return self.all[0].clock.at

    def do(self, command: Command) -> Outcome:
        first, *others = [one for driver in self.all for one in driver.do(command)]
        for other in others:
            assert said(other) == said(first)
        return first


def said(outcome: Outcome) -> object:
    """Give an outcome as something that compares."""
    return (type(outcome), str(outcome)) if isinstance(outcome, Refused) else outcome


class LedgerMachine(RuleBasedStateMachine):
    """Does the same to the ledgers and to the model, and compares."""

    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__()
        self.drivers = WalletDrivers(urls)
        self.model = Paper()
        self.steps = 0

    @initialize(micros=st.none() | st.integers(usd("1"), usd("40")))
    def begin(self, micros: int | None) -> None:
        """Many walks begin with money: without it nothing may start."""
        if micros is not None:
            self.money("first", micros, CreditKind.TOP_UP)

    def teardown(self) -> None:
        try:
            self.check_the_books()
        finally:
            for driver in self.drivers.all:
                driver.close()

    def do(self, command: Command) -> Outcome:
        """Do a command everywhere."""
        self.model.commit()
        return self.drivers.do(command)

    @rule(
        name=names,
        micros=amounts,
        kind=kinds,
        hold=st.none() | names,
        parent=parents,
        ago=st.sampled_from([None, None, None, 0, 1, 10, 40, 600]),
    )
    def use(
        self,
        name: str,
        micros: int,
        kind: str,
        hold: str | None = None,
        parent: str | None = None,
        ago: int | None = None,
    ) -> None:
        at = None if ago is None else self.drivers.now() - ago * UNIT
        outcome = self.do(PostUsage("platform", name, kind, micros, at, parent=parent, hold_id=hold))
        expect_charge(outcome, self.model.use(name, kind, micros, hold, parent, ago))

    @rule(name=names, data=st.data())
    def use_of_what_is_known(self, name: str, data: st.DataObject) -> None:
        """The same cost through another door, which chance alone seldom meets."""
        known = self.model.cost_of(name) or self.model.cost_of(data.draw(names))
        if known is None:
            return
        door = data.draw(st.sampled_from(["capture", "own id", "names it", "another id"]))
        hold = known.key.partition(":")[2] if known.hold is None else known.hold
        if door == "capture":
            self.capture(hold, known.amount)
        else:
            by, named = {"own id": (hold, None), "names it": (name, hold), "another id": (f"{name}-b", hold)}[
                door
            ]
            self.use(by, known.amount, known.kind, named)

    @rule(name=names, micros=st.integers(1, usd("40")), kind=st.sampled_from(CreditKind))
    def money(self, name: str, micros: int, kind: CreditKind) -> None:
        outcome = self.do(PostMoney("stripe", name, kind, micros, None))
        model, contents = self.model, (kind.value, micros)
        known = model.money.setdefault(name, contents)
        if known != contents:
            assert no_of(outcome) == (KeyReused, "kind" if known[0] != kind.value else "amount")
            return
        assert isinstance(outcome, Receipt)
        if outcome.duplicate:
            assert name in self.paid
            return
        assert name not in self.paid
        self.paid.add(name)
        out = kind in (CreditKind.REFUND, CreditKind.DISPUTE_WITHDRAWN, CreditKind.ADJUSTMENT_DOWN)
        model.funded = model.funded or not out
        paid = kind in (CreditKind.TOP_UP, CreditKind.RECHARGE) and micros >= usd("10")
        model.move(-micros if out else micros, at=model.now, refills=paid)

    @rule(name=names, corrects=names, total=st.integers(0, usd("10")))
    def correct(self, name: str, corrects: str, total: int) -> None:
        outcome = self.do(Correct("operator", name, corrects, total, None))
        expected = self.model.correct(name, corrects, total)
        if isinstance(expected, tuple):
            assert no_of(outcome) == expected
        else:
            assert isinstance(outcome, Receipt)
            assert outcome.duplicate is expected

    @rule(name=names, micros=st.integers(0, usd("6")), kind=kinds, parent=parents)
    def ask(self, name: str, micros: int, kind: str, parent: str | None) -> None:
        outcome = self.do(OpenHold(name, kind, micros, parent=parent))
        expected = self.model.ask(name, kind, micros, parent)
        if not isinstance(expected[0], Reason):
            assert no_of(outcome) == expected
            return
        assert isinstance(outcome, HoldAnswer)
        assert (outcome.permit.reason, outcome.duplicate) == expected

    @rule(name=names)
    def ask_again(self, name: str) -> None:
        """The same question, whatever became of its work."""
        if (known := self.model.holds.get(name)) is not None:
            self.ask(name, known.asked, known.kind, known.parent)

    @precondition(lambda self: self.model.standing() in (Standing.OPEN, Standing.GRACE))
    @rule(micros=amounts, kind=kinds, posted=st.booleans())
    def do_more_inside_an_inbound_call(self, micros: int, kind: str, *, posted: bool) -> None:
        """After the stop, which chance alone seldom meets: may other work hide in a call, and tasks in that work?"""
        number = len(self.model.holds) + self.model.seq
        call, inside = f"call-{number}", f"inside-{number}"
        self.ask(call, 1, INBOUND_CALL, None)
        if self.model.balance > 0:
            self.use(f"last-{number}", self.model.balance, OUTBOUND_CALL)
        if posted:
            self.use(inside, micros, kind, None, call)
            return
        self.ask(inside, micros, kind, call)
        self.extend(inside, None)
        self.ask(f"deeper-{number}", micros, AI_TASK, inside)

    @rule(name=names, micros=st.none() | st.integers(1, usd("6")))
    def extend(self, name: str, micros: int | None) -> None:
        outcome = self.do(ExtendHold(name, micros))
        expected = self.model.extend(name, micros)
        if isinstance(expected, tuple):
            assert no_of(outcome) == expected
        else:
            assert isinstance(outcome, HoldAnswer)
            assert outcome.permit.allowed is expected

    @rule(name=names, micros=st.integers(0, usd("6")))
    def capture(self, name: str, micros: int) -> None:
        outcome = self.do(CaptureHold(name, micros, None))
        expect_charge(outcome, self.model.capture(name, micros))

    @rule(name=names)
    def release(self, name: str) -> None:
        outcome = self.do(ReleaseHold(name))
        expected = self.model.release(name)
        if isinstance(expected, tuple):
            assert no_of(outcome) == expected
        else:
            assert isinstance(outcome, HoldReleased)
            assert outcome.duplicate is expected

    @rule(units=st.sampled_from([1, 1, 2, 8, 10, 28, 30, 120, DAY]))
    def wait(self, units: int) -> None:
        for driver in self.drivers.all:
            driver.clock.at += units * UNIT
        self.model.wait(units)

    @rule()
    def look(self) -> None:
        self.model.commit()
        for driver in self.drivers.all:
            driver.observe()

    @rule()
    def restart(self) -> None:
        for driver in self.drivers.all:
            driver.reopen()

    @property
    def paid(self) -> set[str]:
        """The keys of money that were booked."""
        return self.drivers.paid

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
                assert view.grace_ends_at == MORNING + model.grace_until * UNIT

    @invariant()
    def the_books_are_right(self) -> None:
        """Looked at now and then, and at the end: what is wrong stays wrong, and walking all of it takes longest."""
        self.steps += 1
        if self.steps % BOOKS_EVERY == 0:
            self.check_the_books()

    def check_the_books(self) -> None:
        for driver in self.drivers.all:
            assert driver.findings(everybody=False) == []

    @invariant()
    def the_story_is_told_in_order(self) -> None:
        """Each emptying is told once; what can start again is not told as stopped."""
        first, *others = [driver.told() for driver in self.drivers.all]
        assert all(other == first for other in others)
        story = [one for one in first if one in ("wallet.grace_started", "wallet.resumed")]
        assert story.count("wallet.grace_started") == self.model.emptyings
        if self.model.balance >= usd("0.50") and story:
            assert story[-1] == "wallet.resumed"
        if self.model.emptied is not None:
            assert story[-1] == "wallet.grace_started"


def expect_charge(outcome: Outcome, expected: No | tuple[Charge, bool]) -> None:
    """Check how a cost was answered."""
    charge, before = expected
    if not isinstance(charge, Charge):
        assert no_of(outcome) == expected
        return
    assert isinstance(outcome, Receipt)
    assert (outcome.seq, outcome.duplicate, outcome.after_stop) == (charge.seq, before, charge.late)


def no_of(outcome: Outcome) -> No:
    """Give what a refusal says to a machine."""
    assert isinstance(outcome, Refused), outcome
    return type(outcome), getattr(outcome, "field", "") or getattr(outcome, "ending", "")


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
