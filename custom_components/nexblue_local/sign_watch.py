"""Whether a sign of the site's sensors has turned out to be wrong."""

from dataclasses import dataclass
from typing import Final

from .site_check import LEAST_CAR_W, OLD, wrong_sign
from .site_meter import MeterReading

LASTS: Final = 300.0
"""s for which the sensors have to show the same without a break."""


@dataclass(slots=True)
class SignWatch:
    """Watches the signs while cars charge in the dark.

    Then the power is that of the grid or the battery, and neither the sun nor another
    load can look like a wrong sign.
    """

    wrong: str | None = None
    """The field that turns the wrong sign round, None if none is known to be wrong."""
    _candidate: str | None = None
    _since: float | None = None

    def update(self, t: float, reading: MeterReading, car_w: float) -> None:
        """Take what was read in the dark at a time in s.

        By day, or if the sensors cannot be relied on, `car_w` has to be 0.
        """
        candidate = wrong_sign(reading, car_w, is_dark=True)
        supplied = (reading.grid_w or 0.0) + (reading.battery_w or 0.0)
        is_telling = candidate is not None or supplied >= car_w
        at = reading.battery_at
        is_old = bool(reading.battery_w) and at is not None and t - at > OLD
        if car_w < LEAST_CAR_W or is_old or not is_telling:
            self._since = None
        elif self._since is None or candidate != self._candidate:
            self._candidate, self._since = candidate, t
        elif t - self._since >= LASTS:
            self.wrong = candidate
