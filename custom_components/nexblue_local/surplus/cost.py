"""What a decision has cost so far, compared with the price of changing it."""

from dataclasses import dataclass
from typing import Final

TOLERANCE: Final = 1e-6
"""Wh that make no difference."""


@dataclass(slots=True)
class Cost:
    """The energy that the present decision has wasted, in Wh.

    It grows while another decision would be better, and shrinks while it is not.
    """

    wh: float = 0.0
    rate: float = 0.0
    """W by which the other decision would be better."""
    _is_new: bool = True
    """Whether no rate was taken since the decision."""

    def advance(self, rate: float, seconds: float, late: float = 0.0) -> None:
        """Take the rate in W, and add what was wasted in the last seconds.

        A rate that has changed has done so `late` s before it was seen.
        """
        watt_seconds = rate * seconds
        if not self._is_new:
            watt_seconds += (rate - self.rate) * late
        self.rate, self._is_new = rate, False
        self.wh = max(0.0, self.wh + watt_seconds / 3600)

    def clear(self) -> None:
        """Begin anew, with a new decision."""
        self.wh = self.rate = 0.0
        self._is_new = True

    def exceeds(self, price: float) -> bool:
        """Return whether the other decision is better and worth its price in Wh."""
        return self.rate > 0 and self.wh >= price - TOLERANCE

    def exceeds_at(self, t: float, price: float) -> float | None:
        """Return when it exceeds the price in Wh at the present rate; None: never."""
        if self.rate <= 0:
            return None
        return t + max(0.0, price - self.wh) * 3600 / self.rate
