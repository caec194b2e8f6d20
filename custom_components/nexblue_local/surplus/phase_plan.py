"""When it is worth switching the phases."""

from dataclasses import dataclass, field
import math
from typing import Final

from .cost import Cost
from .long_view import LongView
from .prices import Prices

LEAST_ADVANTAGE: Final = 200.0
"""W that three phases have to be better by in the long view."""
LOCKED_OUT_H: Final = 0.25
"""Hours for which a switch to one phase loses the advantage of three, on average."""
FAR: Final = 6 * 3600.0
"""s beyond which no change is predicted."""


@dataclass(slots=True)
class PhasePlan:
    """Compares one phase with three."""

    prices: Prices
    cost: Cost = field(default_factory=Cost)
    advantage: float = 0.0
    """W by which three phases are better now."""
    _view: LongView = field(default_factory=LongView)
    _on_three: bool = False

    def advance(self, seconds: float) -> None:
        """Let the present number of phases cost something."""
        self.cost.advance(seconds)
        self._view.advance(seconds, self.advantage)

    def hold(self) -> None:
        """Stop comparing, as the surplus is not known."""
        self.cost.clear()
        self.advantage = self._view.mean

    def compare(self, advantage: float, *, on_three: bool) -> None:
        """Take by how many W three phases are better now."""
        if on_three is not self._on_three:
            self.cost.clear()
            self._on_three = on_three
        self.advantage = advantage
        self.cost.rate = -advantage if on_three else advantage

    def _price(self, seconds: float) -> float:
        """Return the price of switching, `seconds` from now."""
        mean = self._view.after(seconds, self.advantage)
        if self._on_three:
            return self.prices.to_one + max(0.0, mean) * LOCKED_OUT_H
        return self.prices.to_three if mean > LEAST_ADVANTAGE else math.inf

    def _is_due(self, seconds: float) -> bool:
        wasted = self.cost.wh + self.cost.rate * seconds / 3600
        return wasted >= self._price(seconds) - 1e-6

    @property
    def is_due(self) -> bool:
        """Return whether a switch is worth its price now."""
        return self.cost.rate > 0 and self._is_due(0.0)

    def due_at(self, t: float) -> float | None:
        """Return when a switch will be worth its price, None if it will not."""
        if self.cost.rate <= 0 or not self._is_due(FAR):
            return None
        if self._is_due(0.0):
            return t
        early, late = 0.0, FAR
        # It stays due once it is: what is wasted rises, and the price falls.
        while late - early > 0.001:
            middle = (early + late) / 2
            early, late = (early, middle) if self._is_due(middle) else (middle, late)
        return t + late
