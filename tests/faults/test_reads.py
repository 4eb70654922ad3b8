"""The fault matrix of what is read: each GET to Stripe goes wrong in each way, or the process dies around it.

A reading moves nothing, so a cell has one right end: that of the same scene in which nothing went wrong. The stand-in
outlives all of it, and what it has seen is the truth that this end is held against.
"""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from bot.stripe.gateway import StripeGateway
from tests.faults.cells import HANG_MS, Trouble, error
from tests.faults.lane import Lane, Start, on_lanes
from tests.faults.life import POSTS
from tests.sizes import size

SAMPLE = size("reads", local=9, ci=9, full=1)
"""One cell in so many is played."""
TROUBLES = (
    Trouble("refused", by_way_of="nobody"),
    Trouble("reset", {"mode": "reset_before"}),
    Trouble("hangs", {"mode": "hang_not_do", "delay_ms": HANG_MS}, "impatient"),
    Trouble("key refused", error(401, "")),
    Trouble("429", error(429, "rate_limit")),
    Trouble("500", error(500, "")),
    Trouble("503", error(503, "")),
    Trouble("truncated", {"mode": "truncated"}),
    Trouble("cut short", {"mode": "cut_short"}),
)
NOTHING = Trouble("nothing")
FUNDED = ("top_up", 50_000_000)
REFUNDED, DISPUTED = ("refund", 7_000_000), ("dispute_withdrawn", 50_000_000)


@dataclass(frozen=True, slots=True)
class Scene:
    """What is read (the gateway's method, and its address), where it begins, and what is in the books at the end."""

    read: str
    address: str
    start: str
    wish: str
    booked: tuple[tuple[str, int], ...] = (FUNDED,)


_ALL = (FUNDED, FUNDED, FUNDED, REFUNDED, DISPUTED)
SCENES = (
    Scene("events", "GET /v1/events", "page paid", "hear", (FUNDED, FUNDED)),
    Scene("session", "GET /v1/checkout/sessions/*", "card connected", "hear"),
    Scene("intent", "GET /v1/payment_intents/*", "page paid", "hear", (FUNDED, FUNDED)),
    Scene("intent", "GET /v1/payment_intents/*", "charge unknown", "sweep", (FUNDED, FUNDED)),
    Scene("link_intents", "GET /v1/checkout/sessions", "link paid, 8 days ago", "sweep", (FUNDED, FUNDED)),
    Scene("completed_sessions", "GET /v1/checkout/sessions", "link paid, unheard", "hear", (FUNDED, FUNDED)),
    Scene("refund", "GET /v1/refunds/*", "refunded", "hear", (FUNDED, REFUNDED)),
    Scene("dispute", "GET /v1/disputes/*", "disputed", "hear", (FUNDED, FUNDED, DISPUTED)),
    Scene("fraud_warning", "GET /v1/radar/early_fraud_warnings/*", "suspected", "hear", (FUNDED, FUNDED)),
    Scene("card", "GET /v1/payment_methods/*", "renewed", "hear"),
    Scene("customers", "GET /v1/customers", "customer unknown", "sweep", ()),
    Scene("intents", "GET /v1/payment_intents", "everything unheard", "compare", _ALL),
    Scene("refunds", "GET /v1/refunds", "everything unheard", "compare", _ALL),
    Scene("disputes", "GET /v1/disputes", "everything unheard", "compare", _ALL),
    Scene("movements", "GET /v1/balance_transactions", "everything unheard", "compare", _ALL),
)
ALONE = {
    "close",
    "take_reads",
    "unreadable",
    "time",
    "account",
    "webhook_addresses",
    "newest_intents",
    "sessions",
    "active_links",
}
"""What asks nothing, what says at the start or in `redbar check` what the key may read and whose it is, what reads no
more than an answer's date; and what is asked before a charge and of restored books (`test_restored_charges.py`)."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One round."""

    scene: Scene
    trouble: Trouble
    dies: str

    def __str__(self) -> str:
        return (
            f"{self.scene.read} of {self.scene.start} × {self.trouble.name} × killed {self.dies or 'nowhere'}"
        )


def cells_of(scene: Scene) -> list[Cell]:
    """Give a scene's cells. Who dies before asking meets no trouble; who dies right after it has learned nothing."""
    return [
        Cell(scene, NOTHING, "before"),
        Cell(scene, NOTHING, "after"),
        *(Cell(scene, trouble, "") for trouble in TROUBLES),
    ]


def play(lane: Lane, cell: Cell, start: Start, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Live the lives; gives the books at the end, and what went otherwise than ordered."""
    scene, faults, wrong = cell.scene, lane.shop.stand_in.faults, []
    if cell.trouble.armed:
        faults.arm({"match": scene.address, **cell.trouble.armed})
    first = lane.live(
        lane.order(
            start,
            folder,
            wish=scene.wish,
            operation=scene.read,
            by_way_of=cell.trouble.by_way_of,
            read_dies=cell.dies,
        )
    )
    if first.exit_code != (-signal.SIGKILL if cell.dies else 0):
        wrong.append(f"the first life ended with {first.exit_code}")
    if faults.left() or (cell.trouble.by_way_of and not first.heard("astray")):
        wrong.append("the trouble never came")
    last = lane.live(lane.order(start, folder, catches_up=scene.wish))
    for ended in (first, last):
        wrong += [*ended.heard("broken"), *ended.heard("crash"), *chain(*ended.heard("differences"))]
    books = last.heard("books")
    return (books[0] if books else {}), wrong if books else [*wrong, "it never came to its books"]


def judge(lane: Lane, scene: Scene, books: dict[str, Any]) -> list[str]:
    """Hold the books in which nothing went wrong against what the scene is, and what Stripe has."""
    wrong = [*books["findings"], *books["unread"]]
    booked = sorted((kind, amount) for kind, amount, _ in books["booked"])
    if booked != sorted(scene.booked):
        wrong.append(f"the books have {booked}")
    store = lane.shop.stand_in.state.store
    paid = sum(one["amount"] for one in store.all("charge") if one["paid"])
    back = sum(one["amount"] for one in store.all("refund"))
    moved = sum(amount for kind, amount in booked if kind == "dispute_withdrawn")
    if books["balance"] != (paid - back) * 10_000 - moved:
        wrong.append(f"the balance is {books['balance']}, Stripe has {paid} and gave {back} back")
    if books["waiting"]:
        wrong.append("news wait that nobody looks at")
    return wrong


def played(lane: Lane, cells: Sequence[Cell]) -> list[str]:
    """Play cells one after the other, and first of all the one in which nothing goes wrong."""
    found: list[str] = []
    scene = cells[0].scene
    with lane.round(scene.start) as (start, folder):
        right, wrong = play(lane, Cell(scene, NOTHING, ""), start, folder)
        found += wrong or judge(lane, scene, right)
    for cell in cells:
        with lane.round(scene.start) as (start, folder):
            books, wrong = play(lane, cell, start, folder)
            found += [f"{cell}: {one}" for one in wrong]
            found += [
                f"{cell}: {name}: {books.get(name)} ≠ {right.get(name)}" for name in _other(books, right)
            ]
    return found


def _other(books: dict[str, Any], right: dict[str, Any]) -> list[str]:
    # How often a request was tried may differ; what it came to may not.
    for one in (books, right):
        for request in one.get("requests", []):
            request.pop("tries", None)
    return [name for name in right if books.get(name) != right[name]]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: f"{scene.read} of {scene.start}")
def test_whatever_befalls_a_reading_the_books_end_the_same(lanes: Sequence[Lane], scene: Scene) -> None:
    """Every cell of a scene."""
    cells = cells_of(scene)[SCENES.index(scene) % SAMPLE :: SAMPLE]

    assert on_lanes(lanes, scene.start, cells, played) == []


def test_every_reading_is_in_it() -> None:
    """What the gateway can do is written or read, and all of it is in one of the two matrices."""
    methods = {name for name in vars(StripeGateway) if not name.startswith("_")}
    assert {scene.read for scene in SCENES} | POSTS.keys() | ALONE == methods
