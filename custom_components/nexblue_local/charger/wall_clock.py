"""What the charger's clock says, and how far off it is."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from .registers import Clock

DAYLIGHT_SAVING: Final = timedelta(hours=1)


def calendar_date(clock: Clock) -> date | None:
    """Return the date of the charger's clock, None when it is no date.

    A clock that was never set is a date as well, as long as it is not older
    than what such clocks start with.
    """
    if clock.date is None:
        return None
    try:
        day = date(clock.date // 10_000, clock.date // 100 % 100, clock.date % 100)
    except ValueError:
        return None
    return day if 1970 <= day.year < 2100 else None


def is_unset(clock: Clock) -> bool:
    """Return whether the clock shows nothing, as one that was never set may do."""
    return clock.date == 0


def offset(clock: Clock, now: datetime) -> float | None:
    """Return by how many seconds the charger's clock is ahead of a time.

    The vendor's document says neither whether the clock shows UTC or local time,
    nor whether `timezone` includes daylight saving time. The clock is therefore
    compared as UTC, as local time, and as local time an hour further east; the
    smallest offset counts. None when the clock shows no time.
    """
    day = calendar_date(clock)
    if day is None or clock.time is None:
        return None
    try:
        shown = datetime.combine(
            day,
            time(clock.time // 10_000, clock.time // 100 % 100, clock.time % 100),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    zones = [timedelta()]
    if clock.timezone is not None:
        local = timedelta(minutes=clock.timezone)
        zones += [local, local + DAYLIGHT_SAVING]
    return min(((shown - zone - now).total_seconds() for zone in zones), key=abs)
