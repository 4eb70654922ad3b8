"""Calls something from so many threads for so many seconds; stands alone, since it runs in a peer's environment."""

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def drive(callers: int, seconds: int, once: Callable[[], object]) -> None:
    """Print how many it did and how many nanoseconds each took."""
    once()  # connections and caches are made before the clock runs
    end = time.perf_counter() + seconds
    waits: list[int] = []

    def one(_: int) -> int:
        done = 0
        while time.perf_counter() < end:
            began = time.perf_counter_ns()
            once()
            waits.append(time.perf_counter_ns() - began)
            done += 1
        return done

    with ThreadPoolExecutor(callers) as pool:
        done = sum(pool.map(one, range(callers)))
    sys.stdout.write(json.dumps([done, waits]) + "\n")
