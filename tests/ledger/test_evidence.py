"""What the chain proves, what only a checkpoint proves, and what may be erased without breaking either."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select, text

from ledger import (
    OUTBOUND_CALL,
    CheckpointUnreadable,
    HoldAnswer,
    KeyReused,
    OpenHold,
    PostUsage,
    Reason,
    audit_books,
    checkpoint_of,
    compare,
    erase_before,
    erase_numbers,
    erase_reference,
    overwrite_erased,
    read_checkpoint,
)
from ledger.deciding.chain import GENESIS, link
from ledger.deciding.rows import CHAINED
from ledger.storage.schema import audit_log, holds
from tests.ledger.wallet_driver import MORNING, WalletDriver, usd


@pytest.fixture
def lived(driver: WalletDriver) -> WalletDriver:
    """A wallet with some history."""
    driver.top_up("100")
    driver.ask("h1")
    driver.capture("h1", "0.75")
    for number in range(5):
        driver.use(
            "1", key=f"call-{number}", reference=f"campaign {number % 2}", description="to +49 30 1234"
        )
    return driver


def kept(driver: WalletDriver) -> bytes:
    """Give a checkpoint as it is written down."""
    with driver.ledger.reading() as connection:
        return checkpoint_of(audit_books(connection), MORNING).to_json()


def against(driver: WalletDriver, checkpoint: bytes) -> list[str]:
    """Give what comparing finds."""
    with driver.ledger.reading() as connection:
        return [str(finding) for finding in compare(connection, read_checkpoint(checkpoint))]


def without_triggers(driver: WalletDriver, *statements: str, **values: object) -> None:
    """Write as somebody who owns the database can."""
    driver.honest = False
    with driver.ledger.store.writing() as connection:
        if connection.dialect.name == "sqlite":
            for trigger in ("transfers_no_update", "transfers_no_delete"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS {trigger}"))
        else:
            connection.execute(text("ALTER TABLE transfers DISABLE TRIGGER ALL"))
        for statement in statements:
            assert connection.execute(text(statement), values).rowcount == 1


def rewrite(driver: WalletDriver) -> None:
    """Halve one charge, and make everything after it fit again: balances, hashes, rollups, the wallet's row."""
    head, balance = GENESIS, 0
    for one in driver.transfers():
        amount = one.amount // 2 if one.seq == 3 else one.amount
        balance += amount if one.credit == "balance" else -amount
        changed = one._replace(amount=amount, balance_after=balance)
        head = link(head, changed[:CHAINED], one.text_digest)
        without_triggers(
            driver,
            "UPDATE transfers SET amount = :amount, balance_after = :balance, hash = :hash WHERE seq = :seq",
            amount=amount,
            balance=balance,
            hash=head,
            seq=one.seq,
        )
    without_triggers(driver, "UPDATE wallets SET balance = :b, chain_head = :h", b=balance, h=head)
    without_triggers(driver, "UPDATE hourly SET amount = amount + 500000 WHERE kind = 'outbound_call'")


def test_a_history_rewritten_as_a_whole_shows_only_against_a_checkpoint(lived: WalletDriver) -> None:
    """The new chain fits itself; it does not fit what was kept elsewhere."""
    checkpoint = kept(lived)
    assert against(lived, checkpoint) == []
    rewrite(lived)

    assert lived.findings() == []
    (found,) = against(lived, checkpoint)

    assert "transaction 7: checkpoint: the history up to here is not the one of 2026-11-23" in found


def test_a_history_that_went_on_still_fits(lived: WalletDriver) -> None:
    """A checkpoint says nothing of what came later."""
    checkpoint = kept(lived)
    lived.use("3", key="later")

    assert against(lived, checkpoint) == []


def test_a_history_that_was_cut_off_and_a_wallet_that_is_gone_show(lived: WalletDriver) -> None:
    """The end that was there is not there any more."""
    empty = lived.open_wallet()
    checkpoint = kept(lived)
    without_triggers(
        lived,
        "DELETE FROM transfers WHERE seq = 7",
        "DELETE FROM wallets WHERE wallet_id = :gone",
        gone=lived.stored(empty),
    )

    cut, gone = sorted(against(lived, checkpoint), key=lambda one: "wallet:" in one)

    assert "transaction 7: checkpoint: the history ended with this on 2026-11-23; it is gone" in cut
    assert f"{empty}, wallet: checkpoint: the wallet is gone" in gone


def test_a_checkpoint_is_read_as_it_was_written(lived: WalletDriver) -> None:
    """And nothing else is taken for one."""
    written = json.loads(kept(lived))
    assert written["heads"][0]["seq"] == 7
    assert len(written["heads"][0]["hash"]) == 64
    assert read_checkpoint(kept(lived)).made_at == MORNING
    head = b'{"wallet_id": "00000000-0000-4000-8000-000000000000", "recorded_at": "2026-11-23T09:00:00Z", %s}'
    damaged = [
        b'{"made_at": "2026-11-23T09:00:00Z", "heads": [%s]}' % (head % what)
        for what in (
            b'"seq": -1, "hash": "%s"' % (b"0" * 64),
            b'"seq": 99999999999999999999, "hash": "%s"' % (b"0" * 64),
            b'"seq": 1, "hash": "%s"' % (b"0" * 63),
        )
    ]
    for wrong in (b"", b"{}", b"no checkpoint", b'{"made_at": "today", "heads": []}', *damaged):
        with pytest.raises(CheckpointUnreadable):
            read_checkpoint(wrong)


# --- Erasing -------------------------------------------------------------------------------------------------


def references(driver: WalletDriver) -> list[str]:
    """Give the references of the history, oldest first."""
    return [row.reference for row in reversed(driver.history())]


def test_a_reference_is_erased_and_the_books_stay_whole(lived: WalletDriver) -> None:
    """No trace of it is left, in no row; the money and its proof are as before."""
    checkpoint = kept(lived)
    erased = lived.ledger.run(lambda tx: erase_reference(tx, lived.wallet_id, "campaign 0", actor="U1"))

    assert erased == 3
    assert references(lived) == ["", "", "", "campaign 1", "", "campaign 1", ""]
    assert lived.findings() == []
    assert against(lived, checkpoint) == []
    for one in lived.transfers():
        assert one.erased is (one.seq in (3, 5, 7))
    with lived.ledger.reading() as connection:
        note = connection.execute(select(audit_log.c.after).where(audit_log.c.action == "erase")).scalar_one()
    assert json.loads(note) == {"transfers": 3, "why": "reference"}


def test_what_was_erased_is_known_again_when_it_comes_again(lived: WalletDriver) -> None:
    """A replay gets its first receipt, with whatever text; another amount is still a conflict."""
    lived.ledger.run(lambda tx: erase_numbers(tx, lived.wallet_id, [3], actor="U1"))

    again = lived.use("1", key="call-0", reference="campaign 0", description="to +49 30 1234")
    other = lived.refusal(PostUsage("platform", "call-0", OUTBOUND_CALL, usd("2"), None))

    assert (again.duplicate, again.seq) == (True, 3)
    assert isinstance(other, KeyReused)
    assert isinstance(
        lived.refusal(PostUsage("platform", "call-1", OUTBOUND_CALL, usd("1"), None)), KeyReused
    )


def test_what_is_older_is_erased(lived: WalletDriver) -> None:
    """Up to an instant; what came later keeps its text."""
    lived.clock.skip(days=1)
    lived.use("1", key="later", reference="campaign 9")
    before = lived.clock.now()

    assert (
        lived.ledger.run(lambda tx: erase_before(tx, lived.wallet_id, before, actor="U1")) == 5
    )  # those that had any
    assert references(lived) == [""] * 7 + ["campaign 9"]


def test_holds_that_ended_forget_their_reference_and_know_their_key(driver: WalletDriver) -> None:
    """An open hold keeps it, since its capture takes it over."""
    driver.top_up("100")
    asked = [OpenHold(name, OUTBOUND_CALL, usd("1"), reference="campaign 3") for name in ("h1", "h2")]
    for question in asked:
        driver.one(question, HoldAnswer)
    driver.capture("h1", "1")

    assert driver.ledger.run(lambda tx: erase_reference(tx, driver.wallet_id, "campaign 3", actor="U1")) == 1

    again = driver.one(asked[0], HoldAnswer)
    assert (again.duplicate, again.permit.reason) == (True, Reason.ENDED)
    driver.capture("h2", "1")
    assert references(driver) == ["", "", "campaign 3"]
    with driver.ledger.reading() as connection:
        found = connection.execute(select(holds.c.hold_id, holds.c.reference)).all()
    assert dict(found) == {"h1": "", "h2": "campaign 3"}


def test_a_text_put_in_later_is_found(driver: WalletDriver) -> None:
    """A transfer that never had one has no row for it; one that is made for it shows."""
    driver.top_up("5")
    without_triggers(
        driver,
        "INSERT INTO texts SELECT wallet_id, seq, hash, 'a gift', '' FROM transfers WHERE seq = 1",
    )

    assert "transaction 1: text: its text was put in later" in driver.findings()[0]


def test_a_capture_that_comes_again_is_known_however_its_hold_was_erased(driver: WalletDriver) -> None:
    """It takes its reference from the hold: both lose it together, by whichever rule."""
    driver.top_up("100")
    for name in ("before", "across", "numbered"):
        driver.one(OpenHold(name, OUTBOUND_CALL, usd("1"), reference="campaign 3"), HoldAnswer)
    driver.capture("before", "1")
    driver.clock.skip(minutes=1)
    instant = driver.clock.now()
    driver.capture("across", "1")
    numbered = driver.capture("numbered", "1")

    assert driver.ledger.run(lambda tx: erase_before(tx, driver.wallet_id, instant, actor="U1")) == 1
    assert driver.ledger.run(lambda tx: erase_numbers(tx, driver.wallet_id, [numbered.seq], actor="U1")) == 1

    assert references(driver) == ["", "", "campaign 3", ""]
    for name in ("before", "across", "numbered"):
        assert driver.capture(name, "1").duplicate
    with driver.ledger.reading() as connection:
        found = dict(connection.execute(select(holds.c.hold_id, holds.c.reference)).all())
    assert found == {"before": "", "across": "campaign 3", "numbered": ""}


def bytes_of(driver: WalletDriver) -> bytes:
    """Give all that lies in the database's files, with its log."""
    if driver.sqlite:
        file = Path(driver.url.removeprefix("sqlite:///"))
        return b"".join(one.read_bytes() for one in file.parent.glob(f"{file.name}*"))
    with driver.ledger.store.writing() as connection:
        connection.execute(text("CHECKPOINT"))
        return b"".join(
            bytes(
                connection.execute(
                    text(f"SELECT pg_read_binary_file(pg_relation_filepath('{name}'))")
                ).scalar_one()
            )
            for name in ("texts", "ix_texts_reference", "holds")
        )


def test_what_was_erased_leaves_the_files_too(driver: WalletDriver) -> None:
    """Enough of it that pages split while it was written, and a hold that carried it."""
    driver.top_up("1000")
    driver.one(OpenHold("h1", OUTBOUND_CALL, usd("1"), reference="zebra of hold"), HoldAnswer)
    driver.capture("h1", "1")
    driver.do(
        *(
            PostUsage("platform", f"call-{n}", OUTBOUND_CALL, 100, None, reference=f"zebra {n * 37 % 500}")
            for n in range(500)
        )
    )
    driver.use("1", key="stays", reference="okapi")
    last = driver.view().seq
    driver.ledger.run(lambda tx: erase_numbers(tx, driver.wallet_id, list(range(1, last)), actor="U1"))
    driver.ledger.run(lambda tx: erase_reference(tx, driver.wallet_id, "zebra of hold", actor="U1"))
    assert b"zebra" in bytes_of(driver)

    assert overwrite_erased(driver.ledger.store)

    found = bytes_of(driver)
    assert b"zebra" not in found
    assert b"okapi" in found
    assert driver.use("1", reference="zebra 1", key="after").duplicate is False  # and it goes on
