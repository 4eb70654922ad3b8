"""Tells open web pages that something changed, so that they fetch it."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

QUEUE_MAX = 500
SILENCE_SECONDS = 15
Observer = Callable[[str, dict[str, Any]], None]


class Live:
    """Publishes small events to all listeners; a listener that falls behind is told to reload everything."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[asyncio.Queue[str], asyncio.AbstractEventLoop] = {}
        self._observers: list[Observer] = []
        self._closed = False

    def publish(self, topic: str, payload: dict[str, Any]) -> None:
        """Tell everybody; from any thread."""
        line = json.dumps({"topic": topic, **payload})
        with self._lock:
            listeners, observers = list(self._listeners.items()), list(self._observers)
        for observer in observers:
            observer(topic, payload)
        for queue, loop in listeners:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_offer, queue, line)

    @contextmanager
    def observing(self, observer: Observer) -> Iterator[None]:
        """Have a function called with everything that is published meanwhile, on the publisher's thread."""
        with self._lock:
            self._observers.append(observer)
        try:
            yield
        finally:
            with self._lock:
                self._observers.remove(observer)

    async def subscribe(self) -> AsyncIterator[str]:
        """Give events as JSON text for as long as somebody listens.

        The first one, "hello", says that nothing is missed from now on; "still_here" keeps the line alive.
        """
        queue: asyncio.Queue[str] = asyncio.Queue(QUEUE_MAX)
        with self._lock:
            self._listeners[queue] = asyncio.get_running_loop()
        try:
            yield json.dumps({"topic": "hello"})
            while not self._closed:
                try:
                    yield await asyncio.wait_for(queue.get(), SILENCE_SECONDS)
                except TimeoutError:
                    yield json.dumps({"topic": "still_here"})
        finally:
            with self._lock:
                self._listeners.pop(queue, None)

    def close(self) -> None:
        """Let every listener go."""
        self._closed = True
        self.publish("bye", {})


def _offer(queue: "asyncio.Queue[str]", line: str) -> None:
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        line = json.dumps({"topic": "reload"})
    queue.put_nowait(line)
