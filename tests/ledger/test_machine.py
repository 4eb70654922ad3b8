"""Any order of commands, repeats and waits, against a model that is too simple to be wrong.

The model counts grace in whole minutes, which is what its clock moves by; everything else it recomputes from lists.
"""

import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ledger import (
    AI_TASK,
    INBOUND_CALL,
    OUTBOUND_CALL,
    CaptureHold,
    Correct,
    CorrectionTooLarge,
    CreditKind,
    ExtendHold,
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
    ReleaseHold,
    Standing,
)
from tests.ledger.desk import MORNING, Desk, usd

KINDS = (OUTBOUND_CALL, INBOUND_CALL, AI_TASK)
BUDGET, DAY, LIFETIME = 15, 24 * 60, 5
CEILING = usd("25")

amounts = st.integers(1, usd("12"))
kinds = st.sampled_from(KINDS)
names = st.integers(1, 6).map(lambda number: f"n{number}")


@dataclass
class Held:
    """What the model knows of a hold."""

    kind: str
    asked: int
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
    amounts: dict[int, int] = field(default_factory=dict)
    given_back: dict[int, int] = field(default_factory=dict)
    corrections: set[int] = field(default_factory=set)
    seq: int = 0
    holds: dict[str, Held] = field(default_factory=dict)
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

    def may(self, kind: str, amount: int, *, own: int = 0) -> bool:
        left = self.balance - (self.held() - own) - amount
        match self.standing():
            case Standing.OPEN:
                return left >= 0
            case Standing.GRACE:
                return kind == INBOUND_CALL and left >= -CEILING
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


class LedgerMachine(RuleBasedStateMachine):
    """Does the same to the ledger and to the model, and compares."""

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.desk = Desk(Path(self.folder.name) / "books.db")
        self.model = Model()

    def teardown(self) -> None:
        self.desk.close()
        self.folder.cleanup()

    def expect_posted(self, key: str, contents: tuple[object, ...], outcome: Outcome) -> bool:
        """Check how a key was answered; says whether it was new."""
        known = self.model.keys.get(key)
        if known is not None and known != contents:
            assert isinstance(outcome, KeyReused)
            return False
        assert isinstance(outcome, Receipt)
        assert outcome.duplicate is (known is not None)
        self.model.keys[key] = contents
        return known is None

    @rule(name=names, micros=amounts, kind=kinds)
    def use(self, name: str, micros: int, kind: str) -> None:
        (outcome,) = self.desk.do(PostUsage("platform", name, kind, micros, None))
        if self.expect_posted(f"platform:{name}", (kind, micros, None), outcome):
            self.model.move(-micros)

    @rule(name=names, micros=amounts, hold=names)
    def use_with_a_hold(self, name: str, micros: int, hold: str) -> None:
        (outcome,) = self.desk.do(PostUsage("platform", name, OUTBOUND_CALL, micros, None, hold_id=hold))
        if self.expect_posted(f"platform:{name}", (OUTBOUND_CALL, micros, hold), outcome):
            if self.model.live(hold):
                self.model.holds[hold].state = "captured"
            self.model.move(-micros)

    @rule(name=names, micros=st.integers(1, usd("40")), kind=st.sampled_from(CreditKind))
    def money(self, name: str, micros: int, kind: CreditKind) -> None:
        (outcome,) = self.desk.do(PostMoney("stripe", name, kind, micros, None))
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
        effect = next(row.amount_micros for row in self.desk.history(limit=100) if row.seq == seq)
        (outcome,) = self.desk.do(Correct("operator", name, seq, micros, None))
        left = self.model.amounts[seq] - self.model.given_back.get(seq, 0)
        if f"operator:{name}" not in self.model.keys and micros > left:
            assert isinstance(outcome, CorrectionTooLarge)
            assert outcome.left_micros == left
        elif self.expect_posted(f"operator:{name}", (seq, micros), outcome):
            self.model.given_back[seq] = self.model.given_back.get(seq, 0) + micros
            self.model.move(micros if effect < 0 else -micros)
            self.model.corrections.add(self.model.seq)

    @rule(name=names, micros=st.integers(1, usd("6")), kind=kinds)
    def ask(self, name: str, micros: int, kind: str) -> None:
        (outcome,) = self.desk.do(OpenHold(name, kind, micros))
        known = self.model.holds.get(name)
        if known is not None:
            if (known.kind, known.asked) != (kind, micros):
                assert isinstance(outcome, KeyReused)
            else:
                assert isinstance(outcome, HoldAnswer)
                assert outcome.duplicate
                assert outcome.permit.allowed is (known.state != "refused")
            return
        assert isinstance(outcome, HoldAnswer)
        allowed = self.model.may(kind, micros)
        assert outcome.permit.allowed is allowed
        state = "open" if allowed else "refused"
        held = micros if allowed else 0
        self.model.holds[name] = Held(kind, micros, held, self.model.now + LIFETIME, state)

    @rule(name=names, micros=st.none() | st.integers(1, usd("6")))
    def extend(self, name: str, micros: int | None) -> None:
        (outcome,) = self.desk.do(ExtendHold(name, micros))
        if not self.ended(name, outcome):
            return
        one = self.model.holds[name]
        wanted = max(one.amount, micros or 0)
        allowed = self.model.may(one.kind, wanted, own=one.amount)
        assert isinstance(outcome, HoldAnswer)
        assert outcome.permit.allowed is (allowed or one.kind == INBOUND_CALL)
        if allowed or one.kind == INBOUND_CALL:
            one.amount = wanted if allowed else one.amount
            one.ends = self.model.now + LIFETIME

    @rule(name=names, micros=st.integers(0, usd("6")))
    def capture(self, name: str, micros: int) -> None:
        (outcome,) = self.desk.do(CaptureHold(name, micros, None))
        key, contents = f"hold:{name}", (micros,)
        if key not in self.model.keys and not self.ended(name, outcome):
            return
        if self.expect_posted(key, contents, outcome):
            self.model.holds[name].state = "captured"
            self.model.move(-micros)

    @rule(name=names)
    def release(self, name: str) -> None:
        (outcome,) = self.desk.do(ReleaseHold(name))
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
        self.desk.clock.skip(minutes=minutes)
        self.model.now += minutes

    @rule()
    def look(self) -> None:
        self.desk.observe()

    @rule()
    def restart(self) -> None:
        self.desk.reopen()

    @invariant()
    def both_say_the_same(self) -> None:
        view, model = self.desk.view(), self.model
        assert (view.balance_micros, view.held_micros, view.seq) == (model.balance, model.held(), model.seq)
        assert view.standing is model.standing()
        assert view.open_holds == sum(1 for name in model.holds if model.live(name))
        assert (view.emptied_at is None) is (model.emptied is None)
        if model.emptied is not None:
            assert view.grace_ends_at == MORNING + timedelta(minutes=model.grace_until)

    @invariant()
    def the_books_are_right(self) -> None:
        assert self.desk.findings() == []

    @invariant()
    def the_story_is_told_in_order(self) -> None:
        """A stop is told once and taken back before the next; at the end stands what is true now."""
        story = [one for one in self.desk.told() if one in ("wallet.grace_started", "wallet.resumed")]
        assert all(before != after for before, after in pairwise(story))
        stopped = bool(story) and story[-1] == "wallet.grace_started"
        assert stopped is (self.model.emptied is not None)


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
