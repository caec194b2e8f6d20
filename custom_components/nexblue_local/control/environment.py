"""What control needs besides the charger."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from .settings import Setting
from .timing import Timing


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


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Wall clock, storage, tasks and who is notified."""

    notifier: Notifier
    now: Callable[[], datetime]
    """Wall clock, with a time zone."""
    save: Callable[[dict[str, Any]], Awaitable[None]]
    """Store the state; a command is answered after that."""
    start: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    """Start a task that ends with the charger."""
    timing: Timing = field(default_factory=Timing)
