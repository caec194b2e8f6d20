"""What it costs to change a decision."""

from dataclasses import dataclass
from typing import Final

from .settings import Restarts

SQUARE_ROOT: Final = {1: 1.0, 3: 3**0.5}
FOURTH_ROOT: Final = {1: 1.0, 3: 3**0.25}
STOP_FACTOR: Final = {1: 1.0, 3: 3**1.3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Prices in Wh; a decision is changed when it has wasted more than that."""

    follow_up: float = 0.3
    """To offer more; times the square root of the phases."""
    follow_down: float = 0.1
    """To offer less; times the square root of the phases."""
    start: float = 6.5
    """Times the fourth root of the phases."""
    stop: float = 24.0
    """To pause; times the power of 1.3 of the phases, as three import three times."""
    to_three: float = 90.0
    to_one: float = 75.0
    """Plus the lock-out that follows."""

    def for_start(self, phases: int) -> float:
        """Return the price of a start."""
        return self.start * FOURTH_ROOT[phases]

    def for_stop(self, phases: int) -> float:
        """Return the price of a pause."""
        return self.stop * STOP_FACTOR[phases]

    def for_following(self, phases: int) -> tuple[float, float]:
        """Return the prices of offering more and of offering less."""
        root = SQUARE_ROOT[phases]
        return self.follow_up * root, self.follow_down * root


PRICES: Final = {
    Restarts.FEW: Prices(start=20.0, stop=75.0),
    Restarts.BALANCED: Prices(),
    Restarts.MANY: Prices(start=3.0, stop=7.0),
}
"""What a start and a stop cost, by the user's choice."""
