"""How late the grid meter shows what the cars draw."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
import math
from typing import Final

CANDIDATES: Final = (0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0)
"""s between what a meter shows and its report."""
TELLING: Final = 100.0
"""W by which the candidates have to differ in a report that tells them apart."""
KEPT: Final = 0.97
"""Share of what was known that is kept at such a report."""
SIMILAR: Final = 1000.0
"""W by which a candidate may be worse than the best one and still be right."""
NEEDED: Final = 8
"""Such reports until the lag is believed."""

UNSURE: Final = 4.0
"""s by which a known lag may be wrong, and a car be read late."""


@dataclass(slots=True)
class MeterLag:
    """Finds the lag with which the surplus varies least.

    With any other one, a change of what the cars draw looks like one of the surplus.
    """

    value: float | None = None
    """s; None while it is not known."""
    _excess: list[float] = field(default_factory=lambda: [0.0] * len(CANDIDATES))
    """W by which the surplus varied more than with the best one, faded."""
    _before: list[float] | None = None
    _at: float = math.inf
    """When the last report came, in s."""
    _reports: int = 0
    _waiting: deque[tuple[float, float]] = field(default_factory=deque)
    """The reports since the cars were read: when, in s, and the import in W."""

    def skip(self) -> None:
        """Note that the next report does not follow the last one."""
        self._before, self._at = None, math.inf
        self._waiting.clear()

    def report(self, at: float, import_w: float) -> None:
        """Take a report of the meter, made at a time in s."""
        self._waiting.append((at, import_w))

    def update(
        self, read_at: float, power_at: Callable[[float], float], changed_at: float
    ) -> None:
        """Take what the cars drew in W at a time in s, which is known until `read_at`.

        `changed_at` is when that changed last, in s. A meter that is faster than the
        reads shows a change before it is known; judged then, it would seem to be late.
        """
        while self._waiting and self._waiting[0][0] <= read_at:
            self._compare(*self._waiting.popleft(), power_at, changed_at)

    def _compare(
        self,
        at: float,
        import_w: float,
        power_at: Callable[[float], float],
        changed_at: float,
    ) -> None:
        """Compare the candidates by a report."""
        since, self._at = self._at, at
        before = self._before
        if changed_at < at - 2 * CANDIDATES[-1]:
            # All candidates say the same.
            self._before = [power_at(at) - import_w] * len(CANDIDATES)
        else:
            self._before = [power_at(at - lag) - import_w for lag in CANDIDATES]
        if before is None or changed_at < since - 2 * CANDIDATES[-1]:
            return
        surplus = self._before
        changes = [abs(new - old) for new, old in zip(surplus, before, strict=True)]
        least = min(changes)
        if max(changes) - least < TELLING:
            return
        self._excess = [
            excess * KEPT + change - least
            for excess, change in zip(self._excess, changes, strict=True)
        ]
        self._reports += 1
        if self._reports >= NEEDED:
            self.value = CANDIDATES[self._excess.index(min(self._excess))]

    def measured(self, at: float) -> tuple[float, float]:
        """Return between which times in s a report was measured."""
        if self.value is None:
            return at - CANDIDATES[-1], at
        most = min(self._excess) + SIMILAR
        possible = [
            lag
            for lag, excess in zip(CANDIDATES, self._excess, strict=True)
            if excess <= most
        ]
        return at - possible[-1] - UNSURE, at - possible[0] + UNSURE
