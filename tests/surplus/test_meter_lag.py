"""How late the meter is, is learned from what the car draws."""

from itertools import cycle

import pytest

from custom_components.nexblue_local.surplus.car import Car
from custom_components.nexblue_local.surplus.controller import Controller
from custom_components.nexblue_local.surplus.meter import MeterState
from custom_components.nexblue_local.surplus.meter_lag import (
    CANDIDATES,
    UNSURE,
    MeterLag,
)
from custom_components.nexblue_local.surplus.readings import ChargerReading, Reading
from custom_components.nexblue_local.surplus.settings import Settings

CHANGES = 53.0
"""s between two changes of what the car draws."""


def power_at(at: float) -> float:
    """Return what the car draws in W at a time in s."""
    return 2000.0 * (at // CHANGES % 3)


@pytest.mark.parametrize("lag", CANDIDATES)
@pytest.mark.parametrize("interval", [5, 30])
def test_learned(lag: float, interval: int) -> None:
    """The lag is found although the house has loads of its own."""
    learned = MeterLag()
    loads = cycle((0.0, 0.0, 0.0, 1500.0, 1500.0, 400.0, 0.0))
    for at in range(0, 20000, interval):
        learned.report(at, power_at(at - lag) + next(loads))
        learned.update(at, power_at, at // CHANGES * CHANGES)
    since, until = learned.measured(at)
    assert learned.value == lag
    assert since < at - lag < until


def test_read_after_the_report() -> None:
    """A change that the meter shows before the car is read is no lag."""
    learned = MeterLag()
    car = Car()
    for at in range(0, 4000, 5):
        watts = 2000.0 * (at // 20 % 3)
        learned.report(at, watts)
        learned.update(at - 1.0, car.power_at, at)
        car.update(ChargerReading(id="a", power_w=(watts, 0.0, 0.0)), at + 4.0)
    assert learned.value == 0.0


def test_similar() -> None:
    """A lag that is hardly worse than the best one remains possible."""
    learned = MeterLag()
    for at in range(0, 400, 5):
        # As 200 W follow the sun, no lag explains the meter better.
        learned.report(at, 0.0)
        learned.update(at, lambda when: 200.0 * (when // 100 % 2), at)
    since, until = learned.measured(at)
    assert learned.value is not None
    assert (since, until) == (at - CANDIDATES[-1] - UNSURE, at + UNSURE)


def test_unknown() -> None:
    """While a car draws the same, nothing is learned: any lag is possible."""
    learned = MeterLag()
    for at in range(0, 4000, 5):
        learned.report(at, 500.0 * (at % 3))
        learned.update(at, lambda _: 2300.0, 0.0)
    assert learned.value is None
    assert learned.measured(at) == (at - CANDIDATES[-1], at)


def test_no_charger() -> None:
    """A house whose chargers are gone for a moment goes on measuring."""
    controller = Controller(Settings(chargers=()))
    for t in (0.0, 5.0, 10.0):
        decision = controller.decide(Reading(t=t, grid_w=-3000.0, grid_at=t))
    assert decision.chargers == ()
    assert controller.meter_state is MeterState.VALID
