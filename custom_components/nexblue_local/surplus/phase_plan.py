"""When it is worth switching the phases."""

from dataclasses import dataclass, field
from typing import Final

from .cost import Cost
from .fading_mean import FadingMean
from .prices import Prices

LEAST_ADVANTAGE: Final = 250.0
"""W that three phases have to be better by in the long view."""
VIEW: Final = 2500.0
"""s in which former advantages fade: a switch cannot be taken back for an hour."""
LOCKED_OUT_H: Final = 0.2
"""Hours for which a switch to one phase loses the advantage of three, on average."""
STEPS: Final = 8
"""How often a prediction is made better, at most."""


@dataclass(slots=True)
class PhasePlan:
    """Compares one phase with three."""

    prices: Prices
    cost: Cost = field(default_factory=Cost)
    advantage: float = 0.0
    """W by which three phases are better now."""
    _view: FadingMean = field(default_factory=lambda: FadingMean(VIEW))
    _on_three: bool = False

    def hold(self) -> None:
        """Stop comparing, as the surplus is not known."""
        self.cost.clear()

    def compare(self, advantage: float, seconds: float, *, on_three: bool) -> None:
        """Take by how many W three phases are better, and were for some seconds."""
        if on_three is not self._on_three:
            self.cost.clear()
            self._on_three = on_three
        self.advantage = advantage
        self.cost.advance(-advantage if on_three else advantage, seconds)
        self._view.advance(seconds, advantage)

    @property
    def _lock_out_price(self) -> float:
        """Return the price of switching to one phase now, in Wh."""
        return self.prices.to_one + max(0.0, self._view.mean) * LOCKED_OUT_H

    @property
    def is_due(self) -> bool:
        """Return whether a switch is worth its price now."""
        if self._on_three:
            return self.cost.exceeds(self._lock_out_price)
        is_lasting = self._view.mean > LEAST_ADVANTAGE
        return is_lasting and self.cost.exceeds(self.prices.to_three)

    def due_at(self, t: float) -> float | None:
        """Return when a switch will be worth its price, None if it will not."""
        if self.cost.rate <= 0:
            return None
        if self._on_three:
            return t + self._until_lock_out_is_paid()
        at = self.cost.exceeds_at(t, self.prices.to_three)
        seconds = self._view.exceeds_in(LEAST_ADVANTAGE, self.advantage)
        return None if at is None or seconds is None else max(at, t + seconds)

    def _until_lock_out_is_paid(self) -> float:
        """Return the seconds until what is wasted reaches the falling price.

        Newton's method: it comes nearer from below, as the price falls ever slower.
        """
        seconds = 0.0
        for _ in range(STEPS):
            mean, slope = self._view.after(seconds, self.advantage)
            price = self.prices.to_one + max(0.0, mean) * LOCKED_OUT_H
            wasted = self.cost.wh + self.cost.rate * seconds / 3600
            missing = price - wasted
            if missing <= 0:
                break
            fall = -slope * LOCKED_OUT_H if mean > 0 else 0.0
            step = missing / (self.cost.rate / 3600 + fall)
            seconds += step
            if step < 0.001:
                break
        return seconds
