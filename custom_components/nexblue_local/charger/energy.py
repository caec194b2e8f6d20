"""Energy counters that statistics can rely on."""

MAX_WATTS = 30_000.0
"""More than any charger on a household connection takes: 3 x 32 A at 253 V is 24 kW."""

SLACK_WH = 100.0
"""A counter may be updated in steps, and reads are not evenly spaced."""

REPEATS = 3
"""Reads in a row that have to agree before a jump is believed."""

FIRST_REPEATS = 2
"""Reads in a row that have to agree before there is any value at all."""


class EnergyCounter:
    """One counter, whose impossible jumps are held back.

    A counter that goes back, or ahead of what the time since the last read
    allows, keeps its last value until several reads agree on a new course for
    some time. A real reset is thus accepted late, while a misread never reaches
    the statistics. Until the first reads agree it has no value; a first value
    of nought, as of a meter that is not ready yet, has to stand the same time
    as a reset.
    """

    def __init__(self, *, wh_per_unit: float, hold: float) -> None:
        """Take the size of the counter's unit in Wh, and the time in seconds."""
        self._wh_per_unit = wh_per_unit
        self._hold = hold
        self._accepted: tuple[float, float] | None = None
        self._candidate: tuple[float, float] | None = None
        self._since = 0.0
        self._repeats = 0

    @property
    def is_settled(self) -> bool:
        """Return whether there is a value to measure others by."""
        return self._accepted is not None

    def remember(self, value: float, at: float) -> None:
        """Take over a value that was shown at a time in seconds."""
        self._accepted = (value, at)

    def _follows(
        self, value: float, now: float, earlier: tuple[float, float] | None
    ) -> bool:
        """Return whether the counter can have got here from an earlier read."""
        if earlier is None:
            return False
        earlier_value, earlier_time = earlier
        added = (value - earlier_value) * self._wh_per_unit
        return 0 <= added <= MAX_WATTS / 3600 * (now - earlier_time) + SLACK_WH

    def accept(self, value: float | None, now: float) -> float | None:
        """Return the value to show for one that was read at a time in seconds."""
        if value is None:
            return None
        if self._follows(value, now, self._candidate):
            self._repeats += 1
        else:
            self._repeats = 1
            self._since = now
        self._candidate = (value, now)
        if self._follows(value, now, self._accepted) or self._is_believed(value, now):
            self._accepted = self._candidate
        return None if self._accepted is None else self._accepted[0]

    def _is_believed(self, value: float, now: float) -> bool:
        has_stood = now - self._since >= self._hold
        if self.is_settled:
            return has_stood and self._repeats >= REPEATS
        return self._repeats >= FIRST_REPEATS and (value > 0 or has_stood)
