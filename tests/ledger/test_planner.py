"""A batch decided without a database: the same facts give the same rows, the ceiling is known where it is needed."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as replace_fields

from ledger import (
    OUTBOUND_CALL,
    Automatic,
    CaptureHold,
    Command,
    Correct,
    CreditKind,
    Level,
    OpenHold,
    Outcome,
    PostMoney,
    PostUsage,
    RechargeRule,
    Refused,
    WalletPolicy,
)
from ledger.deciding.batch import SALT_BYTES, Draft
from ledger.deciding.loaded import Loaded
from ledger.deciding.planner import Planner
from ledger.deciding.rows import Transfer, Wallet
from ledger.deciding.wanted import wanted_by
from ledger.notices import Notice
from tests.ledger.bare_wallet import NOW, wallet

POLICY = WalletPolicy(
    automatic=Automatic.ON,
    rule=RechargeRule(threshold_micros=50_000_000, target_micros=200_000_000),
    default_hold_micros=1,
)


def usage(micros: int, name: str = "u") -> PostUsage:
    """Give a usage with a text."""
    return PostUsage("platform", name, OUTBOUND_CALL, micros, None, reference="lead 7")


def money(micros: int, kind: CreditKind = CreditKind.TOP_UP, name: str = "m") -> PostMoney:
    """Give money in, or out."""
    return PostMoney("stripe", name, kind, micros, None)


def test_the_same_batch_on_the_same_facts_gives_the_same_rows() -> None:
    """Everything random comes from outside: rows with their salts and hashes, notices with their ids."""
    salts = bytes(range(3 * SALT_BYTES))

    def decided() -> tuple[list[Outcome], list[Transfer], list[Notice], list[tuple[UUID, Level]]]:
        draft = Draft(wallet(), POLICY, NOW, salts=salts, first_episode=7, ceiling=25)
        planner = Planner(draft, Loaded())
        outcomes = [planner.decide(one) for one in (money(30), usage(20, "u1"), usage(15, "u2"))]
        return outcomes, draft.transfers, draft.notices, draft.episodes

    assert decided() == decided()
    _, transfers, _, episodes = decided()
    assert [one.salt for one in transfers] == [
        b"",
        salts[:SALT_BYTES],
        salts[SALT_BYTES:][:SALT_BYTES],
    ]
    assert len(episodes) == 1


@pytest.mark.parametrize(
    ("before", "commands", "may"),
    [
        (wallet(10, funded=True), [usage(9)], False),
        (wallet(10, funded=True), [usage(10)], True),
        (wallet(10, funded=True), [usage(4, "a"), usage(6, "b")], True),
        (wallet(10, funded=True), [CaptureHold("h", 10, None)], True),
        (wallet(10, funded=True), [OpenHold("h", OUTBOUND_CALL, 10)], False),
        (wallet(10, funded=True), [money(10)], False),
        (wallet(10, funded=True), [money(10, CreditKind.REFUND)], True),
        (wallet(10, funded=True), [Correct("op", "c", "u", 10, None)], False),
        (wallet(10, funded=True), [usage(-20)], False),
        (wallet(10, funded=True), [usage("20")], False),  # type: ignore[arg-type]
        (wallet(-5), [usage(1)], False),
        (wallet(-5), [money(1)], True),
        (wallet(-5, funded=True, emptied=True), [usage(1)], False),
        (wallet(-5, funded=True, emptied=True), [money(6), usage(1)], True),
    ],
)
def test_the_ceiling_is_loaded_where_the_wallet_could_empty(
    before: Wallet, commands: list[Command], may: bool
) -> None:
    """Only there: every other batch saves the query."""
    assert wanted_by(commands).may_empty(before) is may


def test_without_a_look_for_duplicates_the_keys_beside_holds_are_looked_up_all_the_same() -> None:
    """A hold may have been charged as usage, under its own id or by usage that names it."""
    named = replace_fields(usage(1, "u2"), hold_id="h")
    commands: list[Command] = [
        *(usage(1, "u1"), named, money(1)),
        *(Correct("op", "c", "u0", 1, None), usage(1, "u\0")),
    ]
    looked, trusted = wanted_by(commands), wanted_by(commands, looks=False)
    assert looked.keys == {"platform": {"u0", "u1", "u2", "h"}, "stripe": {"m"}, "op": {"c"}}
    assert trusted.keys == {"platform": {"u0", "u2", "h"}}
    assert looked.own == trusted.own == {"u1", "u2"}


_amounts = st.integers(min_value=1, max_value=30)
_moves = st.lists(
    st.one_of(
        st.builds(usage, _amounts, st.uuids().map(str)),
        st.builds(
            money, _amounts, st.sampled_from([CreditKind.TOP_UP, CreditKind.REFUND]), st.uuids().map(str)
        ),
    ),
    min_size=1,
    max_size=8,
)
_wallets = st.one_of(
    st.builds(lambda balance: wallet(balance, funded=True), _amounts),
    st.builds(lambda balance: wallet(balance - 15), _amounts),
    st.builds(lambda balance: wallet(1 - balance, funded=True, emptied=True), _amounts),
)


@settings(deadline=None)
@given(_wallets, _moves)
def test_no_batch_empties_a_wallet_without_a_known_ceiling(before: Wallet, commands: list[Command]) -> None:
    """The planner asserts it; a wallet that empties keeps the ceiling of that moment."""
    wanted = wanted_by(commands)
    may = wanted.may_empty(before)
    made = replace(before, ceiling=0)
    salts = bytes(SALT_BYTES * wanted.texts)
    ceiling = 25 if may else None
    draft = Draft(made, WalletPolicy(), NOW, salts=salts, first_episode=7, ceiling=ceiling)
    planner = Planner(draft, Loaded())

    for command in commands:
        assert not isinstance(planner.decide(command), Refused)

    assert may or made.ceiling == 0
