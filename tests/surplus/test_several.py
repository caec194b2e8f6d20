"""Several chargers on one meter."""

from dataclasses import replace

import pytest

from custom_components.nexblue_local.surplus.readings import Changes, Status
from custom_components.nexblue_local.surplus.settings import Mode, Settings

from .house import House, charger, settings


def two(sun: float, mode: Mode = Mode.SOLAR) -> House:
    """Return a house with two one-phase chargers."""
    house = House(settings(charger(), charger(id="b"), mode=mode))
    house.sun = sun
    return house


def amps(house: House, seconds: float) -> list[float | None]:
    """Return what both are offered after some time."""
    house.run(seconds)
    return [each.current_a for each in house.decisions[-1].chargers]


@pytest.mark.parametrize(
    ("sun", "expected"),
    [
        (1000.0, [0.0, 0.0]),
        (2310.0, [10.0, 0.0]),
        (16 * 230 + 1000.0, [16.0, 0.0]),
        (16 * 230 + 2310.0, [16.0, 10.0]),
        (9999.0, [16.0, 16.0]),
    ],
)
def test_the_first_gets_the_sun(sun: float, expected: list[float]) -> None:
    """The first takes up to its ceiling, and the next the rest."""
    assert amps(two(sun), 3600) == expected


def test_the_sun_is_counted_once() -> None:
    """What one was just offered, the other is not."""
    house = two(3000.0)
    while not any(each.current_a for each in house.decide().chargers):
        pass
    for _ in range(120):
        offered = [each.current_a or 0.0 for each in house.decide().chargers]
        assert sum(offered) * 230 <= 3000.0


def test_what_is_not_drawn_is_taken_for_30_s() -> None:
    """A car that does not take its offer leaves it to the next after 30 s."""
    house = two(2800.0)
    house.cars[0].least_a = 99.0
    while not house.decide().chargers[0].current_a:
        pass
    offered_at = house.t - house.step
    while not house.decide().chargers[1].current_a:
        pass
    assert house.t - house.step >= offered_at + 30
    assert house.t < offered_at + 300


@pytest.mark.parametrize("status", [Status.UNAVAILABLE, Status.FAULTED])
def test_a_charger_out_of_order_takes_nothing(status: Status) -> None:
    """What is offered to it is not taken."""
    house = two(2800.0)
    amps(house, 600)
    house.cars[0].status = status
    assert amps(house, 300) == [0.0, 12.1]


def test_the_second_gives_way_first() -> None:
    """When the sun goes, the first pauses after the second."""
    house = two(6000.0)
    amps(house, 1800)
    for house.sun in (5500.0, 4000.0, 2000.0, 1000.0, 500.0, 0.0):
        for _ in range(60):
            first, second = (each.current_a for each in house.decide().chargers)
            assert first or not second
    assert not first


def test_the_first_wakes_up_while_the_second_charges() -> None:
    """A car that comes back gets its sun from the other."""
    house = two(2800.0)
    house.cars[0].status = Status.AVAILABLE
    assert amps(house, 1200) == [0.0, 12.1]
    house.cars[0].status = Status.CHARGING
    assert amps(house, 1200) == [12.1, 0.0]


def test_never_below_the_minimum() -> None:
    """In `solar_min` each one has its minimum, and the first gets the rest."""
    assert amps(two(0.0, Mode.SOLAR_MIN), 60) == [6.0, 6.0]
    assert amps(two(3910.0, Mode.SOLAR_MIN), 600) == [16.0, 6.0]


def test_each_its_own_mode() -> None:
    """What a charger in another mode takes is no surplus of the others."""
    house = two(2310.0)
    house.decide(Changes(mode={"b": Mode.FAST}))
    assert amps(house, 1800) == [0.0, 16.0]
    house.sun += 16 * 230
    assert amps(house, 1800) == [10.0, 16.0]
    house.decide(Changes(mode={"b": Mode.OFF}))
    assert amps(house, 600) == [16.0, 0.0]


def test_other_settings() -> None:
    """A charger that is added, and other settings, leave the others as they are."""
    house = two(2310.0 + 6 * 230 + 200)
    first, second = house.settings.chargers
    house.controller.configure(Settings(chargers=(second,)))
    house.controller.configure(house.settings)
    assert amps(house, 1800) == [16.0, 0.0]
    first = replace(first, ceiling_a=10.0)
    house.controller.configure(Settings(chargers=(first, second)))
    assert house.decide().chargers[0].current_a == 10.0
    assert amps(house, 1200) == [10.0, 6.9]
    house.controller.configure(
        Settings(chargers=(replace(first, mode=Mode.OFF), second))
    )
    assert house.decide().chargers[0].current_a == 0.0


def test_the_second_stops_for_the_first() -> None:
    """The first goes on when what the second draws is what it lacks."""
    house = two(6000.0)
    assert amps(house, 1800) == [16.0, 10.0]
    house.sun = 1200.0
    second: float | None = 10.0
    while second:
        first, second = (each.current_a for each in house.decide().chargers)
        assert first
    assert amps(house, 60)[0]


@pytest.mark.parametrize(("age", "rises"), [(30.0, True), (31.0, False)])
def test_an_old_read(age: float, rises: bool) -> None:
    """A charger that was read more than 30 s ago is offered no more than before."""
    house = two(2310.0)
    assert amps(house, 1800)[0] == 10.0
    house.sun = 3000.0
    house.alter = lambda reading: replace(
        reading,
        chargers=tuple(replace(each, at=reading.t - age) for each in reading.chargers),
    )
    assert (amps(house, 300)[0] == 13.0) is rises


def test_solar_only_stops_beside_solar_with_minimum() -> None:
    """The first in `solar` pauses at night although the second never gives way."""
    house = House(settings(charger(), charger(id="b")))
    house.decide(Changes(mode={"b": Mode.SOLAR_MIN}))
    house.sun = 6000.0
    house.run(1800)
    assert house.decisions[-1].chargers[0].current_a == 16.0
    house.sun = 0.0
    house.run(4 * 3600)
    first, second = house.decisions[-1].chargers
    assert (first.current_a, second.current_a) == (0.0, 6.0)


def test_a_charger_that_is_gone_leaves_the_sun_to_the_next() -> None:
    """What was read last of it is not taken from the sun for good."""
    house = House(settings(charger(ceiling_a=32.0), charger(id="b")))
    house.sun = 7000.0
    house.run(1800)
    assert house.decisions[-1].chargers[0].current_a == 30.4
    gone = house.cars[0]
    # It has no power any more.
    house.run(5)
    last = gone.reading(house.t)
    gone.least_a = 99.0
    house.alter = lambda reading: replace(reading, chargers=(last, reading.chargers[1]))
    amps = []
    for house.sun in (7000.0, 0.0, 7000.0, 0.0, 7000.0):
        house.run(4 * 3600)
        amps.append(house.decisions[-1].chargers[1].current_a)
    assert amps == [16.0, 0.0, 16.0, 0.0, 16.0]
