"""Ids are unique wherever Slack wants them to be, in every view and over many combinations of facts.

Slack refuses a whole message or view when two elements of one block share an action id, or two blocks a block id.
"""

import inspect
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from importlib import import_module
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot import facts as f
from bot import rights
from bot.change_facts import AbsenceFacts, CreditFacts, SettingsChangeFacts
from bot.notices import CameBack, RecipientLost
from bot.rights import Role
from bot.slack import views
from bot.slack.ids import Act
from bot.slack.listeners.buttons import WORK
from bot.slack.views import blocks, conversion, money_in, usage
from bot.slack.views.blocks import Message, actions, button, home_tab, modal, section
from bot.states.alert import AlertPhase
from bot.states.alert_channel import ChannelPresence
from bot.states.card_slot import CardSlot
from bot.states.recharge import RechargePhase
from ledger import USD, Automatic, CapWindow, Currency, Level, Standing, TroubleCode
from tests.bot import view_facts as v
from tests.bot.test_views_causes import DIFFERENCES, NOT_BOOKABLE

ADMIN = Role.BILLING_ADMIN

Shown = Message | dict[str, Any]
MONTHS = ("2026-08", "2026-09", "2026-10", "2026-11", "2026-12")
VISA_2 = f.CardFacts(card_id="pm_3", brand="Visa", last4="1881", exp_month=11, exp_year=2033)


def _views() -> Iterator[tuple[str, Callable[..., Shown]]]:
    """Give every public function of the views that builds a message, a view or a block."""
    for module in pkgutil.walk_packages(views.__path__, f"{views.__name__}."):
        if module.name in (blocks.__name__, conversion.__name__):
            continue
        for name, found in inspect.getmembers(import_module(module.name), inspect.isfunction):
            builds = get_type_hints(found).get("return") in (Message, blocks.View)
            if found.__module__ == module.name and not name.startswith("_") and builds:
                yield f"{module.name.removeprefix(views.__name__)}.{name}".lstrip("."), found


VIEWS = dict(_views())


# --- Combinations of facts ---------------------------------------------------------------------------------


def some(*values: Any) -> st.SearchStrategy[Any]:
    """Give one of some values."""
    return st.sampled_from(values)


def changed(make: Callable[..., Any], **changes: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Give facts with any of some changes."""
    return st.fixed_dictionaries({}, optional=changes).map(lambda chosen: make(**chosen))


cards = some(v.VISA, v.BACKUP, VISA_2)
maybe_money = some(None, v.usd("10"), v.usd("201"))
balances = st.one_of(
    changed(v.balance, held=some(v.usd("0"), v.usd("6.30")), after_stop_count=some(0, 14)),
    changed(v.empty_balance, standing=some(Standing.GRACE, Standing.PAUSED), after_stop_count=some(0, 1, 14)),
    st.builds(v.new_balance),
)
automatics = st.builds(
    v.automatic,
    some(*Automatic),
    card=st.none() | cards,
    backup=st.none() | cards,
    block=some(None, v.SPACED),
)
spikes = st.builds(
    f.SpikeFacts,
    day=some("2026-11-17"),
    kind=some("outbound_call", "sms"),
    spent=some(v.usd("93.20")),
    usual=some(None, v.usd("30.06")),
    references=some((), (("camp-118", v.usd("61.20")), ("", v.usd("9")))),
)
months = changed(
    v.month,
    month=some(*MONTHS),
    months=st.lists(some(*MONTHS), unique=True).map(lambda found: tuple(sorted(found, reverse=True))),
    running=st.booleans(),
    spent=some(v.usd("0"), v.usd("412.60")),
    spike=st.none() | spikes,
    last_month=some(None, "2026-10"),
    picture_file_id=some(None, "F0SPEND"),
)
row_facts = changed(
    v.row,
    kind=some("outbound_call", "ai_task", "recharge", "sms"),
    has_receipt=st.booleans(),
    after_stop=st.booleans(),
    payment_ref=some("", "RB-7"),
)
histories = changed(
    v.history,
    rows=st.lists(some(*range(1, 40)), unique=True, max_size=10).map(
        lambda numbers: tuple(v.row(seq=seq, has_receipt=bool(seq % 2)) for seq in numbers)
    ),
    kind=some(None, "outbound_call", "sms"),
    month=some(None, "2026-11"),
    newer_cursor=some(None, "newer:200"),
    older_cursor=some(None, "older:1"),
)
requests = changed(
    v.request,
    payment_id=some("0191-pay", "0191-other"),
    state=some(*f.RequestState),
    payer_id=some("", "UFINANCE"),
    asker_id=some("", "UADMIN"),
    note=some("", "for the Friday campaign"),
    url=some("https://buy.stripe.com/test_1"),
    receipt_url=some("", "https://pay.stripe.com/receipts/1"),
    balance=maybe_money,
    paid_at=some(v.NOW),
    withdrawn_by=some("UADMIN"),
    qr_file_id=some(None, "F0QR"),
)
open_requests = changed(v.request, payment_id=some("0191-pay", "0191-other"), amount=some(v.usd("159"), None))
many_requests = st.lists(open_requests, max_size=8).map(tuple)
roles = some(rights.Role.OWNER, rights.Role.ADMIN, rights.Role.BILLING_ADMIN, rights.Role.FINANCE)
anybody = some(*rights.Role)
charges = st.builds(f.ChargeFacts, some("intent-1"), some(v.usd("159"), v.usd("9999999999.99")), cards)
people = changed(v.people, owners=some((), ("UOWNER",)), billing_admins=some((), ("UADMIN",)))
alerts = changed(
    v.alert,
    level=some(*Level),
    phase=some(*AlertPhase),
    balance=balances,
    automatic=automatics,
    resumed_at=some(v.NOW),
    stopped_for=some(timedelta(minutes=6)),
    grace_cost=some(None, v.usd("0.84")),
    charge=st.none() | charges,
    acknowledged_by=some("", "UADMIN"),
    stopped_anew=st.booleans(),
)
BY_TYPE: dict[object, st.SearchStrategy[Any]] = {
    str: some("", "Visa ••4242", "UADMIN", "pi_1", "https://pay.stripe.com/receipts/1"),
    int: some(0, 1, 14),
    bool: st.booleans(),
    CapWindow: some(*CapWindow),
    datetime: some(v.NOW),
    Currency: some(USD),
    rights.Role: anybody,
    CardSlot: some(*CardSlot),
    ChannelPresence: some(*ChannelPresence),
    RecipientLost: some(
        RecipientLost("person:U1", "left_workspace", "UADMIN"), RecipientLost("person:U1", "user_not_found")
    ),
    CameBack: some(CameBack(v.NOW, v.NOW)),
    AbsenceFacts: st.builds(AbsenceFacts, maybe_money, some(0, 2), some(*Automatic), some("UTC")),
    f.AddBalanceFacts: changed(
        v.add_balance,
        amount=some(None, v.usd("37.50"), v.usd("100")),
        card=st.none() | cards,
        brings_back=maybe_money,
        note=some("", "So much a day."),
    ),
    f.AlertFacts: alerts,
    f.AlertsFacts: st.builds(
        f.AlertsFacts,
        some((), ("C1", "C2")),
        some(v.usd("50")),
        some(v.usd("12.50")),
        st.booleans(),
        some(72),
    ),
    f.AutomaticConfirmFacts: changed(v.automatic_confirm, card=cards, charges_now=maybe_money),
    Automatic: some(*Automatic),
    TroubleCode: some(*TroubleCode),
    f.AutomaticFacts: automatics,
    f.AutomaticFormFacts: changed(
        v.automatic_form, current=automatics, cards=st.lists(cards, unique=True, max_size=3).map(tuple)
    ),
    f.BalanceFacts: balances,
    f.CardFacts: cards,
    f.ChargeFacts: charges,
    CreditFacts: st.builds(
        CreditFacts,
        some(v.usd("1.50")),
        some(v.usd("97.50")),
        some("", "wrong rate"),
        some("outbound_call"),
        some("call-7"),
        some(v.usd("2.50")),
    ),
    SettingsChangeFacts: st.builds(
        SettingsChangeFacts,
        st.booleans(),
        some("USD"),
        some((), ("grace 15min → 30min",)),
        some(None, v.RULE),
    ),
    f.DisputeFacts: st.builds(
        v.dispute,
        some("needs_response", "warning_needs_response", "suspected", "won", "lost", "prevented"),
        automatic=some(*Automatic),
        moved_back=st.booleans(),
    ),
    f.FailureFacts: changed(
        v.failure,
        next_try_at=some(None, v.NOW + timedelta(hours=1)),
        phase=some(*RechargePhase),
        unconfirmed=st.booleans(),
        waited_hours=some(0, 1, 6),
        automatic=some(*Automatic),
        backup=some("", "Mastercard ••5100"),
        pay=st.none() | requests,
    ),
    f.HistoryFacts: histories,
    f.HomeFacts: changed(
        v.home,
        role=roles,
        balance=balances,
        automatic=automatics,
        month=months,
        history=histories,
        requests=many_requests,
        people=people,
        key_refused_at=some(None, v.NOW),
        untold_since=some(None, v.NOW),
    ),
    f.MonthFacts: months,
    f.OfferFacts: changed(
        v.offer, amount=maybe_money, saves_card=st.booleans(), qr_file_id=some(None, "F0QR")
    ),
    f.OwnCardsFacts: st.builds(
        f.OwnCardsFacts, st.lists(cards, unique=True, max_size=3).map(tuple), st.booleans()
    ),
    f.PaymentFacts: st.builds(
        v.payment, some("paid", "declined", "needs_action", "unknown", "unreachable", "denied")
    ),
    f.PeopleFacts: people,
    f.RefundFacts: changed(v.refund, failed=st.booleans(), card=some("", "Visa ••4242")),
    f.RequestFacts: requests,
    f.RowFacts: row_facts,
    f.SpikeFacts: spikes,
    f.StatusFacts: st.builds(f.StatusFacts, roles, balances, automatics, many_requests, some(None, v.NOW)),
}
"""What a view is called with, by the type of its parameter."""
BY_TYPE |= {type(cause): some(cause) for cause, _ in (*DIFFERENCES, *NOT_BOOKABLE)}
APPOINTED = some(None, rights.Role.BILLING_ADMIN, rights.Role.FINANCE)
BY_NAME = {
    "role_before": APPOINTED,
    "role_after": APPOINTED,
    "zone": some("UTC", "Europe/Berlin"),
    "kind": some("outbound_call", "sms"),
}
"""Texts that are not free, by the name of the parameter."""


def of_type(wanted: Any) -> st.SearchStrategy[Any]:
    """Give values of a parameter's type; a new kind of facts needs an entry above."""
    if get_origin(wanted) is Sequence:
        (item,) = get_args(wanted)
        return st.lists(of_type(item), max_size=4)
    if get_origin(wanted) is tuple:
        return st.tuples(*(of_type(one) for one in get_args(wanted)))
    if get_args(wanted):
        return st.one_of(*(st.none() if one is NoneType else BY_TYPE[one] for one in get_args(wanted)))
    return BY_TYPE[wanted]


def rendered(build: Callable[..., Shown]) -> st.SearchStrategy[Shown]:
    """Give what a view looks like with any facts."""
    wanted = {name: kind for name, kind in get_type_hints(build).items() if name != "return"}
    arguments = {name: BY_NAME[name] if name in BY_NAME else of_type(kind) for name, kind in wanted.items()}
    return st.fixed_dictionaries(arguments).map(lambda chosen: build(**chosen))


# --- The rules ---------------------------------------------------------------------------------------------


def _parts(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _parts(value)
    elif isinstance(node, list):
        for one in node:
            yield from _parts(one)


def repeated(shown: Shown) -> list[str]:
    """Give the ids that stand twice where each has to be unique."""
    found = v.blocks_of(shown) if isinstance(shown, Message) else shown.get("blocks", [shown])
    of_each = [[part["action_id"] for part in _parts(block) if "action_id" in part] for block in found]
    of_all = [[block["block_id"] for block in found if "block_id" in block]]
    return [str(one) for ids in of_each + of_all for one in set(ids) if ids.count(one) > 1]


@pytest.mark.parametrize("name", VIEWS)
def test_no_id_stands_twice_in_a_block_message_or_view(name: str) -> None:
    """Whatever the facts are."""

    @settings(
        max_examples=30,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(rendered(VIEWS[name]))
    def check(shown: Shown) -> None:
        assert repeated(shown) == []

    check()


def test_home_forms_and_messages_are_among_what_is_rendered() -> None:
    """The views are found by their types: none has to be listed."""
    assert {
        "home.home",
        "usage.usage",
        "status.status",
        "forms.people_form",
        "money_in.requests.request_list",
    } <= {*VIEWS}


@pytest.mark.parametrize(
    "build",
    [
        lambda: actions(button("One", Act.USAGE, value="1"), button("Other", Act.USAGE, value="2")),
        lambda: modal("form", "Form", [section("a", block_id="same"), section("b", block_id="same")]),
        lambda: home_tab([section("a", block_id="same"), section("b", block_id="same")]),
        lambda: Message("Text", [section("a", block_id="same"), section("b", block_id="same")]),
        lambda: Message("Text", [section("a", block_id="same")], [_bar_with("same")]),
        lambda: Message("Text", [], [_bar_with("same"), _bar_with("same")]),
    ],
    ids=["actions", "modal", "home", "message", "message and bar", "two bars"],
)
def test_builders_refuse_an_id_that_stands_twice(build: Callable[[], object]) -> None:
    """The mistake is found where it is made, and not by Slack."""
    with pytest.raises(AssertionError, match="stands twice"):
        build()


def _bar_with(block_id: str) -> dict[str, Any]:
    return blocks.bar(blocks.RED, [section("beside", block_id=block_id)], "beside")


def test_builders_take_ids_that_differ_and_blocks_without_ids() -> None:
    """Nothing else is refused."""
    row = actions(button("One", Act.EARLIER_MONTH), button("Other", Act.LATER_MONTH))
    assert Message("Text", [row, row, section("a", block_id="a")], [_bar_with("b")]).blocks[0] is row


# --- The months of usage -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("month", "pager"),
    [
        ("2026-08", {"September ›": "2026-09"}),
        ("2026-10", {"‹ September": "2026-09", "November ›": "2026-11"}),
        ("2026-12", {"‹ November": "2026-11"}),
    ],
)
def test_a_month_leads_to_the_months_before_and_after_it(month: str, pager: dict[str, str]) -> None:
    """The nearest that have anything in them."""
    shown = usage.usage(v.month(month=month, months=MONTHS[::-1]), v.balance())
    found = {text: one["value"] for text, one in v.buttons_of(shown).items() if "‹" in text or "›" in text}
    assert found == pager


def test_buttons_that_lead_to_a_month_do_the_same_as_those_posted_before() -> None:
    """Buttons in old messages carry the month under the first id."""
    assert WORK[Act.EARLIER_MONTH] is WORK[Act.LATER_MONTH] is WORK[Act.USAGE]


def test_requests_of_the_same_payment_stand_below_each_other() -> None:
    """Each has a block of its own."""
    twice = [v.request(), v.request()]
    assert repeated(money_in.request_list(twice, rights.Role.OWNER, "")) == []
