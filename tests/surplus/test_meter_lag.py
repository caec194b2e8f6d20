"""How late the meter is, is learned from what the car draws."""

from itertools import cycle

import pytest

from custom_components.nexblue_local.surplus.meter_lag import CANDIDATES, MeterLag

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
        import_w = power_at(at - lag) + next(loads)
        learned.update(at, import_w, power_at, at // CHANGES * CHANGES)
    since, until = learned.measured(at)
    assert learned.value == lag
    assert since < at - lag < until


def test_unknown() -> None:
    """While a car draws the same, nothing is learned: any lag is possible."""
    learned = MeterLag()
    for at in range(0, 4000, 5):
        learned.update(at, 500.0 * (at % 3), lambda _: 2300.0, 0.0)
    assert learned.value is None
    assert learned.measured(at) == (at - CANDIDATES[-1], at)
