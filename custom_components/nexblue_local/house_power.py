"""The power of the house without its cars."""

from collections import deque
from typing import Final

HOLD: Final = 60.0
"""s for which a value stays while meter and chargers contradict one another."""


class HousePower:
    """The median of the last three reports of the grid meter, in W.

    Meters and chargers are read at different times. A car that starts or stops between
    two reads would show as a load of the house for one report, or as a negative one.
    """

    def __init__(self) -> None:
        """Initialize without a report."""
        self._reported_at: float | None = None
        self._negative_since: float | None = None
        self._powers: deque[float] = deque(maxlen=3)

    @property
    def value(self) -> float | None:
        """Return the power in W, the last one before there are three; None without."""
        if len(self._powers) < 3:
            return self._powers[-1] if self._powers else None
        return sorted(self._powers)[1]

    def update(self, reported_at: float | None, power_w: float | None) -> None:
        """Update with what follows from a report; a later value replaces that.

        A house cannot use less than nothing, so a negative power is not used. It is zero
        if it lasts: then a source is not measured, or a meter is not exact.
        """
        if reported_at is None or power_w is None:
            self._powers.clear()
            self._reported_at = self._negative_since = None
            return
        if power_w >= 0:
            self._negative_since = None
        elif self._negative_since is None:
            self._negative_since = reported_at
        if self._negative_since is not None:
            if reported_at - self._negative_since <= HOLD:
                return
            power_w = 0.0
        if reported_at == self._reported_at and self._powers:
            self._powers[-1] = power_w
        else:
            self._powers.append(power_w)
        self._reported_at = reported_at
