"""Whether the grid meter and the house currents can be relied on."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

FIRST_INTERVAL: Final = 10.0
"""Usual interval in s until there were three reports."""
INTERVALS: Final = 9
"""How many intervals count for the usual one."""
TOGETHER: Final = 0.5
"""s between two reports that are parts of one, such as those of several sensors."""
REPORTS_TO_RECOVER: Final = 3
SHORTEST_LIMIT: Final = 15.0
"""Age in s that is never too old."""
PAUSE_AFTER: Final = 60.0
"""s without a valid value until charging pauses."""
ABSURD_W: Final = 100_000.0


class MeterState(Enum):
    """How far a meter can be relied on."""

    STARTING = auto()
    """No fresh report yet: solar charging waits."""
    VALID = auto()
    MISSING = auto()
    """At most the minimum."""
    LOST = auto()
    """Missing for so long that charging pauses."""


@dataclass(slots=True)
class Reports:
    """When a sensor reported, and at which interval it usually does."""

    newest: float | None = None
    """Time of the newest report in s."""
    usual: float = FIRST_INTERVAL
    """Usual interval in s."""
    _intervals: deque[float] = field(default_factory=lambda: deque(maxlen=INTERVALS))

    def add(self, at: float) -> bool:
        """Record a report; return whether it is a fresh one."""
        newest = self.newest
        if newest is None:
            self.newest = at
            return False
        if at <= newest:
            return False
        self.newest = at
        if at - newest >= TOGETHER:
            self._intervals.append(at - newest)
        if len(self._intervals) + 1 >= REPORTS_TO_RECOVER:
            # The lower median: an outage among the intervals is no interval.
            ordered = sorted(self._intervals)
            self.usual = ordered[(len(ordered) - 1) // 2]
        return True

    @property
    def missing_after(self) -> float:
        """Return the age in s from which the sensor is missing."""
        return max(3 * self.usual, SHORTEST_LIMIT)

    @property
    def lost_after(self) -> float:
        """Return the age in s from which charging pauses."""
        return max(10 * self.usual, 120.0)


@dataclass(slots=True)
class GridMeter:
    """The grid meter."""

    state: MeterState = MeterState.STARTING
    is_fresh: bool = False
    """Whether the last update brought a new report."""
    next_change_at: float | None = None
    """When the meter would be lost if nothing arrives, in s."""
    _reports: Reports = field(default_factory=Reports)
    _fresh: int = 0
    """Fresh reports since the meter was missing."""
    _invalid_since: float | None = None
    """Since when the value has been invalid; None since the meter is valid again."""

    @property
    def late(self) -> float:
        """Return after how many s a change is reported, on average."""
        return self._reports.usual / 2

    def update(self, t: float, power: float | None, at: float | None) -> None:
        """Take a value in W that was reported at a time in s."""
        self.is_fresh = False
        self.next_change_at = None
        if power is None or at is None or at > t or not abs(power) <= ABSURD_W:
            if self._invalid_since is None:
                self._invalid_since = t
            self._miss(t, self._invalid_since + PAUSE_AFTER)
            return
        self.is_fresh = self._reports.add(at)
        if t - at > self._reports.missing_after:
            self._miss(t, at + self._reports.lost_after)
            return
        if not self.is_fresh:
            return
        self._fresh += 1
        if self.state is MeterState.STARTING or self._fresh >= REPORTS_TO_RECOVER:
            self.state = MeterState.VALID
            self._invalid_since = None

    def _miss(self, t: float, pause_at: float) -> None:
        """Note that the meter is missing, and is lost from `pause_at`."""
        self._fresh = 0
        if self._reports.newest is not None:
            pause_at = min(pause_at, self._reports.newest + self._reports.lost_after)
        if self.state is MeterState.VALID:
            self.state = MeterState.MISSING
        if self.state is MeterState.MISSING:
            if t >= pause_at:
                self.state = MeterState.LOST
            else:
                self.next_change_at = pause_at
