"""Test the offset of the charger's clock."""

from datetime import UTC, datetime

import pytest

from custom_components.nexblue_local.modbus.registers import Clock
from custom_components.nexblue_local.modbus.wall_clock import offset

NOW = datetime(2025, 12, 2, 14, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "time", "timezone", "seconds"),
    [
        pytest.param(20251202, 140000, 120, 0, id="UTC"),
        pytest.param(20251202, 160000, 120, 0, id="local time, east"),
        pytest.param(20251202, 110500, -180, 300, id="local time, west, 5 min ahead"),
        pytest.param(20251202, 170000, 120, 0, id="summer time, east"),
        pytest.param(20251202, 120130, -180, 90, id="summer time, west"),
        pytest.param(20251202, 150000, 0, 0, id="summer time, Greenwich"),
        pytest.param(20251202, 135958, None, -2, id="no time zone"),
        pytest.param(20251202, 150000, None, 3600, id="no time zone, no summer time"),
        pytest.param(20251203, 140000, None, 86400, id="a day ahead"),
        pytest.param(19700101, 0, 0, -1764684000, id="never set"),
        pytest.param(20251302, 140000, 0, None, id="no date"),
        pytest.param(20251202, 146000, 0, None, id="no time"),
        pytest.param(None, 140000, 0, None, id="date unknown"),
        pytest.param(20251202, None, 0, None, id="time unknown"),
    ],
)
def test_offset(
    date: int | None, time: int | None, timezone: int | None, seconds: float | None
) -> None:
    """The clock may show UTC, or local time with or without `timezone` in summer."""
    clock = Clock(date=date, time=time, timezone=timezone)
    assert offset(clock, NOW) == seconds
