"""Events of the Stripe stand-in that become visible late or never, as a test or a person orders it.

The event exists from the moment at which it happens. Until it is visible it stands in no list and no webhook brings
it; then it stands in its place in time, behind newer ones. Nothing promises more at Stripe.
"""

import fnmatch
from datetime import timedelta

from bot.sandbox.document_store import Doc, DocumentStore

NEVER = None


def delay(store: DocumentStore, options: Doc) -> None:
    """Order that the events to come of a type (`delay`), and of an object, are late by so many minutes, or hidden."""
    rule = {
        "type": str(options["delay"]),
        "object": str(options.get("object", "*")),
        "minutes": int(options["minutes"]) if options.get("minutes") is not None else NEVER,
    }
    store.put("delay", str(len(store.all("delay"))), rule)


def clear(store: DocumentStore) -> None:
    """Take all orders back; what is hidden already stays so."""
    with store.transaction():
        for number in range(len(store.all("delay"))):
            store.delete("delay", str(number))


def show_all(store: DocumentStore) -> None:
    """Make every event visible, and take all orders back."""
    clear(store)
    with store.transaction():
        for event in store.all("event"):
            if "sandbox" in event:
                store.put("event", event["id"], {name: event[name] for name in event if name != "sandbox"})


def delayed(store: DocumentStore, event: Doc) -> Doc:
    """Give a new event with a note of when it becomes visible, where an order says so."""
    for rule in store.all("delay"):
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
