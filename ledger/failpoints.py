"""Places where a test may kill, delay or fail the process. Costs two dictionary look-ups when nothing is armed.

`REDBAR_FAILPOINTS="recharge.after_send=kill"` arms one; several are separated by commas. Actions: `kill` (SIGKILL to
this process), `raise`, `delay:MS`. The environment arms them only with `REDBAR_ENV=test`.
"""

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Mapping

_ACTION = re.compile(r"kill|raise|delay:\d+")

passed: Counter[str] = Counter()
"""How often each place was passed in this process: a test that means to break one can prove that it was there."""

_armed: dict[str, str] = {}


class FailpointHit(Exception):
    """An armed failpoint was told to raise."""


def arm(text: str) -> None:
    """Arm failpoints as the environment would, in place of those that were armed before."""
    wanted = dict(part.partition("=")[::2] for part in text.split(",") if part)
    for name, action in wanted.items():
        assert _ACTION.fullmatch(action), f"{name}: {action!r} is no action"
    _armed.clear()
    _armed.update(wanted)


def misplaced(environ: Mapping[str, str]) -> bool:
    """Say whether failpoints are named outside a test: a variable that a test left behind must not kill a bot."""
    named = bool(environ.get("REDBAR_FAILPOINTS", "").strip())
    return named and environ.get("REDBAR_ENV", "").strip() != "test"


def arm_from(environ: Mapping[str, str]) -> None:
    """Arm what an environment names, where it is a test's; elsewhere nothing is armed."""
    arm("" if misplaced(environ) else environ.get("REDBAR_FAILPOINTS", ""))


def failpoint(name: str) -> None:
    """Do what was armed for this place; nothing otherwise."""
    passed[name] += 1
    action = _armed.get(name)
    if action is None:
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "raise":
        raise FailpointHit(name)
    time.sleep(int(action.removeprefix("delay:")) / 1000)


arm_from(os.environ)
