"""The sandbox's clock skips through the product's, and is never in doubt by it."""

from datetime import timedelta
from pathlib import Path

from bot.sandbox.clock import SandboxClock, offset_kept
from ledger import JudgedClock
from tests.ledger.wallet_driver import MORNING, Machine

DAY = timedelta(days=1)


def test_a_skip_is_accepted_and_kept_across_restarts(tmp_path: Path) -> None:
    """Real time goes on from where the skip ended, and what is past already changes nothing."""
    machine, path = Machine(), tmp_path / "clock"
    product = machine.port()
    clock = SandboxClock(product, path)
    clock.skip_to(MORNING + 40 * DAY)
    clock.skip_to(MORNING + DAY)
    machine.skip(minutes=1)
    assert product.doubt is None
    assert clock.now() == product.now() == MORNING + 40 * DAY + timedelta(minutes=1)
    assert clock.offset == 40 * DAY

    machine.skip(hours=1)
    again = JudgedClock(machine, machine.ticks, boot=machine.boot, offset=offset_kept(path))
    assert SandboxClock(again, path).now() == MORNING + 40 * DAY + timedelta(hours=1, minutes=1)
    assert offset_kept(tmp_path / "another") == timedelta()


def test_a_leap_of_the_machine_is_in_doubt_in_the_sandbox_too(tmp_path: Path) -> None:
    """A skip in doubt moves on from where the time stands."""
    machine = Machine()
    product = machine.port()
    clock = SandboxClock(product, tmp_path / "clock")
    machine.leap(days=400)
    assert clock.now() == MORNING
    clock.skip_to(MORNING + DAY)
    assert (clock.now(), product.doubt is None) == (MORNING + DAY, False)
    machine.leap(days=-400)
    assert (clock.now(), product.doubt) == (MORNING + DAY, None)
