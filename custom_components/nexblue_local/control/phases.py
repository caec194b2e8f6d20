"""The phase mode: its budget, what the charger has, and what waits."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from .phase_budget import PhaseBudget
from .settings import PhaseMode

GIVE_UP_AFTER: Final = 3
"""Attempts to restore a phase mode that the charger does not confirm."""


@dataclass
class Phases:
    """What is known of the phases."""

    budget: PhaseBudget = field(default_factory=PhaseBudget)
    seen: PhaseMode | None = None
    """The mode that the charger had last."""
    is_awaited: bool = False
    """The requested mode was lost and has not been seen since."""
    failures: int = 0
    """Attempts to restore it that failed."""
    is_delegated: bool = False
    """The surplus controller chooses the mode, unless the user requested one."""
    found: PhaseMode | None = None
    """The mode before the surplus controller chose others; stored."""

    @property
    def is_held(self) -> bool:
        """Return whether the current is held at 6 A until the mode is restored.

        It is not if others were chosen for it: then the charger has lost nothing.
        """
        return self.found is None and self.is_awaited and not self.is_given_up

    @property
    def _is_tried(self) -> bool:
        return self.is_awaited and not self.is_given_up

    @property
    def is_given_up(self) -> bool:
        """Return whether the charger did not take the requested mode back.

        Without a switch left, it may take it back in the next session.
        """
        is_over = self.failures >= GIVE_UP_AFTER or self.budget.is_spent
        return self.is_awaited and is_over

    def observe(self, found: PhaseMode, wanted: PhaseMode | None) -> None:
        """Take note of the mode, which ends the wait if it is the requested one."""
        self.seen = found
        if found is wanted:
            self.settle(found)

    def await_mode(self, found: PhaseMode | None, wanted: PhaseMode | None) -> None:
        """Wait for the requested mode if the charger does not have it."""
        was_awaited, self.is_awaited = self.is_awaited, wanted not in (None, found)
        if not self.is_awaited or not was_awaited:
            self.failures = 0

    def settle(self, mode: PhaseMode | None) -> None:
        """End the wait, with the mode that the charger has."""
        self.seen, self.is_awaited, self.failures = mode, False, 0
        self.found = None

    def attempted(self, found: PhaseMode | None, wanted: PhaseMode | None) -> None:
        """End the wait for the mode, or count an attempt that was not confirmed."""
        if found is not None and found is wanted:
            self.settle(found)
        else:
            self.seen = found or self.seen
            self.failures += 1

    def may_restore(self, now: datetime) -> bool:
        """Return whether the requested mode is awaited and may be written now."""
        return self._is_tried and self.budget.is_allowed(now)
