"""What people read of an app that was away, and of what nobody could be told."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.change_facts import AbsenceFacts
from bot.facts import OwnCardsFacts, RequestState
from bot.notices import CameBack
from bot.rights import Role
from bot.slack.views import home, money_in, unreached
from bot.states.payment import Withdrawer
from ledger import Automatic
from tests.bot import view_facts as v

ADMIN = Role.BILLING_ADMIN
QUIET = AbsenceFacts(charged=None, withdrawn=0, automatic=Automatic.OFF, zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("gone_at", "back_at", "words"),
    [
        (datetime(2026, 5, 3, 12, tzinfo=UTC), datetime(2026, 5, 5, 9, tzinfo=UTC), "from 3 to 5 May"),
        (datetime(2026, 4, 30, 12, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC), "from 30 April to 2 May"),
        (
            datetime(2026, 12, 30, tzinfo=UTC),
            datetime(2027, 1, 2, tzinfo=UTC),
            "from 30 December 2026 to 2 January 2027",
        ),
        (
            datetime(2026, 5, 2, 22, 5, tzinfo=UTC),
            datetime(2026, 5, 3, 9, tzinfo=UTC),
            "on 3 May from 00:05 to 11:00",
        ),
    ],
)
def test_an_absence_is_told_by_its_days_in_the_wallets_zone(
    gone_at: datetime, back_at: datetime, words: str
) -> None:
    """With what the storyboard says of money and of automatic payments."""
    shown = unreached.came_back(CameBack(gone_at, back_at), QUIET, ADMIN)
    assert shown.text == f"Redbar was away {words}. Nothing was charged. Automatic payments are off."
    assert list(v.buttons_of(shown)) == ["Turn on"]


def test_an_absence_says_what_was_charged_and_withdrawn_all_the_same() -> None:
    """And offers nothing that is on already, or that its reader may not do."""
    facts = replace(QUIET, charged=v.usd("159"), withdrawn=2, automatic=Automatic.ON)
    shown = unreached.came_back(CameBack(v.NOW, v.NOW), facts, ADMIN)
    assert shown.text.endswith(
        "$159.00 was charged: that payment was under way when Redbar was removed. 2 open requests were withdrawn; "
        "ask again where it is still wanted. Automatic payments are on."
    )
    assert v.buttons_of(shown) == {}
    assert v.buttons_of(unreached.came_back(CameBack(v.NOW, v.NOW), QUIET, Role.FINANCE)) == {}


def test_a_request_withdrawn_with_the_app_names_no_person() -> None:
    """It says why."""
    facts = v.request(state=RequestState.WITHDRAWN, withdrawn_by=Withdrawer.APP_REMOVED)
    shown = money_in.request_to_payer(facts, Role.MEMBER)
    assert "withdrawn, since Redbar was removed from this workspace. Nothing to pay." in shown.text


def test_home_says_that_nobody_could_be_told() -> None:
    """To everybody alike, and nothing of money."""
    words = "*Nobody could be told about the calling wallet since"
    member = home.home_for_member(v.people(), OwnCardsFacts(), Role.MEMBER, untold_since=v.NOW, zone="UTC")
    assert words in v.words_of(home.home(v.home(untold_since=v.NOW)))
    assert words in v.words_of(member)
    assert "$" not in v.words_of(member)
    assert words not in v.words_of(home.home(v.home()))
