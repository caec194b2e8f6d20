"""When the phases may be switched, and whether a switch was accepted.

The vendor's document wants ten minutes between two switches, two in any hour
and six in a charging session at the most.
"""

from dataclasses import dataclass, field
import math
from typing import Final

from .settings import PhaseMode

INTERVAL: Final = 600.0
WINDOW: Final = 3600.0
PER_WINDOW: Final = 2
PER_SESSION: Final = 6
SHOWN_WITHIN: Final = 30.0
"""s in which a switch shows in what is read; after that it counts as refused."""
LATE: Final = 120.0
"""s after which a mode that is read is somebody else's switch."""


@dataclass(slots=True)
class PhaseSwitches:
    """The switches of a charger, its own and those that were asked for here."""

    mode: PhaseMode
    """Phase mode as last read."""
    times: list[float] = field(default_factory=list)
    """When there was a switch, in s: those of the last hour."""
    in_session: int = 0
    """Switches since the session began."""
    asked: PhaseMode | None = None
    """Mode that was asked for last."""
    asked_at: float = -math.inf
    """When it was asked for, in s."""
    is_shown: bool = True
    """Whether the mode that was asked for was read since."""
    _is_given_up: bool = False
    _is_read: bool = False

    def record(self, t: float) -> None:
        """Count a switch."""
        self.times.append(t)
        self.in_session += 1

    def restore(self, times: list[float], in_session: int) -> None:
        """Add the switches that an earlier controller knew, each once."""
        self.times = sorted({*self.times, *times})
        self.in_session = max(self.in_session, in_session)

    def observe(self, t: float, mode: PhaseMode) -> None:
        """Take the phase mode that was read; the first one is no switch."""
        if mode is self.mode or not self._is_read:
            self.mode, self._is_read = mode, True
            return
        self.mode = mode
        if mode is self.asked and not self.is_shown and t - self.asked_at < LATE:
            # Counted when it was asked for; it is made now.
            self.is_shown = True
            if self.times:
                self.times[-1] = t
            return
        self.record(t)

    def ask(self, t: float, mode: PhaseMode) -> None:
        """Count a switch that is asked for now."""
        self.asked, self.asked_at = mode, t
        self.is_shown = self._is_given_up = False
        self.record(t)

    def waiting(self, t: float) -> PhaseMode | None:
        """Return the mode that was asked for while it may still be read."""
        if self.is_shown or self._is_given_up or t - self.asked_at >= SHOWN_WITHIN:
            return None
        return self.asked

    def give_up(self) -> None:
        """Stop asking: the charger cannot be reached."""
        self._is_given_up = True

    def possible(self, t: float) -> PhaseMode | None:
        """Return a mode other than the read one that the charger may change to."""
        is_possible = not self.is_shown and t - self.asked_at < 2 * SHOWN_WITHIN
        return self.asked if is_possible else None

    def end_session(self) -> None:
        """Begin to count a session anew."""
        self.in_session = 0

    def allowed_at(self, t: float, keep: int = 0) -> float | None:
        """Return from when a switch is allowed that leaves `keep` more.

        None: not in this session.
        """
        if self.in_session + keep >= PER_SESSION:
            return None
        # One in the future is of a clock that was set back: it counts from now on.
        self.times = [min(at, t) for at in self.times if at > t - WINDOW]
        if not self.times:
            return t
        allowed = max(t, self.times[-1] + INTERVAL)
        free = PER_WINDOW - keep
        if len(self.times) >= free:
            allowed = max(allowed, self.times[-free] + WINDOW)
        return allowed
