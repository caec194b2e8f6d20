"""Energy counters without misreads."""

from dataclasses import replace
from typing import Final

from .registers import Reading

LIFETIME_HOLD: Final = 60.0
"""Seconds for which a jump of the lifetime energy is held back."""

SESSION_HOLD: Final = 10.0
"""Seconds for which a jump of the session energy is held back.

It is short because each session starts with a reset.
"""

FIRST_READS: Final = 6
"""Reads after which a lifetime energy without a value is not read again at once."""

MAX_WATTS: Final = 30_000.0
"""Maximum power; 3 x 32 A at 253 V is 24 kW."""

SLACK_WH: Final = 100.0
"""Tolerance: counters advance in steps, and reads are not evenly spaced."""

REPEATS: Final = 3
"""Consecutive reads that have to agree before a jump is accepted."""

FIRST_REPEATS: Final = 2
"""Consecutive reads that have to agree before the first value is accepted."""


class EnergyCounter:
    """An energy counter that delays impossible jumps until they are confirmed.

    If the counter goes back, or advances faster than MAX_WATTS allows, the last
    value is kept until several reads agree on the new one for `hold` seconds. A
    real reset is accepted with this delay, and a misread never gets into the
    statistics. There is no value until the first reads agree. A first value of
    zero is held back like a reset, because the meter may not be ready yet.
    """

    def __init__(self, *, wh_per_unit: float, hold: float) -> None:
        """Initialize the counter; `hold` is in seconds."""
        self._wh_per_unit = wh_per_unit
        self._hold = hold
        self._accepted: tuple[float, float] | None = None
        self._candidate: tuple[float, float] | None = None
        self._since = 0.0
        self._repeats = 0

    @property
    def is_settled(self) -> bool:
        """Return whether a value has been accepted or restored."""
        return self._accepted is not None

    def restore(self, value: float, at: float) -> None:
        """Restore a value that was accepted `at` a time in seconds."""
        self._accepted = (value, at)

    def _follows(
        self, value: float, now: float, earlier: tuple[float, float] | None
    ) -> bool:
        """Return whether the counter can have advanced here from an earlier read."""
        if earlier is None:
            return False
        earlier_value, earlier_time = earlier
        added = (value - earlier_value) * self._wh_per_unit
        return 0 <= added <= MAX_WATTS / 3600 * (now - earlier_time) + SLACK_WH

    def accept(self, value: float | None, now: float) -> float | None:
        """Return the accepted value after `value` was read at `now`, in seconds.

        None if the read value is unknown, or if none has been accepted yet.
        """
        if value is None:
            return None
        if self._follows(value, now, self._candidate):
            self._repeats += 1
        else:
            self._repeats = 1
            self._since = now
        self._candidate = (value, now)
        if self._follows(value, now, self._accepted) or self._is_confirmed(value, now):
            self._accepted = self._candidate
        return None if self._accepted is None else self._accepted[0]

    def _is_confirmed(self, value: float, now: float) -> bool:
        is_held = now - self._since >= self._hold
        if self.is_settled:
            return is_held and self._repeats >= REPEATS
        return self._repeats >= FIRST_REPEATS and (value > 0 or is_held)


class EnergyFilter:
    """The two energy counters of a charger."""

    def __init__(self) -> None:
        """Initialize the counters without values."""
        self._lifetime = EnergyCounter(wh_per_unit=1, hold=LIFETIME_HOLD)
        self._session = EnergyCounter(wh_per_unit=1000, hold=SESSION_HOLD)
        self._reads = 0

    def restore_lifetime(self, value: float, at: float) -> None:
        """Restore a lifetime energy in Wh that was accepted `at` a time in seconds."""
        self._lifetime.restore(value, at)

    def restore_session(self, value: float, at: float) -> None:
        """Restore a session energy in kWh that was accepted `at` a time in seconds."""
        self._session.restore(value, at)

    @property
    def needs_second_read(self) -> bool:
        """Return whether reading again at once may give the first lifetime energy.

        That is tried a few times only, because the register may be unreadable.
        """
        return not self._lifetime.is_settled and self._reads < FIRST_READS

    def apply(self, reading: Reading, now: float) -> Reading:
        """Return what was read at `now`, in seconds, with accepted energies."""
        self._reads += 1
        return replace(
            reading,
            lifetime_energy=self._lifetime.accept(reading.lifetime_energy, now),
            session_energy=self._session.accept(reading.session_energy, now),
        )
