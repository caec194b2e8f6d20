"""What the main fuse leaves for each charger."""

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
import math
from typing import Final

from .meter import Reports
from .readings import Phases
from .rounding import tenths_down
from .settings import Fuse

RISES_AFTER: Final = 60.0
"""s for which there has to be more until a charger gets it."""
OLDEST: Final = 60.0
"""s after which house currents are missing, however rare they usually are."""
ABSURD_A: Final = 2000.0


@dataclass(slots=True)
class Load:
    """One charger's part in the load of the house."""

    phases: tuple[int, ...]
    """Phases of the house that it uses or may use any moment, from 0."""
    own_a: tuple[float, float, float]
    """What it draws on each phase of the house, in A."""
    reserved_a: float = 0.0
    """What it is offered in this decision, in A; 0 without a car."""
    gives_way: bool = False
    """Whether it pauses so that one before it does not have to."""


@dataclass(slots=True)
class Cap:
    """The current that the fuse leaves to one charger, which rises late."""

    value: float = math.inf
    """A."""
    _unknown_until: float | None = None
    """When charging pauses if the house current stays unknown, in s."""
    _lows: deque[tuple[float, float]] = field(default_factory=deque)
    """Caps, rising, and since when none was below each, in s."""
    _missing_since: float | None = None

    def limit(self, t: float, value: float) -> None:
        """Take what the fuse leaves now: less at once, more after 60 s."""
        lows, since = self._lows, t
        while lows and lows[-1][1] >= value:
            since, _ = lows.pop()
        lows.append((since, value))
        while len(lows) > 1 and t - lows[1][0] >= RISES_AFTER:
            lows.popleft()
        self.value = lows[0][1]
        self._unknown_until = None

    def limit_unknown(self, t: float, min_a: float, old_at: float) -> None:
        """Take that the house current is unknown: the minimum, after 60 s nothing.

        At `old_at`, in s, the last report is 60 s old.
        """
        if self._missing_since is None:
            self._missing_since = t
        pause_at = min(self._missing_since + OLDEST, old_at)
        if t >= pause_at:
            self.limit(t, 0.0)
        else:
            self.limit(t, min_a)
            self._unknown_until = pause_at

    def changes_at(self, least: float) -> float | None:
        """Return when another current results if everything stays as it is, in s.

        Below `least`, in A, it is none.
        """
        if self._unknown_until is not None:
            return self._unknown_until
        now = tenths_down(self.value)
        for since, value in islice(self._lows, 1, None):
            if tenths_down(value) >= max(least, now + 0.1):
                return since + RISES_AFTER
        return None

    def known(self) -> None:
        """Take that the house current is known."""
        self._missing_since = None


@dataclass(slots=True)
class FuseGuard:
    """Watches the phases of the house."""

    fuse: Fuse
    currents: Phases | None = None
    """A of each phase; None while they are missing."""
    old_at: float = math.inf
    """When the last report is so old that charging pauses, in s."""
    _reports: Reports = field(default_factory=Reports)
    # Sums of this decision in A by phase, so that many chargers are counted once.
    _taken: list[float] = field(default_factory=lambda: [0.0] * 3)
    _freed: list[float] = field(default_factory=lambda: [0.0] * 3)

    def update(self, t: float, currents: Phases | None, at: float | None) -> None:
        """Take the currents in A that were reported at a time in s, and decide anew."""
        self._taken, self._freed = [0.0] * 3, [0.0] * 3
        self.currents = None
        self.old_at = math.inf
        if currents is None or at is None or at > t:
            return
        if any(a is not None and not abs(a) <= ABSURD_A for a in currents):
            return
        self._reports.add(at)
        self.old_at = at + OLDEST
        if t - at <= min(self._reports.missing_after, OLDEST):
            self.currents = currents

    def left(self, load: Load) -> float | None:
        """Return the A that a charger may use, None if its phases are not measured.

        What those before it are offered and do not draw yet is taken, and what those
        after it will free is not.
        """
        if self.currents is None:
            return None
        left = None
        for phase in load.phases:
            house = self.currents[phase]
            if house is None:
                continue
            amps = self.fuse.usable_a - (house - load.own_a[phase])
            amps += self._freed[phase] - self._taken[phase]
            left = amps if left is None else min(left, amps)
        return left

    def take(self, load: Load) -> None:
        """Count what a charger is offered, for those after it."""
        for phase in load.phases:
            self._taken[phase] += max(0.0, load.reserved_a - load.own_a[phase])

    def free(self, load: Load) -> None:
        """Count what a charger draws that gives way, for one before it."""
        load.gives_way = True
        for phase in load.phases:
            self._freed[phase] += load.own_a[phase]

    def keep(self, load: Load) -> None:
        """Count a charger no longer as one that gives way to others."""
        for phase in load.phases:
            self._freed[phase] -= load.own_a[phase]
