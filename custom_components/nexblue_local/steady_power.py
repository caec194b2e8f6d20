"""Since when the power of a charger has been about the same."""

import math
from typing import Final

MUCH_W: Final = 150.0
MUCH: Final = 0.05
"""Change of a power that counts, beside `MUCH_W`."""


class SteadyPower:
    """Notes when a power changed by much."""

    def __init__(self) -> None:
        """Initialize without a power."""
        self.since = math.inf
        """Time in s of the first read with about the present power."""
        self._power: float | None = None

    def update(self, t: float, power_w: float | None) -> None:
        """Update with what was read at a time in s, None if nothing was."""
        if (
            power_w is None
            or self._power is None
            or abs(power_w - self._power) > MUCH_W + MUCH * abs(self._power)
        ):
            self._power, self.since = power_w, t
