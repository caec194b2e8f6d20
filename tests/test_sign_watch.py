"""Whether wrong signs are found while cars charge in the dark, and only those."""

from collections.abc import Iterator
from random import Random

import pytest

from custom_components.nexblue_local.sign_watch import LASTS, SignWatch
from custom_components.nexblue_local.site_meter import MeterReading

STEP = 10.0
GRID, BATTERY = "invert_grid_power", "invert_battery_power"


def night(seed: int) -> Iterator[tuple[float, float, float]]:
    """Yield grid, battery and car power in W of a night with loads that come and go.

    The meter is late and noisy, the car starts and stops, and the battery covers a
    part of it or sells to the grid.
    """
    random = Random(seed)  # noqa: S311 (no secret)
    car = house = battery = before = 0.0
    for _ in range(3000):
        if random.random() < 0.02:
            car = random.choice((0.0, 1400.0, 3700.0, 11_000.0))
        if random.random() < 0.05:
            house = random.choice((150.0, 400.0, 2500.0, 8000.0))
        if random.random() < 0.02:
            battery = random.choice((0.0, 0.0, 5000.0, -5000.0, car + house))
        grid = house + before - battery
        before = car
        yield grid + random.gauss(0.0, 60.0), battery, car


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("wrong", [None, GRID, BATTERY])
def test_nights(wrong: str | None, seed: int) -> None:
    """A wrong sign is found in any night, and no other one ever is."""
    watch = SignWatch()
    found = set()
    for number, (grid, battery, car) in enumerate(night(seed)):
        reading = MeterReading(
            grid_w=-grid if wrong == GRID else grid,
            battery_w=-battery if wrong == BATTERY else battery,
        )
        watch.update(number * STEP, reading, car)
        found.add(watch.wrong)
    assert found == {None, wrong}


def after(
    watch: SignWatch, start: float, seconds: float, grid: float, battery: float = 0.0
) -> str | None:
    """Return which sign is wrong after the meters have shown powers for a time."""
    for number in range(int(seconds / STEP) + 1):
        reading = MeterReading(grid_w=grid, battery_w=battery)
        watch.update(start + number * STEP, reading, 3700.0)
    return watch.wrong


def test_how_long_it_takes() -> None:
    """The sensors show it without a break; whoever turns the meter round is heard."""
    watch = SignWatch()
    assert after(watch, 0.0, LASTS - STEP, -4000.0) is None
    watch.update(LASTS - 5, MeterReading(grid_w=-4000.0), 0.0)
    assert after(watch, LASTS, LASTS - STEP, -4000.0) is None
    # A battery that is not known covers the house: that shows nothing.
    assert after(watch, 2 * LASTS, STEP, 500.0) is None
    assert after(watch, 3 * LASTS, LASTS, -4000.0) == GRID
    assert after(watch, 4 * LASTS, 2 * LASTS, 500.0) == GRID
    assert after(watch, 6 * LASTS, LASTS, 4000.0) is None
    assert after(watch, 7 * LASTS, LASTS, -4000.0) == GRID
    assert after(watch, 8 * LASTS, LASTS, 300.0, battery=3700.0) is None
