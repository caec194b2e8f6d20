"""Values of a stored record, which may be damaged."""

from collections.abc import Callable
from datetime import UTC, datetime
import math


def exactly[T](kind: type[T]) -> Callable[[object], T]:
    """Return the decoder of values of this very type; it raises TypeError."""

    def decode(value: object) -> T:
        # A boolean is an instance of int, too.
        if type(value) is not kind or not isinstance(value, kind):
            raise TypeError(f"{value!r} is not of type {kind.__name__}")
        return value

    return decode


def number(value: object) -> float:
    """Return a finite number; raises TypeError and ValueError."""
    result = float(value) if type(value) is int else exactly(float)(value)
    if not math.isfinite(result):
        raise ValueError(f"{value!r} is not finite")
    return result


def not_negative(value: object) -> float:
    """Return a number from 0; raises TypeError and ValueError."""
    if (result := number(value)) < 0:
        raise ValueError(f"{value!r} is negative")
    return result


def time(value: object) -> datetime:
    """Return a time in UTC; raises TypeError and ValueError."""
    result = datetime.fromisoformat(exactly(str)(value))
    if result.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return result.astimezone(UTC)


def optional[T](decode: Callable[[object], T], value: object) -> T | None:
    """Return a value that is decoded, or None."""
    return None if value is None else decode(value)
