"""Current limits in A of several sources, in the step in which a charger takes them."""

from dataclasses import dataclass, field
from enum import StrEnum
import math
from typing import Final

from .phases import Phases
from .settings import LEAST_CURRENT, ROUNDING, TOLERANCE, Value

HOLD: Final = LEAST_CURRENT
"""Current until the phase mode is restored."""

STEPS: Final = (0.5, 1.0)
"""Steps that are tried, the finest first."""

EVIDENCE: Final = 2
"""Limits in a row that were rounded down before a step is assumed."""


class Source(StrEnum):
    """Who limits the current. Only the user's limit is stored."""

    USER = "user"
    PHASES = "phases"
    """The phase mode is not restored yet."""
    COMMAND = "command"
    """A lower limit of the user that is still being confirmed."""
    SURPLUS = "surplus"
    """The charge mode."""
    FUSE = "fuse"
    """The main fuse of the house."""
    ENERGY = "energy"
    """The session has the energy that the user wanted."""


def _roundings(value: float, step: float) -> tuple[float, float]:
    """Return a value rounded down and up to a step."""
    steps = round(value / step, 6)
    return math.floor(steps) * step, math.ceil(steps) * step


@dataclass
class LimitStep:
    """Learns how the charger takes limits, while its version stays the same.

    Limits are rounded down to the step before they are written.
    """

    version: str | None = None
    """Version of the charger; None is not known yet."""
    step: float | None = None
    candidates: tuple[float, ...] = STEPS
    """Steps that explain what was read back so far."""
    rounded_down: int = 0
    """Limits in a row that read back rounded down to one of them."""
    shows_offered: bool = False
    """Whether a limit read back as much less: what the charger offers."""

    def identify(self, version: str | None) -> None:
        """Forget what was learned of another version."""
        if version is not None and version != self.version:
            if self.version is not None:
                self._reset()
                self.shows_offered = False
            self.version = version

    def apply(self, limit: float) -> float:
        """Return a limit, rounded down to the step."""
        return limit if self.step is None else _roundings(limit, self.step)[0]

    def observe(
        self, written: Value, found: Value | None, before: Value | None
    ) -> bool:
        """Learn from a limit that was read back; return whether it was rounded up.

        A value that was there before the write says nothing: it may be late. A limit
        that is rounded up is more than requested, so its step is assumed at once.
        """
        if not isinstance(written, int | float) or not isinstance(found, int | float):
            return False
        if found == before:
            return False
        if abs(found - written) > ROUNDING:
            self.shows_offered = True
            return False
        if abs(found - written) <= TOLERANCE:
            if written != _roundings(written, STEPS[0])[0]:
                self._reset()
            return False
        self.candidates = tuple(
            step for step in self.candidates if found in _roundings(written, step)
        )
        if not self.candidates:
            self._reset()
            return False
        is_up = found > written
        self.rounded_down += not is_up
        if is_up or self.rounded_down >= EVIDENCE:
            self.step = self.candidates[0]
        return is_up

    def _reset(self) -> None:
        self.step, self.candidates, self.rounded_down = None, STEPS, 0


@dataclass
class Limits:
    """The current limits; the lowest one is effective."""

    phases: Phases = field(default_factory=Phases)
    """While they are held, so is the limit."""
    step: LimitStep = field(default_factory=LimitStep)
    _values: dict[str, float] = field(default_factory=dict)

    def set(self, source: str, limit: float | None) -> None:
        """Set the limit of a source, or remove it."""
        if limit is None:
            self._values.pop(source, None)
        else:
            self._values[source] = limit

    def _lowest(self, values: dict[str, float]) -> tuple[float, str]:
        source = min(values, key=values.__getitem__)
        if self.phases.is_held and values[source] > HOLD:
            return HOLD, Source.PHASES
        return values[source], source

    @property
    def lowest(self) -> tuple[float, str] | None:
        """Return the effective limit and its source, None without any limit.

        The hold applies only to a limit: alone, it is nothing that was requested.
        """
        return self._lowest(self._values) if self._values else None

    @property
    def effective(self) -> float | None:
        """Return the current limit to write."""
        return None if self.lowest is None else self.step.apply(self.lowest[0])

    def capped(self, limit: float) -> float:
        """Return what may be written of a limit of the user now."""
        return self.step.apply(self._lowest(self._values | {Source.USER: limit})[0])
