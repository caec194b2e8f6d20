"""A car that follows the pilot late and slowly."""

from collections import deque
from dataclasses import dataclass

VOLTAGE = 236.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CarModel:
    """How a car behaves."""

    min_current: float = 6.0  # A; it does not charge below
    max_current: float = 32.0  # A
    gap: float = 0.0  # A less than offered
    rate: float = 1.0  # A/s
    delay: int = 4  # s until it follows the pilot
    start: int = 15  # s from being allowed to charge until it does
    switch: int = 20  # s without power at a phase switch

    def limits(self, ceiling: float) -> tuple[float, float]:
        """Return the lowest and the highest current in A under a ceiling."""
        return (
            min(self.min_current - self.gap, self.max_current),
            min(ceiling - self.gap, self.max_current),
        )


class Car:
    """A car at a charger, plugged in and never full."""

    def __init__(self, model: CarModel) -> None:
        """Start paused."""
        self.current = 0.0
        self._model = model
        self._pilot = 0.0  # as the car knows it
        self._ready = 0  # no current before this time
        self._coming: deque[tuple[int, float]] = deque()

    def offer(self, t: int, old: float, new: float) -> None:
        """Note a change of the pilot in A."""
        allowed = self._model.min_current
        if old < allowed <= new:
            self._ready = max(self._ready, t + self._model.start)
        self._coming.append((t + self._model.delay, new))

    def interrupt(self, t: int) -> None:
        """Cut the power for a phase switch."""
        self.current = 0.0
        self._ready = max(self._ready, t + self._model.switch)

    def advance(self, t: int) -> None:
        """Set the current of the second that begins at t."""
        while self._coming and self._coming[0][0] <= t:
            self._pilot = self._coming.popleft()[1]
        model = self._model
        if self._pilot < model.min_current or t < self._ready:
            self.current = 0.0
            return
        target = min(self._pilot - model.gap, model.max_current)
        change = target - self.current
        if change > model.rate:
            self.current += model.rate
        elif change < -model.rate:
            self.current -= model.rate
        else:
            self.current = target
