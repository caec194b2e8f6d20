"""Offer more to a car that does not resume, within bounds."""

from dataclasses import dataclass
import math
from typing import Final

from .readings import Status

PATIENCE: Final = 60.0
"""s for which a car may draw nothing of what it is offered."""
STEP: Final = 2.0
"""A by which the offer is raised."""
STEPS: Final = 2
"""How often it is raised before a rest."""
REST: Final = 900.0
"""s between two attempts."""
ATTEMPTS: Final = 3
"""How many in a session."""
MAY_RESUME: Final = (Status.PREPARING, Status.CHARGING, Status.SUSPENDED_EV)


@dataclass(slots=True)
class WakeUp:
    """Attempts to have a car resume that draws nothing."""

    extra_a: float = 0.0
    """A to offer on top of the minimum."""
    is_idle: bool = False
    """Whether the car draws nothing although it could."""
    next_change_at: float | None = None
    """When the offer changes if the car goes on drawing nothing, in s."""
    _since: float | None = None
    """Since when it draws nothing of the present offer."""
    _rests_until: float = -math.inf
    _attempts: int = 0

    def update(
        self, t: float, status: Status | None, above_a: float, *, draws: bool
    ) -> None:
        """Take what the car is offered above the minimum, in A, and whether it draws.

        `above_a` is negative without an offer.
        """
        self.next_change_at = None
        if draws or above_a < 0 or status not in MAY_RESUME:
            self._since, self.extra_a, self.is_idle = None, 0.0, False
            return
        if self._since is None:
            self._since = t
        if t - self._since >= PATIENCE:
            self.is_idle = True
            # An offer that is high enough by itself is no attempt.
            if above_a < STEPS * STEP or self.extra_a:
                self._step(t)
        if self._attempts < ATTEMPTS and (
            self.extra_a == STEPS * STEP or above_a < self.extra_a + STEP
        ):
            self.next_change_at = max(self._since + PATIENCE, self._rests_until)

    def _step(self, t: float) -> None:
        """Offer more, or give up for a while."""
        if t < self._rests_until or self._attempts >= ATTEMPTS:
            return
        self._since = t
        if self.extra_a < STEPS * STEP:
            self.extra_a += STEP
        else:
            self.extra_a = 0.0
            self._attempts += 1
            self._rests_until = t + REST
