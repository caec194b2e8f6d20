"""How often the charger's phases may be switched.

The vendor's document wants ten minutes between two switches, two in any hour
and six in a charging session at the most.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Self

INTERVAL: Final = timedelta(minutes=10)
WINDOW: Final = timedelta(hours=1)
PER_WINDOW: Final = 2
PER_SESSION: Final = 6


@dataclass
class PhaseBudget:
    """The switches that were made, whoever made them."""

    switches: list[datetime] = field(default_factory=list)
    """Those of the last hour."""
    in_session: int = 0
    """How many there were in the session that is open; 0 while none is."""

    def record(self, now: datetime, *, in_session: bool) -> None:
        """Count a switch: into the hour, and into the session if one is open."""
        self._age(now)
        self.switches.append(now)
        self.in_session += in_session

    def end_session(self) -> None:
        """Begin to count anew, as the vehicle has gone."""
        self.in_session = 0

    def _age(self, now: datetime) -> None:
        """Forget what is over; a time in the future, of a clock that jumped, is now."""
        self.switches = sorted(
            min(switch, now) for switch in self.switches if now - switch < WINDOW
        )

    def left(self, now: datetime) -> int:
        """Return how many switches are left, by the scarcest limit."""
        self._age(now)
        return max(
            0, min(PER_WINDOW - len(self.switches), PER_SESSION - self.in_session)
        )

    def allowed_from(self, now: datetime) -> datetime | None:
        """Return when the next switch is allowed; None: not in this session."""
        self._age(now)
        if self.in_session >= PER_SESSION:
            return None
        if not self.switches:
            return now
        times = [now, self.switches[-1] + INTERVAL]
        if len(self.switches) >= PER_WINDOW:
            times.append(self.switches[-PER_WINDOW] + WINDOW)
        return max(times)

    def is_allowed(self, now: datetime) -> bool:
        """Return whether a switch is allowed now."""
        return self.allowed_from(now) == now

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        return {
            "switches": [switch.isoformat() for switch in self.switches],
            "in_session": self.in_session,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return what was stored."""
        return cls(
            [datetime.fromisoformat(switch) for switch in data["switches"]],
            data["in_session"],
        )
