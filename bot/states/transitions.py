"""A total table of what follows each state after each event: the only way in which a state changes. Pure."""

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)


class NotTotal(Exception):
    """A table does not say what follows some state after some event."""


class Step(NamedTuple, Generic[State, Event]):
    """One change of state."""

    before: State
    events: tuple[Event, ...]
    after: State


class Transitions(Generic[State, Event]):
    """What follows each state after each event. Complete when made: a table with a gap raises NotTotal."""

    def __init__(
        self,
        states: type[State],
        events: type[Event],
        table: Mapping[State, Mapping[Event, State]],
        *,
        begins: Collection[State],
    ) -> None:
        missing = [
            f"{state} after {event}"
            for state in states
            for event in events
            if event not in table.get(state, {})
        ]
        if missing:
            raise NotTotal(f"{states.__name__}: {', '.join(missing)}")
        self.states = tuple(states)
        self.events = tuple(events)
        self.begins = tuple(one for one in states if one in begins)
        """The states in which something can begin."""
        self._table = table

    def after(self, state: State, event: Event) -> State:
        """Give the state that follows."""
        return self._table[state][event]

    def steps(self) -> Iterator[Step[State, Event]]:
        """Give every change from one state to another, with the events that bring it; for drawing."""
        for before in self.states:
            for after in self.states:
                events = tuple(one for one in self.events if self.after(before, one) is after)
                if events and before is not after:
                    yield Step(before, events, after)
