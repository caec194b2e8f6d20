"""Fields of a stored record, which may be damaged."""

from datetime import datetime
import math


def number(value: object) -> float:
    """Return a finite number; raises TypeError and ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    if not math.isfinite(value):
        raise ValueError(f"{value!r} is not finite")
    return float(value)


def integer(value: object) -> int:
    """Return an integer; raises TypeError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is not an integer")
    return value


def boolean(value: object) -> bool:
    """Return a boolean; raises TypeError."""
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is not a boolean")
    return value


def time(value: object) -> datetime:
    """Return a time with a time zone; raises TypeError and ValueError."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a time")
    result = datetime.fromisoformat(value)
    if result.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return result
