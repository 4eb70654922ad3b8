"""Raw SQL against the database: what must not be written cannot be written, and what was forced is found."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from ledger import Correct, Receipt
from ledger.sqlite import sqlite_module
from tests.ledger.desk import Desk, usd

pytestmark = pytest.mark.backends("sqlite")

ATTACKS = {
    "a transfer is changed": "UPDATE transfers SET amount = amount + 1 WHERE seq = 1",
    "a transfer's hash is changed": "UPDATE transfers SET hash = zeroblob(32) WHERE seq = 2",
    "a transfer vanishes": "DELETE FROM transfers WHERE seq = 3",
    "all transfers vanish": "DELETE FROM transfers",
    "an audit row is changed": "UPDATE audit_log SET actor = 'nobody'",
    "an audit row vanishes": "DELETE FROM audit_log",
    "a transfer moves nothing": "INSERT INTO transfers SELECT wallet_id, 99, kind, 'card', 'balance', 0, {rest}",
    "a transfer moves backwards": "INSERT INTO transfers SELECT wallet_id, 99, kind, debit, credit, -5, {rest}",
    "a transfer has one side": "INSERT INTO transfers SELECT wallet_id, 99, kind, 'balance', 'balance', 5, {rest}",
    "a transfer leaves the balance out": (
        "INSERT INTO transfers SELECT wallet_id, 99, kind, 'card', 'usage', 5, {rest}"
    ),
    "a key is used again": (
        "INSERT INTO transfers SELECT wallet_id, 99, kind, debit, credit, amount, balance_after, occurred_at, "
        "recorded_at, quantity, source, source_id, hold_id, parent, corrects_seq, after_stop, dated, text_digest, "
        "hash FROM transfers WHERE seq = 1"
    ),
    "a number is used again": "INSERT INTO transfers SELECT wallet_id, 1, kind, debit, credit, amount, {rest}",
    "a number is nothing": "INSERT INTO transfers SELECT wallet_id, 0, kind, debit, credit, amount, {rest}",
    "an amount is a word": "INSERT INTO transfers SELECT wallet_id, 99, kind, debit, credit, '12abc', {rest}",
    "an amount has a fraction": "INSERT INTO transfers SELECT wallet_id, 99, kind, debit, credit, 10.5, {rest}",
    "a balance has a fraction": "UPDATE wallets SET balance = 0.5",
    "a balance runs over": "UPDATE wallets SET balance = 9223372036854775807 + 1",
    "an empty wallet has no emptying": "UPDATE wallets SET balance = 0",
    "a full wallet is emptied": "UPDATE wallets SET emptied_at = 1, grace_ends_at = 2",
    "grace has no end": "UPDATE wallets SET balance = 0, emptied_at = 1",
    "less than nothing is held": "UPDATE wallets SET held = -1",
    "a hold has another state": "UPDATE holds SET state = 'lost'",
    "a hold opens again": "UPDATE holds SET state = 'open'",
    "a hold holds less than nothing": "UPDATE holds SET amount = -1",
    "a notice has another state": "UPDATE notices SET state = 'lost'",
    "two notices have one place": "UPDATE notices SET seq = 1",
    "two episodes are open": (
        "INSERT INTO episodes SELECT wallet_id, 'e1', 1, NULL, 2 FROM wallets UNION ALL "
        "SELECT wallet_id, 'e2', 1, NULL, 2 FROM wallets"
    ),
}
REST = (
    "balance_after, occurred_at, recorded_at, quantity, source, 'other', hold_id, parent, corrects_seq, after_stop, "
    "dated, text_digest, hash FROM transfers WHERE seq = 1"
)


@pytest.fixture
def lived(desk: Desk) -> Desk:
    """A wallet in which something of everything happened."""
    desk.top_up("100")
    charged = desk.use("1", reference="camp-7", description="Ann")
    desk.ask("h1")
    desk.capture("h1", "0.75")
    desk.one(Correct("operator", "fix", charged.seq, usd("0.25"), None), Receipt)
    desk.set_policy(warning_min_micros=usd("20"))
    return desk


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_database_itself_refuses(lived: Desk, attack: str) -> None:
    """Whoever writes past the code is stopped by a trigger, a constraint or a strict column."""
    statement = ATTACKS[attack].format(rest=REST)

    with pytest.raises(DatabaseError), lived.ledger.store.writing() as connection:
        connection.execute(text(statement))


def force(desk: Desk, *statements: str) -> list[str]:
    """Write past triggers as somebody with the file in hand would, and give what verifying finds."""
    desk.honest = False
    # The same library as the ledger's: a second one in this process would give its file locks away.
    file = sqlite_module().connect(desk.url.removeprefix("sqlite:///"))
    try:
        for (trigger,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            file.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            assert file.execute(statement).rowcount > 0
        file.commit()
    finally:
        file.close()
    return desk.findings()


FORGERIES = {
    "UPDATE transfers SET amount = amount + 1 WHERE seq = 2": "transaction 2: balance",
    "UPDATE transfers SET kind = 'ai_task' WHERE seq = 2": "transaction 2: chain",
    "UPDATE transfers SET source_id = 'call-x' WHERE seq = 3": "transaction 3: chain",
    "UPDATE transfers SET occurred_at = occurred_at + 1 WHERE seq = 1": "transaction 1: chain",
    "UPDATE transfers SET recorded_at = 0 WHERE seq = 2": "transaction 2: time",
    "UPDATE transfers SET hash = zeroblob(32) WHERE seq = 4": "transaction 4: chain",
    "UPDATE transfers SET text_digest = zeroblob(32) WHERE seq = 4": "transaction 4: chain",
    "DELETE FROM transfers WHERE seq = 2": "transaction 2: sequence",
    "DELETE FROM transfers WHERE seq = 4": "transaction 4: chain",
    "UPDATE texts SET reference = 'camp-8' WHERE seq = 2": "transaction 2: text",
    "UPDATE texts SET salt = zeroblob(0) WHERE seq = 2": "transaction 2: text",
    "UPDATE wallets SET balance = balance + 1": "wallet: balance",
    "UPDATE wallets SET held = 1": "wallet: held",
    "UPDATE wallets SET notice_seq = 99": "wallet: notices",
    "DELETE FROM notices WHERE seq = 1": "wallet: notices",
    "UPDATE hourly SET count = count + 1 WHERE kind = 'top_up'": "wallet: rollup",
    "DELETE FROM hourly WHERE kind = 'top_up'": "wallet: rollup",
    "UPDATE holds SET state = 'released'": "transaction 3: hold",
    "DELETE FROM holds": "transaction 3: hold",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_was_forced_into_the_file_is_found_and_named(lived: Desk, forgery: str) -> None:
    """The first finding says where; the wallet and the check by name."""
    lived_clean = lived.findings()

    found = force(lived, forgery)

    assert lived_clean == []
    assert FORGERIES[forgery] in found[0]


def test_one_flipped_byte_is_found(lived: Desk) -> None:
    """Inside a text, where no sum would notice."""
    found = force(lived, "UPDATE texts SET description = 'Anm' WHERE seq = 2")

    assert "transaction 2: text: its text was changed" in found[0]


def test_erased_text_keeps_the_books_whole(lived: Desk) -> None:
    """The chain covers a digest, so words can go; a replay still gets its receipt."""
    erased = "UPDATE texts SET reference = '', description = '', salt = zeroblob(0) WHERE seq = 2"

    assert force(lived, erased) == []
    assert lived.history()[2].description == ""
    assert lived.use("1", key="call-2", reference="camp-7", description="Ann").duplicate
