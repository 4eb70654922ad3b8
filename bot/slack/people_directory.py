"""Who people in the workspace are, as Slack says: one by one and remembered for a minute, or the list in pages."""

import logging
from collections.abc import Mapping
from threading import Lock
from time import monotonic

from slack_sdk import WebClient

from bot.ports import NotNow, PeoplePage, PersonSeen
from bot.slack.answers import Meaning
from bot.slack.failures import UNREACHED, answer_to, asking
from ledger import assert_outside_transaction

log = logging.getLogger("redbar.slack")
REMEMBER_SECONDS = 60
"""Facts about people are looked up again after this time; before money moves they are always looked up afresh."""
PAGE_SIZE = 500
"""People a page of `users.list`. Slack takes up to 1,000, and recommends 200; a listing may take 20 pages a minute."""


class SlackDirectory:
    """Looks people up in one workspace, with a short memory."""

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self._lock = Lock()
        self._known: dict[str, tuple[float, PersonSeen]] = {}
        self._team_id = ""

    def person(self, user_id: str, *, fresh: bool = False) -> PersonSeen | None:
        """Look a person up; None when Slack does not know them. Raises: NotNow, when Slack doesn't answer that."""
        with self._lock:
            known = self._known.get(user_id)
        if known is not None and not fresh and monotonic() - known[0] < REMEMBER_SECONDS:
            return known[1]
        try:
            answer = self._client.users_info(user=user_id)
            found = person_of(answer["user"], self._team())
        except UNREACHED as error:
            refused = answer_to(error)
            if refused.meaning is Meaning.RECIPIENT:
                return None
            # Everything else is no answer to who somebody is.
            log.warning("Slack could not be asked about a person: %s", refused.why)
            raise NotNow(refused.code or "no_answer", refused.retry_after) from error
        with self._lock:
            self._known[user_id] = (monotonic(), found)
        return found

    def forget(self, user_id: str) -> None:
        """Drop what is remembered of a person, because something about them changed."""
        with self._lock:
            self._known.pop(user_id, None)

    def page(self, cursor: str) -> PeoplePage:
        """Give a page of everybody in the workspace; an empty cursor names the first. Raises: NotTold."""
        assert_outside_transaction()
        with asking():
            team_id = self._team()
            answer = self._client.users_list(limit=PAGE_SIZE, cursor=cursor or None)
        about = answer.get("response_metadata") or {}
        return PeoplePage(
            people=[person_of(user, team_id) for user in answer["members"]],
            next_cursor=str(about.get("next_cursor") or ""),
        )

    def _team(self) -> str:
        if not self._team_id:
            self._team_id = str(self._client.auth_test()["team_id"])
        return self._team_id


def person_of(user: Mapping[str, object], team_id: str) -> PersonSeen:
    """Read Slack's description of a person, as seen from a workspace."""

    def flag(name: str) -> bool:
        return user.get(name) is True  # absent for bots, the deleted and outsiders: never a yes

    profile = user.get("profile")
    handle = str(profile.get("display_name") or "") if isinstance(profile, dict) else ""
    outside = (
        any(
            flag(name)
            for name in ("deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger")
        )
        or user.get("team_id") != team_id
    )
    return PersonSeen(
        user_id=str(user["id"]),
        team_id=str(user.get("team_id") or ""),
        handle=handle or str(user.get("name") or ""),
        zone=str(user.get("tz") or "UTC"),
        is_admin=flag("is_admin") or flag("is_owner"),
        is_owner=flag("is_owner") or flag("is_primary_owner"),
        is_outside=outside,
    )
