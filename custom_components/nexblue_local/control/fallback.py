"""Whether the charger took its fallback limit, and whether it should have."""

from dataclasses import dataclass
import math
from typing import Final

GOES: Final = 60.0
"""Seconds in which a fallback ends once the current limit is written."""

FORGOTTEN: Final = 3600.0
"""Seconds for which a fallback that should not have been is remembered."""


@dataclass
class Fallback:
    """What was seen of waiting bit 6; times are in seconds of one clock."""

    is_active: bool | None = None
    since: float | None = None
    unexpected_at: float = -math.inf

    def observe(
        self,
        is_active: bool | None,
        now: float,
        *,
        written_at: float | None,
        timeout: int | None,
    ) -> None:
        """Take note of a reading.

        `written_at` is when register 1000 was written last, None if it was not
        since the start, and `timeout` the fallback timeout that holds.
        """
        if is_active is None:
            return
        before, self.is_active = self.is_active, is_active
        if not is_active:
            self.since = None
            return
        self.since = now if self.since is None else self.since
        if written_at is None or timeout is None or now - written_at >= timeout:
            return
        # It was not silent for long enough, and the fallback either came since
        # the last look or does not go although the limit is written.
        if before is False or now - self.since > GOES:
            self.unexpected_at = now

    def was_unexpected(self, now: float) -> bool:
        """Return whether it fired within the last hour though it should not have."""
        return now - self.unexpected_at < FORGOTTEN
