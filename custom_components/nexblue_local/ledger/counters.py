"""What a charger counts, and what can be told from it after a time without reads."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self

from .stored import exactly, number, optional, time

SAME_WH: Final = 150.0
"""Difference of two origins up to which they are the same: counters have steps."""
SAME_SHARE: Final = 0.02
"""The same as a part of the session's energy: the two counters may differ."""

MAX_W: Final = 30_000.0
"""Maximum power; a lifetime energy that advances faster was set."""
SLACK_WH: Final = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read of a charger; None is unknown."""

    at: datetime
    has_vehicle: bool | None
    lifetime_wh: float | None
    session_wh: float | None
    power_w: float | None = None
    is_single_phase: bool | None = None
    """None also if the charger decides on the phases."""


@dataclass(slots=True, kw_only=True)
class Counters:
    """What a charger showed when it was last read."""

    at: datetime
    lifetime_wh: float
    """All of it is in the ledger, from the first read on."""
    session_wh: float | None
    origin_wh: float
    """Lifetime energy at which the latest session began, as its counters have it."""
    start_wh: float
    """Lifetime energy at which the latest session begins in the ledger.

    It is not the origin while a charger that resets the energy of its session only
    when a vehicle begins to charge has not done so.
    """
    power_w: float = 0.0
    is_single_phase: bool | None = None
    session_start: datetime | None = None
    """When the latest session started; None if there was none yet."""

    def is_origin(self, origin: float, energy_wh: float) -> bool:
        """Return whether an origin is that of the latest session, which has an energy."""
        tolerance = SAME_WH + SAME_SHARE * energy_wh
        return (
            abs(origin - self.origin_wh) <= tolerance
            or abs(origin - self.start_wh) <= tolerance
        )

    def can_become(self, lifetime: float, at: datetime) -> bool:
        """Return whether the lifetime energy can have advanced to a value."""
        hours = max(0.0, (at - self.at).total_seconds()) / 3600
        return 0 <= lifetime - self.lifetime_wh <= MAX_W * hours + SLACK_WH

    def follow_reset(
        self, lifetime: float, session: float | None, at: datetime
    ) -> None:
        """Go on from a lifetime energy that was set to another value.

        What was charged meanwhile is what the energy of the session shows.
        """
        added = 0.0
        if session is not None and self.session_wh is not None:
            charged = session - self.session_wh
            if self.can_become(self.lifetime_wh + charged, at):
                added = charged
        shift = lifetime - added - self.lifetime_wh
        self.lifetime_wh += shift
        self.origin_wh += shift
        self.start_wh += shift

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self | None:
        """Return the stored counters, None if they are damaged."""
        try:
            return cls(
                at=time(stored["at"]),
                lifetime_wh=number(stored["lifetime_wh"]),
                session_wh=optional(number, stored["session_wh"]),
                origin_wh=number(stored["origin_wh"]),
                start_wh=number(stored["start_wh"]),
                power_w=number(stored["power_w"]),
                is_single_phase=optional(exactly(bool), stored["is_single_phase"]),
                session_start=optional(time, stored["session_start"]),
            )
        except ArithmeticError, LookupError, TypeError, ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """The time between two reads, in which some energy was charged unseen.

    Its methods estimate when the charger had a lifetime energy in Wh: the vehicle
    charged with the power that was read next to that time.
    """

    begin: datetime
    begin_wh: float
    begin_w: float
    end: datetime
    """When what is read now was first read."""
    end_wh: float
    end_w: float
    read_at: datetime
    """When it was read; that is later if it had to stay the same for a time."""
    is_unseen: bool
    """Whether a vehicle may have been plugged in or out in it without a read."""

    def charged_until(self, wh: float) -> datetime:
        """Return when a session ended that ran at the begin of the interval."""
        if wh <= self.begin_wh:
            return self.begin
        if self.begin_w <= 0:
            return self.evenly(wh)
        hours = (wh - self.begin_wh) / self.begin_w
        return min(self.end, self.begin + timedelta(hours=hours))

    def charged_since(self, wh: float) -> datetime:
        """Return when a session started that runs at the end of the interval."""
        if wh >= self.end_wh:
            return self.end
        if self.end_w <= 0:
            return self.evenly(wh)
        hours = (self.end_wh - wh) / self.end_w
        start = min(self.end, self.read_at - timedelta(hours=hours))
        return max(self.begin, start)

    def evenly(self, wh: float) -> datetime:
        """Return the time if the energy was charged evenly, for want of a power."""
        if self.end_wh <= self.begin_wh:
            return self.end
        part = (wh - self.begin_wh) / (self.end_wh - self.begin_wh)
        return self.begin + (self.end - self.begin) * part
