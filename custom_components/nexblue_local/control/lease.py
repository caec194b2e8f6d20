"""A current limit that has to be renewed."""

from dataclasses import dataclass
from datetime import datetime, timedelta


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
