"""Starting, following the surplus and stopping."""

from dataclasses import replace
import itertools
from typing import Any

import pytest

from custom_components.nexblue_local.surplus.decision import Reason
from custom_components.nexblue_local.surplus.readings import Changes, Reading, Status
from custom_components.nexblue_local.surplus.settings import Battery, Mode, Restarts

from .house import House, charger, settings


def house(sun: float = 2300.0, **changes: Any) -> House:
    """Return a house in the sun with one charger."""
    result = House(settings(**changes))
    result.sun = sun
    return result


@pytest.mark.parametrize(
    ("sun", "mode", "amps", "reason"),
    [
        (0.0, Mode.SOLAR, 0.0, Reason.WAITING_FOR_SUN),
        (1000.0, Mode.SOLAR, 0.0, Reason.WAITING_FOR_SUN),
        (1400.0, Mode.SOLAR, 6.0, Reason.SUN),
        (2319.0, Mode.SOLAR, 10.0, Reason.SUN),
        (9000.0, Mode.SOLAR, 16.0, Reason.CEILING),
        (-5000.0, Mode.SOLAR_MIN, 6.0, Reason.WAITING_FOR_SUN),
        (1000.0, Mode.SOLAR_MIN, 6.0, Reason.WAITING_FOR_SUN),
        (2319.0, Mode.SOLAR_MIN, 10.0, Reason.SUN),
        (2319.0, Mode.MANUAL, None, Reason.MANUAL),
        (2319.0, Mode.OFF, 0.0, Reason.OFF),
        (0.0, Mode.FAST, 16.0, Reason.FAST),
    ],
)
def test_modes(sun: float, mode: Mode, amps: float | None, reason: Reason) -> None:
    """What each mode makes of the sun, in the long run."""
    decision = house(sun, mode=mode).run(3600)
    assert (decision.current_a, decision.reason) == (amps, reason)


@pytest.mark.parametrize(
    ("ceiling", "amps"), [(16.04, 16.0), (6.0, 6.0), (5.9, 0.0), (0.0, 0.0)]
)
@pytest.mark.parametrize("mode", [Mode.SOLAR, Mode.SOLAR_MIN, Mode.FAST])
def test_ceiling(mode: Mode, ceiling: float, amps: float) -> None:
    """The user's limit holds in every mode; below the minimum there is nothing."""
    driven = house(9000.0, mode=mode)
    driven.run(1200)
    decision = driven.decide(Changes(ceiling_a={"a": ceiling})).chargers[0]
    assert decision.current_a is not None
    assert decision.current_a <= max(amps, 0.0)
    decision = driven.run(300)
    assert decision.current_a == amps
    if not amps:
        assert decision.reason is Reason.CEILING


def test_solar_while_the_car_follows_another_limit() -> None:
    """The meter shows what it draws before it is read, which is no lack of sun."""
    driven = house(2000.0, mode=Mode.MANUAL)
    driven.cars[0].offered_a = 10.0
    driven.run(60)

    def raised(reading: Reading) -> Reading:
        (read,) = reading.chargers
        later = replace(read, offered_a=16.0)
        return replace(reading, grid_w=6 * 230 + 300.0, chargers=(later,))

    driven.alter = raised
    decision = driven.decide(Changes(mode={"a": Mode.SOLAR})).chargers[0]
    assert decision.current_a == 6.0
    driven.alter = lambda reading: reading
    driven.run(60)
    assert all(each.chargers[0].current_a for each in driven.decisions[12:])
    assert driven.decisions[-1].chargers[0].reason is Reason.SUN


def test_start_threshold() -> None:
    """A start can need more than charging on does."""
    driven = house(1800.0, start_threshold_w=500.0)
    assert driven.run(3600).current_a == 0.0
    driven.sun = 1900.0
    driven.run_until_charging()
    driven.sun = 1500.0
    assert driven.run(3600).current_a == 6.5


@pytest.mark.parametrize(
    ("changes", "amps"),
    [({"export_kept_w": 230.0}, 9.0), ({"import_tolerated_w": 230.0}, 11.0)],
)
def test_margins(changes: dict[str, float], amps: float) -> None:
    """Some export can be kept, or some import tolerated."""
    assert house(2310.0, **changes).run(3600).current_a == amps


def stops_within(driven: House) -> float:
    """Return the seconds until a car without sun stops."""
    driven.run(1200)
    driven.sun = 0.0
    began = driven.t
    while driven.run(5).current_a:
        assert driven.t < began + 3600
    return driven.t - began


def test_restarts() -> None:
    """Fewer restarts mean longer charging without sun."""
    few, balanced, many = (stops_within(house(restarts=each)) for each in Restarts)
    assert 10 <= many < balanced < few < 900


@pytest.mark.parametrize(("interval", "sooner"), [(10.0, 0.0), (30.0, 10.0)])
def test_a_slow_meter_stops_in_time(interval: float, sooner: float) -> None:
    """What a slow meter shows has begun before its report, and counts from then."""
    usual = stops_within(house())
    driven = house()
    reported = driven.reading()

    def alter(reading: Reading) -> Reading:
        nonlocal reported
        if driven.t % interval == 0:
            reported = reading
        return replace(reading, grid_w=reported.grid_w, grid_at=reported.grid_at)

    driven.alter = alter
    # The sun goes as the meter reports.
    assert stops_within(driven) <= usual - sooner


def test_a_small_lack_is_held_longer() -> None:
    """A large lack stops with less imported energy than a small one."""
    imported = []
    for lack in (1380.0, 460.0):
        driven = house()
        driven.run(1200)
        driven.sun = 1380.0 - lack
        began = driven.t
        while driven.run(5).current_a:
            assert driven.t < began + 3600
        imported.append(lack * (driven.t - began) / 3600)
    assert imported[0] < 0.75 * imported[1]


def test_a_short_cloud_or_kettle_is_no_stop() -> None:
    """Half a minute without surplus costs less than a restart."""
    driven = house()
    driven.run(1200)
    for _ in range(20):
        driven.sun = 0.0
        driven.run(25)
        assert driven.decisions[-1].chargers[0].reason is Reason.PAUSING_SOON
        driven.sun = 2300.0
        driven.run(600)
    assert all(each.chargers[0].current_a for each in driven.decisions[240:])


def test_up_slower_than_down() -> None:
    """Imported energy is dearer than exported energy."""
    driven = house()
    driven.run(1200)
    driven.sun = 2300.0 - 46.0
    down = driven.t
    while driven.run(5).current_a == 10.0:
        pass
    down = driven.t - down
    driven.run(600)
    driven.sun = 2300.0
    up = driven.t
    while driven.run(5).current_a != 10.0:
        pass
    assert down < driven.t - up


def test_noise_is_not_followed() -> None:
    """What averages to nothing changes little."""
    driven = house()
    driven.run(1200)
    first = len(driven.decisions)
    for index in range(720):
        driven.sun = 2310.0 + (20.0 if index % 2 else -20.0)
        driven.decide()
    amps = [each.chargers[0].current_a for each in driven.decisions[first:]]
    assert sum(a != b for a, b in itertools.pairwise(amps)) <= 2


@pytest.mark.parametrize(
    ("battery", "watts", "soc", "amps"),
    [
        (None, 0.0, None, 10.0),
        (None, 690.0, None, 7.0),
        (Battery(), 690.0, 90.0, 7.0),
        (None, -690.0, 90.0, 10.0),
        (Battery(), -690.0, 90.0, 10.0),
        (Battery(car_first_above_soc=80.0), -690.0, 79.0, 10.0),
        (Battery(car_first_above_soc=80.0), -690.0, 80.0, 13.0),
        (Battery(car_first_above_soc=80.0), -690.0, None, 10.0),
        (Battery(car_first_above_soc=80.0), 690.0, 90.0, 7.0),
    ],
)
@pytest.mark.parametrize("mode", [Mode.SOLAR, Mode.SOLAR_MIN])
def test_battery(
    mode: Mode, battery: Battery | None, watts: float, soc: float | None, amps: float
) -> None:
    """What it discharges is no surplus; what charges it is if the car comes first."""
    driven = house(2310.0, battery=battery, mode=mode)
    driven.alter = lambda reading: replace(reading, battery_w=watts, battery_soc=soc)
    assert driven.run(3600).current_a == amps


def test_a_battery_that_feeds_the_car() -> None:
    """A car that runs on the battery alone is paused, for that reason."""
    driven = house(2300.0)
    driven.alter = lambda reading: replace(reading, battery_w=0.0)
    driven.run(600)
    driven.alter = lambda reading: replace(reading, grid_w=0.0, battery_w=2300.0)
    assert driven.run(30).reason is Reason.BATTERY
    assert driven.run(600).current_a == 0.0


@pytest.mark.parametrize(
    "status", [Status.AVAILABLE, Status.UNAVAILABLE, Status.FAULTED, Status.RESERVED]
)
def test_without_car(status: Status) -> None:
    """Nobody is offered the sun, and the reason says why."""
    driven = house()
    driven.cars[0].status = status
    decision = driven.run(600)
    is_broken = status in {Status.UNAVAILABLE, Status.FAULTED}
    assert decision.current_a == 0.0
    assert decision.reason is (Reason.CHARGER if is_broken else Reason.CAR)
    driven.cars[0].status = Status.CHARGING
    assert driven.run(300).current_a == 10.0


def test_a_charger_that_cannot_be_read() -> None:
    """It is offered no more than before, and less if the sun goes."""
    driven = house(1610.0)
    driven.run(1200)
    driven.cars[0].reads = False
    driven.run(30)
    driven.sun = 3000.0
    decision = driven.run(300)
    assert (decision.current_a, decision.reason) == (7.0, Reason.CHARGER)
    driven.sun = 0.0
    assert driven.run(600).current_a == 0.0


@pytest.mark.parametrize("mode", [Mode.FAST, Mode.SOLAR])
def test_a_charger_that_was_never_read(mode: Mode) -> None:
    """It is offered nothing."""
    driven = house(9000.0, mode=mode)
    driven.cars[0].reads = False
    assert driven.run(600).current_a == 0.0


def test_modes_change() -> None:
    """A car that charges goes on with the surplus; without surplus it is paused."""
    driven = house(2310.0, mode=Mode.FAST)
    driven.run(600)
    assert driven.decide(Changes(mode={"a": Mode.SOLAR})).chargers[0].current_a == 10.0
    assert driven.decide(Changes(mode={"a": Mode.OFF})).chargers[0].current_a == 0.0
    assert driven.decide(Changes(mode={"a": Mode.FAST})).chargers[0].current_a == 16.0
    driven.sun = 0.0
    driven.run(60)
    assert driven.decide(Changes(mode={"a": Mode.SOLAR})).chargers[0].current_a == 0.0
    assert (
        driven.decide(Changes(mode={"a": Mode.SOLAR_MIN})).chargers[0].current_a == 6.0
    )
    assert driven.decide(Changes(mode={"a": Mode.MANUAL})).chargers[0].current_a is None


def test_a_late_meter() -> None:
    """What the car itself changed is no news, however late the meter shows it."""
    driven = house(0.0)
    powers: list[float] = []

    def late(reading: object) -> object:
        powers.append(driven.cars[0].watts)
        return replace(reading, grid_w=powers[-3:][0] - driven.sun)  # type: ignore[type-var]

    driven.alter = late  # type: ignore[assignment]
    driven.run(600)
    driven.sun = 3010.0
    driven.run(1200)
    amps = [each.chargers[0].current_a for each in driven.decisions]
    changes = sum(a != b for a, b in itertools.pairwise(amps))
    assert amps[-1] == 13.0
    assert changes <= 2


def test_least_and_most_on_the_grid() -> None:
    """Limits between tenths are rounded to the inside."""
    driven = House(settings(charger(min_a=6.25, ceiling_a=15.99), mode=Mode.SOLAR_MIN))
    assert driven.run(600).current_a == 6.3
    driven.sun = 9000.0
    assert driven.run(600).current_a == 15.9


def test_a_deep_lack_stops_sooner() -> None:
    """What is imported counts more, the less sun there is for the minimum."""
    times = []
    for sun in (0.0, 690.0):
        house = House(settings())
        house.sun = 6 * 230 + 200.0
        house.run_until_charging()
        house.run(600)
        house.sun, since = sun, house.t
        while house.decide().chargers[0].current_a:
            assert house.t < since + 3600
        times.append(house.t - since)
    deep, shallow = times
    assert 4 * deep < shallow
