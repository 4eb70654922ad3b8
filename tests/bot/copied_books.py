"""Books that a bot has open, the commands beside it, and what books hold: for tests of backups."""

import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID

from bot.app import open_ledger
from bot.wallets.restored_mode import Restored, restored
from bot.wallets.workspaces import Workspaces
from ledger import OUTBOUND_CALL, USD, CreditKind, Ledger, PostMoney, PostUsage, open_store
from tests.ledger.wallet_driver import ManualClock, usd
from tests.redbar_process import redbar


class Books:
    """Books of one workspace, with $50 and some calls; open as a bot has them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = ManualClock()
        self.ledger: Ledger = open_ledger(url, self.clock)
        self.wallet_id = Workspaces(self.ledger).open(
            team_id="T1", enterprise_id="", name="Acme", bot_user_id="U0", currency=USD, zone="UTC"
        )
        paid = PostMoney("stripe", "credit:pi_1", CreditKind.TOP_UP, usd("50"), None, "RB-1001")
        self.ledger.carry_out(self.wallet_id, [paid])
        self.call(20)

    def call(self, count: int, name: str = "c") -> None:
        """Post so many calls of a cent, a minute later."""
        self.clock.skip(minutes=1)
        calls = [
            PostUsage("platform", f"{name}{one}", OUTBOUND_CALL, usd("0.01"), None, 60)
            for one in range(count)
        ]
        self.ledger.carry_out(self.wallet_id, calls)

    def command(self, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run a command on these books in a process of its own."""
        return command(self.url, *words, **settings)


def command(url: str, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command on a database; it must never show a traceback, nor more than a password's place."""
    result = redbar(*words, "--database", url, cwd=None, **settings)
    assert "Traceback" not in result.stdout + result.stderr
    return result


@contextmanager
def opened(url: str) -> Iterator[Books]:
    """Make books and close them at the end."""
    books = Books(url)
    try:
        yield books
    finally:
        books.ledger.close()


def ends_of(url: str) -> Mapping[UUID, tuple[int, bytes]]:
    """Give the end of each wallet's chain; `redbar verify` has found the books whole."""
    result = command(url, "verify")
    assert result.returncode == 0, result.stdout
    store = open_store(url, write=False)
    try:
        with store.reading() as connection:
            rows = connection.exec_driver_sql("SELECT wallet_id, seq, chain_head FROM wallets").all()
    finally:
        store.close()
    return {UUID(str(wallet_id)): (seq, bytes(head)) for wallet_id, seq, head in rows}


def restored_of(url: str) -> Restored | None:
    """Say why books are in restored mode."""
    store = open_store(url, write=False)
    try:
        with store.reading() as connection:
            return restored(connection)
    finally:
        store.close()


def plain_rows(file: Path) -> int:
    """Count the transfers of an SQLite file that lies alone in a folder."""
    with closing(sqlite3.connect(f"file:{file}?immutable=1", uri=True)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM transfers").fetchone()
    return int(count)
