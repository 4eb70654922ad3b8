"""The sandbox's documents: durable, ordered, and all or nothing inside a transaction."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.document_store import DocumentStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentStore]:
    """An empty store on a file."""
    made = DocumentStore(tmp_path / "store.db")
    yield made
    made.close()


def test_a_document_is_given_back_until_it_is_deleted(store: DocumentStore) -> None:
    """Kinds do not mix."""
    store.put("card", "1", {"id": "1", "brand": "visa"})

    assert store.get("card", "1") == {"id": "1", "brand": "visa"}
    assert store.get("page", "1") is None
    store.delete("card", "1")
    assert store.get("card", "1") is None


def test_documents_keep_the_order_in_which_they_first_came(tmp_path: Path) -> None:
    """Changing one moves nothing, here or after opening the file again."""
    store = DocumentStore(tmp_path / "store.db")
    for name in ("b", "a", "c"):
        store.put("event", name, {"id": name, "seen": 0})
    store.put("event", "b", {"id": "b", "seen": 1})
    store.close()

    again = DocumentStore(tmp_path / "store.db")

    assert [one["id"] for one in again.all("event")] == ["b", "a", "c"]
    assert again.get("event", "b") == {"id": "b", "seen": 1}
    again.close()


def test_nothing_of_a_transaction_is_kept_when_it_fails(tmp_path: Path) -> None:
    """Memory and file agree afterwards."""
    store = DocumentStore(tmp_path / "store.db")
    store.put("intent", "1", {"status": "open"})

    def fail_halfway() -> None:
        with store.transaction():
            store.put("intent", "1", {"status": "paid"})
            with store.transaction():
                store.put("event", "1", {"kind": "paid"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()

    assert (store.get("intent", "1"), store.get("event", "1")) == ({"status": "open"}, None)
    store.close()
    again = DocumentStore(tmp_path / "store.db")
    assert (again.get("intent", "1"), again.get("event", "1")) == ({"status": "open"}, None)
    again.close()


def test_many_threads_may_write_at_once(store: DocumentStore) -> None:
    """Every document of every thread arrives."""

    def write(who: int) -> None:
        for number in range(20):
            with store.transaction():
                store.put("note", f"{who}-{number}", {"who": who})

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(store.all("note")) == 80


def test_what_was_committed_survives_a_kill(tmp_path: Path) -> None:
    """The writer is killed without warning in the middle of its next transaction."""
    path = tmp_path / "store.db"
    writer = (
        "import pathlib, sys, time\n"
        "from bot.sandbox.document_store import DocumentStore\n"
        "store = DocumentStore(pathlib.Path(sys.argv[1]))\n"
        "with store.transaction():\n"
        "    store.put('intent', '1', {'status': 'paid'})\n"
        "    store.put('event', '1', {'kind': 'paid'})\n"
        "with store.transaction():\n"
        "    store.put('intent', '2', {'status': 'half'})\n"
        "    print('now', flush=True)\n"
        "    time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", writer, str(path)], stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"now\n"
        process.send_signal(signal.SIGKILL)

    store = DocumentStore(path)

    assert store.get("intent", "1") == {"status": "paid"}
    assert store.get("event", "1") == {"kind": "paid"}
    assert store.get("intent", "2") is None
    store.close()
