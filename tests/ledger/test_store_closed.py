"""A database that is let go of: reads that run end first, nobody begins a new use, and no connection stays open."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import event, select

from ledger import Ledger, StoreUnusable
from ledger.storage.schema import wallets
from ledger.storage.trouble import StoreClosed
from tests.ledger.wallet_driver import WalletDriver


def test_closing_waits_for_the_reads_that_run(driver: WalletDriver) -> None:
    """A request that is being answered keeps its connection to the end of what it reads."""
    driver.top_up("5")
    driver.ledger.writer.close()
    closing = threading.Thread(target=driver.ledger.store.close)

    with driver.ledger.reading() as connection:
        closing.start()
        while not _refuses(driver.ledger):
            pass
        assert closing.is_alive()
        assert connection.execute(select(wallets.c.balance)).scalar_one() == 5_000_000

    closing.join(10)
    assert not closing.is_alive()
    driver.reopen()


@pytest.mark.parametrize("use", ["reading", "writing", "migrating", "transact"])
def test_nobody_uses_what_was_closed(driver: WalletDriver, use: str) -> None:
    """An engine whose pool was disposed of would open one more connection, which nobody closes."""
    store = driver.ledger.store
    opened: list[object] = []
    for engine in (store._writer, store._reader):
        assert engine is not None
        event.listen(engine, "connect", lambda connection, record: opened.append(connection))
    uses: dict[str, Callable[[], object]] = {
        "reading": lambda: store.reading().__enter__(),
        "writing": lambda: store.writing().__enter__(),
        "migrating": lambda: store.migrating().__enter__(),
        "transact": lambda: store.transact(lambda connection: None),
    }
    driver.ledger.close()

    with pytest.raises(StoreClosed, match="the process is ending"):
        uses[use]()

    assert opened == []
    driver.reopen()


def _refuses(ledger: Ledger) -> bool:
    try:
        with ledger.reading():
            return False
    except StoreUnusable:
        return True
