"""How late an event loop is."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PERIOD: Final = 0.002
"""Seconds between two timers."""


@contextmanager
def lateness() -> Iterator[list[float]]:
    """Collect by how many ms timers of the running event loop are late.

    One is due every PERIOD seconds. While the loop is blocked, each timer that is due
    counts, so that a percentile is a share of the time.
    """
    loop = asyncio.get_running_loop()
    delays: list[float] = []
    due = loop.time() + PERIOD

    def look() -> None:
        nonlocal due
        now = loop.time()
        while due <= now:
            delays.append(1000 * (now - due))
            due += PERIOD
        timers[:] = [loop.call_at(due, look)]

    timers = [loop.call_at(due, look)]
    try:
        yield delays
    finally:
        timers[0].cancel()


def percentile(values: list[float], part: float) -> float:
    """Return the value that a part of all values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]
