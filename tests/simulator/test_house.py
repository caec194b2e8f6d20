"""What flows in the simulated house."""

import pytest

from simulator.house import Battery, House, Roof

VOLTAGES = (230.0, 231.0, 229.0)
NO_CAR = (0.0, 0.0, 0.0)
CAR = (3_000.0, 2_000.0, 1_000.0)


def house(**changes: object) -> House:
    """Return a house at noon."""
    return House(**{"time_at_start": Roof().daylight / 2} | changes)  # type: ignore[arg-type]


def test_sun() -> None:
    """The sun rises and sets every day, and is highest at noon."""
    roof = Roof(cloud_depth=0.0)

    def power(time: float) -> float:
        return roof.power(time, is_overcast=False)

    noon = roof.daylight / 2
    assert power(noon) == pytest.approx(roof.peak)
    assert 0 < power(60) < power(noon / 2) < power(noon)
    assert power(noon + 60) == pytest.approx(power(noon - 60))
    assert power(roof.daylight + 1) == power(roof.day - 1) == 0
    assert power(noon + 3 * roof.day) == pytest.approx(roof.peak)


def test_clouds() -> None:
    """Small clouds come and go; a closed sky leaves little."""
    roof = Roof()
    clear = Roof(cloud_depth=0.0)
    shares = [
        roof.power(time, is_overcast=False) / clear.power(time, is_overcast=False)
        for time in range(600, 2_000)
    ]
    assert min(shares) == pytest.approx(1 - roof.cloud_depth, abs=0.01)
    assert max(shares) == 1
    assert sum(share > 0.95 for share in shares) > len(shares) / 2
    assert roof.power(600, is_overcast=True) < 0.2 * roof.power(600, is_overcast=False)


@pytest.mark.parametrize("battery", [None, Battery()])
@pytest.mark.parametrize("switch", ["is_overcast", "kettle_is_on", "l1_is_loaded"])
def test_balance(switch: str, battery: Battery | None) -> None:
    """On each phase, the grid supplies what sun and battery do not."""
    home = house(battery=battery, **{switch: True})
    home.advance(100, CAR, VOLTAGES)
    flow = home.flow
    assert flow.car == CAR
    for phase in range(3):
        supplied = flow.grid[phase] + flow.solar[phase] + flow.battery[phase]
        assert supplied == pytest.approx(flow.house[phase] + CAR[phase])


def test_energies() -> None:
    """The counters add up with what the loads took, also over a day."""
    home = house(battery=Battery(), kettle_is_on=True)
    battery = home.battery
    assert battery is not None
    charge = battery.charge
    for time in range(0, 3_600, 30):
        home.advance(time + 30, CAR, VOLTAGES)
    used = sum(home.base_load) + home.kettle_power + sum(CAR)
    assert home.imported + home.produced + home.discharged == pytest.approx(
        used + home.exported + home.charged
    )
    assert min(home.imported, home.produced, home.discharged) > 100
    assert battery.charge - charge == pytest.approx(
        (home.charged - home.discharged) / 1000
    )


def test_kettle() -> None:
    """The kettle takes its power from L2."""
    home = house()
    home.advance(100, NO_CAR, VOLTAGES)
    before = home.flow.house
    home.kettle_is_on = True
    home.advance(101, NO_CAR, VOLTAGES)
    assert home.flow.house == (before[0], before[1] + 2_000, before[2])


@pytest.mark.parametrize("battery", [None, Battery()])
def test_load(battery: Battery | None) -> None:
    """The load on L1 leaves the car 8 A below the main fuse, whatever the sun does."""
    home = house(l1_is_loaded=True, battery=battery)
    for time in (100, 1_000):
        home.advance(time, NO_CAR, VOLTAGES)
        assert home.flow.grid[0] / VOLTAGES[0] == pytest.approx(
            home.main_fuse - 8, abs=0.5
        )


def test_battery() -> None:
    """The battery keeps the grid at 0 until it is full, empty, or at its limit."""
    home = house(battery=Battery(max_power=10_000))
    battery = home.battery
    assert battery is not None
    home.advance(1, NO_CAR, VOLTAGES)
    assert sum(home.flow.grid) == pytest.approx(0)
    assert sum(home.flow.battery) < -1_000
    battery.charge = battery.capacity
    home.advance(2, NO_CAR, VOLTAGES)
    assert sum(home.flow.battery) == 0
    assert sum(home.flow.grid) < -1_000
    home.is_overcast = True
    home.advance(3, CAR, VOLTAGES)
    assert sum(home.flow.battery) > 1_000
    battery.max_power = 500
    home.advance(4, CAR, VOLTAGES)
    assert sum(home.flow.battery) == pytest.approx(500)
    battery.charge = battery.reserve * battery.capacity
    home.advance(5, CAR, VOLTAGES)
    assert sum(home.flow.battery) == 0
