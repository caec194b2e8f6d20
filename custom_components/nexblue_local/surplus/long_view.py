"""The mean of a value over the past, in which old values fade."""

from dataclasses import dataclass
import math
from typing import Final

FADES_WITHIN: Final = 1200.0
"""s; the mean is as old as that of the last 40 minutes."""


@dataclass(slots=True)
class LongView:
    """An exponentially fading mean, right from the first value on."""

    _sum: float = 0.0
    _weight: float = 0.0

    def advance(self, seconds: float, value: float) -> None:
        """Add a value that was held for some seconds."""
        if seconds > 0:
            kept = math.exp(-seconds / FADES_WITHIN)
            self._sum = self._sum * kept + value * (1 - kept)
            self._weight = self._weight * kept + 1 - kept

    @property
    def mean(self) -> float:
        """Return the mean, 0 without any value."""
        return self._sum / self._weight if self._weight else 0.0

    def after(self, seconds: float, value: float) -> float:
        """Return the mean after a value will have been held for some seconds."""
        kept = math.exp(-seconds / FADES_WITHIN)
        weight = self._weight * kept + 1 - kept
        return (self._sum * kept + value * (1 - kept)) / weight if weight else value
