"""How often the charger's phases may be switched.

The vendor's document wants ten minutes between two switches, two in any hour
and six in a charging session at the most.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

INTERVAL: Final = timedelta(minutes=10)
WINDOW: Final = timedelta(hours=1)
PER_WINDOW: Final = 2
PER_SESSION: Final = 6


@dataclass
class PhaseBudget:
    """The switches that were made, whoever made them."""

    switches: list[tuple[datetime, datetime]] = field(default_factory=list)
    """Those of the last hour: when each was made, and from when it counts."""
    in_session: int = 0
    """How many there were in the session that is open; 0 while none is."""

    def record(self, now: datetime, *, in_session: bool) -> None:
        """Count a switch: into the hour, and into the session if one is open."""
        self.switches.append((now, now))
        self.in_session += in_session

    def refund(self) -> None:
        """Give back the last switch, which was not made."""
        del self.switches[-1:]
        # The session may have ended meanwhile.
        self.in_session = max(0, self.in_session - 1)

    def _times(self, now: datetime) -> list[datetime]:
        """Return from when the switches of the last hour count, in their order.

        One in the future, of a clock that jumped, counts from when that was
        noticed, until the clock has come to its time.
        """
        aged = [
            (made, made if made <= now else min(counts_from, now))
            for made, counts_from in self.switches
        ]
        self.switches = [switch for switch in aged if now - switch[1] < WINDOW]
        return sorted(counts_from for _, counts_from in self.switches)

    def left(self, now: datetime) -> int:
        """Return how many switches are left, by the scarcest limit."""
        in_window, in_session = len(self._times(now)), self.in_session
        return max(0, min(PER_WINDOW - in_window, PER_SESSION - in_session))

    def allowed_from(self, now: datetime) -> datetime | None:
        """Return when the next switch is allowed; None: not in this session."""
        if self.in_session >= PER_SESSION:
            return None
        switches = self._times(now)
        if not switches:
            return now
        times = [now, switches[-1] + INTERVAL]
        if len(switches) >= PER_WINDOW:
            times.append(switches[-PER_WINDOW] + WINDOW)
        return max(times)

    def is_allowed(self, now: datetime) -> bool:
        """Return whether a switch is allowed now."""
        return self.allowed_from(now) == now
