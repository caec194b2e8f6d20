"""When register 1000 has to be written again, for the fallback not to fire."""

from typing import Final

LONGEST: Final = 60.0
"""Seconds between two writes at the most."""

SHORTEST_TIMEOUT: Final = 30
"""Seconds: the least fallback timeout, taken while the charger's is unknown."""


def period(fallback_timeout: int | None) -> float:
    """Return the seconds between two writes: a third of the fallback timeout."""
    return min((fallback_timeout or SHORTEST_TIMEOUT) / 3, LONGEST)


def longest_silence(fallback_timeout: int | None) -> float:
    """Return for how many seconds nothing may be written: all but one period."""
    return (fallback_timeout or SHORTEST_TIMEOUT) - period(fallback_timeout)
