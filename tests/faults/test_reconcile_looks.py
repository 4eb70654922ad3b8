"""What the comparison looks at by itself: marks that name no wallet here, and objects that change after the list."""

from typing import Any

import pytest

from bot.causes import CouldNotBook, NamesNoPayment, PaymentUnknown, Refusal
from bot.notices import BooksDiffer
from bot.reconciliation.difference import Difference, Digest
from bot.reconciliation.open_differences import keep_differences
from bot.reconciliation.run import NotReconciled
from bot.served import Served
from bot.tables import NIL_WALLET
from bot.use_cases import use_cases_of
from bot.wallets.named_values import set_named_value
from ledger import Automatic, CreditKind, PostMoney, new_id
from tests.faults.driver import BotDriver, automatic, open_beside, rule_on

DISPUTED = "4000 0000 0000 0259"
NOT_HERE = new_id()


def _later(driver: BotDriver, **time: int) -> Digest:
    driver.shop.clock.skip(**(time or {"minutes": 10}))
    return driver.reconciliation.run(driver.ledger.now())


def _marked(driver: BotDriver, **marks: str) -> str:
    """Have $50 paid under our mark; gives the intent."""
    install = driver.reconciliation._install
    metadata = {"redbar_install": install, "redbar_ref": "RB-9", **marks}
    assert driver.shop.pay(driver.shop.link(payment_intent_data={"metadata": metadata}))["ok"]
    return str(driver.shop.charges()[-1]["payment_intent"])


@pytest.mark.parametrize(
    ("marks", "cause"),
    [
        ({}, CouldNotBook(why=NamesNoPayment())),
        ({"redbar_wallet": "not an id"}, CouldNotBook(why=NamesNoPayment())),
        ({"redbar_wallet": str(NOT_HERE)}, CouldNotBook(why=NamesNoPayment(), elsewhere=NOT_HERE)),
        (
            {"redbar_wallet": str(NOT_HERE), "redbar_payment": str(new_id())},
            CouldNotBook(why=PaymentUnknown("RB-9"), elsewhere=NOT_HERE),
        ),
    ],
    ids=["no wallet", "no id of a wallet", "a wallet that is not here", "its payment too"],
)
def test_money_whose_mark_names_no_wallet_here_is_listed_once(
    driver: BotDriver, marks: dict[str, str], cause: CouldNotBook
) -> None:
    """Under no wallet, as long as it is listed and beyond; no wallet's automatic payments are paused for it."""
    rule_on(driver)
    intent = _marked(driver, **marks)

    first = _later(driver)
    second = _later(driver, days=10)

    expected = (NIL_WALLET, f"credit:{intent}", cause)
    for digest, new in ((first, True), (second, False)):
        assert [(one.wallet_id, one.key, one.cause) for one in digest.differences] == [expected]
        assert digest.differences[0].new is new
    assert (driver.view().balance_micros, automatic(driver), driver.told(BooksDiffer)) == (
        0,
        Automatic.ON,
        [],
    )


@pytest.mark.parametrize("marks", [{}, {"redbar_wallet": str(NOT_HERE)}], ids=["no wallet", "not here"])
def test_money_that_an_operator_credited_in_another_workspace_is_no_difference_here(
    driver: BotDriver, marks: dict[str, str]
) -> None:
    """Its own process compares it, with all that becomes of it; the comparison here goes on."""
    second = open_beside(driver.ledger, "T2")
    intent = _marked(driver, **marks)
    credit = PostMoney("stripe", f"credit:{intent}", CreditKind.TOP_UP, 50_000_000, None)
    driver.ledger.carry_out(second, [credit])
    driver.paid()

    digest = _later(driver)

    assert (digest.differences, digest.fees) == ([], {"USD": 0})
    assert driver.view().balance_micros == 20_000_000


def test_money_that_is_credited_after_it_was_listed_is_no_difference(
    driver: BotDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator credits it while the comparison still asks for its last list."""
    intent = _marked(driver, redbar_wallet=str(NOT_HERE))
    hand = use_cases_of(driver.ledger, driver.gateway, Served(None)).manual_credit
    list_slowly = driver.gateway.movements

    def movements(*between: Any) -> Any:
        hand.credit(driver.wallet_id, intent, "it was for this wallet")
        return list_slowly(*between)

    with monkeypatch.context() as patch:
        patch.setattr(driver.gateway, "movements", movements)
        assert _later(driver).differences == []
    assert _later(driver).headline == "nothing is missing and nothing differs"
    assert driver.view().balance_micros == 50_000_000


def test_an_appeal_that_is_won_months_later_is_found_by_its_movement(driver: BotDriver) -> None:
    """The dispute is older than what is listed, and no look awaits its end, since it was lost."""
    driver.hear_all(driver.paid(DISPUTED)[1])
    (dispute,) = driver.shop.api.disputes.list().data
    driver.claw_back("turn_dispute", dispute=dispute.id, status="lost")
    driver.hear_all(driver.happened())
    _later(driver)
    driver.shop.clock.skip(days=130)
    driver.claw_back("turn_dispute", dispute=dispute.id, status="won")

    digest = _later(driver)

    assert [one.key.partition(":")[0] for one in digest.healed] == ["dispute"]
    assert digest.differences == []
    assert driver.view().balance_micros == 20_000_000


def test_a_refund_that_could_not_be_booked_is_tried_again_however_old_it_is(driver: BotDriver) -> None:
    """It is not listed any more; it is looked up by its id, and booked once that can be."""
    driver.hear_all(driver.paid()[1])
    made = driver.claw_back("refund", charge=driver.shop.charges()[0]["id"], amount=700)
    key = f"refund:{made['id']}"
    why = CouldNotBook(why=Refusal("Busy"))
    found = Difference(driver.wallet_id, key, why, driver.ledger.now(), new=True)
    keep_differences(driver.ledger, [found], [driver.wallet_id])
    driver.shop.clock.skip(days=30)
    driver.ledger.run(lambda tx: set_named_value(tx, NIL_WALLET, "reconciled"), wallet_id=None)

    digest = _later(driver)

    assert ([one.key for one in digest.healed], digest.differences) == ([key], [])
    assert driver.view().balance_micros == 13_000_000


@pytest.mark.parametrize("moved", ["refund", "dispute", "movement"])
def test_nothing_is_concluded_where_what_the_books_lack_cannot_be_looked_at(
    driver: BotDriver, moved: str
) -> None:
    """Stripe lists it, and gives no answer about its payment: the comparison ends, and the next one books it."""
    rule_on(driver)
    if moved == "dispute":
        driver.paid(DISPUTED)
    else:
        driver.hear_all(driver.paid()[1])
        made = driver.claw_back("refund", charge=driver.shop.charges()[0]["id"], amount=700)
        if moved == "movement":
            driver.hear_all(driver.happened())
            _later(driver, days=20)
            driver.claw_back("turn_refund", refund=made["id"], status="failed")
    driver.shop.clock.skip(minutes=10)
    address = "refunds" if moved == "movement" else "payment_intents"
    driver.shop.arm(match=f"GET /v1/{address}/*", mode="status", status=503, times=9)

    with pytest.raises(NotReconciled):
        driver.reconciliation.run(driver.ledger.now())

    assert driver.view().balance_micros == {"refund": 20, "dispute": 20, "movement": 13}[moved] * 1_000_000
    assert (automatic(driver), driver.told(BooksDiffer)) == (Automatic.ON, [])
    driver.shop.arm(clear=True)
    digest = _later(driver)
    assert digest.differences == []
    assert driver.view().balance_micros == {"refund": 13, "dispute": 0, "movement": 20}[moved] * 1_000_000
