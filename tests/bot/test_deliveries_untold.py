"""What is told to nobody: while nobody is known, and what a removal of the app made untrue."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.notices import CameBack, CapReached, ChargesSwitched
from bot.states.delivery import DeliveryState
from bot.wallets.workspaces import Workspaces
from tests.bot.courier_post import NAMES, TROUBLES, Post, post_in
from tests.persons import owner


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    """Three appointed people and no trouble."""
    with post_in(tmp_path) as made:
        yield made


def test_nobody_to_tell_is_known_to_every_process_until_somebody_is_told(post: Post) -> None:
    """The operator's health says so and Home says since when; an admin who is appointed then reads it."""
    post.appoint()
    post.list_people()
    assert (post.courier.problems(), post.untold_since()) == ([], None)
    at = post.clock.now()
    post.happens(CapReached("cap"))
    post.carry()
    post.carry(hours=3)
    (problem,) = post.courier.problems()
    assert str(post.wallet_id) in problem
    assert post.untold_since() == at

    post.people.appoint(post.wallet_id, billing_admins=["new"], finance=[], actor=owner("U1"))
    post.carry(minutes=5)
    assert ("new", "cap") in post.read
    assert (post.courier.problems(), post.untold_since()) == ([], None)


@pytest.mark.parametrize(("said", "is_told"), [("app_uninstalled", False), ("invalid_auth", True)])
def test_what_waited_and_is_untrue_after_a_removal_is_told_to_nobody(
    post: Post, said: str, is_told: bool
) -> None:
    """Handed out or not when the app was removed; what stays true is told all the same."""
    for one in NAMES:
        post.trouble[one] = TROUBLES["away"]
    post.happens(CapReached("handed out"), ChargesSwitched(True))
    post.carry()
    post.happens(CapReached("not handed out"))
    workspaces = Workspaces(post.ledger)
    workspaces.forget("T1", said)
    post.carry(hours=5)
    post.trouble.clear()
    workspaces.revive("T1")
    for _ in range(3):
        post.carry(minutes=5)
    capped = {words for _, words in post.read if words.endswith("handed out")}
    assert capped == ({"handed out", "not handed out"} if is_told else set())
    assert {who for who, words in post.read if words == "off"} == set(NAMES)
    assert {who for who, words in post.read if words == CameBack.name} == (
        set() if is_told else set(NAMES[:2])
    )
    assert DeliveryState.WAITING not in post.states().values()
