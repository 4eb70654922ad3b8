"""Who people in the workspace are, as Slack says: looked up on demand and remembered for a minute."""

import logging
from collections.abc import Sequence
from threading import Lock
from time import monotonic

from slack_sdk import WebClient

from bot.ports import NotNow, PersonSeen
from bot.slack.answers import Meaning
from bot.slack.failures import UNREACHED, answer_to

log = logging.getLogger("redbar.slack")
REMEMBER_SECONDS = 60
"""Facts about people are looked up again after this time; before money moves they are always looked up afresh."""


class SlackDirectory:
    """Looks people up in one workspace, with a short memory."""

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self._lock = Lock()
        self._known: dict[str, tuple[float, PersonSeen]] = {}
        self._owners: tuple[float, tuple[str, ...]] | None = None
        self._team_id = ""

    def person(self, user_id: str, *, fresh: bool = False) -> PersonSeen | None:
        """Look a person up; None when Slack does not know them. Raises: NotNow, when Slack doesn't answer that."""
        with self._lock:
            known = self._known.get(user_id)
        if known is not None and not fresh and monotonic() - known[0] < REMEMBER_SECONDS:
            return known[1]
        try:
            answer = self._client.users_info(user=user_id)
            found = _person(answer["user"], self._team())
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
        """Forget a person's facts, because something about them changed."""
        with self._lock:
            self._known.pop(user_id, None)
            if self._owners is not None:
                self._owners = (
                    -REMEMBER_SECONDS,
                    self._owners[1],
                )  # asked again; kept for when Slack can't answer

    def owners(self) -> Sequence[str]:
        """Give the workspace's owners and admins, owners first. Raises: NotNow, if Slack never listed them yet."""
        if self._owners is not None and monotonic() - self._owners[0] < REMEMBER_SECONDS:
            return self._owners[1]
        found: list[tuple[bool, str]] = []
        try:
            for page in self._client.users_list(limit=200):
                for user in page["members"]:
                    seen = _person(user, self._team())
                    if (seen.is_owner or seen.is_admin) and not seen.is_outside:
                        found.append((not seen.is_owner, seen.user_id))
        except UNREACHED as error:
            answer = answer_to(error)
            log.warning("Slack could not list people: %s", answer.why)
            if self._owners is None:
                raise NotNow("no_owners_listed", answer.retry_after) from error
            return self._owners[1]
        self._owners = (monotonic(), tuple(user for _, user in sorted(found)))
        return self._owners[1]

    def _team(self) -> str:
        if not self._team_id:
            self._team_id = str(self._client.auth_test()["team_id"])
        return self._team_id


def _person(user: dict[str, object], team_id: str) -> PersonSeen:
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
