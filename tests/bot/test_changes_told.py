"""Changes of roles, alert channels and cards are told to the others at once, in the commit that makes them (T12)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import insert

from bot.rights import Person, Role
from bot.slack.ids import Act
from bot.states.card_slot import CardSlot
from bot.tables import cards
from bot.wallets.alert_channels import set_channels
from bot.wallets.entitled import NotEntitled
from ledger import USD, Tx
from tests.bot.interactions import pay
from tests.bot.rights_company import RULE, USERS, Company, company
from tests.persons import owner

ADMIN, FINANCE, MEMBER, OWNER = (USERS[one] for one in ("appointed admin", "finance", "member", "owner"))
U1 = owner(OWNER)
READERS = {"admin": ADMIN, "finance": FINANCE, "member": MEMBER, "owner": OWNER}


@pytest.fixture(scope="module")
def company_made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """The company."""
    with company(tmp_path_factory.mktemp("company")) as one:
        yield one


@pytest.fixture
def made(company_made: Company) -> Company:
    """The company with one billing admin and one of finance, who have read everything."""
    _appoint(company_made, billing_admins=[ADMIN], finance=[FINANCE])
    company_made.carry()
    return company_made


def _appoint(one: Company, *, billing_admins: list[str], finance: list[str], actor: Person = U1) -> None:
    one.context.people.appoint(one.wallet_id, billing_admins=billing_admins, finance=finance, actor=actor)


def _fresh(one: Company, happens: Callable[[], object]) -> dict[str, list[dict[str, Any]]]:
    """Give what everybody reads of what happens."""
    before = {who: len(one.place.messages(user_id)) for who, user_id in READERS.items()}
    happens()
    one.carry()
    found = {who: one.place.messages(user_id)[before[who] :] for who, user_id in READERS.items()}
    return {who: messages for who, messages in found.items() if messages}


def _texts(found: dict[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    return {who: [str(one["text"]) for one in messages] for who, messages in found.items()}


def _buttons(message: dict[str, Any]) -> set[str]:
    return {str(act) for act in Act if f"'{act}" in str(message["blocks"])}


def _rule(one: Company, *, on: bool) -> None:
    if on:
        card = one.card_of("payer")
        one.context.rules.turn_on(
            one.wallet_id, RULE, card_id=card, backup_id="", actor=U1, expected_version=None
        )
    else:
        one.context.rules.turn_off(one.wallet_id, actor=U1)
    one.carry()


def test_an_appointment_is_told_to_everybody_who_looks_after_billing(made: Company) -> None:
    """The appointed read it too; whoever did it knows."""
    found = _fresh(made, lambda: _appoint(made, billing_admins=[ADMIN], finance=[FINANCE, MEMBER]))
    line = f"<@{OWNER}> changed who looks after billing: <@{MEMBER}>, no role → finance."
    assert _texts(found) == {"admin": [line], "finance": [line], "member": [line]}


def test_whoever_loses_a_role_reads_it(made: Company) -> None:
    """Else somebody could be silenced unseen; they are shown no button that refuses them."""
    found = _fresh(made, lambda: _appoint(made, billing_admins=[ADMIN], finance=[]))
    line = f"<@{OWNER}> changed who looks after billing: <@{FINANCE}>, finance → no role."
    assert _texts(found) == {"admin": [line], "finance": [line]}
    assert _buttons(found["admin"][0]) == {Act.PEOPLE}
    assert _buttons(found["finance"][0]) == set()


def test_each_change_of_one_save_is_told_and_no_save_without_one(made: Company) -> None:
    """Two people swap roles; the same again changes nothing."""

    def swap() -> None:
        _appoint(made, billing_admins=[FINANCE], finance=[ADMIN])

    found = _fresh(made, swap)
    assert sorted(_texts(found)["admin"]) == [
        f"<@{OWNER}> changed who looks after billing: <@{ADMIN}>, billing admin → finance.",
        f"<@{OWNER}> changed who looks after billing: <@{FINANCE}>, finance → billing admin.",
    ]
    assert _fresh(made, swap) == {}


def test_a_change_that_is_refused_is_told_to_nobody(made: Company) -> None:
    """The notice is committed with its cause, or not at all."""
    nobody = Person(MEMBER, Role.MEMBER)

    def forbidden() -> None:
        with pytest.raises(NotEntitled):
            _appoint(made, billing_admins=[], finance=[], actor=nobody)
        with pytest.raises(NotEntitled):
            set_channels(made.ledger, made.wallet_id, ["C0GENERAL"], actor=nobody)

    assert _fresh(made, forbidden) == {}


def test_while_nobody_is_appointed_nobody_is_told(made: Company) -> None:
    """The first admin, the first appointments and the first channels of a workspace."""
    _appoint(made, billing_admins=[], finance=[])
    made.carry()
    assert _fresh(made, lambda: set_channels(made.ledger, made.wallet_id, ["C0FIRST"], actor=U1)) == {}
    assert _fresh(made, lambda: _appoint(made, billing_admins=[ADMIN], finance=[FINANCE])) == {}
    _appoint(made, billing_admins=[], finance=[])
    made.carry()
    assert _fresh(made, lambda: made.context.people.first_admin(made.wallet_id, MEMBER)) == {}


def test_other_alert_channels_are_told_with_what_was_there_before(made: Company) -> None:
    """Added and removed in one sentence."""
    set_channels(made.ledger, made.wallet_id, ["C0CALLS01"], actor=U1)
    made.carry()
    found = _fresh(
        made, lambda: set_channels(made.ledger, made.wallet_id, ["C0GENERAL", "C0GENERAL"], actor=U1)
    )
    line = f"<@{OWNER}> changed where alerts go: added <#C0GENERAL>, removed <#C0CALLS01>."
    assert _texts(found) == {"admin": [line], "finance": [line]}
    assert _buttons(found["admin"][0]) == {Act.ALERTS}
    assert _buttons(found["finance"][0]) == set()


@pytest.mark.parametrize("on", [True, False])
def test_automatic_payments_can_be_turned_off_from_each_message(made: Company, *, on: bool) -> None:
    """By finance too, where a rule is on; where none is, there is nothing to turn off."""
    made.card_of("connector")  # the one that is connected becomes its backup
    changes: list[Callable[[], object]] = [
        lambda: _appoint(made, billing_admins=[ADMIN], finance=[FINANCE, MEMBER]),
        lambda: set_channels(made.ledger, made.wallet_id, [f"C{on}"], actor=U1),
        lambda: pay(made, made.cases.payments.connect(made.wallet_id, USD, asked_by=U1)),
    ]
    _rule(made, on=on)
    for change in changes:
        found = _fresh(made, change)
        for who in ("admin", "finance"):
            assert (Act.AUTOMATIC_OFF in _buttons(found[who][0])) is on, (who, found[who][0]["text"])
    _rule(made, on=False)


def test_a_connected_card_is_told_to_the_asker_and_to_the_others(made: Company) -> None:
    """With whoever entered it, and what it is used for: an admin chooses whether it is charged."""
    made.card_of("connector")
    payment = made.cases.payments.connect(made.wallet_id, USD, asked_by=U1, payer=FINANCE)
    made.carry()
    found = _texts(_fresh(made, lambda: pay(made, payment)))
    told = f"Visa ••4242 was connected by <@{FINANCE}>. It is the backup card."
    assert any(one.startswith(told) for one in found["admin"]), found
    assert any("Visa ••4242 is connected" in one for one in found["owner"])
    assert not any(told in one for one in found.get("finance", ())), "they entered it"


def test_a_card_that_is_saved_again_is_told_to_whoever_asked_for_it(made: Company) -> None:
    """One card, told once to the others; the asker waits for an answer to each request."""
    made.card_of("connector")
    pay(made, made.cases.payments.connect(made.wallet_id, USD, asked_by=U1, payer=FINANCE))
    made.carry()
    again = made.cases.payments.connect(made.wallet_id, USD, asked_by=U1, payer=FINANCE)
    made.carry()
    found = _texts(_fresh(made, lambda: pay(made, again)))
    assert list(found) == ["owner"]
    assert "Visa ••4242 is connected through the link sent to" in str(found["owner"])


@pytest.mark.parametrize("on", [True, False])
def test_whoever_connected_a_card_reads_that_it_was_chosen(made: Company, *, on: bool) -> None:
    """Where a rule uses it, with the ways to stop that; nothing of the other cards, and nothing without a rule."""
    _rule(made, on=on)
    made.card_of("owner")

    def save(tx: Tx) -> None:
        row = {"card_id": "pm_own", "slot": CardSlot.BACKUP, "brand": "Mastercard", "last4": "5100"}
        date = {"exp_month": 12, "exp_year": 2034, "connected_by": MEMBER, "connected_at": tx.now}
        tx.connection.execute(insert(cards).values(wallet_id=made.wallet_id, fingerprint="", **row, **date))

    made.ledger.run(save, wallet_id=made.wallet_id)
    made.carry()
    before = len(made.place.messages(MEMBER))
    made.cases.cards.charge_from_now_on(made.wallet_id, "pm_own", actor=U1)
    made.carry()
    told = made.place.messages(MEMBER)[before:]
    assert len(told) == int(on)
    for message in told:
        assert "Mastercard ••5100, which you connected, is the card" in message["text"]
        assert {Act.AUTOMATIC_OFF, Act.REMOVE_CARD} <= _buttons(message)
        assert "4242" not in str(message)
    _rule(made, on=False)


def test_another_card_for_the_rule_is_told(made: Company) -> None:
    """Before → after; the same cards again are no news."""
    main = made.card_of("connector")

    def save(tx: Tx) -> None:
        row = {"card_id": "pm_backup", "slot": CardSlot.BACKUP, "brand": "Mastercard", "last4": "5100"}
        date = {"exp_month": 12, "exp_year": 2034, "connected_by": OWNER, "connected_at": tx.now}
        tx.connection.execute(insert(cards).values(wallet_id=made.wallet_id, fingerprint="", **row, **date))

    made.ledger.run(save, wallet_id=made.wallet_id)

    def choose(card_id: str, backup_id: str) -> None:
        made.context.rules.turn_on(
            made.wallet_id, RULE, card_id=card_id, backup_id=backup_id, actor=U1, expected_version=None
        )

    found = _texts(_fresh(made, lambda: choose("pm_backup", main)))
    line = (
        f"<@{OWNER}> changed which card is charged: main card Visa ••4242 → Mastercard ••5100, "
        "backup card Mastercard ••5100 → Visa ••4242."
    )
    for who in ("admin", "finance"):
        assert line in found[who]
    again = _texts(_fresh(made, lambda: choose("pm_backup", main)))
    assert not any("which card is charged" in str(one) for one in again.values())
    _rule(made, on=False)
