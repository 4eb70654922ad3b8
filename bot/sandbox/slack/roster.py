"""The people of the workspace: those of the seed, those who came later or left, and a crowd of any size.

A crowd costs nothing until somebody asks for one of it: its people are made from their numbers.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from bot.sandbox.document_store import DocumentStore
from bot.sandbox.slack.seed import PEOPLE, TEAM, Person

_CROWD = "U1"
_DIGITS = 9


class Roster:
    """Knows people by id and handle; changes of them survive a restart."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._people = {one.user_id: one for one in PEOPLE}
        self._people |= {one["user_id"]: Person(**one) for one in store.all("person")}
        self._handles = {one.handle: one.user_id for one in self._people.values()}

    def person(self, user_id: str) -> Person | None:
        """Find a person by id."""
        return self._people.get(user_id) or self._of_crowd(user_id)

    def by_handle(self, handle: str) -> Person | None:
        """Find a person by handle; nobody of the crowd."""
        return self._people.get(self._handles.get(handle, ""))

    def everybody(self) -> Sequence[Person]:
        """Give everybody but the crowd."""
        return tuple(self._people.values())

    def put(self, person: Person) -> None:
        """Let somebody come, or be another from now on."""
        self._store.put("person", person.user_id, asdict(person))
        self._people[person.user_id] = person
        self._handles[person.handle] = person.user_id

    def change(self, user_id: str, **changed: Any) -> Person:
        """Change something about somebody. Raises: KeyError."""
        changed_person = replace(self._people[user_id], **changed)
        self.put(changed_person)
        return changed_person

    @property
    def crowd(self) -> int:
        """How many people there are beside those who have names."""
        return int((self._store.get("crowd", "size") or {"people": 0})["people"])

    def set_crowd(self, people: int) -> None:
        """Let a crowd of members be in the workspace."""
        self._store.put("crowd", "size", {"people": people})

    def count(self) -> int:
        """Count the workspace's own people."""
        return sum(one.team == TEAM for one in self._people.values()) + self.crowd

    def members(self, start: int, end: int) -> list[Person]:
        """Give some of the workspace's own people: the seed's first, then the crowd, then those who came later."""
        own = [one for one in self._people.values() if one.team == TEAM]
        first = sum(one.team == TEAM for one in PEOPLE)
        crowd = self.crowd
        numbers = range(max(0, start - first), max(0, min(crowd, end - first)))
        late = slice(max(0, start - crowd - first), max(0, end - crowd - first))
        return [*own[:first][start:end], *map(_crowd_person, numbers), *own[first:][late]]

    def _of_crowd(self, user_id: str) -> Person | None:
        number = user_id.removeprefix(_CROWD)
        known = user_id.startswith(_CROWD) and len(number) == _DIGITS and number.isdecimal()
        return _crowd_person(int(number)) if known and int(number) < self.crowd else None


def _crowd_person(number: int) -> Person:
    return Person(f"{_CROWD}{number:0{_DIGITS}d}", f"person{number}", f"Person {number}", "member", "#64748B")
