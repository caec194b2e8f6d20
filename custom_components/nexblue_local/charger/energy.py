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
    allows, keeps its last value until several reads in a row agree on a new
    course. A real reset is thus accepted a few reads late, while a misread
    never reaches the statistics. Until the first reads agree it has no value.
    """

    def __init__(self, *, wh_per_unit: float) -> None:
        """Take the size of the counter's unit in Wh."""
        self._wh_per_unit = wh_per_unit
        self._accepted: tuple[float, float] | None = None
        self._candidate: tuple[float, float] | None = None
        self._repeats = 0

    def _follows(
        self, value: float, now: float, earlier: tuple[float, float] | None
    ) -> bool:
        """Return whether the counter can have got here from an earlier read."""
        if earlier is None:
            return False
        earlier_value, earlier_time = earlier
        added = (value - earlier_value) * self._wh_per_unit
        return 0 <= added <= MAX_WATTS / 3600 * (now - earlier_time) + SLACK_WH

    @property
    def is_settled(self) -> bool:
        """Return whether there is a value to measure others by."""
        return self._accepted is not None

    def accept(self, value: float | None, now: float) -> float | None:
        """Return the value to show for one that was read at a time in seconds."""
        if value is None:
            return None
        if self._follows(value, now, self._accepted):
            self._repeats = REPEATS
        elif self._follows(value, now, self._candidate):
            self._repeats += 1
        else:
            self._repeats = 1
        self._candidate = (value, now)
        if self._repeats >= (REPEATS if self.is_settled else FIRST_REPEATS):
            self._accepted = self._candidate
        return None if self._accepted is None else self._accepted[0]
