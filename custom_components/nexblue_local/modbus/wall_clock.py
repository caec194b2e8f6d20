"""The charger's clock (input registers 38-42) and its offset."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from .registers import Clock

DAYLIGHT_SAVING: Final = timedelta(hours=1)


def calendar_date(clock: Clock) -> date | None:
    """Return the date of the charger's clock (input register 38).

    Years from 1970 to 2099 are valid, because a clock that was never set may start
    in 1970. None if the register is unknown or does not hold a valid date.
    """
    if clock.date is None:
        return None
    try:
        day = date(clock.date // 10_000, clock.date // 100 % 100, clock.date % 100)
    except ValueError:
        return None
    return day if 1970 <= day.year < 2100 else None


def offset(clock: Clock, now: datetime) -> float | None:
    """Return the seconds by which the charger's clock is ahead of `now`.

    The vendor's document does not say whether the clock shows UTC or local time,
    nor whether `timezone` (input register 42, in minutes) includes daylight saving
    time: a charger that keeps the standard offset there would seem to be an hour
    ahead all summer. The clock is therefore compared as UTC, as local time, and as
    local time with one more hour; the smallest offset is returned. None if date or
    time are unknown or invalid.
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
