"""Places where a test may kill, delay or fail the process. Costs a dictionary look-up when nothing is armed.

`REDBAR_FAILPOINTS="recharge.after_send=kill"` arms one; several are separated by commas. Actions: `kill` (SIGKILL to
this process), `raise`, `delay:MS`.
"""

import os
import signal
import time


class FailpointHit(Exception):
    """An armed failpoint was told to raise."""


def _armed(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


_ARMED = _armed(os.environ.get("REDBAR_FAILPOINTS", ""))


def failpoint(name: str) -> None:
    """Do what was armed for this place; nothing otherwise."""
    action = _ARMED.get(name)
    if action is None:
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "raise":
        raise FailpointHit(name)
    if action.startswith("delay:"):
        time.sleep(int(action.removeprefix("delay:")) / 1000)
