"""The settings of a charger."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
import math
from typing import Any, Final, Self

LEAST_CURRENT: Final = 6.0
"""Lowest current in A at which a vehicle charges, by IEC 61851."""

TOLERANCE: Final = 0.05
"""A by which a current that is read back may differ from the one written."""

ROUNDING: Final = 1.0
"""A by which a charger may round a limit."""


class PhaseMode(StrEnum):
    """Phases that the charger uses."""

    ADAPTIVE = "adaptive"
    SINGLE_PHASE = "single_phase"
    THREE_PHASE = "three_phase"


class StartStop(StrEnum):
    """Command to start or stop charging."""

    START = "start"
    STOP = "stop"


class Setting(StrEnum):
    """Settings in the order in which they are written together."""

    FALLBACK_TIMEOUT = "fallback_timeout"
    FALLBACK_LIMIT = "fallback_limit"
    PHASE_MODE = "phase_mode"
    CURRENT_LIMIT = "current_limit"
    START_STOP = "start_stop"


type Value = float | PhaseMode | StartStop

RANGES: Final[dict[Setting, tuple[float, float]]] = {
    Setting.CURRENT_LIMIT: (0.0, 32.0),
    Setting.FALLBACK_LIMIT: (0.0, 16.0),
    Setting.FALLBACK_TIMEOUT: (30, 1800),
}
"""Valid values: A, A and s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Values of the settings; None is unknown or not requested."""

    current_limit: float | None = None
    """A."""
    fallback_limit: float | None = None
    """A; the charger treats values between 0 and 6 as 0."""
    fallback_timeout: int | None = None
    """Seconds."""
    phase_mode: PhaseMode | None = None
    start_stop: StartStop | None = None

    def __getitem__(self, setting: Setting) -> Value | None:
        """Return the value of a setting."""
        value: Value | None = getattr(self, setting)
        return value

    def __iter__(self) -> Iterator[tuple[Setting, Value]]:
        """Iterate over the settings that have a value, in the order of writing."""
        for setting in Setting:
            if (value := self[setting]) is not None:
                yield setting, value

    def __bool__(self) -> bool:
        """Return whether any setting has a value."""
        return any(True for _ in self)

    def with_value(self, setting: Setting, value: Value | None) -> Self:
        """Return a copy with another value for a setting."""
        changes: dict[str, Any] = {setting: value}
        return replace(self, **changes)

    def rounded(self) -> Self:
        """Return a copy in the steps that are written: 0.1 A and 1 s."""
        settings = self
        for setting, value in self:
            if isinstance(value, int | float) and math.isfinite(value):
                digits = None if setting is Setting.FALLBACK_TIMEOUT else 1
                settings = settings.with_value(setting, round(value, digits))
        return settings

    def over(self, other: Settings) -> Settings:
        """Return these values, and those of `other` where there is none."""
        changes: dict[str, Any] = dict(self)
        return replace(other, **changes)


def is_accepted(setting: Setting, found: Value | None, wanted: Value) -> bool:
    """Return whether what was read after an acknowledged write confirms it.

    A charger may round limits. As the current limit it may show what it offers, which
    is less while the app's maximum or load balancing reduces it.
    """
    if isinstance(found, int | float) and isinstance(wanted, int | float):
        if setting is Setting.CURRENT_LIMIT:
            return found <= wanted + ROUNDING
        if setting is Setting.FALLBACK_LIMIT:
            return abs(found - wanted) <= ROUNDING
    if setting is Setting.CURRENT_LIMIT and found is None:
        return True
    return agrees(found, wanted)


def agrees(found: Value | None, wanted: Value) -> bool:
    """Return whether a value that was read back is the one that was written."""
    if isinstance(found, int | float) and isinstance(wanted, int | float):
        return abs(found - wanted) <= TOLERANCE
    return found == wanted


def is_lower(value: Value | None, than: Value | None) -> bool:
    """Return whether a number is lower than another, or than one that is unknown."""
    if isinstance(value, int | float) and isinstance(than, int | float):
        return value < than
    return than is None
