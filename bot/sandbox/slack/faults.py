"""Faults of the Slack stand-in: what a test or a person arms, so that requests to come go wrong in a named way."""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bot.sandbox.document_store import Doc

EVERY_METHOD = "*"
UPLOAD, RESPONSE_URL = "upload", "response_url"
"""The two addresses of the bot's that are no methods: where the bytes of a file go, and where commands are answered."""
NOBODY_LISTENS = "http://127.0.0.1:1/upload"
"""An address of this machine at which nobody listens."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Slack says no, and does nothing."""

    code: str
    messages: tuple[str, ...] = ()
    """What `response_metadata` says, such as "[ERROR] … [json-pointer:/blocks/3/type]"."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Slack asks for patience: status 429."""

    retry_after_seconds: int


@dataclass(frozen=True, slots=True)
class Fail:
    """The host fails itself, and does nothing."""

    status: int = 503


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection is cut before an answer arrives; `done` says whether the request was carried out."""

    done: bool = False


@dataclass(frozen=True, slots=True)
class Say:
    """A whole answer, whatever it is; nothing is done."""

    body: Doc
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UploadHostAway:
    """The request is carried out, but the address for the bytes is one at which nobody listens."""


@dataclass(frozen=True, slots=True)
class OnlySlow:
    """The request is carried out and answered as ever."""


Wrong = Refuse | Limit | Fail | Cut | Say | UploadHostAway | OnlySlow


@dataclass(frozen=True, slots=True)
class Fault:
    """One armed fault."""

    method: str
    """A method's name, "upload", "response_url", or "*" for all methods."""
    answer: Wrong
    channel: str | None = None
    """A channel, or a person by id: their DM, their Home, and what is asked about them. None: everybody."""
    times: int | None = 1
    """For how many requests; None: until it is taken back."""
    delay_ms: int = 0
    """How long it takes before anything happens, in real time."""


class NoFault(ValueError):
    """What somebody wants to arm is no fault; the message says why."""


class Faults:
    """The armed faults, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Arm a fault for requests to come."""
        with self._lock:
            self._armed.append(fault)

    def clear(self) -> None:
        """Take every fault back."""
        with self._lock:
            self._armed.clear()

    def left(self) -> int:
        """Count the faults that are still armed."""
        with self._lock:
            return len(self._armed)

    def take(self, method: str, recipients: Collection[str]) -> Fault | None:
        """Give the fault that a request meets; `recipients` are the channels and people that it names."""
        with self._lock:
            for index, fault in enumerate(self._armed):
                meant = fault.method in (method, EVERY_METHOD)
                if meant and (fault.channel is None or fault.channel in recipients):
                    if fault.times is not None:
                        self._armed[index : index + 1] = (
                            [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                        )
                    return fault
        return None


_KNOWN = {"method", "channel", "times", "delay_ms"}
_WRONG = ("refuse", "limit", "fail", "cut", "answer", "upload_host_away")
_BESIDE = {"refuse": {"messages"}, "answer": {"status", "headers"}}


def fault_in(options: Mapping[str, Any]) -> Fault:
    """Read a fault as it comes over HTTP. Raises: NoFault.

    Beside method, channel, times and delay_ms one of: {"refuse": code, "messages": […]}, {"limit": seconds},
    {"fail": status}, {"cut": "before" or "after"}, {"answer": {…}, "status": …, "headers": {…}},
    {"upload_host_away": true}.
    """
    named = [name for name in _WRONG if name in options]
    if len(named) > 1 or not isinstance(options.get("method"), str):
        raise NoFault("A fault needs the name of a method, and says one thing that goes wrong.")
    beside = _BESIDE.get(named[0], set()) if named else set()
    strange = set(options) - _KNOWN - set(named) - beside
    if strange:
        raise NoFault(f"A fault knows no {', '.join(sorted(strange))}.")
    channel, times = options.get("channel"), options.get("times", 1)
    try:
        return Fault(
            method=options["method"],
            answer=_wrong(named[0], options) if named else OnlySlow(),
            channel=None if channel is None else str(channel),
            times=None if times is None else int(times),
            delay_ms=int(options.get("delay_ms", 0)),
        )
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise NoFault(f"That is no fault: {error}.") from None


def _wrong(name: str, options: Mapping[str, Any]) -> Wrong:
    value = options[name]
    match name:
        case "refuse":
            return Refuse(str(value), tuple(map(str, options.get("messages", ()))))
        case "limit":
            return Limit(int(value))
        case "fail":
            return Fail(int(value))
        case "cut":
            return Cut(done={"before": False, "after": True}[str(value)])
        case "upload_host_away":
            return UploadHostAway()
        case _:
            headers = {one: str(text) for one, text in options.get("headers", {}).items()}
            return Say(dict(value), int(options.get("status", 200)), headers)
