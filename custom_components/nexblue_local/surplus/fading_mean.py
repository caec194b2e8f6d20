"""The mean of a value over the past, in which old values fade."""

from dataclasses import dataclass
import math


@dataclass(slots=True)
class FadingMean:
    """An exponentially fading mean, right from the first value on."""

    fades_within: float
    """s; the mean is as old as that of the last period of twice this length."""
    _sum: float = 0.0
    _weight: float = 0.0

    def advance(self, seconds: float, value: float) -> None:
        """Add a value that was held for some seconds."""
        if seconds > 0:
            kept = math.exp(-seconds / self.fades_within)
            self._sum = self._sum * kept + value * (1 - kept)
            self._weight = self._weight * kept + 1 - kept

    @property
    def mean(self) -> float:
        """Return the mean, 0 without any value."""
        return self._sum / self._weight if self._weight else 0.0

    def after(self, seconds: float, value: float) -> tuple[float, float]:
        """Return the mean, and its rise a second, once a value was held for a time."""
        kept = math.exp(-seconds / self.fades_within)
        weight = self._weight * kept + 1 - kept
        if not weight:
            return value, 0.0
        mean = (self._sum * kept + value * (1 - kept)) / weight
        return mean, (value - mean) / weight / self.fades_within

    def exceeds_in(self, limit: float, value: float) -> float | None:
        """Return after how many seconds of a value the mean exceeds a limit, or None."""
        above = self._sum - limit * self._weight
        if above > 0:
            return 0.0
        if value <= limit:
            return None
        return self.fades_within * math.log(1 + -above / (value - limit))
