"""What follows from money and time, as a pure function: which notices, in which order, and what is remembered."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from ledger import Automatic, Funds, RechargeRule, WalletPolicy
from ledger.alert_policy import Lines, Moment, Watch, consequences, short_runway
from ledger.notices import (
    Level,
    Notice,
    RechargeWanted,
    WalletEmptied,
    WalletLow,
    WalletPaused,
    WalletRecovered,
    WalletResumed,
)
from ledger.spending import Burn
from tests.ledger.wallet_driver import MORNING, usd

LINES = Lines(usd("50"), usd("12.50"))
FIRST, SECOND = UUID(int=1), UUID(int=2)
MOMENT, HALF_HOUR = timedelta(microseconds=1), timedelta(minutes=30)
GRACE = timedelta(minutes=15)
RULE = RechargeRule(threshold_micros=usd("50"), target_micros=usd("200"))

A_HUNDRED = Moment(Funds(usd("100"), 0, True, None, None, usd("25")), LINES, trouble=False)


@dataclass
class Story:
    """One wallet whose money and time a test moves."""

    policy: WalletPolicy = field(default_factory=WalletPolicy)
    lines: Lines = LINES
    now: datetime = MORNING
    watch: Watch = field(default_factory=Watch)
    at: Moment = A_HUNDRED

    def becomes(
        self,
        balance: str | int | None = None,
        *,
        held: str | None = None,
        trouble: bool = False,
        funded: bool = True,
        later: timedelta = timedelta(0),
        new: UUID = FIRST,
        grace_cost: str = "0",
    ) -> Sequence[Notice]:
        """Let money and time move; gives what is told of it."""
        self.now += later
        micros = balance if isinstance(balance, int) else usd(balance) if balance is not None else None
        funds = self.at.funds if micros is None else replace(self.at.funds, balance_micros=micros)
        funds = replace(funds, funded=funded, held_micros=usd(held) if held else funds.held_micros)
        if funds.balance_micros > 0:
            funds = replace(funds, emptied_at=None, grace_ends_at=None)
        elif funds.emptied_at is None:
            funds = replace(funds, emptied_at=self.now, grace_ends_at=self.now + GRACE)
        before, self.at = self.at, Moment(funds, self.lines, trouble, usd(grace_cost))
        told, self.watch = consequences(
            before, self.at, self.policy, self.watch, self.now, new_episode_id=new, cause=("stripe", "pi_1")
        )
        return told

    def passes(self, later: timedelta) -> Sequence[Notice]:
        """Let time alone pass."""
        self.now += later
        told, self.watch = consequences(
            self.at, self.at, self.policy, self.watch, self.now, new_episode_id=SECOND, cause=("", "")
        )
        return told


def low(level: Level, balance: str, *, available: str | None = None, episode: UUID = FIRST) -> WalletLow:
    return WalletLow(episode, level, usd(balance), usd(available or balance))


def test_a_wallet_falls_through_its_levels_inside_one_episode() -> None:
    """Each level once; a further posting at the same level tells nothing."""
    one = Story()
    assert one.becomes("50.000001") == []
    assert one.becomes("50") == [low(Level.WARNING, "50")]
    assert one.watch.announced_line_micros == usd("50")
    assert one.becomes("40", new=SECOND) == []
    assert one.becomes("12.50", new=SECOND) == [low(Level.CRITICAL, "12.50")]
    assert one.watch.announced_line_micros == usd("12.50")
    assert one.becomes("0.499999", new=SECOND) == [low(Level.ZERO, "0.499999")]
    assert one.watch.announced_line_micros == usd("0.50")
    assert (one.watch.episode_id, one.watch.episode_level) == (FIRST, Level.ZERO)
    assert one.becomes("0", new=SECOND) == [WalletEmptied(FIRST, MORNING, MORNING + GRACE, 0)]


def test_what_is_held_lowers_what_is_available_and_not_the_balance() -> None:
    """A notice names both."""
    one = Story()
    assert one.becomes("100", held="60") == [low(Level.WARNING, "100", available="40")]


def test_a_wallet_that_empties_at_once_is_told_of_that_alone() -> None:
    """The level goes with it; grace begins at that instant."""
    one = Story()
    assert one.becomes("-3") == [WalletEmptied(FIRST, MORNING, MORNING + GRACE, usd("-3"))]
    assert (one.watch.announced, one.watch.episode_level) == (Level.ZERO, Level.ZERO)
    assert one.becomes("-4") == []


def test_a_pause_is_told_once_when_grace_is_used_up() -> None:
    """By time alone, at the end of the grace and not a moment before."""
    one = Story()
    one.becomes("-3")
    assert one.passes(GRACE - MOMENT) == []
    assert one.passes(MOMENT + GRACE) == [WalletPaused(FIRST, MORNING, MORNING + GRACE, usd("-3"))]
    assert one.watch.paused_said
    assert one.passes(GRACE) == []


def test_a_pause_at_the_ceiling_begins_now() -> None:
    """Grace is left, and may not be used any further."""
    one = Story()
    one.becomes("-3")
    told = one.becomes("-25", later=timedelta(minutes=4))
    assert told == [WalletPaused(FIRST, MORNING, MORNING + timedelta(minutes=4), usd("-25"))]


def test_falling_through_everything_in_one_posting_tells_both() -> None:
    """The stop and the pause, in this order."""
    one = Story()
    assert one.becomes("-25") == [
        WalletEmptied(FIRST, MORNING, MORNING + GRACE, usd("-25")),
        WalletPaused(FIRST, MORNING, MORNING, usd("-25")),
    ]


def test_what_comes_back_is_told_with_what_it_cost() -> None:
    """The episode ends; a new fall begins another."""
    one = Story()
    one.becomes("-3")
    one.becomes("-4", grace_cost="4")
    told = one.becomes("100", later=timedelta(minutes=2))
    assert told == [
        WalletResumed(FIRST, MORNING, MORNING + timedelta(minutes=2), usd("4"), usd("100"), "stripe", "pi_1")
    ]
    assert one.watch == Watch()
    assert one.becomes("50", new=SECOND) == [low(Level.WARNING, "50", episode=SECOND)]


def test_what_comes_back_below_a_line_is_low_at_once_in_a_new_episode() -> None:
    """It runs again, and is still low: both are told."""
    one = Story()
    one.becomes("-3")
    told = one.becomes("10", new=SECOND)
    assert [type(notice) for notice in told] == [WalletResumed]
    # The level fell to critical with the money, so it is remembered as said.
    assert (one.watch.announced, one.watch.episode_id) == (Level.CRITICAL, None)


def test_a_payment_that_leaves_less_than_a_call_needs_resumes_nothing() -> None:
    """The balance is above zero, and the alarm goes on."""
    one = Story()
    one.becomes("-3")
    assert one.becomes("0.499999") == []
    assert one.watch.announced is Level.ZERO
    assert [type(notice) for notice in one.becomes("0.50")] == [WalletResumed]


def test_the_first_money_resumes_a_wallet_that_was_never_funded() -> None:
    """Outside any episode; without money nothing is told."""
    one = Story(at=Moment(Funds(0, 0, False, None, None, 0), LINES, trouble=False))
    assert one.becomes("100") == [WalletResumed(None, None, MORNING, 0, usd("100"), "stripe", "pi_1")]
    assert one.watch == Watch()


@pytest.mark.parametrize("balance", ["0", "-2"])
def test_a_wallet_that_is_still_empty_is_not_told_to_run(balance: str) -> None:
    """Its first transfer did not bring it above zero."""
    one = Story(at=Moment(Funds(usd("-5"), 0, False, MORNING, MORNING + GRACE, usd("25")), LINES, False))
    told = one.becomes(balance)
    assert WalletResumed not in [type(notice) for notice in told]


def test_an_episode_that_never_reached_zero_recovers() -> None:
    """By money that came in, above the line; the same amount on the line ends nothing."""
    one = Story()
    one.becomes("40")
    assert one.becomes("50") == []
    assert one.becomes("50.000001") == [WalletRecovered(FIRST)]
    assert one.watch == Watch()


def test_money_that_came_in_lowers_a_level_silently() -> None:
    """From critical to warning nothing is told, and a second fall is."""
    one = Story()
    one.becomes("10")
    assert one.becomes("30") == []
    assert (one.watch.announced, one.watch.announced_line_micros) == (Level.WARNING, usd("50"))
    assert one.watch.episode_level is Level.CRITICAL
    assert one.becomes("9", new=SECOND) == [low(Level.CRITICAL, "9")]


def test_money_that_was_only_held_ends_an_alarm_after_half_an_hour_well_above_its_line() -> None:
    """110 % of the line is well above; the half hour begins there and ends the alarm at its last moment."""
    one = Story()
    one.becomes("100", held="60")
    assert one.becomes(held="45") == []
    assert one.watch.falls_at is None, "55 is 110 % of 50, and not above it"
    assert one.becomes(held="44.999999", later=timedelta(minutes=1)) == []
    assert one.watch.falls_at == one.now + HALF_HOUR
    assert one.passes(HALF_HOUR - MOMENT) == []
    assert one.passes(MOMENT) == [WalletRecovered(FIRST)]
    assert one.watch == Watch()


def test_a_dip_begins_the_half_hour_anew() -> None:
    """However short it was."""
    one = Story()
    one.becomes("100", held="60")
    one.becomes(held="20")
    one.becomes(held="50", later=timedelta(minutes=29))
    assert one.watch.falls_at is None
    one.becomes(held="20")
    assert one.watch.falls_at == one.now + HALF_HOUR
    assert one.passes(HALF_HOUR - MOMENT) == []
    assert one.passes(MOMENT) == [WalletRecovered(FIRST)]


def test_each_level_takes_a_half_hour_of_its_own() -> None:
    """Critical falls to warning, and a half hour later warning ends."""
    one = Story()
    one.becomes("100", held="90")
    assert one.watch.announced is Level.CRITICAL
    one.becomes(held="1")
    assert one.passes(HALF_HOUR) == []
    assert (one.watch.announced, one.watch.falls_at) == (Level.WARNING, one.now + HALF_HOUR)
    assert one.passes(HALF_HOUR) == [WalletRecovered(FIRST)]


@pytest.mark.parametrize(
    ("balance", "held", "line"),
    [("100", "60", Lines(usd("20"), usd("5"))), ("100", "90", Lines(usd("40"), usd("1")))],
    ids=["warning", "critical"],
)
def test_a_line_that_moves_down_ends_nothing(balance: str, held: str, line: Lines) -> None:
    """Nothing came in, and the money is not well above the line that was announced."""
    one = Story()
    one.becomes(balance, held=held)
    announced = one.watch.announced
    one.lines = line
    assert one.becomes(balance) == []
    one.passes(HALF_HOUR)
    assert one.passes(HALF_HOUR) == []
    assert one.watch.announced is announced


@pytest.mark.parametrize(("balance", "falls"), [("9", False), ("10.999999", False), ("11", True)])
def test_a_zero_that_was_announced_ends_well_above_its_own_line(balance: str, falls: bool) -> None:
    """By time: the balance has to be 110 % of the smallest hold as it was announced, however small it is now."""
    one = Story(policy=WalletPolicy(default_hold_micros=usd("10")))
    one.becomes("9")
    assert one.watch.announced is Level.ZERO
    one.policy = WalletPolicy(default_hold_micros=usd("1"))
    one.at = replace(one.at, funds=replace(one.at.funds, balance_micros=usd(balance)))

    assert one.passes(timedelta(0)) == []

    assert one.watch.falls_at == (one.now + HALF_HOUR if falls else None)


ON = WalletPolicy(automatic=Automatic.ON, rule=RULE)


def test_warnings_are_silent_while_automatic_payments_work() -> None:
    """A recharge is wanted once a crossing; trouble makes the warning critical."""
    one = Story(policy=ON)
    assert one.becomes("50") == []
    assert one.becomes("49.999999") == [RechargeWanted()]
    assert one.becomes("45") == []
    assert one.watch.recharge_said
    assert one.becomes("60") == []
    assert not one.watch.recharge_said
    assert one.becomes("49") == [RechargeWanted()]
    assert one.becomes("48", trouble=True) == [low(Level.CRITICAL, "48")]


def test_an_alarm_from_before_ends_when_the_rule_is_on_and_money_came() -> None:
    """Above the critical line nothing is said any more: the warning is silent."""
    one = Story(policy=ON)
    assert one.becomes("10") == [low(Level.CRITICAL, "10"), RechargeWanted()]
    assert one.becomes("49") == []
    assert one.watch.announced is Level.WARNING


def test_everything_that_one_posting_brings_is_told_in_order() -> None:
    """Low or empty, then paused, then the charge that is wanted."""
    one = Story(policy=ON)
    assert one.becomes("-25") == [
        WalletEmptied(FIRST, MORNING, MORNING + GRACE, usd("-25")),
        WalletPaused(FIRST, MORNING, MORNING, usd("-25")),
        RechargeWanted(),
    ]


def test_the_next_pause_is_told_again() -> None:
    """Being above zero in between forgets the first."""
    one = Story()
    one.becomes("-25")
    one.becomes("0.10")
    assert not one.watch.paused_said
    told = one.becomes("-25")
    assert [type(notice) for notice in told] == [WalletEmptied, WalletPaused]


def test_a_pause_is_forgotten_above_zero_and_not_at_it() -> None:
    """A micro-unit is enough; at zero the wallet is still stopped, and its pause was told."""
    one = Story()
    one.becomes("-25")
    assert one.becomes(0) == []
    assert one.watch.paused_said
    assert one.passes(GRACE) == []
    one.becomes(1)
    assert not one.watch.paused_said


def test_money_that_leaves_the_level_as_it_is_keeps_the_line_that_was_announced() -> None:
    """A line that moved down meanwhile is not taken for it."""
    one = Story()
    one.becomes("40")
    one.lines = Lines(usd("45"), usd("1"))
    assert one.becomes("41") == []
    assert (one.watch.announced, one.watch.announced_line_micros) == (Level.WARNING, usd("50"))


# --- Before anything is low ----------------------------------------------------------------------------------

DOLLAR_AN_HOUR = Burn((usd("1"),) * 168)
WANTED = WalletPolicy(info=True)


def at(balance: str, *, funded: bool = True, held: str = "0") -> Moment:
    """A wallet with so much in it."""
    return Moment(Funds(usd(balance), usd(held), funded, None, None, usd("25")), LINES, trouble=False)


@pytest.mark.parametrize(
    ("moment", "policy", "burn", "refills", "hours"),
    [
        (at("71.99"), WANTED, DOLLAR_AN_HOUR, False, 71),
        (at("72"), WANTED, DOLLAR_AN_HOUR, False, None),
        (at("90", held="20"), WANTED, DOLLAR_AN_HOUR, False, 70),
        (at("90"), replace(WANTED, info_hours=96), DOLLAR_AN_HOUR, False, 90),
        (at("71"), WalletPolicy(), DOLLAR_AN_HOUR, False, None),
        (at("71"), WANTED, DOLLAR_AN_HOUR, True, None),
        (at("71"), WANTED, None, False, None),
        (at("71"), WANTED, Burn((0,) * 168), False, None),
        (at("71", funded=False), WANTED, DOLLAR_AN_HOUR, False, None),
        # At the warning line the alarm tells it; where automatic payments are on, that alarm is silent.
        (at("50"), WANTED, DOLLAR_AN_HOUR, False, None),
        (at("50.01"), WANTED, DOLLAR_AN_HOUR, False, 50),
        (at("50"), replace(WANTED, automatic=Automatic.ON, rule=RULE), DOLLAR_AN_HOUR, False, 50),
    ],
)
def test_money_that_ends_soon_is_told_before_it_is_low(
    moment: Moment, policy: WalletPolicy, burn: Burn | None, refills: bool, hours: int | None
) -> None:
    """To those who want it, while nothing refills the wallet and the pace is known."""
    ends_at = short_runway(moment, policy, burn, MORNING, "UTC", refills=refills)

    assert (ends_at is None) is (hours is None)
    if ends_at is not None:
        assert (ends_at - MORNING) // timedelta(hours=1) == hours
