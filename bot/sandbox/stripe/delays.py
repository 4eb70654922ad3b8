"""Events of the Stripe stand-in that become visible late or never, as a test or a person orders it.

The event exists from the moment at which it happens. Until it is visible it stands in no list and no webhook brings
it; then it stands in its place in time, behind newer ones. Nothing promises more at Stripe.
"""

import fnmatch
from datetime import timedelta

from bot.sandbox.document_store import Doc, Shelf

NEVER = None


def delay(shelf: Shelf, wish: Doc) -> None:
    """Order that the events to come of a type (`delay`), and of an object, are late by so many minutes, or hidden."""
    rule = {
        "type": str(wish["delay"]),
        "object": str(wish.get("object", "*")),
        "minutes": int(wish["minutes"]) if wish.get("minutes") is not None else NEVER,
    }
    shelf.put("delay", str(len(shelf.all("delay"))), rule)


def clear(shelf: Shelf) -> None:
    """Take all orders back; what is hidden already stays so."""
    with shelf.transaction():
        for number in range(len(shelf.all("delay"))):
            shelf.delete("delay", str(number))


def show_all(shelf: Shelf) -> None:
    """Make every event visible, and take all orders back."""
    clear(shelf)
    with shelf.transaction():
        for event in shelf.all("event"):
            if "sandbox" in event:
                shelf.put("event", event["id"], {name: event[name] for name in event if name != "sandbox"})


def delayed(shelf: Shelf, event: Doc) -> Doc:
    """Give a new event with a note of when it becomes visible, where an order says so."""
    for rule in shelf.all("delay"):
        about = str(event["data"]["object"]["id"])
        if fnmatch.fnmatchcase(event["type"], rule["type"]) and fnmatch.fnmatchcase(about, rule["object"]):
            late = rule["minutes"]
            at = (
                event["created"] + timedelta(minutes=late) // timedelta(seconds=1)
                if late is not NEVER
                else NEVER
            )
            return {**event, "sandbox": {"visible_at": at}}
    return event


def is_visible(event: Doc, now: int) -> bool:
    """Say whether an event can be seen at an instant."""
    if "sandbox" not in event:
        return True
    at = event["sandbox"]["visible_at"]
    return at is not NEVER and now >= at
