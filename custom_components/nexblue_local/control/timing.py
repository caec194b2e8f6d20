"""The clock and the durations of control, in seconds."""

import asyncio
from dataclasses import dataclass

SHORTEST_TIMEOUT = 30
"""The least fallback timeout, assumed while the charger's is unknown."""


def clock() -> float:
    """Return the time of the event loop."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Durations in seconds; tests use shorter ones."""

    confirm_for: float = 5.0
    """For how long a setting may still read as before after a write."""
    confirm_every: float = 0.5
    """Time between two reads of the settings after a write."""
    keep_alive_at_most: float = 60.0
    """Longest time between two writes of the current limit."""
    retry_after: float = 5.0
    """Time to the next attempt after a keep-alive that failed."""
    retry_phases: float = 600.0
    """Time to the next attempt to restore a phase mode that was not confirmed."""
    retry_restoration: tuple[float, ...] = (0.0, 0.0, 5.0, 10.0, 30.0, 60.0)
    """Times to the next attempts of what could not be restored."""

    def keep_alive_period(self, fallback_timeout: int | None) -> float:
        """Return the time between two writes: a third of the fallback timeout."""
        return min((fallback_timeout or SHORTEST_TIMEOUT) / 3, self.keep_alive_at_most)

    def longest_silence(self, fallback_timeout: int | None) -> float:
        """Return for how long nothing may be written: all but one period."""
        timeout = fallback_timeout or SHORTEST_TIMEOUT
        return timeout - self.keep_alive_period(fallback_timeout)
