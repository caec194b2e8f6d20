"""What it costs to change a decision."""

from dataclasses import dataclass
from typing import Final

from .settings import Restarts


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Prices in Wh; a decision is changed when it has wasted more than that."""

    follow_up: float = 0.4
    """To offer more; times the square root of the phases."""
    follow_down: float = 0.12
    """To offer less; times the square root of the phases."""
    start: float = 8.0
    stop: float = 28.0
    """To pause; times the phases to the power of 0.75."""
    to_three: float = 100.0
    to_one: float = 90.0
    """Plus the lock-out that follows."""

    def for_stop(self, phases: int) -> float:
        """Return the price of a pause."""
        return self.stop if phases == 1 else self.stop * 3**0.75

    def for_following(self, phases: int) -> tuple[float, float]:
        """Return the prices of offering more and of offering less."""
        factor = 1.0 if phases == 1 else 3**0.5
        return self.follow_up * factor, self.follow_down * factor


PRICES: Final = {
    Restarts.FEW: Prices(start=120.0, stop=150.0),
    Restarts.BALANCED: Prices(),
    Restarts.MANY: Prices(start=20.0, stop=10.0),
}
"""What a start and a stop cost, by the user's choice."""
