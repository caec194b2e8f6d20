"""Cars that draw less than offered, need more, or sleep."""

from dataclasses import replace
import itertools
import random

import pytest

from custom_components.nexblue_local.surplus.decision import Reason
from custom_components.nexblue_local.surplus.readings import Reading, Status
from custom_components.nexblue_local.surplus.settings import Fuse, Mode

from .house import House, charger, settings


def house(sun: float = 2310.0, mode: Mode = Mode.SOLAR) -> House:
    """Return a house in the sun."""
    result = House(settings(mode=mode))
    result.sun = sun
    return result


def test_a_gap_is_learned() -> None:
    """A car that draws less is offered more, so that it draws the surplus."""
    driven = house()
    driven.cars[0].gap_a = 0.7
    assert driven.run(1200).current_a == 10.7
    driven.sun = 1840.0
    assert driven.run(600).current_a == 8.7


def test_the_maximum_is_no_gap() -> None:
    """A car at its maximum does not draw more than the surplus when that falls."""
    driven = house(3500.0)
    driven.cars[0].most_a = 10.0
    driven.run(600)
    driven.sun = 3000.0
    decision = driven.run(600)
    assert decision.reason is Reason.CAR
    assert decision.current_a == 12.0
    driven.sun = 1840.0
    assert driven.run(10).current_a == 8.0
    assert driven.run(600).current_a == 8.0


def test_a_car_that_draws_a_part_of_any_offer() -> None:
    """What it draws less is no maximum: it gets the surplus all the same."""
    driven = house(3500.0)
    car = driven.cars[0]
    driven.decide()
    for _ in range(360):
        car.gap_a = 0.2 * car.offered_a
        driven.decide()
    driven.sun = 1840.0
    for _ in range(120):
        car.gap_a = 0.2 * car.offered_a
        driven.decide()
    assert 1700.0 < car.watts <= 1840.0
    driven.sun = 2760.0
    for _ in range(120):
        car.gap_a = 0.2 * car.offered_a
        driven.decide()
    assert 2600.0 < car.watts <= 2760.0


def test_a_higher_maximum_is_noticed() -> None:
    """It is offered a little more than it takes, to see whether it takes that."""
    driven = house(3500.0)
    driven.cars[0].most_a = 10.0
    driven.run(600)
    driven.sun = 3000.0
    driven.run(600)
    driven.cars[0].most_a = 32.0
    assert driven.run(600).current_a == 13.0


def test_a_car_that_needs_more_to_stay_awake() -> None:
    """A car that sleeps at the minimum is woken by more, and kept awake."""
    driven = house(1500.0, Mode.SOLAR_MIN)
    driven.cars[0].least_a = 8.0
    assert driven.run(300).current_a == 8.0
    driven.sun = 0.0
    assert driven.run(1200).current_a == 8.0
    driven.cars[0].status = Status.AVAILABLE
    driven.run(60)
    driven.cars[0].status = Status.CHARGING
    assert driven.run(30).current_a == 6.0


def test_waking_up_is_bounded() -> None:
    """A car that is full is left alone after a few attempts."""
    driven = house(1400.0, Mode.SOLAR_MIN)
    car = driven.cars[0]
    car.status, car.least_a = Status.SUSPENDED_EV, 99.0
    decision = driven.run(6 * 3600)
    assert (decision.current_a, decision.reason) == (6.0, Reason.CAR)
    amps = [each.chargers[0].current_a for each in driven.decisions]
    assert {6.0, 8.0, 10.0} == set(amps)
    assert sum(a != b for a, b in itertools.pairwise(amps)) <= 9


def test_no_wake_up_after_the_end() -> None:
    """A car that has finished is not woken."""
    driven = house(1400.0, Mode.SOLAR_MIN)
    car = driven.cars[0]
    car.status, car.least_a = Status.FINISHING, 99.0
    driven.run(3600)
    assert {each.chargers[0].current_a for each in driven.decisions} == {6.0}


def test_a_charger_that_reduces() -> None:
    """A charger that offers less than it was told is the reason."""
    driven = house(3500.0)
    driven.run(600)
    driven.cars[0].take = lambda *_: None  # type: ignore[method-assign]
    driven.cars[0].offered_a = 10.0
    assert driven.run(120).reason is Reason.CHARGER


@pytest.mark.parametrize("seed", range(4))
def test_a_car_that_is_nearly_full_when_the_sun_goes(seed: int) -> None:
    """Its current falls while the offer varies; decisions are made all the same."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    # The fuse is guarded by the same decisions.
    house = House(settings(charger(), fuse=Fuse(main_a=25, margin_a=1)))
    house.house_a = (0.0, 0.0, 0.0)
    house.sun = 18 * 230.0
    house.run(1200)
    car = house.cars[0]
    car.most_a = 16.0
    while car.most_a > 1:
        house.decide()
        car.most_a -= rng.uniform(0.05, 0.15)
        if rng.random() < 0.05:
            house.sun = 230.0 * rng.choice([7, 10, 14, 18])
    house.sun = -500.0
    assert house.run(1800).current_a == 0.0


def test_a_car_that_draws_half_of_its_offer() -> None:
    """Without sun it pauses like any other."""
    house = House(settings(charger()))
    house.sun = 3000.0

    def half(reading: Reading) -> Reading:
        (each,) = reading.chargers
        amps = 0.5 * (each.offered_a or 0.0)
        return replace(
            reading,
            grid_w=amps * 230 - house.sun,
            chargers=(
                replace(
                    each,
                    current_a=(amps, 0.0, 0.0),
                    power_w=(amps * 230, 0.0, 0.0),
                ),
            ),
        )

    house.alter = half
    for house.sun in (3000.0, 1500.0, 2500.0, 1500.0, 3000.0):
        house.run(600)
    house.sun = -300.0
    assert house.run(1800).current_a == 0.0
