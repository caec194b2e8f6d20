"""The solar divert of OpenEVSE's firmware, with its defaults."""

import math

from .strategy import MIN_CURRENT, Answer, Reading, Site

ATTACK = 20.0  # s
DECAY = 600.0  # s
HYSTERESIS = 0.5  # A above the minimum for a start
MIN_CHARGE_TIME = 600.0  # s
RESERVE = 100.0  # W


class Divert:
    """Whole amps of the surplus; smoothed values start and stop, after ten minutes at least."""

    def __init__(self, site: Site) -> None:
        """Start paused."""
        self._site = site
        self._reported = 0.0
        self._smoothed = 0.0
        self._current = 0.0
        self._may_stop = 0.0
        self._charging = False

    def decide(self, reading: Reading) -> Answer:
        """Return the answer to a reading."""
        meter, charger = reading.meter, reading.charger
        if meter is None or charger is None:
            return Answer(0.0)
        charging = charger.status == "charging"
        if charging and not self._charging:
            self._may_stop = charger.at + MIN_CHARGE_TIME
        self._charging = charging
        if meter.at > self._reported:
            volts = charger.voltages[0] * charger.phases
            elapsed = meter.at - self._reported if self._reported else 0.0
            self._reported = meter.at
            self._update(
                (charger.power - meter.grid - RESERVE) / volts, elapsed, reading.t
            )
        return Answer(self._current)

    def _update(self, amps: float, elapsed: float, t: float) -> None:
        """Follow the surplus in A."""
        amps = max(amps, 0.0)
        constant = ATTACK if amps > self._smoothed else DECAY
        self._smoothed += (amps - self._smoothed) * -math.expm1(-elapsed / constant)
        if self._smoothed >= MIN_CURRENT + HYSTERESIS:
            self._current = min(
                max(float(math.floor(amps)), MIN_CURRENT), self._site.ceiling
            )
        elif self._smoothed <= MIN_CURRENT and (
            not self._charging or t >= self._may_stop
        ):
            self._current = 0.0
