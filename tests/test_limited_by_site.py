"""Why the vehicle does not get more current, if the site decides."""

import pytest

from custom_components.nexblue_local.control.limits import Limits, Source
from custom_components.nexblue_local.limited_by import limited_by
from custom_components.nexblue_local.modbus.enums import ChargePointState as Status
from custom_components.nexblue_local.surplus.decision import Reason

from .test_limited_by import snapshot


@pytest.mark.parametrize(
    ("reason", "limit", "amps", "expected"),
    [
        (Reason.SUN, 10.0, 9.8, "sun"),
        (Reason.SUN, 10.0, 6.0, "vehicle"),
        (Reason.PHASE_BUDGET, 10.0, 9.8, "phase_budget"),
        (Reason.CEILING, 16.0, 15.8, "current_limit"),
        (Reason.FAST, 16.0, 15.8, "current_limit"),
        (Reason.PAUSING_SOON, 6.0, 5.9, "pausing_soon"),
        (Reason.FUSE, 9.0, 8.8, "fuse"),
        (Reason.FUSE, 9.0, 6.0, "vehicle"),
        (Reason.CHARGER, 9.0, 8.8, "sun"),
        (Reason.CHARGER, 9.0, 6.0, "vehicle"),
        (Reason.CAR, 9.0, 6.0, "vehicle"),
    ],
)
def test_while_charging(
    reason: Reason, limit: float, amps: float, expected: str
) -> None:
    """What the site decides is shown if it is what the vehicle runs into."""
    limits = Limits()
    limits.set(Source.USER, 16.0)
    limits.set(Source.SURPLUS, limit if limit < 16 else None)
    found = limited_by(snapshot(current_l1=amps), limits, None, reason)
    assert found == expected


@pytest.mark.parametrize(
    ("source", "reason", "expected"),
    [
        (Source.SURPLUS, Reason.OFF, "off"),
        (Source.SURPLUS, Reason.STARTING, "starting"),
        (Source.SURPLUS, Reason.METER_LOST, "meter_lost"),
        (Source.SURPLUS, Reason.BATTERY, "battery"),
        (Source.SURPLUS, Reason.WAITING_FOR_SUN, "waiting_for_sun"),
        (Source.FUSE, Reason.FUSE, "fuse"),
        (Source.ENERGY, Reason.SUN, "energy_reached"),
        # The user's limit is 0 as well.
        (Source.USER, Reason.WAITING_FOR_SUN, "paused"),
        (Source.USER, None, "paused"),
    ],
)
def test_while_paused(source: Source, reason: Reason | None, expected: str) -> None:
    """A pause says who made it."""
    limits = Limits()
    limits.set(source, 0.0)
    paused = snapshot(status=Status.SUSPENDED_EVSE, current_l1=0.0, current_limit=0.0)
    assert limited_by(paused, limits, None, reason) == expected
    # A fault of the charger comes first.
    faulted = snapshot(status=Status.FAULTED, current_l1=0.0)
    assert limited_by(faulted, limits, None, reason) == "fault"


def test_without_a_vehicle() -> None:
    """Nothing waits for sun then."""
    limits = Limits()
    limits.set(Source.SURPLUS, 0.0)
    idle = snapshot(status=Status.AVAILABLE, current_l1=0.0)
    assert limited_by(idle, limits, None, Reason.CAR) == "none"
