"""A grid meter that starts, is lost and comes back."""

from dataclasses import replace
import math
from typing import Any

import pytest

from custom_components.nexblue_local.surplus.decision import Reason
from custom_components.nexblue_local.surplus.meter import GridMeter, MeterState
from custom_components.nexblue_local.surplus.readings import Reading
from custom_components.nexblue_local.surplus.settings import Battery, Mode

from .house import House, charger, settings


def in_the_sun(mode: Mode = Mode.SOLAR, step: float = 5.0) -> House:
    """Return a house whose car takes 10 A of sun."""
    house = House(settings(mode=mode))
    house.step = step
    house.sun = 2300.0
    house.run_until_charging()
    assert house.run(600).current_a == 10.0
    return house


@pytest.mark.parametrize(("mode", "amps"), [(Mode.SOLAR, 0.0), (Mode.SOLAR_MIN, 6.0)])
def test_before_the_first_fresh_report(mode: Mode, amps: float) -> None:
    """Nothing is believed before a report arrives that was not there at the start."""
    house = House(settings(mode=mode))
    house.sun = 3000.0
    house.alter = lambda reading: replace(reading, grid_at=-2.0)
    for _ in range(3):
        decision = house.decide().chargers[0]
        assert (decision.current_a, decision.reason) == (amps, Reason.STARTING)
    house.alter = lambda reading: reading
    assert house.decide().chargers[0].reason is not Reason.STARTING


INVALID: list[dict[str, Any]] = [
    {"grid_w": None},
    {"grid_w": math.nan},
    {"grid_w": math.inf},
    {"grid_w": -100_001.0},
    {"grid_at": None},
    {"grid_at": 1e6},
]


@pytest.mark.parametrize("invalid", INVALID)
@pytest.mark.parametrize("mode", [Mode.SOLAR, Mode.SOLAR_MIN])
def test_invalid(mode: Mode, invalid: dict[str, Any]) -> None:
    """An invalid value means the minimum at once, and 60 s later nothing."""
    house = in_the_sun(mode)
    house.alter = lambda reading: replace(reading, **invalid)
    lost_at = house.t
    first = house.decide().chargers[0]
    assert (first.current_a, first.reason) == (6.0, Reason.METER_LOST)
    assert first.next_change_at == (lost_at + 60 if mode is Mode.SOLAR else None)
    while house.t <= lost_at + 60:
        assert house.decide().chargers[0].current_a == (
            6.0 if house.t <= lost_at + 60 or mode is Mode.SOLAR_MIN else 0.0
        )
    assert house.run(600).current_a == (0.0 if mode is Mode.SOLAR else 6.0)


@pytest.mark.parametrize(("step", "missing", "lost"), [(5, 15, 120), (30, 90, 300)])
def test_frozen(step: float, missing: float, lost: float) -> None:
    """A report that is too old for a meter of its kind counts no more."""
    house = in_the_sun(step=step)
    frozen = house.t - step
    house.step = 1.0
    house.alter = lambda reading: replace(reading, grid_at=frozen)
    while (age := house.t - frozen) < lost + 10:
        amps = house.decide().chargers[0].current_a
        assert amps == (10.0 if age <= missing else 6.0 if age < lost else 0.0), age


def test_a_value_that_is_reported_unchanged_is_fresh() -> None:
    """What counts is when a value was reported, not whether it changed."""
    house = in_the_sun()
    assert house.run(600).current_a == 10.0


def test_back_after_three_reports() -> None:
    """Two fresh reports are not enough, and invalid ones in between begin anew."""
    house = in_the_sun()
    invalid = replace(house.reading(), grid_w=None)
    house.alter = lambda reading: replace(invalid, t=reading.t, grid_at=reading.t)
    house.decide()
    house.alter = lambda reading: reading
    for _ in range(2):
        assert house.decide().chargers[0].reason is Reason.METER_LOST
    house.alter = lambda reading: replace(reading, grid_w=None)
    house.decide()
    house.alter = lambda reading: reading
    for _ in range(2):
        assert house.decide().chargers[0].reason is Reason.METER_LOST
    assert house.decide().chargers[0].reason is Reason.SUN
    assert house.run(60).current_a == 10.0


def test_a_meter_that_comes_and_goes() -> None:
    """Single reports in between do not extend the 60 s."""
    house = in_the_sun()
    lost_at = house.t

    def flapping(reading: Reading) -> Reading:
        return reading if reading.t % 20 == 0 else replace(reading, grid_w=None)

    house.alter = flapping
    house.run(70)
    assert house.t > lost_at + 60
    assert house.run(5).current_a == 0.0


def test_an_outage_is_no_interval() -> None:
    """After an outage the meter is missing as soon as before."""
    house = in_the_sun()
    house.alter = lambda reading: replace(reading, grid_w=None)
    house.run(3600)
    house.alter = lambda reading: reading
    house.run_until_charging()
    house.run(30)
    frozen = house.t - 5
    house.alter = lambda reading: replace(reading, grid_at=frozen)
    assert house.run(20).reason is Reason.METER_LOST


@pytest.mark.parametrize("mode", [Mode.FAST, Mode.MANUAL])
def test_modes_without_meter(mode: Mode) -> None:
    """These modes need no grid meter."""
    house = House(settings(mode=mode))
    house.alter = lambda reading: replace(reading, grid_w=None, grid_at=None)
    assert house.run(600).current_a == (16.0 if mode is Mode.FAST else None)


def test_a_battery_that_is_not_measured() -> None:
    """Without its power, what a battery gives would look like sun."""
    house = House(settings(battery=Battery()))
    house.sun = 2300.0
    house.alter = lambda reading: replace(reading, battery_w=0.0)
    house.run_until_charging()
    house.run(60)
    house.alter = lambda reading: reading
    decision = house.decide().chargers[0]
    assert (decision.current_a, decision.reason) == (6.0, Reason.BATTERY)
    # A meter that shows nothing at all is lost.
    house.alter = lambda reading: replace(reading, grid_w=None)
    assert house.decide().chargers[0].reason is Reason.METER_LOST
    assert house.run(65).current_a == 0.0


def test_two_chargers() -> None:
    """A lost meter limits all chargers."""
    house = House(settings(charger(), charger(id="b"), mode=Mode.SOLAR_MIN))
    house.sun = 6000.0
    house.run(600)
    house.alter = lambda reading: replace(reading, grid_w=None)
    assert [each.current_a for each in house.decide().chargers] == [6.0, 6.0]


@pytest.mark.parametrize("together", [1, 2, 3, 5])
def test_reports_that_come_one_after_the_other(together: int) -> None:
    """A meter that reports every 30 s, in several messages, is not missing between."""
    meter = GridMeter()
    states = []
    for n in range(40):
        for k in range(together):
            at = 30.0 * n + 0.05 * k
            meter.update(at, 100.0, at)
        for later in range(1, 30):
            meter.update(30.0 * n + later, 100.0, at)
            if n > 9:
                states.append(meter.state)
    assert set(states) == {MeterState.VALID}
