"""Following the surplus gets dearer the more often it is done."""

from dataclasses import dataclass
import math
from typing import Final

FORGOTTEN_WITHIN: Final = 1800.0
"""s in which a change fades."""
FREE: Final = 17.0
"""Changes not yet faded at which the price begins to rise: 34 an hour."""
EXPONENT: Final = 3.0


@dataclass(slots=True)
class FollowPrices:
    """By how much the price of the next change is raised, by those before it."""

    factor: float = 1.0
    _recent: float = 0.0
    _changed_at: float = -math.inf

    def changed(self, t: float) -> None:
        """Note a change at a time in s."""
        kept = math.exp((self._changed_at - t) / FORGOTTEN_WITHIN)
        self._recent = self._recent * kept + 1
        self._changed_at = t
        self.factor = max(1.0, self._recent / FREE) ** EXPONENT
