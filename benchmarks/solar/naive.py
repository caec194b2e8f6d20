"""A hand-made automation: every minute, the surplus in whole amps."""

from .strategy import MIN_CURRENT, Answer, Reading, Site

INTERVAL = 60.0  # s
NOMINAL_VOLTAGE = 230.0


class Naive:
    """Sets the whole amps of the surplus every minute, and pauses below the minimum."""

    def __init__(self, site: Site) -> None:
        """Start paused."""
        self._site = site
        self._next = 0.0
        self._current = 0.0

    def decide(self, reading: Reading) -> Answer:
        """Return the answer to a reading."""
        if reading.meter and reading.charger and reading.t >= self._next:
            self._next = reading.t + INTERVAL
            surplus = reading.charger.power - reading.meter.grid
            amps = float(surplus // (NOMINAL_VOLTAGE * reading.charger.phases))
            self._current = (
                min(amps, self._site.ceiling) if amps >= MIN_CURRENT else 0.0
            )
        return Answer(self._current)
