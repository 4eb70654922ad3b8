"""A wallet as a person with paper would keep it: lists, counted again each time, too simple to be wrong.

Time is counted in half minutes: an answer may be acted on for one of them, a hold lasts ten, grace is thirty of 2,880.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ledger import (
    AI_TASK,
    INBOUND_CALL,
    CorrectionTooLarge,
    HoldEnded,
    HoldUnknown,
    KeyReused,
    Reason,
    Standing,
    UsageUnknown,
)
from tests.ledger.wallet_driver import MORNING, usd

UNIT = timedelta(seconds=30)
BUDGET, DAY, LIFETIME, PERMIT = 30, 2_880, 10, 1
CEILING = usd("25")
ZONE = ZoneInfo("America/New_York")

No = tuple[type[Exception], str]
"""A refusal that is expected: its class, and the field that it names or how the hold ended."""


@dataclass
class PaperHold:
    """What is known of a hold."""

    kind: str
    asked: int
    parent: str | None
    inbound: bool
    amount: int
    opened: int
    ends: int
    valid: int
    state: str
    reason: Reason
    standing: Standing
    judged: int


@dataclass(frozen=True)
class Charge:
    """What a piece of work cost."""

    seq: int
    key: str
    kind: str
    amount: int
    hold: str | None = None
    parent: str | None = None
    at: int | None = None
    late: bool = False


@dataclass
class Paper:
    """The wallet."""

    now: int = 0
    balance: int = 0
    funded: bool = False
    seq: int = 0
    usage: dict[str, Charge] = field(default_factory=dict)
    """The platform's usage by id."""
    charged: dict[str, Charge] = field(default_factory=dict)
    """By the id of a hold, or a further id."""
    money: dict[str, tuple[object, ...]] = field(default_factory=dict)
    corrections: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By id: the number of what it corrects, and the total that it made."""
    totals: dict[int, int] = field(default_factory=dict)
    """By number of usage: what it costs now."""
    holds: dict[str, PaperHold] = field(default_factory=dict)
    emptied: int | None = None
    grace_until: int = 0
    graceful: list[int] = field(default_factory=list)
    """Half minutes of grace that were used."""
    stopped: list[tuple[bool, bool]] = field(default_factory=list)
    """For each half minute that is over: whether inbound was stopped at its end, and everything else."""
    spent: dict[str, int] = field(default_factory=dict)
    """By local month."""
    ceiling: int = CEILING
    month: str = ""
    emptyings: int = 0

    # --- Time ----------------------------------------------------------------------------------------------

    def wait(self, units: int) -> None:
        """Let time pass."""
        for _ in range(units):
            self.stopped.append(self.stops_now())
            self.now += 1

    def stops_now(self) -> tuple[bool, bool]:
        """Say whether inbound work is stopped now, and everything else."""
        standing = self.standing()
        return standing in (Standing.NOT_CONNECTED, Standing.PAUSED), standing is not Standing.OPEN

    def local(self, unit: int) -> datetime:
        """Give the local time of a half minute."""
        return (MORNING + unit * UNIT).astimezone(ZONE)

    def draw(self) -> int:
        """Draw the ceiling from what was used in the month before."""
        first = self.local(self.now).replace(day=1)
        before = f"{first - timedelta(days=1):%Y-%m}"
        return max(CEILING, self.spent.get(before, 0) * 5 // 100)

    def commit(self) -> None:
        """Do what the first commit of a month does."""
        month = f"{self.local(self.now):%Y-%m}"
        if month != self.month:
            self.month, self.ceiling = month, self.draw()

    # --- What may start ------------------------------------------------------------------------------------

    def live(self, name: str | None) -> bool:
        """Say whether a hold holds."""
        one = self.holds.get(name or "")
        return one is not None and one.state == "open" and self.now < one.ends

    def held(self) -> int:
        """Sum up what is held."""
        return sum(one.amount for name, one in self.holds.items() if self.live(name))

    def standing(self) -> Standing:
        """Judge the standing."""
        if not self.funded:
            return Standing.NOT_CONNECTED
        if self.balance > 0:
            return Standing.OPEN
        ceiling = self.ceiling if f"{self.local(self.now):%Y-%m}" == self.month else self.draw()
        graceful = self.now < self.grace_until and self.balance > -ceiling
        return Standing.GRACE if graceful else Standing.PAUSED

    def inside(self, kind: str, parent: str | None) -> bool:
        """Say whether an AI task names an inbound call that was allowed; no other kind of work may hide in one."""
        call = self.holds.get(parent or "")
        return kind == AI_TASK and call is not None and call.kind == INBOUND_CALL and call.state != "refused"

    def judge(self, amount: int, *, inbound: bool, own: int = 0) -> Reason:
        """Give the reason for a yes or a no."""
        left = self.balance - (self.held() - own) - amount
        standing = self.standing()
        if amount == 0:
            return Reason.FREE_OF_CHARGE
        if standing is Standing.NOT_CONNECTED:
            return Reason.NOT_CONNECTED
        if standing is Standing.PAUSED:
            return Reason.GRACE_USED if self.now >= self.grace_until else Reason.OVERDRAFT_CEILING
        if inbound:
            return Reason.ALLOWED if left >= -self.ceiling else Reason.OVERDRAFT_CEILING
        if standing is Standing.GRACE:
            return Reason.EMPTY
        return Reason.ALLOWED if left >= 0 else Reason.INSUFFICIENT_AVAILABLE

    def ask(self, name: str, kind: str, asked: int, parent: str | None) -> No | tuple[Reason, bool]:
        """Ask whether work may start; gives the reason, and whether it is an earlier answer."""
        known = self.holds.get(name)
        if known is not None:
            for what, before, now in (
                ("kind", known.kind, kind),
                ("estimate", known.asked, asked),
                ("parent", known.parent, parent),
            ):
                if before != now:
                    return KeyReused, what
        if self.cost_of(name) is not None or (known is not None and known.state == "released"):
            return (Reason.ENDED if known is not None else Reason.ALREADY_CHARGED), True
        if known is not None and self.now < known.valid:
            return known.reason, True
        own = known.amount if known is not None and self.live(name) else 0
        amount = max(asked, own)
        inbound = kind == INBOUND_CALL or (self.live(parent) and self.inside(kind, parent))
        reason = self.judge(amount, inbound=inbound, own=own)
        allowed = reason in (Reason.ALLOWED, Reason.FREE_OF_CHARGE)
        self.holds[name] = PaperHold(
            kind,
            asked,
            parent,
            inbound,
            amount if allowed else 0,
            known.opened if known is not None and self.live(name) else self.now,
            self.now + LIFETIME,
            self.now + PERMIT,
            "open" if allowed else "refused",
            reason,
            self.standing(),
            self.now,
        )
        return reason, False

    def extend(self, name: str, micros: int | None) -> No | bool:
        """Ask for more; gives whether the work may go on."""
        if (no := self.ended(name)) is not None:
            return no
        one = self.holds[name]
        wanted = max(one.amount, micros or 0)
        reason = self.judge(wanted, inbound=one.inbound, own=one.amount)
        allowed = reason in (Reason.ALLOWED, Reason.FREE_OF_CHARGE)
        if not allowed and not one.inbound:
            return False
        one.amount = wanted if allowed else one.amount
        one.ends, one.valid = self.now + LIFETIME, self.now + PERMIT
        if reason is Reason.ALLOWED:
            one.reason, one.standing = reason, self.standing()
        return True

    def release(self, name: str) -> No | bool:
        """Give a hold back; gives whether that had happened before."""
        one = self.holds.get(name)
        if one is not None and one.state == "released":
            return True
        if (no := self.ended(name)) is not None:
            return no
        self.holds[name].state = "released"
        return False

    def ended(self, name: str) -> No | None:
        """Say why a hold cannot go on."""
        one = self.holds.get(name)
        if one is None:
            return HoldUnknown, ""
        if not self.live(name):
            return HoldEnded, "expired" if one.state == "open" else one.state
        return None

    # --- What work costs -----------------------------------------------------------------------------------

    def cost_of(self, name: str) -> Charge | None:
        """Find what an id was charged."""
        return self.charged.get(name) or self.usage.get(name)

    def use(
        self, name: str, kind: str, amount: int, hold: str | None, parent: str | None, ago: int | None
    ) -> No | tuple[Charge, bool]:
        """Post usage; gives what was charged, and whether it had been before."""
        at = None if ago is None else self.now - ago
        new = Charge(0, f"platform:{name}", kind, amount, None if hold == name else hold, parent, at)
        if name in self.usage:
            return self.repeated(self.usage[name], new)
        own, other = self.charged.get(name), self.cost_of(hold) if hold is not None else None
        if hold is not None and hold != name:
            if name in self.holds or (own is not None and (other is None or own.seq != other.seq)):
                return KeyReused, "hold"
            target: str | None = hold
        else:
            target = name if hold is not None or own is not None or name in self.holds else None
        charge = self.cost_of(target) if target is not None else None
        if charge is not None:
            if charge.key == new.key:
                return self.repeated(charge, new)
            if (no := self.unlike(charge, new)) is not None:
                return no
            if name != target:
                self.charged.setdefault(name, charge)
            return charge, True
        charge = self.charge(new, target)
        self.usage[name] = charge
        return charge, False

    def capture(self, name: str, amount: int) -> No | tuple[Charge, bool]:
        """Charge a hold; gives what was charged, and whether it had been before."""
        hold, charge = self.holds.get(name), self.cost_of(name)
        if hold is None and charge is None:
            return HoldUnknown, ""
        kind = hold.kind if hold is not None else charge.kind if charge is not None else ""
        new = Charge(0, f"hold:{name}", kind, amount, None, hold.parent if hold is not None else None)
        if charge is not None:
            return self.unlike(charge, new) or (charge, True)
        return self.charge(new, name), False

    def charge(self, new: Charge, hold_id: str | None) -> Charge:
        """Book what is new."""
        late = new.amount > 0 and self.began_after_stop(new, hold_id)
        if hold_id is not None and self.live(hold_id):
            self.holds[hold_id].state = "captured"
        at = self.now if new.at is None else new.at
        self.move(-new.amount, at=at, usage=True)
        done = replace(new, seq=self.seq, late=late)
        self.totals[self.seq] = new.amount
        if hold_id is not None:
            self.charged[hold_id] = done
        return done

    def began_after_stop(self, new: Charge, hold_id: str | None) -> bool:
        """Say whether work began after its kind was stopped."""
        hold = self.holds.get(hold_id or "")
        if hold is not None:
            unasked = hold.state == "refused" or hold.reason is Reason.FREE_OF_CHARGE
            stopped = {Standing.OPEN: False, Standing.GRACE: not hold.inbound}.get(hold.standing, True)
            if unasked and stopped:
                return True
            if hold.state != "refused":
                return False
        began = self.now if new.at is None else new.at
        if began < 0:
            return False  # there was no wallet
        inbound, others = self.stopped[began] if began < self.now else self.stops_now()
        return inbound if new.kind == INBOUND_CALL or self.inside(new.kind, new.parent) else others

    def repeated(self, known: Charge, new: Charge) -> No | tuple[Charge, bool]:
        """Answer an id that came before."""
        for what in ("kind", "amount", "hold", "parent"):
            if getattr(known, what) != getattr(new, what):
                return KeyReused, what
        if None not in (known.at, new.at) and known.at != new.at:
            return KeyReused, "occurred_at"
        return known, True

    def unlike(self, known: Charge, new: Charge) -> No | None:
        """Say what differs in another cost of the same work."""
        for what in ("kind", "amount"):
            if getattr(known, what) != getattr(new, what):
                return KeyReused, what
        if None not in (known.at, new.at) and known.at != new.at:
            return KeyReused, "occurred_at"
        return None

    def correct(self, name: str, corrects: str, total: int) -> No | bool:
        """Lower a cost; gives whether that is nothing new."""
        charge = self.cost_of(corrects)
        if charge is None:
            return UsageUnknown, "corrects"
        if name in self.corrections:
            seq, before = self.corrections[name]
            if seq != charge.seq:
                return KeyReused, "corrects"
            return True if before == total else (KeyReused, "amount")
        booked = self.totals[charge.seq]
        if total > booked:
            return CorrectionTooLarge, "amount"
        if total == booked:
            return True
        self.corrections[name] = charge.seq, total
        self.totals[charge.seq] = total
        self.move(booked - total, at=self.now, usage=True)
        return False

    # --- Money ---------------------------------------------------------------------------------------------

    def move(self, effect: int, *, at: int, usage: bool = False, refills: bool = False) -> None:
        """Move the balance, and keep the books of grace."""
        drawn = self.draw()
        self.seq += 1
        if usage:
            month = f"{self.local(at):%Y-%m}"
            self.spent[month] = self.spent.get(month, 0) - effect
        self.balance += effect
        if self.funded and self.balance <= 0 and self.emptied is None:
            used = sum(1 for unit in self.graceful if unit >= self.now - DAY)
            self.emptied, self.grace_until = self.now, self.now + max(0, BUDGET - used)
            self.ceiling = drawn
            self.emptyings += 1
        elif self.balance > 0 and self.emptied is not None:
            self.graceful += range(self.emptied, min(self.now, self.grace_until))
            if refills:
                self.graceful = []
            self.emptied = None
