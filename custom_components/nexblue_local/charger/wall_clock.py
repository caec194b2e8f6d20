"""What the charger's clock says, and how far off it is."""

from datetime import UTC, date, datetime, time, timedelta

from .registers import Clock


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

    The document does not say whether the clock shows local time or UTC, so the
    reading that fits better counts. None when the clock shows no time.
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
    east = timedelta(minutes=clock.timezone or 0)
    return min(
        ((shown - shift - now).total_seconds() for shift in (timedelta(), east)),
        key=abs,
    )
