"""A current limit that has to be renewed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from . import record


@dataclass
class Lease:
    """How long a current limit holds, and what takes its place."""

    until: datetime
    valid_for: timedelta
    safe_limit: float
    """A: the current limit once the time is over."""

    def remaining(self, now: datetime) -> timedelta:
        """Return the time that is left, none or less when it is over.

        After a clock that jumped back it is not longer than it was at first.
        """
        self.until = min(self.until, now + self.valid_for)
        return self.until - now

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        return {
            "until": self.until.isoformat(),
            "valid_for": self.valid_for.total_seconds(),
            "safe_limit": self.safe_limit,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return what was stored."""
        return cls(
            record.time(data["until"]),
            timedelta(seconds=record.number(data["valid_for"])),
            record.number(data["safe_limit"]),
        )
