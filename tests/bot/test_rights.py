"""Who may do what: every action × everybody × {shown, pressed, committed}, and that no check can be missed."""

from collections.abc import Iterator
from typing import Any

import pytest
from slack_bolt import App
from slack_sdk import WebClient

from bot import rights
from bot.delivering.courier import Courier
from bot.notices import CapReached
from bot.operator.commands import RIGHTS as OPERATOR_RIGHTS
from bot.ports import NotNow
from bot.rights import Action, Actor, Person, Role, Tie, may
from bot.sandbox.slack.faults import Fail, Fault, Limit, Refuse, Wrong
from bot.sandbox.slack.seed import PARTNER_TEAM, TEAM
from bot.served import Served
from bot.slack import homes, listeners
from bot.slack.access import FORM_RIGHT, RIGHT_OF
from bot.slack.ids import Act, Form
from bot.slack.listeners import boundary, buttons, forms
from bot.slack.listeners.events import CHANNEL_EVENTS
from bot.slack.people_directory import SlackDirectory
from bot.slack.views import blocks
from bot.wallets import entitled
from bot.wallets.entitled import NotEntitled
from tests.bot.rights_company import (
    EVERYBODY,
    FIFTY,
    IN_SLACK,
    OPERATOR,
    PROMISED,
    TIES,
    USERS,
    Company,
    actor,
    company,
)
from tests.bot.rights_walk import (
    COMMITS,
    NEVER_SHOWN,
    ROLES,
    presses,
    recording,
    wrongly_committed,
    wrongly_pressed,
    wrongly_shown,
)
from tests.persons import owner
from tests.sandbox.slack_place import unused_port

SHOWN = [one for one in Action if one not in NEVER_SHOWN and not PROMISED[one] <= OPERATOR]
PRESSED = sorted({right for _, right, _ in presses()})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """The company."""
    with company(tmp_path_factory.mktemp("company")) as one:
        yield one


@pytest.fixture(scope="module")
def real(made: Company) -> App:
    """Its application as it runs."""
    app = made.bolt()
    listeners.register(app, made.context)
    return app


@pytest.fixture(scope="module")
def bolt(made: Company, real: App) -> Iterator[App]:
    """The same, with listeners that only say that they were reached."""
    with pytest.MonkeyPatch.context() as patch:
        yield recording(made, patch)


# --- The table ---------------------------------------------------------------------------------------------


def broken_promises() -> list[str]:
    """Say where the table and what people were promised differ."""
    return [
        f"{action} by {column}"
        for action in Action
        for column in USERS
        if may(action, ROLES[column], TIES.get(column, ())) != (column in PROMISED[action])
    ]


def test_the_table_is_what_people_were_promised() -> None:
    """Every action by everybody: none is missing, none is given away."""
    assert set(rights.TABLE) == set(Action) == set(PROMISED)
    assert broken_promises() == []


def test_letting_finance_charge_the_card_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One word in the table, and these tests fail."""
    monkeypatch.setitem(rights.TABLE, Action.CHARGE, {*rights.TABLE[Action.CHARGE], Role.FINANCE})
    assert broken_promises() == ["charge by finance"]


def test_what_is_somebodys_own_is_theirs_in_any_role_of_the_workspace() -> None:
    """Finance withdraws its own request and removes its own card, and nobody else's."""
    for action, tie in ((Action.WITHDRAW, Tie.ASKER), (Action.REMOVE_CARD, Tie.CONNECTOR)):
        assert not may(action, Role.FINANCE)
        assert may(action, Role.FINANCE, [tie])
        assert not may(action, Role.OUTSIDER, [tie])


def test_a_card_ties_to_what_its_connector_was_promised() -> None:
    """And to nothing that everybody may do, or nobody by a card."""
    tied = {action for action in Action if rights.tie_for(action) is Tie.CONNECTOR}
    assert tied == {Action.SEE_OWN_CARD, Action.REMOVE_CARD, Action.STOP_RULE}
    assert {rights.tie_for(action) for action in set(Action) - tied} == {None}


def test_commands_of_the_operator_are_the_operators_alone() -> None:
    """No press, form or word in Slack stands for one of them."""
    assert {*OPERATOR_RIGHTS.values()} == {one for one in Action if PROMISED[one] == OPERATOR}
    assert {right for _, right, _ in presses()}.isdisjoint(OPERATOR_RIGHTS.values())


# --- Registered --------------------------------------------------------------------------------------------

UNASKED = {"user_change", "team_join", "app_uninstalled", "tokens_revoked", *CHANNEL_EVENTS}
"""What Slack tells of the workspace: nobody does it."""


def test_everything_that_can_be_pressed_or_sent_in_has_a_right_and_work() -> None:
    """What has a right has work, what has none is only answered; nothing else is heard."""
    assert set(RIGHT_OF) == set(Act)
    assert set(FORM_RIGHT) == set(Form)
    assert {act for act, right in RIGHT_OF.items() if right is not None} == set(buttons.WORK)
    assert {form for form, right in FORM_RIGHT.items() if right is not None} == set(forms.WORK)


def test_a_listener_without_a_right_cannot_be_registered(
    made: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails at the start, and not at the press."""
    monkeypatch.delitem(RIGHT_OF, Act.CHARGE)
    with pytest.raises(KeyError):
        listeners.register(made.bolt(), made.context)


def test_every_listener_that_hears_people_is_walked(made: Company) -> None:
    """What Bolt was given is what the walk presses, and the events of the workspace."""
    bolt = made.bolt()
    listeners.register(bolt, made.context)
    plain = sum(right is None for right in RIGHT_OF.values())
    heard = {name for name, _, _ in presses() if not name.startswith(("/wallet", "form to add"))}
    assert len(bolt._listeners) == len(heard) + 1 + plain + len(UNASKED)


# --- The walk ----------------------------------------------------------------------------------------------


def test_nobody_is_shown_what_would_refuse_them_and_everybody_what_is_theirs() -> None:
    """All surfaces as everybody."""
    assert list(wrongly_shown(*(one for one in Action if one not in NEVER_SHOWN))) == []


def test_a_press_reaches_its_work_only_for_whom_it_is(made: Company, bolt: App) -> None:
    """Everything that can be pressed, sent in, typed or opened, by everybody in Slack."""
    assert [wrong for action in PRESSED for wrong in wrongly_pressed(made, bolt, action)] == []


def test_a_commit_is_judged_again(made: Company) -> None:
    """Everything that commits on somebody's word, by everybody."""
    assert [wrong for name in COMMITS for wrong in wrongly_committed(made, name)] == []


# --- The checks removed, one by one ------------------------------------------------------------------------


def _without(monkeypatch: pytest.MonkeyPatch, where: Any, action: Action) -> None:
    judged = where.may
    monkeypatch.setattr(where, "may", lambda one, *who: True if one is action else judged(one, *who))


@pytest.mark.parametrize("action", SHOWN)
def test_a_button_shown_without_asking_is_noticed(monkeypatch: pytest.MonkeyPatch, action: Action) -> None:
    """The views' question about one action."""
    _without(monkeypatch, blocks, action)
    assert next(wrongly_shown(action), None) is not None


@pytest.mark.parametrize("action", [one for one in PRESSED if not PROMISED[one] >= EVERYBODY])
def test_a_press_let_in_without_asking_is_noticed(
    made: Company, bolt: App, monkeypatch: pytest.MonkeyPatch, action: Action
) -> None:
    """The boundary's question about one action."""
    _without(monkeypatch, boundary, action)
    assert next(wrongly_pressed(made, bolt, action), None) is not None


@pytest.mark.parametrize("name", COMMITS)
def test_a_commit_without_asking_is_noticed(
    made: Company, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The use case's question."""
    _without(monkeypatch, entitled, COMMITS[name][0])
    assert next(wrongly_committed(made, name), None) is not None


# --- Who somebody is ---------------------------------------------------------------------------------------


def test_a_role_taken_away_between_press_and_commit_counts(made: Company) -> None:
    """The appointment is read in the transaction that commits."""
    was = Person("U0MEMBER1", Role.BILLING_ADMIN)
    with pytest.raises(NotEntitled):
        made.cases.charges.charge(made.wallet_id, "none", actor=was)


def test_somebody_who_acts_from_another_workspace_is_from_outside(made: Company) -> None:
    """In a shared channel, whatever this workspace says of their id."""
    found = made.context.people.standpoint(Actor(TEAM, "U0OWNER01", PARTNER_TEAM), fresh=True)
    assert found is not None
    assert found.role is Role.OUTSIDER


def test_each_recipient_is_offered_what_they_may_do(made: Company) -> None:
    """One notice, told to an admin and to finance; by the stored list, while Slack is silent."""
    made.ledger.run(
        lambda tx: tx.outbox.add(made.wallet_id, CapReached(held="day_cap")), wallet_id=made.wallet_id
    )
    courier = Courier(made.ledger, lambda waiting: None, made.context.senders.show, Served(TEAM))
    while courier.run_once(made.ledger.now()):
        pass
    for column, offered in (("appointed admin", True), ("finance", False)):
        read = [str(one) for one in made.place.messages(USERS[column]) if "limit" in str(one)][-1]
        assert ("Change limits" in read) is offered
        assert "Ask someone to pay" in read

    _arm(made, SILENCE["limited"])
    shown = {one: made.context.people.role_shown(made.wallet_id, USERS[one]) for one in IN_SLACK}
    made.place.stand_in.faults.clear()
    assert shown | {"finance": Role.FINANCE} == shown
    outside = {one for one, role in shown.items() if role is Role.OUTSIDER}
    assert outside == {"deactivated"}, "of others from outside nothing is stored: nobody deals with them"


SILENCE: dict[str, Wrong] = {"limited": Limit(30), "failing": Refuse("internal_error"), "down": Fail(503)}
"""How Slack doesn't answer who somebody is."""
UNKNOWN = "Slack can't be asked who you are; try again in a minute."


def _arm(made: Company, wrong: Wrong) -> None:
    made.place.stand_in.faults.add(Fault("users.info", wrong))


def _read_by(made: Company, column: str) -> str:
    return str([one for one in made.place.messages(USERS[column], "#general") if one.get("ephemeral")][-1:])


def _homes(made: Company) -> int:
    return sum(one.get("what") == "views.publish" or "views.publish" in str(one) for one in made.place.wire())


def _press(made: Company, name: str, column: str) -> dict[str, Any]:
    (body,) = [body for one, _, body in presses() if one == name]
    return body(made, column)


@pytest.mark.parametrize("silence", SILENCE)
def test_not_being_told_who_somebody_is_is_said_as_that(made: Company, real: App, silence: str) -> None:
    """The owner is not sent away, Home stays as it is, and nothing else happens."""
    made.card_of("owner")
    for name in ("[automatic_off]", "/wallet auto off"):
        _arm(made, SILENCE[silence])
        made.dispatch(real, _press(made, name, "owner"))
        assert UNKNOWN in _read_by(made, "owner")

    before, written = _homes(made), len(made.place.messages("owner"))
    _arm(made, SILENCE[silence])
    made.dispatch(real, _press(made, "Home", "owner"))
    assert (_homes(made), len(made.place.messages("owner"))) == (before, written)

    _arm(made, SILENCE[silence])
    answer = made.dispatch(real, _press(made, "form alerts_1", "owner"))
    assert answer["response_action"] == "push", "the form that was filled in stays below"
    assert UNKNOWN in str(made.place.get("modals", who="owner")["views"][-1])


def test_a_slack_that_is_away_says_nothing_of_anybody() -> None:
    """Nobody listens there."""
    away = SlackDirectory(WebClient("xoxb-1", base_url=f"http://127.0.0.1:{unused_port()}/api/"))
    with pytest.raises(NotNow):
        away.person("U0OWNER01", fresh=True)


def test_who_slack_does_not_know_is_told_that_nothing_is_here(made: Company, real: App) -> None:
    """That is an answer of Slack's, and not its silence."""
    _arm(made, Refuse("user_not_found"))
    made.dispatch(real, _press(made, "[usage]", "owner"))
    assert "isn't available here" in _read_by(made, "owner")


def test_finance_that_presses_a_charge_charges_nothing_and_reads_whom_to_ask(
    made: Company, real: App
) -> None:
    """A button from before, or a forged one."""
    wish, _ = made.cases.charges.prepare(made.wallet_id, FIFTY, actor=owner("U0OWNER01"))
    body = _press(made, "[charge]", "finance")
    body["actions"][0]["value"] = wish
    made.dispatch(real, body)

    said = _read_by(made, "finance")
    assert "Billing is looked after by" in said
    assert "Ask for access" not in said, "they would be refused"
    assert made.cases.charges.peek(made.wallet_id, wish).amount == FIFTY, "nothing was consumed"


def test_whoever_connected_the_card_sees_it_and_stops_it(made: Company, real: App) -> None:
    """Without a role, and without a figure of the wallet; others are told whom to ask."""
    made.dispatch(real, _press(made, "/wallet card", "connector"))
    said = _read_by(made, "connector")
    assert "which you connected" in said
    assert "Remove this card" in said
    assert "$" not in said

    made.dispatch(real, _press(made, "/wallet auto off", "connector"))
    assert "No card is charged by itself any more" in _read_by(made, "connector")
    made.dispatch(real, _press(made, "[remove_card]", "connector"))
    assert "The card is removed" in _read_by(made, "connector")

    made.dispatch(real, _press(made, "/wallet card", "member"))
    assert "Billing is looked after by" in _read_by(made, "member")


@pytest.mark.parametrize("unasked", [False, True])
def test_home_shows_money_to_people_with_a_role_alone(
    made: Company, monkeypatch: pytest.MonkeyPatch, unasked: bool
) -> None:
    """Everybody opens it; without its question the walk fails."""
    if unasked:
        _without(monkeypatch, homes, Action.SEE)
    shown: dict[str, Any] = {}
    made.place.clock.skip(hours=1)  # past every wait for a Home that an earlier test left
    monkeypatch.setattr(made.context.slack, "publish_view", lambda user, view: shown.update({user: view}))
    for column in IN_SLACK:
        made.card_of(column)
        made.context.homes.open(actor(column))
    rich = {column for column in IN_SLACK if "The platform" in str(shown[USERS[column]])}
    own = {column for column in IN_SLACK if "Remove this card" in str(shown[USERS[column]])}
    assert (rich == PROMISED[Action.SEE]) is not unasked
    assert own == (set() if unasked else {"connector"})
