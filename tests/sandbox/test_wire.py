"""The wire log: one line each, found again by what it mentions, readable after a kill."""

import json
from datetime import datetime
from pathlib import Path

from bot.sandbox.wire import KEPT, Wire


def _record(wire: Wire, answer: object, body: object = None) -> int:
    return wire.record("api.stripe.com", "POST", "/v1/payment_intents", "key-1", body or {}, 200, answer)


def test_an_entry_has_everything_that_was_said(tmp_path: Path) -> None:
    """Fields of a line are those of the entry, and the time is aware."""
    wire = Wire(tmp_path / "log.jsonl")

    number = _record(wire, {"id": "pi_123abc"}, {"amount": 5000})
    wire.close()

    (line,) = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    entry = json.loads(line)
    assert entry["id"] == number
    assert datetime.fromisoformat(entry["time"]).tzinfo is not None
    assert (entry["host"], entry["method"], entry["path"]) == (
        "api.stripe.com",
        "POST",
        "/v1/payment_intents",
    )
    assert (entry["idempotency_key"], entry["body"], entry["status"]) == ("key-1", {"amount": 5000}, 200)
    assert entry["answer"] == {"id": "pi_123abc"}


def test_entries_are_found_by_what_they_mention() -> None:
    """Payments, views and messages lead to their entries; a number leads to what came after it."""
    wire = Wire(None)
    first = _record(wire, {"id": "pi_123abc", "latest_charge": "ch_9"})
    _record(wire, {"ok": True, "view": {"id": "V0ABCDEF12"}})
    _record(wire, {"ok": True, "channel": "C0CALLS01", "ts": "1795597200.000100"})

    assert [one["id"] for one in wire.entries(ref="ch_9")] == [first]
    assert len(wire.entries(ref="V0ABCDEF12")) == 1
    assert len(wire.entries(ref="C0CALLS01:1795597200.000100")) == 1
    assert [one["id"] for one in wire.entries(since=first)] == [first + 1, first + 2]
    assert len(wire.entries(limit=1)) == 1
    assert len(wire.text().splitlines()) == 3


def test_numbers_go_on_after_a_restart_even_from_a_torn_line(tmp_path: Path) -> None:
    """A last line that a kill cut short is left out, and the next one is whole."""
    path = tmp_path / "log.jsonl"
    before = Wire(path)
    last = _record(before, {"id": "pi_1"})
    before.close()
    with path.open("a", encoding="utf-8") as torn:
        torn.write('{"id": 2, "time": "20')

    after = Wire(path)
    number = _record(after, {"id": "pi_2"})
    after.close()

    assert number == last + 1
    again = Wire(path)
    assert [one["answer"]["id"] for one in again.entries()] == ["pi_1", "pi_2"]
    again.close()


def test_memory_keeps_the_newest_and_the_file_keeps_all(tmp_path: Path) -> None:
    """A long log costs no more memory than a page can show."""
    wire = Wire(tmp_path / "log.jsonl")
    for number in range(KEPT + 5):
        _record(wire, number)

    assert wire.entries(limit=KEPT * 2)[0]["answer"] == 5
    assert len(wire.text().splitlines()) == KEPT + 5
    wire.close()
