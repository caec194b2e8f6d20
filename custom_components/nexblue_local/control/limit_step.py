"""The step in which a charger takes current limits."""

from dataclasses import dataclass
import math
from typing import Final

from .settings import ROUNDING, TOLERANCE

STEPS: Final = (0.5, 1.0)
"""Steps in A that are tried, the finest first."""

EVIDENCE: Final = 2
"""Limits in a row that were rounded down before a step is assumed."""


def _roundings(value: float, step: float) -> tuple[float, float]:
    """Return a value rounded down and up to a step."""
    steps = round(value / step, 6)
    return math.floor(steps) * step, math.ceil(steps) * step


@dataclass
class LimitStep:
    """Learns the step in A, so that limits are rounded down before they are written."""

    step: float | None = None
    candidates: tuple[float, ...] = STEPS
    """Steps that explain what was read back so far."""
    rounded_down: int = 0
    """Limits in a row that read back rounded down to one of them."""

    def apply(self, limit: float) -> float:
        """Return a limit in A, rounded down to the step."""
        return limit if self.step is None else _roundings(limit, self.step)[0]

    def observe(self, written: float, found: float, before: float | None) -> bool:
        """Learn from a read-back in A; return whether it was rounded up.

        A value that was there before the write says nothing: it may be late. A limit
        that is rounded up is more than requested, so its step is assumed at once.
        """
        if found == before or abs(found - written) > ROUNDING:
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
