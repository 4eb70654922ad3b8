"""Money in, usage out: keys, duplicates, conflicts, corrections, and what people read afterwards."""

from datetime import timedelta

import pytest

from ledger import (
    AI_TASK,
    INBOUND_CALL,
    OUTBOUND_CALL,
    AmountOutOfRange,
    Command,
    Correct,
    CorrectionTooLarge,
    CreditKind,
    KeyReused,
    KindUnknown,
    PostMoney,
    PostUsage,
    Receipt,
    Refused,
    Standing,
    TextUnfit,
    TimeUnfit,
    UsageUnknown,
    WalletUnknown,
    new_wallet_id,
    transfer_by_key,
)
from ledger.deciding.checks import TEXT_MAX
from ledger.money import MICROS_MAX
from tests.ledger.wallet_driver import MORNING, WalletDriver, usd

CALL = PostUsage("platform", "call-118", OUTBOUND_CALL, usd("0.42"), None, 60, "camp-7", "Ann to Bob")


def test_a_wallet_starts_empty_and_not_connected(driver: WalletDriver) -> None:
    """Nothing starts before the first money."""
    view = driver.view()

    assert (view.balance_micros, view.held_micros, view.seq) == (0, 0, 0)
    assert view.standing is Standing.NOT_CONNECTED
    assert driver.told() == []


def test_money_in_and_usage_out_make_the_balance(driver: WalletDriver) -> None:
    """Each is a transaction of its own, and says the balance after it."""
    driver.top_up("50")
    driver.use("0.42", quantity=60, reference="camp-7")

    newest, oldest = driver.history()
    assert (newest.kind, newest.amount_micros, newest.balance_after_micros) == (
        OUTBOUND_CALL,
        usd("-0.42"),
        usd("49.58"),
    )
    assert (oldest.kind, oldest.amount_micros) == ("top_up", usd("50"))
    assert driver.view().balance_micros == usd("49.58")


def test_the_same_usage_twice_is_posted_once(driver: WalletDriver) -> None:
    """A retry gets the first receipt, marked as a duplicate."""
    driver.top_up("10")

    (first,) = driver.do(CALL)
    (again,) = driver.do(CALL)

    assert isinstance(first, Receipt)
    assert isinstance(again, Receipt)
    assert not first.duplicate
    assert again.duplicate
    assert (again.seq, again.balance_after_micros) == (first.seq, first.balance_after_micros)
    assert driver.view().seq == 2


def test_the_same_usage_twice_in_one_batch_is_posted_once(driver: WalletDriver) -> None:
    """Inside a batch the second is a duplicate as well."""
    driver.top_up("10")

    first, second = driver.do(CALL, CALL)

    assert isinstance(first, Receipt)
    assert isinstance(second, Receipt)
    assert (first.duplicate, second.duplicate) == (False, True)
    assert driver.view().balance_micros == usd("9.58")


@pytest.mark.parametrize(
    ("other", "field"),
    [
        (PostUsage("platform", "call-118", INBOUND_CALL, usd("0.42"), None, 60, "camp-7", "Ann to Bob"), "kind"),
        (PostUsage("platform", "call-118", OUTBOUND_CALL, usd("0.43"), None, 60, "camp-7", "Ann to Bob"), "amount"),
        (PostUsage("platform", "call-118", OUTBOUND_CALL, usd("0.42"), None, 61, "camp-7", "Ann to Bob"), "quantity"),
        (PostUsage("platform", "call-118", OUTBOUND_CALL, usd("0.42"), None, 60, "camp-8", "Ann to Bob"), "reference"),
        (PostUsage("platform", "call-118", OUTBOUND_CALL, usd("0.42"), None, 60, "camp-7", "Bob"), "description"),
        (
            PostUsage("platform", "call-118", OUTBOUND_CALL, usd("0.42"), None, 60, "camp-7", "Ann to Bob", "h1"),
            "hold",
        ),
        (
            PostUsage(
                "platform", "call-118", OUTBOUND_CALL, usd("0.42"), None, 60, "camp-7", "Ann to Bob", None, "h0"
            ),
            "parent",
        ),
        (PostMoney("platform", "call-118", CreditKind.PROMO, usd("0.42"), None, "camp-7", "Ann to Bob"), "kind"),
    ],
)  # fmt: skip
def test_the_same_key_with_other_contents_names_what_differs(
    driver: WalletDriver, other: Command, field: str
) -> None:
    """The first one stands; nothing is posted."""
    driver.top_up("10")
    driver.do(CALL)

    refusal = driver.refusal(other)

    assert isinstance(refusal, KeyReused)
    assert refusal.field == field
    assert field in str(refusal)
    assert driver.view().seq == 2


def test_a_replay_is_held_to_the_time_only_when_both_say_one(driver: WalletDriver) -> None:
    """A time that was left out is filled in by us, so it is no contradiction."""
    driver.top_up("10")
    at = MORNING - timedelta(hours=1)

    driver.use("1", key="a", at=at)
    driver.use("1", key="b")
    driver.clock.skip(minutes=5)

    assert driver.use("1", key="a").duplicate
    assert driver.use("1", key="b", at=at).duplicate
    refusal = driver.refusal(PostUsage("platform", "a", OUTBOUND_CALL, usd("1"), at + timedelta(seconds=1)))
    assert isinstance(refusal, KeyReused)
    assert refusal.field == "occurred_at"


def test_the_same_key_in_two_wallets_is_two_transfers(driver: WalletDriver) -> None:
    """Keys belong to a wallet."""
    driver.top_up("10", key="x")
    other = driver.open_wallet()

    (receipt,) = driver.ledger.carry_out(
        other, [PostMoney("stripe", "x", CreditKind.TOP_UP, usd("20"), None)]
    )

    assert isinstance(receipt, Receipt)
    assert not receipt.duplicate
    assert receipt.balance_after_micros == usd("20")


def test_usage_is_never_refused_for_lack_of_money(driver: WalletDriver) -> None:
    """It happened; the balance goes below zero and says so."""
    driver.top_up("1")

    driver.use("3.50")

    assert driver.view().balance_micros == usd("-2.50")


def test_work_without_a_price_is_a_transaction_and_counted(driver: WalletDriver) -> None:
    """Free calls appear in the history and replay like others."""
    driver.top_up("1")

    first = driver.use("0", key="free", quantity=30)

    assert driver.use("0", key="free", quantity=30).duplicate
    assert (first.amount_micros, driver.history()[0].quantity) == (0, 30)
    refusal = driver.refusal(PostUsage("platform", "free", OUTBOUND_CALL, usd("5"), None, 30))
    assert isinstance(refusal, KeyReused)


def test_a_correction_gives_back_part_of_what_was_charged(driver: WalletDriver) -> None:
    """It is linked, and its money is back."""
    driver.top_up("10")
    charged = driver.use("4")

    receipt = driver.one(
        Correct("operator", "fix-1", charged.source_id, usd("2.50"), None, "wrong rate"), Receipt
    )

    assert receipt.balance_after_micros == usd("7.50")
    assert driver.history()[0].corrects_seq == charged.seq


def test_corrections_only_lower_what_is_booked(driver: WalletDriver) -> None:
    """Also one after the other, and inside one batch; the refusal says what is booked, and nothing is written."""
    driver.top_up("10")
    driver.use("4", key="u")

    first, second = driver.do(
        Correct("operator", "fix-1", "u", usd("1"), None),
        Correct("operator", "fix-2", "u", usd("1.01"), None),
    )

    assert isinstance(first, Receipt)
    assert first.amount_micros == usd("3")
    assert isinstance(second, CorrectionTooLarge)
    assert (second.total_micros, second.booked_micros) == (usd("1.01"), usd("1"))
    assert isinstance(driver.refusal(Correct("operator", "fix-3", "u", usd("4"), None)), CorrectionTooLarge)
    assert driver.view().balance_micros == usd("9")


def test_a_total_that_is_booked_already_is_no_correction(driver: WalletDriver) -> None:
    """Repeated under its own id, under another, or of what was right from the start: a duplicate."""
    driver.top_up("10")
    charged = driver.use("4", key="u")
    assert driver.one(Correct("operator", "fix-0", "u", usd("4"), None), Receipt).seq == charged.seq
    fixed = driver.one(Correct("operator", "fix-1", "u", usd("1"), None), Receipt)
    lower = driver.one(Correct("operator", "fix-2", "u", 0, None), Receipt)

    for name, total, seq in (("fix-1", "1", fixed.seq), ("fix-2", "0", lower.seq), ("fix-3", "0", lower.seq)):
        again = driver.one(Correct("operator", name, "u", usd(total), None), Receipt)
        assert (again.duplicate, again.seq) == (True, seq)
    refusal = driver.refusal(Correct("operator", "fix-1", "u", usd("2"), None))
    assert isinstance(refusal, KeyReused)
    assert refusal.field == "amount"
    assert driver.view().balance_micros == usd("10")


def test_what_was_never_charged_cannot_be_corrected(driver: WalletDriver) -> None:
    """Nor a payment, a hold without a cost, or a correction."""
    driver.top_up("10", key="credit:pi_1")
    driver.use("4", key="u")
    driver.ask("held")
    driver.one(Correct("operator", "fix-1", "u", usd("1"), None), Receipt)

    for name in ("nope", "credit:pi_1", "held", "fix-1"):
        assert isinstance(driver.refusal(Correct("operator", "x", name, 0, None)), UsageUnknown)


@pytest.mark.parametrize(
    ("kind", "effect"),
    [
        (CreditKind.TOP_UP, 1),
        (CreditKind.RECHARGE, 1),
        (CreditKind.REFUND, -1),
        (CreditKind.REFUND_REVERSAL, 1),
        (CreditKind.DISPUTE_WITHDRAWN, -1),
        (CreditKind.DISPUTE_REINSTATED, 1),
        (CreditKind.PROMO, 1),
        (CreditKind.ADJUSTMENT_UP, 1),
        (CreditKind.ADJUSTMENT_DOWN, -1),
    ],
)
def test_each_kind_of_money_moves_the_balance_its_way(
    driver: WalletDriver, kind: CreditKind, effect: int
) -> None:
    """Money in says so in a notice; money back does not."""
    driver.top_up("100")

    receipt = driver.one(PostMoney("operator", "m", kind, usd("7"), None), Receipt)

    assert receipt.balance_after_micros == usd("100") + effect * usd("7")
    assert driver.told().count("wallet.credited") == (2 if effect > 0 else 1)


_LATE = MORNING - timedelta(days=401)
_EARLY = MORNING + timedelta(minutes=11)


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (PostUsage("p", "a", OUTBOUND_CALL, -1, None), AmountOutOfRange),
        (PostUsage("p", "a", OUTBOUND_CALL, MICROS_MAX + 1, None), AmountOutOfRange),
        (PostUsage("p", "a", OUTBOUND_CALL, 2**63, None), AmountOutOfRange),
        (PostUsage("p", "a", OUTBOUND_CALL, True, None), AmountOutOfRange),
        (PostUsage("p", "a", OUTBOUND_CALL, 1, None, -1), AmountOutOfRange),
        (PostUsage("p", "a", OUTBOUND_CALL, 1, None, 2**63), AmountOutOfRange),
        (PostUsage("p", "a", "Outbound", 1, None), KindUnknown),
        (PostUsage("p", "a", "", 1, None), KindUnknown),
        (PostUsage("p", "a", "top_up", 1, None), KindUnknown),
        (PostUsage("p", "a", "correction", 1, None), KindUnknown),
        (PostUsage("p", "a", "x" * 41, 1, None), KindUnknown),
        (PostUsage("p", "", AI_TASK, 1, None), TextUnfit),
        (PostUsage("p", "a" * 256, AI_TASK, 1, None), TextUnfit),
        (PostUsage("p", "a\0", AI_TASK, 1, None), TextUnfit),
        (PostUsage("p\ud800", "a", AI_TASK, 1, None), TextUnfit),
        (PostUsage("p", "a\udfff", AI_TASK, 1, None), TextUnfit),
        (PostUsage("p", "a", AI_TASK, 1, None, None, "r\0"), TextUnfit),
        (PostUsage("p", "a", AI_TASK, 1, None, None, "", "d" * (TEXT_MAX + 1)), TextUnfit),
        (PostUsage("p", "a", AI_TASK, 1, None, None, "", "d" * 1_000_000), TextUnfit),
        (PostUsage("p", "a", AI_TASK, 1, None, None, "", "", "h\0"), TextUnfit),
        (PostUsage("p", "a", AI_TASK, 1, None, None, "", "", None, "\ud800"), TextUnfit),
        (PostUsage("p", "a", AI_TASK, 1, _LATE), TimeUnfit),
        (PostUsage("p", "a", AI_TASK, 1, _EARLY), TimeUnfit),
        (PostUsage("p", "a", AI_TASK, 1, MORNING.replace(tzinfo=None)), TimeUnfit),
        (PostMoney("p", "a", CreditKind.PROMO, 0, None), AmountOutOfRange),
        (Correct("p", "a", "u", -1, None), AmountOutOfRange),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_changes_nothing(
    driver: WalletDriver, command: Command, refusal: type[Refused]
) -> None:
    """Each has its own class and words; its neighbours in the batch go on."""
    driver.top_up("5")

    before, refused, after = driver.do(
        PostUsage("ok", "1", AI_TASK, 1, None), command, PostUsage("ok", "2", AI_TASK, 1, None)
    )

    assert isinstance(refused, refusal), refused
    assert str(refused)
    assert isinstance(before, Receipt)
    assert isinstance(after, Receipt)
    assert driver.view().seq == 3


def test_sums_beyond_what_can_be_counted_are_refused(driver: WalletDriver) -> None:
    """The balance never comes near the end of 64 bits."""
    outcomes = driver.do(
        *(PostMoney("p", str(number), CreditKind.PROMO, MICROS_MAX, None) for number in range(60))
    )

    assert isinstance(outcomes[-1], AmountOutOfRange)
    assert driver.view().balance_micros < 2**62
    assert driver.view().balance_micros == sum(
        one.amount_micros for one in outcomes if isinstance(one, Receipt)
    )


def test_an_unknown_wallet_is_refused(driver: WalletDriver) -> None:
    """Nothing is made up for it."""
    with pytest.raises(WalletUnknown):
        driver.ledger.carry_out(new_wallet_id(), [CALL])


def test_text_of_any_script_is_kept(driver: WalletDriver) -> None:
    """Composed or not, with and without emoji; the chain holds."""
    driver.top_up("5")

    driver.use("1", reference="Zoe\u0308 📞", description="日本語 \u200f שלום é")

    assert driver.history()[0].reference == "Zoe\u0308 📞"
    assert driver.history()[0].description == "日本語 \u200f שלום é"


def test_a_transaction_is_found_by_its_key(driver: WalletDriver) -> None:
    """And nothing by another."""
    driver.top_up("5", key="credit:pi_1")

    with driver.ledger.reading() as connection:
        found = transfer_by_key(connection, driver.wallet_id, "stripe", "credit:pi_1")
        missing = transfer_by_key(connection, driver.wallet_id, "stripe", "credit:pi_2")

    assert found is not None
    assert found.amount_micros == usd("5")
    assert missing is None


def test_recorded_time_never_runs_back(driver: WalletDriver) -> None:
    """A clock that is set back is waited out, also across a restart."""
    driver.top_up("5")
    driver.clock.skip(hours=1)
    driver.use("1")

    driver.clock.skip(hours=-3)
    driver.reopen()
    driver.use("1")

    recorded = [row.recorded_at for row in reversed(driver.history())]
    assert recorded == sorted(recorded)
    assert recorded[-1] == MORNING + timedelta(hours=1)
