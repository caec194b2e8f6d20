"""Current limits of several sources."""

from enum import StrEnum
from typing import Final

from .limit_step import LimitStep
from .settings import LEAST_CURRENT


class Source(StrEnum):
    """Who limits the current. Only the user's limit is stored."""

    USER = "user"
    PHASES = "phases"
    """The phase mode is not restored yet."""
    COMMAND = "command"
    """A lower limit of the user that is still being confirmed."""


HOLD: Final = LEAST_CURRENT
"""Current in A until the phase mode is restored."""


class Limits:
    """The current limits in A; the lowest one is effective."""

    def __init__(self) -> None:
        """Initialize without a limit."""
        self._values: dict[str, float] = {}
        self.step = LimitStep()
        self.is_held = False
        """Whether the limit is held at 6 A until the phase mode is restored."""

    def set(self, source: str, limit: float | None) -> None:
        """Set the limit of a source, or remove it."""
        if limit is None:
            self._values.pop(source, None)
        else:
            self._values[source] = limit

    @property
    def lowest(self) -> tuple[float, str] | None:
        """Return the effective limit and its source, None without any limit.

        The hold applies only to a limit: alone, it is nothing that was requested.
        """
        if not self._values:
            return None
        source = min(self._values, key=self._values.__getitem__)
        limit = self._values[source]
        if self.is_held and limit > HOLD:
            return HOLD, Source.PHASES
        return limit, source

    @property
    def effective(self) -> float | None:
        """Return the current limit to write, in A."""
        return None if self.lowest is None else self.step.apply(self.lowest[0])

    def capped(self, limit: float) -> float:
        """Return what may be written of a limit of the user now."""
        others = [v for source, v in self._values.items() if source != Source.USER]
        held = [HOLD] if self.is_held else []
        return self.step.apply(min([limit, *others, *held]))
