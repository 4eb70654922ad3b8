"""The state diagrams in docs/states.md, drawn from the tables in `bot/states/`.

`python -m tests.state_diagrams` writes the document anew; a test holds the two together.
"""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from bot.states import card_slot, delivery, dispute, payment, refund, stripe_request
from bot.states.transitions import Transitions

DOCUMENT = Path(__file__).parent.parent / "docs" / "states.md"
MACHINES: Mapping[str, ModuleType] = {
    "Payment": payment,
    "Stripe request": stripe_request,
    "Refund": refund,
    "Dispute": dispute,
    "Saved card": card_slot,
    "Delivery": delivery,
}
"""Each module with a table, by what the table is about."""
_HEAD = """\
# States

Drawn from the tables in `bot/states/` by `python -m tests.state_diagrams`. Each table is total: it says what follows
every state after every event. An event that is not drawn leaves the state as it is.
"""


def table_of(module: ModuleType) -> Transitions[Any, Any]:
    """Give the table of a module."""
    found: Transitions[Any, Any] = module.NEXT
    return found


def rendered() -> str:
    """Render the whole document."""
    return "\n".join([_HEAD, *(line for name in MACHINES for line in _section(name, MACHINES[name]))])


def _section(name: str, module: ModuleType) -> Iterator[str]:
    _, *paragraphs = (inspect.getdoc(module) or "").split("\n\n")
    yield f"## {name}"
    yield ""
    yield f"`{module.__name__.replace('.', '/')}.py`"
    yield ""
    for one in paragraphs:
        yield one.removeprefix("Theory. ")
        yield ""
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield from _drawn(table_of(module))
    yield "```"
    yield ""


def _drawn(table: Transitions[Any, Any]) -> Iterator[str]:
    steps = list(table.steps())
    for state in table.begins:
        yield f"    [*] --> {state}"
    for step in steps:
        yield f"    {step.before} --> {step.after}: {', '.join(step.events)}"
    for state in table.states:
        if all(step.before is not state for step in steps):
            yield f"    {state} --> [*]"


if __name__ == "__main__":
    DOCUMENT.write_text(rendered(), encoding="utf-8")
