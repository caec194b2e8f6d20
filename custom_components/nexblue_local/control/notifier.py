"""What control reports."""

from collections.abc import Sequence
from typing import Protocol

from .settings import Setting


class Notifier(Protocol):
    """Receives what control reports of a charger."""

    @property
    def name(self) -> str:
        """Return the name of the charger, for the log."""

    def updated(self, *, is_fresh: bool) -> None:
        """Report that control changed, or with `is_fresh` that the charger was read."""

    def restored(self, settings: Sequence[Setting]) -> None:
        """Report settings that the charger had lost."""

    def limit_expired(self, limit: float) -> None:
        """Report a current limit that was not renewed, and in A the one that follows."""

    def fallback_engaged(self) -> None:
        """Report that the charger switched to its fallback limit."""

    def warn(self, text: str) -> None:
        """Write a warning about the charger to the log."""
