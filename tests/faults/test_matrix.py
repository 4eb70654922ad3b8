"""The fault matrix: each POST to Stripe goes wrong in each way, and the process is killed at each step around it.

A cell is one scene (a wish, and the request of it that is troubled), one trouble and one place of death. The first life
has the wish; the next ones find what was left and go on until all is quiet. The stand-in outlives them, and is the
truth that their books are held against.
"""

import signal
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.document_store import Doc
from bot.sandbox.stripe.stand_in import HOST
from tests.faults.cells import (
    ADDED,
    ADDRESSES,
    CREDIT,
    NO_CELL,
    NOWHERE,
    PLACES,
    SCENES,
    TROUBLES,
    Cell,
    Scene,
    cells_of,
)
from tests.faults.fork import Ended
from tests.faults.lane import Lane, Start, on_lanes
from tests.faults.life import POSTS
from tests.sizes import size

SAMPLE = size("matrix", local=17, ci=17, full=1)
"""One cell in so many is played."""
UNTOUCHED = ("planned", "before_send")
"""Places before which nothing has left the house."""


class Round:
    """One cell, played to its end and judged."""

    def __init__(self, lane: Lane, cell: Cell, start: Start, folder: Path) -> None:
        self._lane = lane
        self._cell = cell
        self._start = start
        self._folder = folder
        self._faults = lane.shop.stand_in.faults
        self._wire = lane.shop.wire
        self._before = self._entries_end()
        self._astray = bool(cell.trouble.by_way_of)
        """Whether the first POST is still to be led astray."""
        self.wrong: list[str] = []

    def play(self) -> list[str]:
        """Live the lives; gives what is wrong."""
        scene, place = self._cell.scene, self._cell.place
        if self._cell.trouble.armed:
            self._faults.arm({"match": ADDRESSES[scene.operation], **self._cell.trouble.armed})
        first = self._live(wish=scene.wish, dies=place)
        dead = self._died(first)
        if place == CREDIT and not dead:
            dead = self._died(self._live(wish=scene.again, restarts=True, dies=place))
        self._must(dead == (place != NOWHERE), f"it {'died' if dead else 'never came to where it dies'}")
        if place == NOWHERE:
            passed = first.heard("passed")
            self._must(
                bool(passed) and passed[0].get(f"stripe_request.{scene.operation}.recorded", 0) > 0,
                "the request was not sent in the first life",
            )
        met = not place.endswith(UNTOUCHED)
        self._must(self._trouble_left() != met or not self._has_trouble(), "the trouble came at another time")
        last = self._live(wish=scene.again, restarts=True)
        self._must(not self._died(last), "it died once more")
        self._must(not self._trouble_left(), "the trouble never came")
        for books in last.heard("books"):
            self._judge(books)
        self._must(bool(last.heard("books")), "it never came to its books")
        return self.wrong

    def _live(self, *, wish: str, restarts: bool = False, dies: str = NOWHERE) -> Ended:
        scene = self._cell.scene
        order = self._lane.order(
            self._start,
            self._folder,
            wish=wish,
            operation=scene.operation,
            by_way_of=self._cell.trouble.by_way_of if self._astray else "",
            restarts=restarts,
            automatic=scene.automatic and restarts,
            insists=scene.wish if scene.insists else "",
            failpoints="" if dies == NOWHERE else f"{dies}=kill",
            patience=3 if self._cell.trouble.lasts else 60,
        )
        ended = self._lane.live(order)
        if ended.heard("astray"):
            self._astray = False
        self.wrong += [*ended.heard("broken"), *ended.heard("crash")]
        return ended

    def _died(self, ended: Ended) -> bool:
        self._must(ended.exit_code in (0, -signal.SIGKILL), f"a life ended with {ended.exit_code}")
        return ended.exit_code == -signal.SIGKILL

    def _has_trouble(self) -> bool:
        return bool(self._cell.trouble.armed or self._cell.trouble.by_way_of)

    def _trouble_left(self) -> bool:
        return self._astray or bool(self._faults.left())

    def _must(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.wrong.append(otherwise)

    # --- The books and the truth ---------------------------------------------------------------------------

    def _judge(self, books: dict[str, Any]) -> None:
        self.wrong += books["findings"]
        self.wrong += books["unread"]
        charges = [one for one in self._outside("charge") if one["paid"]]
        truth = Counter({f"credit:{one['payment_intent']}": one["amount"] * 10_000 for one in charges})
        self._must(len(charges) == len(truth), "an intent was charged twice")
        self._must(
            sorted(truth.items()) == sorted(map(tuple, books["credits"])), f"{truth} ≠ {books['credits']}"
        )
        self._must(books["balance"] == sum(truth.values()), "the balance is not what was paid")
        paid = [one for one in books["payments"] if one["state"] == "paid" and one["purpose"] != "connect"]
        self._must(len(paid) == len(charges), f"{len(charges)} charges for {len(paid)} paid payments")
        end = self._cell.scene.end_after(self._cell.trouble)
        last = books["payments"][-1]
        self._must(last["state"] == end, f"it ended {last['state']} ({last['decline_code']}), not {end}")
        for one in books["payments"]:
            self._must(one["state"] not in ("asked", "collecting"), f"{one['ref']} is stuck")
            self._must_be_closed(one)
        self._judge_posts({one["key"]: one for one in books["requests"]})

    def _must_be_closed(self, payment: dict[str, Any]) -> None:
        """What ended without money has to be closed outside too."""
        state, intent_id = payment["state"], payment["intent_id"]
        if state in ("failed", "waiting") and intent_id:
            status = self._one("intent", intent_id)["status"]
            self._must(status == "canceled", f"{payment['ref']} {state}, and its intent is {status}")
        if state == "withdrawn" and payment["session_id"]:
            status = self._one("session", payment["session_id"])["status"]
            self._must(status == "expired", f"{payment['ref']} was taken back, and its page is {status}")
        if state == "withdrawn" and payment["link_id"]:
            active = self._one("link", payment["link_id"])["active"]
            self._must(not active, f"{payment['ref']} was taken back, and its link still takes money")
        if self._cell.scene.wish == "detach":
            customer = self._one("method", self._start.targets["detach"])["customer"]
            self._must(customer is None, "the card can still be charged")

    def _judge_posts(self, requests: dict[str, dict[str, Any]]) -> None:
        """Hold every POST that the stand-in saw against the rows that were committed before it."""
        sent: dict[tuple[str, str], list[str]] = {}
        for entry in self._wire.entries(since=self._before, limit=2_000):
            if entry["host"] != HOST or entry["method"] != "POST":
                continue
            key = entry["idempotency_key"]
            request = requests.get(key)
            if request is None:
                self.wrong.append(f"{entry['path']} was posted under {key}, which no row has")
                continue
            body = as_form(request["body"]) or ADDED.get(request["operation"], {})
            self._must(entry["body"] == body, f"{key} was sent with {entry['body']}, frozen was {body}")
            sent.setdefault((request["operation"], request["payment"]), []).append(key)
        self._must(bool(sent), "nothing was sent")
        for what, keys in sent.items():
            turns = [key for key, _ in groupby(keys)]
            self._must(len(turns) == len(set(turns)), f"{what}: a key came back after another: {turns}")

    def _outside(self, kind: str) -> list[Doc]:
        return self._lane.shop.stand_in.state.store.all(kind)

    def _one(self, kind: str, name: str) -> Doc:
        found = self._lane.shop.stand_in.state.store.get(kind, name)
        assert found is not None, f"there is no {kind} {name}"
        return found

    def _entries_end(self) -> int:
        return max((one["id"] for one in self._wire.entries(limit=1)), default=0)


def as_form(value: Any) -> Any:
    """Write a body as it looks once it was sent as a form."""
    if isinstance(value, dict):
        return {key: as_form(one) for key, one in value.items()}
    if isinstance(value, list):
        return [as_form(one) for one in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def played(lane: Lane, cells: Sequence[Cell]) -> list[str]:
    """Play cells one after the other; gives what is wrong, with the names of the cells."""
    found = []
    for cell in cells:
        with lane.round(cell.scene.start) as (start, folder):
            found += [f"{cell}: {wrong}" for wrong in Round(lane, cell, start, folder).play()]
    return found


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_whatever_befalls_a_call_charges_and_credits_stay_one_to_one(
    lanes: Sequence[Lane], scene: Scene
) -> None:
    """Every cell of a scene."""
    cells = cells_of(scene)[SCENES.index(scene) % SAMPLE :: SAMPLE]

    assert on_lanes(lanes, scene.start, cells, played) == []


def test_the_matrix_is_whole() -> None:
    """Every POST of the gateway, every trouble, every place; what is left out is named with its reason."""
    assert {scene.operation for scene in SCENES} == set(POSTS.values()) == set(ADDRESSES)
    names = {(scene.name, trouble.name) for scene in SCENES for trouble in TROUBLES}
    assert {(scene, trouble) for scene, trouble, _ in NO_CELL} <= names
    for scene in SCENES:
        places = len(PLACES) + 1 + scene.credits
        left_out = sum(name == scene.name for name, _, _ in NO_CELL)
        assert len(cells_of(scene)) == len(TROUBLES) * places - left_out
