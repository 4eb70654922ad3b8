"""No charge of a saved card without a look: whether Stripe has payments of this install that the books don't know."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from bot.notices import MoneyParked
from bot.payment_rows import open_payments, payment_by_id
from bot.payments.top_ups import Charges
from bot.ports import Ok
from bot.states.payment import Outcome, Purpose, State, Withdrawer
from bot.stripe.gateway import StripeGateway
from bot.stripe.request_bodies import ROW
from bot.use_cases import UseCases, use_cases_of
from bot.wallets.books_owner import Owner, move, stranger
from bot.wallets.restored_mode import RestoredCause, enter, leave, restored
from ledger import new_id
from tests.faults.driver import DOLLARS, BotDriver, driver_in
from tests.persons import owner


@pytest.fixture
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotDriver]:
    """One wallet with a saved card, one Stripe."""
    with driver_in(tmp_path_factory.mktemp("restored")) as made:
        connected = made.payments.connect(made.wallet_id, DOLLARS.currency, asked_by=owner("U1"))
        assert made.shop.pay(made.shop.api.checkout.sessions.retrieve(connected.session_id))["ok"]
        made.sync.session(connected.session_id)
        yield made


@pytest.fixture
def cases(driver: BotDriver) -> UseCases:
    """The use cases as a process has them."""
    return use_cases_of(driver.ledger, driver.gateway, driver.served)


def _charge(driver: BotDriver, cases: UseCases) -> State:
    charges = Charges(driver.ledger, cases.payments, driver.served)
    wish, _ = charges.prepare(driver.wallet_id, DOLLARS, actor=owner("U1"))
    return charges.charge(driver.wallet_id, wish, actor=owner("U1")).state


def _strange(driver: BotDriver, cases: UseCases, *, currency: str = "usd", **marks: str) -> str:
    """Have a copy of these books charge the card; gives the intent."""
    own = {
        "redbar_install": cases.workspaces.install_id(),
        "redbar_wallet": str(driver.wallet_id),
        "redbar_payment": str(new_id()),
        "redbar_ref": "RB-1009",
        **marks,
    }
    card = driver.shop.api.payment_methods.list({"customer": _customer(driver), "type": "card"}).data[0].id
    made = driver.shop.api.payment_intents.create(
        {
            "amount": 700,
            "currency": currency,
            "customer": _customer(driver),
            "payment_method": card,
            "metadata": own,
        }
    )
    driver.shop.api.payment_intents.confirm(made.id, {"off_session": True})
    return str(made.id)


def _customer(driver: BotDriver) -> str:
    return str(driver.shop.api.customers.list({"limit": 1}).data[0].id)


def _cause(driver: BotDriver) -> RestoredCause | None:
    with driver.ledger.reading() as connection:
        found = restored(connection)
    return found.cause if found is not None else None


def _charged(driver: BotDriver) -> list[int]:
    return [one["amount"] for one in driver.shop.charges()]


def test_a_charge_by_a_copy_stops_the_next_one_here(driver: BotDriver, cases: UseCases) -> None:
    """At most one read says so, and the one who pressed reads why; what Stripe has is made again and credited."""
    assert cases.restored.look()
    driver.gateway.take_reads()
    strange = _strange(driver, cases)
    assert _charge(driver, cases) is State.WITHDRAWN
    assert driver.gateway.take_reads() == 1
    assert (_cause(driver), _charged(driver)) == (RestoredCause.PAYMENT, [700])

    digest = cases.reconciliation.run(driver.ledger.now())
    assert (digest.rebuilt, digest.differences) == (["RB-1009"], [])
    assert driver.credited(strange)
    driver.ledger.run(leave, wallet_id=None)
    cases.restored.forget()
    assert _charge(driver, cases) is State.PAID
    assert _charged(driver) == [700, DOLLARS.micros // 10_000]
    assert _cause(driver) is None
    asked = cases.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="")
    assert asked.ref == "RB-1011", "the charge before was RB-1010, since RB-1009 was given out"


def test_what_was_planned_before_is_never_sent(driver: BotDriver, cases: UseCases) -> None:
    """Neither in restored mode nor after it: whoever made the original may have sent it, and charged after it."""
    driver.shop.arm(match="GET /v1/payment_intents", mode="status", status=503, times=1)
    assert _charge(driver, cases) is State.ASKED
    driver.ledger.run(lambda tx: enter(tx, RestoredCause.BACKUP), wallet_id=None)
    driver.ledger.run(leave, wallet_id=None)
    driver.shop.clock.skip(minutes=2)
    cases.sweep.run(driver.ledger.now())
    assert _charged(driver) == []
    with driver.ledger.reading() as connection:
        assert open_payments(connection, driver.wallet_id, purposes=[Purpose.TOP_UP]) == []


def test_who_pressed_reads_that_the_books_may_be_a_copy(driver: BotDriver, cases: UseCases) -> None:
    """Not that the app was removed, and not that Stripe could not be reached."""
    _strange(driver, cases)
    charges = Charges(driver.ledger, cases.payments, driver.served)
    wish, _ = charges.prepare(driver.wallet_id, DOLLARS, actor=owner("U1"))
    made = charges.charge(driver.wallet_id, wish, actor=owner("U1"))
    assert charges.result(made).outcome is Outcome.BOOKS_RESTORED


def test_news_waits_until_the_payments_are_there_that_it_is_about(driver: BotDriver, cases: UseCases) -> None:
    """A webhook may still reach restored books: nobody is told of parked money that is made again a moment later."""
    _strange(driver, cases)
    driver.ledger.run(lambda tx: enter(tx, RestoredCause.PAYMENT), wallet_id=None)
    cases.news.take(driver.happened())
    assert cases.news.handle_waiting(driver.ledger.now()) == 0
    assert driver.told(MoneyParked) == []
    cases.reconciliation.run(driver.ledger.now())
    driver.ledger.run(leave, wallet_id=None)
    assert cases.news.handle_waiting(driver.ledger.now()) > 0
    assert driver.told(MoneyParked) == []


@pytest.mark.parametrize("marks", [{"redbar_install": "another"}, {"redbar_payment": "no id"}])
def test_what_is_not_of_these_books_is_no_sign(
    driver: BotDriver, cases: UseCases, marks: dict[str, str]
) -> None:
    """Another program's payments in the same account, and what names no payment of anybody."""
    _strange(driver, cases, **marks)
    assert _charge(driver, cases) is State.PAID
    assert _cause(driver) is None


def test_without_an_answer_nothing_is_charged_until_there_is_one(driver: BotDriver, cases: UseCases) -> None:
    """The charge is kept, and made once by the sweep."""
    driver.shop.arm(match="GET /v1/payment_intents", mode="status", status=503, times=1)
    assert _charge(driver, cases) is State.ASKED
    assert (_cause(driver), _charged(driver)) == (None, [])
    driver.shop.clock.skip(minutes=2)
    cases.sweep.run(driver.ledger.now())
    assert _charged(driver) == [DOLLARS.micros // 10_000]


def test_books_that_are_restored_between_two_requests_take_the_charge_back(
    driver: BotDriver, cases: UseCases
) -> None:
    """The intent exists, is not confirmed and is cancelled: nothing may ever charge it."""
    made = cases.gateway.create_intent

    def restore(body: object, key: str) -> object:
        driver.ledger.run(lambda tx: enter(tx, RestoredCause.BACKUP), wallet_id=None)
        return made(body, key)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cases.gateway, "create_intent", restore)
        assert _charge(driver, cases) is State.WITHDRAWN
    (intent,) = driver.shop.api.payment_intents.list({"limit": 5}).data
    assert (intent.status, _charged(driver)) == ("canceled", [])
    with driver.ledger.reading() as connection:
        found = payment_by_id(connection, driver.wallet_id, UUID(intent.metadata["redbar_payment"]))
    assert found is not None
    assert found.withdrawn_by == Withdrawer.RESTORED


def test_each_object_carries_its_payments_row(driver: BotDriver, cases: UseCases) -> None:
    """Within Stripe's 500 letters, and without a person's name."""
    assert _charge(driver, cases) is State.PAID
    link = cases.payments.ask(driver.wallet_id, DOLLARS, asked_by=owner("U1"), payer="U2", note="for Ann")
    (intent,) = driver.shop.api.payment_intents.list({"limit": 1}).data
    links = driver.gateway.active_links()
    assert isinstance(links, Ok)
    rows = [intent.metadata[ROW], *(one.metadata[ROW] for one in links.seen)]
    assert len(rows) == 2
    assert link.ref in str([one.metadata for one in links.seen])
    for row in rows:
        assert len(row) <= 500
        assert not {"U1", "U2", "Ann"} & set(row.replace('"', " ").split())


def test_books_that_cannot_be_read_begin_and_end_nothing(driver: BotDriver, cases: UseCases) -> None:
    """What was known last is kept while they are in trouble, and nobody who asks breaks."""
    assert cases.restored.now() is None
    driver.ledger.run(lambda tx: enter(tx, RestoredCause.BACKUP), wallet_id=None)
    cases.restored.forget()
    assert cases.restored.is_on()
    driver.ledger.close()
    cases.restored.forget()
    assert cases.restored.is_on()


def test_a_team_that_moved_takes_its_wallet_along(driver: BotDriver, cases: UseCases) -> None:
    """`redbar resume --moved`: the next process of the new team finds the wallet."""
    before = cases.workspaces.only()
    assert before is not None
    moved = Owner(slack_team="T9 Northwind Calls")
    with driver.ledger.reading() as connection:
        assert stranger(connection, moved) == (RestoredCause.SLACK_TEAM, f"{before.team_id} {before.name}")
    driver.ledger.run(lambda tx: move(tx, moved), wallet_id=None)
    with driver.ledger.reading() as connection:
        assert stranger(connection, moved) is None
    found = cases.workspaces.of_team("T9")
    assert found is not None
    assert (found.wallet_id, found.name) == (before.wallet_id, "Northwind Calls")


def test_a_key_of_another_account_charges_nothing(
    driver: BotDriver, cases: UseCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where Stripe did not answer at the start: the account is asked before the first charge."""
    assert _charge(driver, cases) is State.PAID
    other = use_cases_of(driver.ledger, driver.gateway, driver.served)
    monkeypatch.setattr(StripeGateway, "account", lambda _: Ok("acct_other"))
    assert _charge(driver, other) is State.WITHDRAWN
    found = other.restored.now()
    assert found is not None
    assert (found.cause, found.about) == (RestoredCause.STRIPE_ACCOUNT, "acct_sandbox")
    assert _cause(driver) is None, "the books are not restored: another process with the right key goes on"
    assert _charged(driver) == [DOLLARS.micros // 10_000]


@pytest.mark.parametrize(
    "row",
    ["", "{", '{"purpose":"lottery"}', '{"amount":"much"}', "[]"],
    ids=["none", "cut", "purpose", "amount", "list"],
)
def test_a_row_that_somebody_changed_at_stripe_stops_no_comparison(
    driver: BotDriver, cases: UseCases, row: str
) -> None:
    """What was paid is credited all the same, as a top-up; no object keeps the others from being made again."""
    _strange(driver, cases, **{ROW: row, "redbar_attempt": "first"})
    driver.ledger.run(lambda tx: enter(tx, RestoredCause.BACKUP), wallet_id=None)
    digest = cases.reconciliation.run(driver.ledger.now())
    assert (digest.rebuilt, digest.differences) == (["RB-1009"], [])
    assert driver.view().balance_micros == 7_000_000


def test_money_of_another_currency_is_listed_and_not_credited(driver: BotDriver, cases: UseCases) -> None:
    """Seven euros are not seven dollars."""
    _strange(driver, cases, currency="eur")
    driver.ledger.run(lambda tx: enter(tx, RestoredCause.BACKUP), wallet_id=None)
    digest = cases.reconciliation.run(driver.ledger.now())
    assert (digest.rebuilt, len(digest.differences)) == ([], 1)
    assert driver.view().balance_micros == 0
