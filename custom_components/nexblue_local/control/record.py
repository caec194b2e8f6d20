"""Values of a stored record, which may be damaged."""

from collections.abc import Callable
from datetime import datetime
import math
from typing import Any


def exactly[T](kind: type[T], value: object) -> T:
    """Return a value of this very type; raises TypeError."""
    # A boolean is an instance of int, too.
    if type(value) is not kind or not isinstance(value, kind):
        raise TypeError(f"{value!r} is not of type {kind.__name__}")
    return value


def number(value: object) -> float:
    """Return a finite number; raises TypeError and ValueError."""
    result = float(value) if type(value) is int else exactly(float, value)
    if not math.isfinite(result):
        raise ValueError(f"{value!r} is not finite")
    return result


def integer(value: object) -> int:
    """Return an integer; raises TypeError."""
    return exactly(int, value)


def time(value: object) -> datetime:
    """Return a time with a time zone; raises TypeError and ValueError."""
    result = datetime.fromisoformat(exactly(str, value))
    if result.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return result


def optional[T](decode: Callable[[Any], T], value: object) -> T | None:
    """Return a value that is decoded, or None."""
    return None if value is None else decode(value)
