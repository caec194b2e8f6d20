"""The clock of a charge point: which times of its messages can be relied on."""

from datetime import datetime, timedelta
from typing import Final

from .tolerance import CLOCK_TOLERANCE, Moment, moment

LATE: Final = timedelta(seconds=60)
"""Age of a message, when the connection was made, that was held back until then."""


class ChargerClock:
    """Whether the clock of a charge point is right, by the messages that it sends.

    BootNotification has no time, so the times of other messages are compared with that
    of their receipt.
    """

    def __init__(self, *, is_right: bool) -> None:
        """Initialize with what was known before a restart."""
        self.is_right = is_right

    def moment(self, value: object, received: datetime) -> Moment:
        """Return the time of a message.

        A time that is not that of the receipt counts only if the clock is right.
        """
        found = moment(value, received)
        if found.is_from_charger:
            self.is_right |= received - found.time <= CLOCK_TOLERANCE
        elif value:
            self.is_right = False
        return found if self.is_right else Moment(received, is_from_charger=False)


def is_late(found: Moment, connected_at: datetime | None) -> bool:
    """Return whether a message was held back until the connection was made."""
    return (
        found.is_from_charger
        and connected_at is not None
        and found.time < connected_at - LATE
    )
