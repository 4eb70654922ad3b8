"""What surfaces work out from facts: offers, suggestions, phases, and whether a Home changed."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from bot.facts import Basis, HomeFacts, SpikeFacts
from bot.slack.views.text import span_words
from bot.states.alert import AlertPhase
from bot.surfaces.figures import (
    basis_of,
    brings_back,
    charged_at_once,
    fingerprint,
    offered_amount,
    pace_words,
    phase_of,
    suggested_rule,
    whole_cents,
)
from bot.surfaces.forms import presets_of
from ledger import (
    AI_TASK,
    INBOUND_CALL,
    OUTBOUND_CALL,
    Burn,
    Episode,
    Funds,
    Level,
    RechargeRule,
    Standing,
    WalletPolicy,
    WalletView,
    permit_at,
    scale_of,
)
from ledger.alert_policy import Lines, Moment, level_at
from ledger.standing import standing_at
from tests.bot import view_facts as v

MICROS = 1_000_000
VIEW = WalletView(
    wallet_id=UUID(int=1),
    currency="USD",
    zone="UTC",
    balance_micros=40 * MICROS,
    held_micros=3 * MICROS,
    open_holds=1,
    standing=Standing.OPEN,
    funded=True,
    emptied_at=None,
    grace_ends_at=None,
    ceiling_micros=0,
    grace_cost_micros=0,
    after_stop_count=0,
    last_asked_at=v.NOW,
    seq=9,
    policy_version=2,
    trouble="",
    warning_micros=20 * MICROS,
    critical_micros=5 * MICROS,
)
DOLLARS = scale_of("USD")
BACK_TO_200 = RechargeRule(threshold_micros=50 * MICROS, target_micros=200 * MICROS)
ADD_80 = RechargeRule(threshold_micros=50 * MICROS, target_micros=None, fixed_micros=80 * MICROS)


def spending(dollars_a_week: int) -> Burn:
    """Spend evenly around the week."""
    return Burn((dollars_a_week * MICROS // 168,) * 168)


def _empty(balance_micros: int, held_micros: int = 0) -> Funds:
    return Funds(balance_micros, held_micros, True, v.NOW, v.NOW, ceiling_micros=25 * MICROS)


@pytest.mark.parametrize(
    ("balance", "held", "suggested"),
    [
        ("0", "0", "10"),
        ("-9.50", "0", "10"),  # leaves $0.50, which a call needs
        ("-9.51", "0", "11"),
        ("-25.50", "0", "26"),
        ("-25.51", "0", "27"),
        ("-9", "0.50", "10"),
        ("-9", "0.51", "11"),
        ("0.49", "0", "10"),
    ],
)
def test_what_brings_everything_back_is_the_least_that_lets_a_call_start(
    balance: str, held: str, suggested: str
) -> None:
    """In whole dollars, ten at the least."""
    funds = _empty(v.usd(balance).micros, v.usd(held).micros)
    assert brings_back(funds, WalletPolicy(), DOLLARS) == v.usd(suggested).micros


HOLDS = {
    "the same for all": {},
    "outbound calls need more": {OUTBOUND_CALL: 3 * MICROS},
    "AI tasks need more": {AI_TASK: 4 * MICROS},
    "inbound calls need more": {INBOUND_CALL: 30 * MICROS},  # the ceiling covers $25 of it
    "nothing needs any": dict.fromkeys((OUTBOUND_CALL, INBOUND_CALL, AI_TASK), 0),
}


@pytest.mark.parametrize("code", ["USD", "JPY", "AED"])
@pytest.mark.parametrize("holds", HOLDS)
def test_what_brings_everything_back_is_exact_to_the_micro_unit(code: str, holds: str) -> None:
    """Paid in full, everything starts, the level is above zero and grace is refilled; a unit less leaves something."""
    scale = scale_of(code)
    needs = {kind: micros * scale.per_dollar for kind, micros in HOLDS[holds].items()}
    policy = replace(WalletPolicy.for_currency(code), default_holds=needs)
    floors = {0, policy.floor_micros, *(policy.hold_for(kind) for kind in (OUTBOUND_CALL, AI_TASK))}
    floors.add(max(0, policy.hold_for(INBOUND_CALL) - 25 * MICROS * scale.per_dollar))
    for whole in (0, 9 * scale.unit, 10 * scale.unit, 2_500 * scale.unit):
        for short in {floor + beside for floor in floors for beside in (-1, 0, 1)}:
            for held in (0, scale.dollars(7)):
                funds = Funds(
                    short - whole * MICROS, held, True, v.NOW, v.NOW, ceiling_micros=scale.dollars(25)
                )
                paid = brings_back(funds, policy, scale)
                assert _is_back(funds, paid, policy), f"{paid} leaves something of {funds} stopped"
                least = max(policy.grace_refill_micros, policy.top_up_min_micros)
                less = paid - scale.unit * MICROS
                assert less < least or not _is_back(funds, less, policy), f"{less} is enough for {funds}"


def _is_back(funds: Funds, paid_micros: int, policy: WalletPolicy) -> bool:
    after = replace(funds, balance_micros=funds.balance_micros + paid_micros)
    permits = [
        permit_at(
            v.NOW,
            after,
            inbound=kind == INBOUND_CALL,
            estimate_micros=policy.hold_for(kind),
            lifetime=policy.permit_lifetime,
        )
        for kind in (OUTBOUND_CALL, INBOUND_CALL, AI_TASK)
    ]
    level = level_at(Moment(after, Lines(0, 0), trouble=False), policy)
    return (
        standing_at(v.NOW, after) is Standing.OPEN
        and all(one.allowed for one in permits)
        and level < Level.ZERO
        and paid_micros >= policy.grace_refill_micros
    )


@pytest.mark.parametrize(
    ("rule", "available", "offered"),
    [
        (None, "30", "50"),  # four times the warning's least of $20
        (None, "79.50", "10"),
        (BACK_TO_200, "-1.20", "202"),
        (BACK_TO_200, "195", "10"),
        (ADD_80, "20", "80"),
        (ADD_80, "-45", "95"),
    ],
)
def test_an_alert_offers_what_brings_the_wallet_to_where_it_should_be(
    rule: RechargeRule | None, available: str, offered: str
) -> None:
    """By the rule where there is one, and never less than ten dollars."""
    policy = WalletPolicy(rule=rule, warning_min_micros=20 * MICROS)
    assert offered_amount(policy, v.usd(available)) == v.usd(offered)


@pytest.mark.parametrize(
    ("weekly", "threshold", "target"),
    [(None, 50, 200), (70, 50, 200), (1_400, 200, 1_400), (70_000, 10_000, 12_500)],
)
def test_a_suggested_rule_covers_a_day_and_a_week(weekly: int | None, threshold: int, target: int) -> None:
    """The gap between them stays below the most that is charged at once."""
    burn = spending(weekly) if weekly is not None else None
    found = suggested_rule(burn, v.NOW, "UTC", WalletPolicy(), DOLLARS)
    assert (found.threshold_micros, found.target_micros) == (threshold * MICROS, target * MICROS)
    found.check(DOLLARS)


def test_a_suggested_rule_begins_with_the_settings_of_the_wallet() -> None:
    """Amounts, caps, charges a day and spacing."""
    policy = WalletPolicy(
        suggested_threshold_micros=60 * MICROS,
        suggested_target_micros=300 * MICROS,
        recharges_a_day=5,
        recharge_day_cap_micros=900 * MICROS,
        recharge_month_cap_micros=9_000 * MICROS,
        recharge_spacing=timedelta(hours=1),
    )
    assert suggested_rule(None, v.NOW, "UTC", policy, DOLLARS) == RechargeRule(
        threshold_micros=60 * MICROS,
        target_micros=300 * MICROS,
        per_day_max=5,
        day_cap_micros=900 * MICROS,
        month_cap_micros=9_000 * MICROS,
        spacing=timedelta(hours=1),
    )


def test_presets_stay_inside_the_bounds_of_a_top_up() -> None:
    """Where none of them does, the least amount is offered."""
    narrow = WalletPolicy(top_up_min_micros=30 * MICROS, top_up_max_micros=100 * MICROS)
    assert presets_of(narrow, DOLLARS) == (v.usd("50"), v.usd("100"))
    wide = WalletPolicy(top_up_min_micros=300 * MICROS)
    assert presets_of(wide, DOLLARS) == (v.usd("300"),)
    assert brings_back(_empty(0), wide, DOLLARS) == 300 * MICROS
    assert offered_amount(narrow, v.usd("-500")) == v.usd("100")


def test_what_brings_everything_back_refills_grace() -> None:
    """Also where a wallet asks for more than the least top-up before grace counts anew."""
    assert brings_back(_empty(0), WalletPolicy(grace_refill_micros=40 * MICROS), DOLLARS) == 40 * MICROS


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(minutes=15), "15 minutes"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(days=14), "14 days"),
    ],
)
def test_a_span_is_said_in_its_largest_whole_unit(span: timedelta, words: str) -> None:
    """As the sentence about a charge that is held back says it."""
    assert span_words(span) == words


@pytest.mark.parametrize(("balance", "charged"), [("49.99", "154"), ("53", None), ("52.99", "151")])
def test_a_rule_says_what_it_would_charge_at_once(balance: str, charged: str | None) -> None:
    """In whole dollars; what is held does not count as available."""
    view = replace(VIEW, balance_micros=v.usd(balance).micros)
    expected = v.usd(charged).micros if charged is not None else None
    assert charged_at_once(BACK_TO_200, view, v.NOW) == expected


def test_what_a_rule_would_charge_at_once_is_its_first_charge() -> None:
    """A rule that may charge once a day, and no more than that, charges it."""
    once = replace(BACK_TO_200, per_day_max=1, day_cap_micros=163 * MICROS, month_cap_micros=163 * MICROS)
    assert charged_at_once(once, VIEW, v.NOW) == 163 * MICROS


@pytest.mark.parametrize(
    ("weekly", "words"),
    [
        (None, ""),
        (0, ""),
        (168, "$100.00 lasts about 4 days at the present pace."),
        (168 * 5, "$100.00 lasts about 20 hours at the present pace."),
        (350, "$100.00 lasts about 2 days at the present pace."),
        (351, "$100.00 lasts about 47 hours at the present pace."),
        (168 * 99, "$100.00 lasts about 1 hour at the present pace."),
        (1, "$100.00 lasts more than 60 days at the present pace."),
    ],
)
def test_an_amount_says_how_long_it_lasts(weekly: int | None, words: str) -> None:
    """Nothing where the pace is unknown or nothing is spent."""
    burn = spending(weekly) if weekly is not None else None
    assert pace_words(burn, v.usd("100"), v.NOW.replace(minute=0), "UTC") == words


@pytest.mark.parametrize(
    ("level", "closed", "standing", "phase"),
    [
        (Level.WARNING, False, Standing.OPEN, AlertPhase.LOW),
        (Level.CRITICAL, False, Standing.OPEN, AlertPhase.LOW),
        (Level.ZERO, False, Standing.GRACE, AlertPhase.COUNTING),
        (Level.ZERO, False, Standing.PAUSED, AlertPhase.PAUSED),
        (Level.ZERO, True, Standing.OPEN, AlertPhase.RESTORED),
        (Level.WARNING, True, Standing.OPEN, AlertPhase.RECOVERED),
    ],
)
def test_an_episode_has_a_phase(level: Level, closed: bool, standing: Standing, phase: str) -> None:
    """Every level, open and closed."""
    episode = Episode(UUID(int=2), v.NOW, v.NOW if closed else None, level)
    assert phase_of(episode, standing) == phase


@pytest.mark.parametrize(
    ("weekly", "lasts", "available", "basis"),
    [
        (None, False, 5, Basis.EARLY),
        (0, False, 5, Basis.IDLE),
        (70, True, 5, Basis.USUAL),
        (70, False, 0, Basis.USUAL),
        (70, False, 1, Basis.LONG),
    ],
)
def test_the_runway_says_how_well_it_is_known(
    weekly: int | None, lasts: bool, available: int, basis: Basis
) -> None:
    """By the history there is."""
    burn = spending(weekly) if weekly is not None else None
    assert basis_of(burn, v.NOW if lasts else None, available) is basis


def test_averages_are_shown_in_whole_cents_and_tenths() -> None:
    """Nobody was ever charged the fractions; without a usual day nothing is multiplied."""
    assert whole_cents(1_239_999) == 1_230_000
    spike = SpikeFacts("2026-11-17", "outbound_call", v.usd("31.99"), v.usd("10"))
    assert spike.times_tenths == 31
    assert replace(spike, usual=None).times_tenths is None


CHANGES = {
    "a transaction": (replace(VIEW, seq=10), v.home()),
    "a hold": (replace(VIEW, held_micros=0), v.home()),
    "the policy": (replace(VIEW, policy_version=3), v.home()),
    "trouble": (replace(VIEW, trouble="declined"), v.home()),
    "the standing": (VIEW, v.home(balance=v.balance(standing=Standing.PAUSED))),
    "a minute of grace": (VIEW, v.home(balance=v.balance(emptied_at=v.NOW - timedelta(minutes=2)))),
    "a request": (VIEW, v.home(requests=(v.request(),))),
    "the card": (VIEW, v.home(automatic=replace(v.home().automatic, card=v.BACKUP))),
    "why no charge is made": (VIEW, v.home(automatic=replace(v.home().automatic, block=v.SPACED))),
    "the picture": (VIEW, v.home(month=replace(v.home().month, picture_file_id="F2"))),
    "the month": (VIEW, v.home(month=replace(v.home().month, month="2026-01"))),
    "people": (VIEW, v.home(people=replace(v.home().people, finance=("U7",)))),
    "a refused key": (VIEW, v.home(key_refused_at=v.NOW)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_home_is_sent_again_when_something_on_it_changed(change: str) -> None:
    """Each thing that Home shows counts."""
    assert fingerprint(*_at(CHANGES[change])) != fingerprint(VIEW, v.NOW, v.home())


def test_a_home_is_not_sent_again_because_time_passed() -> None:
    """Nothing on it moves while the wallet is open."""
    later = v.NOW + timedelta(minutes=5)
    assert fingerprint(VIEW, later, v.home()) == fingerprint(VIEW, v.NOW, v.home())


def _at(changed: tuple[WalletView, HomeFacts]) -> tuple[WalletView, datetime, HomeFacts]:
    view, facts = changed
    return view, v.NOW, facts
