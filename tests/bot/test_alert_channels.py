"""Whether Redbar is in each alert channel: asked in the form, told by events, looked at again, and said once."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from slack_bolt import App
from sqlalchemy import select

from bot.notices import ChannelAway, ChannelBack, ChannelsChanged
from bot.ports import ChannelSeen
from bot.sandbox.slack.faults import Fail, Fault, Limit, Refuse, Wrong
from bot.sandbox.slack.installation import SCOPES
from bot.sandbox.slack.seed import BOT_USER, TEAM
from bot.served import Served
from bot.slack import listeners
from bot.slack.answers import MEANINGS, Meaning
from bot.slack.ids import Act, Form
from bot.slack.listeners.events import CHANNEL_EVENTS
from bot.states.alert_channel import ChannelPresence
from bot.tables import BOT_VERSIONS
from bot.wallets.alert_channels import (
    AlertChannel,
    alert_channels_of,
    came_back,
    next_look,
    presence_of,
    set_away,
    set_channels,
)
from bot.wallets.channel_watch import ChannelWatch
from ledger import Tx, migrate, new_wallet_id, open_store
from ledger.storage.schema import notices
from tests.bot.interactions import send_in, shown
from tests.bot.rights_company import USERS, Company, company
from tests.old_books import LEDGER, upgrade_to, write_rows
from tests.persons import owner
from tests.sandbox.slack_place import Connected

CALLS, GENERAL, CAMPAIGNS = "C0CALLS01", "C0GENERAL", "C0CAMPAIG"
U1 = owner(USERS["owner"])
P = ChannelPresence


@pytest.fixture(scope="module")
def company_made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """The company."""
    with company(tmp_path_factory.mktemp("company")) as one:
        yield one


@pytest.fixture
def made(company_made: Company) -> Iterator[Company]:
    """The company as it begins: no alert channel, Redbar in #calls and #general, nothing goes wrong."""
    one = company_made
    yield one
    one.place.stand_in.faults.clear()
    one.place.do("slack/scopes", scopes=list(SCOPES))
    for channel in (CALLS, GENERAL):
        one.place.do("slack/channel", channel=channel, bot_member=True, archived=False, private=False)
    set_channels(one.ledger, one.wallet_id, [], actor=U1)
    one.carry()


@pytest.fixture
def app(made: Company) -> App:
    """Its application as it runs."""
    found = made.bolt()
    listeners.register(found, made.context)
    return found


SAVED = "Alerts are posted"


def _save(one: Company, app: App, *channels: str) -> str:
    """Send the form in; gives what is read on top of it then."""
    chosen = {str(Act.CHANNELS): {"selected_conversations": list(channels)}}
    assert send_in(one, app, Form.ALERTS, chosen)["response_action"] == "push"
    return shown(one)


def _known(one: Company) -> dict[str, ChannelPresence]:
    with one.ledger.reading() as connection:
        return {one.channel_id: one.presence for one in alert_channels_of(connection, one.wallet_id)}


def _channel(one: Company, channel_id: str = CALLS) -> AlertChannel:
    with one.ledger.reading() as connection:
        found = {one.channel_id: one for one in alert_channels_of(connection, one.wallet_id)}
    return found[channel_id]


def _arm(one: Company, wrong: Wrong, times: int | None = 1) -> None:
    one.place.stand_in.faults.add(Fault("conversations.info", wrong, times=times))


def _told(one: Company, name: str = ChannelAway.name) -> int:
    with one.ledger.reading() as connection:
        rows = connection.execute(
            select(notices.c.seq).where(notices.c.wallet_id == one.wallet_id, notices.c.name == name)
        )
        return len(rows.all())


def _asked(one: Company, since: int) -> int:
    """Count the questions about channels after an entry of the wire log."""
    return sum(
        entry["id"] > since and entry["path"].endswith("conversations.info") for entry in one.place.wire()
    )


def _last_entry(one: Company) -> int:
    return int(one.place.wire()[-1]["id"])


# --- The form ----------------------------------------------------------------------------------------------


def test_channels_in_which_redbar_is_are_taken(made: Company, app: App) -> None:
    """And known as such."""
    assert SAVED in _save(made, app, CALLS, GENERAL)
    assert _known(made) == {CALLS: P.PRESENT, GENERAL: P.PRESENT}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"bot_member": False}, 'Redbar isn\'t in #calls. Type "/invite @Redbar" in it, then save again.'),
        ({"archived": True}, "#calls is archived. Choose another channel."),
        (
            {"bot_member": False, "private": True},
            'Redbar can\'t see one of these channels. Type "/invite @Redbar" in it, then save again.',
        ),
    ],
    ids=["not in it", "archived", "private"],
)
def test_a_channel_that_cannot_be_posted_to_is_refused_in_the_form(
    made: Company, app: App, changed: dict[str, bool], words: str
) -> None:
    """On top of the form, with what to type; nothing is saved, and after the invitation the same is taken."""
    _save(made, app, GENERAL)
    made.place.do("slack/channel", channel=CALLS, **changed)
    assert json.dumps(words)[1:-1] in _save(made, app, GENERAL, CALLS)
    assert _known(made) == {GENERAL: P.PRESENT}

    made.place.do("slack/channel", channel=CALLS, bot_member=True, archived=False, private=False)
    assert SAVED in _save(made, app, GENERAL, CALLS)


def test_each_channel_that_is_refused_is_named(made: Company, app: App) -> None:
    """One save shows all that is wrong."""
    made.place.do("slack/channel", channel=CALLS, archived=True)
    said = _save(made, app, CALLS, CAMPAIGNS)
    assert "#calls is archived" in said
    assert "isn't in #campaigns" in said


@pytest.mark.parametrize("wrong", [Limit(30), Fail(503), Refuse("internal_error"), Refuse("never_heard_of")])
def test_while_slack_cannot_be_asked_the_form_says_that(made: Company, app: App, wrong: Wrong) -> None:
    """On top of the form, which keeps what was chosen; the same is taken a minute later."""
    _arm(made, wrong)
    said = _save(made, app, CALLS)
    assert "Slack can't be asked whether Redbar is in these channels; try again in a minute." in said
    assert _known(made) == {}
    assert SAVED in _save(made, app, CALLS)


def test_without_the_scope_a_channel_is_taken_as_unknown(made: Company, app: App) -> None:
    """An app that was installed by an earlier manifest: the first message posted there decides."""
    made.place.do("slack/scopes", scopes=["chat:write", "users:read"])
    assert SAVED in _save(made, app, CALLS, CAMPAIGNS)
    assert _known(made) == {CALLS: P.UNKNOWN, CAMPAIGNS: P.UNKNOWN}


def test_saving_keeps_what_is_known_of_channels_that_stay(made: Company, app: App) -> None:
    """And since when."""
    _save(made, app, CALLS)
    before = _channel(made)
    made.place.clock.skip(minutes=1)
    _save(made, app, CALLS, GENERAL)
    assert _channel(made).presence_since == before.presence_since
    assert _channel(made).looked_at != before.looked_at


def test_saving_the_same_channels_tells_nobody(made: Company, app: App) -> None:
    """Only a change is told."""
    _save(made, app, CALLS)
    before = _told(made, ChannelsChanged.name)
    _save(made, app, CALLS)
    assert _told(made, ChannelsChanged.name) == before


# --- What is known -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("is_member", "is_archived", "presence"),
    [
        (True, False, P.PRESENT),
        (False, False, P.NOT_IN_CHANNEL),
        (True, True, P.IS_ARCHIVED),
        (False, True, P.IS_ARCHIVED),
    ],
)
def test_what_slack_says_of_a_channel_is_judged(
    *, is_member: bool, is_archived: bool, presence: ChannelPresence
) -> None:
    """Nobody can be invited to an archived channel, so that comes first."""
    assert presence_of(ChannelSeen("C1", "calls", is_member, is_archived)) is presence


def test_every_code_that_refuses_a_recipient_is_away() -> None:
    """Whatever Slack calls it."""
    found = {code: P.refused_by(code) for code in MEANINGS[Meaning.RECIPIENT]}
    assert all(one.is_away for one in found.values())
    assert {code: one for code, one in found.items() if one is not P.REFUSED} == {
        "not_in_channel": P.NOT_IN_CHANNEL,
        "is_archived": P.IS_ARCHIVED,
        "is_inactive": P.IS_ARCHIVED,
        "channel_not_found": P.CHANNEL_NOT_FOUND,
    }


def _in_commit(one: Company, code: str) -> bool:
    """Let a delivery learn something of #calls."""

    def save(tx: Tx) -> bool:
        if code:
            return set_away(tx, one.wallet_id, CALLS, code)
        return came_back(tx, one.wallet_id, CALLS)

    return one.ledger.run(save, wallet_id=one.wallet_id)


def test_deliveries_say_once_that_a_channel_is_away_and_again_after_it_came_back(made: Company) -> None:
    """A refusal after the other is no news, and another reason neither."""
    set_channels(made.ledger, made.wallet_id, [CALLS], actor=U1)
    before = _told(made)
    happened = [
        ("", False),
        ("not_in_channel", True),
        ("not_in_channel", False),
        ("is_archived", False),
        ("", True),
        ("", False),
        ("restricted_action", True),
    ]
    assert [_in_commit(made, code) for code, _ in happened] == [news for _, news in happened]
    assert _told(made) == before + 2
    assert _channel(made).presence is P.REFUSED


def test_a_channel_that_is_no_alert_channel_is_none_of_ours(made: Company) -> None:
    """It was removed from the list while a message was on its way."""
    before = _told(made)
    assert not _in_commit(made, "is_archived")
    assert (_told(made), _known(made)) == (before, {})


def test_those_who_can_choose_channels_are_told(made: Company) -> None:
    """Billing admins, with the way to mend it; finance cannot."""
    set_channels(made.ledger, made.wallet_id, [CALLS], actor=U1)
    made.carry()
    read = {one: len(made.place.messages(USERS[one])) for one in ("appointed admin", "finance")}
    _in_commit(made, "not_in_channel")
    made.carry()
    (said,) = made.place.messages(USERS["appointed admin"])[read["appointed admin"] :]
    assert said["text"].startswith("I'm not in <#C0CALLS01> any more, so nobody there reads alarms.")
    assert '"/invite @Redbar"' in said["text"]
    assert "Alerts" in str(said["blocks"])
    assert len(made.place.messages(USERS["finance"])) == read["finance"]


# --- Events ------------------------------------------------------------------------------------------------


def _event(made: Company, app: App, kind: str, channel: object = CALLS, **more: Any) -> None:
    event = {"type": kind, "channel": channel, **more}
    us = [{"team_id": TEAM, "user_id": BOT_USER, "is_bot": True}]
    body = {"type": "event_callback", "team_id": TEAM, "event": event, "event_id": "Ev1"}
    made.dispatch(app, body | {"authorizations": us})


@pytest.mark.parametrize("kind", CHANNEL_EVENTS)
def test_an_event_is_believed_while_slack_cannot_be_asked(made: Company, app: App, kind: str) -> None:
    """By what it says."""
    set_channels(made.ledger, made.wallet_id, [CALLS], actor=U1)
    _in_commit(made, "restricted_action" if CHANNEL_EVENTS[kind] is P.PRESENT else "")
    _arm(made, Fail())
    _event(made, app, kind, **({"user": BOT_USER} if kind == "member_joined_channel" else {}))
    assert _channel(made).presence is CHANNEL_EVENTS[kind]


@pytest.mark.parametrize("kind", CHANNEL_EVENTS)
def test_an_event_that_comes_late_is_held_against_what_slack_says_now(
    made: Company, app: App, kind: str
) -> None:
    """Redbar is in #calls, whatever was so before."""
    set_channels(made.ledger, made.wallet_id, [CALLS], actor=U1)
    before = _told(made)
    _event(made, app, kind, **({"user": BOT_USER} if kind == "member_joined_channel" else {}))
    assert _channel(made).presence is P.PRESENT
    assert _told(made) == before


def test_people_who_join_and_channels_that_are_not_alerted_ask_slack_nothing(made: Company, app: App) -> None:
    """A busy channel has many joiners."""
    set_channels(made.ledger, made.wallet_id, [CALLS], actor=U1)
    before = _last_entry(made)
    _event(made, app, "member_joined_channel", user=USERS["member"])
    _event(made, app, "channel_archive", channel=GENERAL)
    _event(made, app, "channel_archive", channel=None)
    assert _asked(made, before) == 0


def _is_known(one: Company, presence: ChannelPresence) -> bool:
    """Do what was started, and say whether that is known by then."""
    one.work.run()
    return _channel(one).presence is presence


def test_redbar_is_removed_invited_and_its_channel_archived(made: Company, app: App) -> None:
    """Over a real socket, as Slack delivers it: away is told once each time, and coming back is known at once."""
    set_channels(made.ledger, made.wallet_id, [CALLS], actor=U1)
    before = _told(made)
    with closing(Connected(made.place, app)):
        for changed, presence in (
            ({"bot_member": False}, P.NOT_IN_CHANNEL),
            ({"bot_member": True}, P.PRESENT),
            ({"archived": True}, P.IS_ARCHIVED),
            ({"archived": False}, P.PRESENT),
        ):
            made.place.do("slack/channel", channel=CALLS, **changed)
            made.place.wait_for(partial(_is_known, made, presence))
    assert _told(made) == before + 2


# --- A later look ------------------------------------------------------------------------------------------

NOW = datetime.fromisoformat("2026-11-25T09:00:00+00:00")


@pytest.mark.parametrize(
    ("presence", "minutes", "due"),
    [
        (P.PRESENT, 59, False),
        (P.PRESENT, 60, True),
        (P.UNKNOWN, 59, False),
        (P.NOT_IN_CHANNEL, 4, False),
        (P.NOT_IN_CHANNEL, 5, True),
        (P.IS_ARCHIVED, 5, True),
        (P.UNKNOWN, None, True),
    ],
)
def test_channels_are_looked_at_again_after_a_while(
    *, presence: ChannelPresence, minutes: int | None, due: bool
) -> None:
    """Sooner where somebody was just told to mend it, and at once where nobody looked yet."""
    looked_at = NOW - timedelta(minutes=minutes) if minutes is not None else None
    assert (next_look(AlertChannel("C1", presence, None, looked_at), NOW) <= NOW) is due


def test_a_lost_event_is_made_up_for(made: Company) -> None:
    """Redbar was removed and invited again while no event arrived."""
    set_channels(made.ledger, made.wallet_id, [CALLS], actor=U1)
    before = _told(made)
    watch = made.context.channels
    watch.run_once(made.ledger.now())
    made.place.do("slack/channel", channel=CALLS, bot_member=False)
    made.place.clock.skip(hours=1)
    watch.run_once(made.ledger.now())
    assert (_channel(made).presence, _told(made)) == (P.NOT_IN_CHANNEL, before + 1)

    made.place.do("slack/channel", channel=CALLS, bot_member=True)
    made.place.clock.skip(minutes=5)
    watch.run_once(made.ledger.now())
    assert _channel(made).presence is P.PRESENT


@pytest.mark.parametrize("wrong", [Limit(30), Fail(), Refuse("missing_scope")])
def test_a_look_without_an_answer_changes_nothing_and_is_not_repeated_at_once(
    made: Company, wrong: Wrong
) -> None:
    """Neither to the better nor to the worse."""
    set_channels(made.ledger, made.wallet_id, [CALLS], actor=U1)
    for code, presence in (("", P.PRESENT), ("is_archived", P.IS_ARCHIVED)):
        _in_commit(made, code)
        made.place.clock.skip(hours=1)
        _arm(made, wrong, times=None)
        before = _last_entry(made)
        for _ in range(3):
            made.context.channels.run_once(made.ledger.now())
        assert (_channel(made).presence, _asked(made, before)) == (presence, 1)


def test_books_of_before_know_nothing_of_their_channels(tmp_path: Path) -> None:
    """Each is unknown until it was looked at."""
    store = open_store(f"sqlite:///{tmp_path}/books.db")
    upgrade_to(store, "head", LEDGER)
    upgrade_to(store, "bot_0006", (BOT_VERSIONS, "alembic_version_bot"))
    wallet_id = new_wallet_id()
    row = {"wallet_id": str(wallet_id), "channel_id": CALLS, "added_by": "U1", "added_at": 1}
    with store.writing() as connection:
        write_rows(connection, {"alert_channels": [row]})
    migrate(store, versions=BOT_VERSIONS, version_table="alembic_version_bot")
    with store.reading() as connection:
        assert alert_channels_of(connection, wallet_id) == [AlertChannel(CALLS, P.UNKNOWN, None, None)]
    store.close()


def test_a_channel_that_looks_sound_and_takes_no_message_is_told_once(made: Company) -> None:
    """Slack says that Redbar is in it, and refuses each message: admins read that once, not at every look."""
    set_channels(made.ledger, made.wallet_id, [CALLS], actor=U1)
    before = _told(made)
    for _ in range(3):
        made.ledger.run(
            lambda tx: set_away(tx, made.wallet_id, CALLS, "restricted_action"), wallet_id=made.wallet_id
        )
        made.place.clock.skip(minutes=6)
        made.context.channels.run_once(made.ledger.now())
        assert _channel(made).presence is P.PRESENT
    assert _told(made) == before + 1
    assert _told(made, ChannelBack.name) >= 3


def test_a_look_that_took_longer_than_its_lease_stores_nothing(made: Company) -> None:
    """Another process has looked meanwhile, and knows better."""
    set_channels(made.ledger, made.wallet_id, [CALLS], actor=U1)
    asked = []

    class Slow:
        """Answers what was true before the other process looked."""

        def channel(self, channel_id: str) -> ChannelSeen:
            asked.append(channel_id)
            made.context.channels.run_once(made.ledger.now())  # while the lease lasts, this one has it alone
            assert _channel(made).looked_at is None
            made.place.clock.skip(minutes=3)
            made.context.channels.run_once(made.ledger.now())
            return ChannelSeen(channel_id, "calls", is_member=False, is_archived=True)

    ChannelWatch(made.ledger, Served(TEAM), Slow()).run_once(made.ledger.now())
    assert asked == [CALLS]
    assert (_channel(made).presence, _channel(made).looked_at) == (P.PRESENT, made.ledger.now())
