"""What outlives a restart."""

import json
from typing import Any

import pytest

from custom_components.nexblue_local.surplus.controller import Controller
from custom_components.nexblue_local.surplus.readings import Changes
from custom_components.nexblue_local.surplus.settings import Mode, PhaseMode, Settings
from custom_components.nexblue_local.surplus.state import InvalidState

from .house import House, charger, settings


def restarted(house: House, settings: Settings | None = None) -> House:
    """Return the house with another controller that knows what the first stored."""
    state = json.loads(json.dumps(house.controller.dump()))
    result = House(settings or house.settings, state)
    result.cars, result.t, result.sun = house.cars, house.t, house.sun
    return result


def test_modes_and_ceilings() -> None:
    """The user's choices outlive a restart; the lower of two ceilings holds."""
    house = House(settings(charger(), charger(id="b"), mode=Mode.OFF))
    house.decide(
        Changes(mode={"a": Mode.FAST, "b": Mode.FAST}, ceiling_a={"a": 10.0, "b": 32.0})
    )
    house = restarted(house)
    assert [each.current_a for each in house.decide().chargers] == [10.0, 16.0]


@pytest.mark.parametrize(("mode", "amps"), [(Mode.SOLAR, 0.0), (Mode.SOLAR_MIN, 6.0)])
def test_in_the_middle(mode: Mode, amps: float) -> None:
    """No decision outlives a restart: the first one is safe, and the sun is back soon."""
    house = House(settings(mode=mode))
    house.sun = 2310.0
    house.run(1200)
    house = restarted(house)
    assert house.decide().chargers[0].current_a == amps
    assert house.run(300).current_a == 10.0


def test_what_was_learned() -> None:
    """The car need not be learned again."""
    house = House(settings(mode=Mode.SOLAR_MIN))
    house.sun = 2310.0
    house.cars[0].gap_a, house.cars[0].least_a = 0.7, 8.0
    house.run(1200)
    before = house.controller.dump()
    house = restarted(house)
    assert house.controller.dump() == before
    assert before["chargers"]["a"]["gap_a"] == pytest.approx(0.7)
    house.decide()
    assert house.decide().chargers[0].current_a == 10.7


def test_switches() -> None:
    """The budget of phase switches outlives a restart."""
    house = House(settings(charger(supply_phases=3)))
    house.sun = 7000.0
    house.run(600)
    assert len(house.cars[0].asked) == 1
    house.cars[0].phase_mode = PhaseMode.ONE
    house.run(5)
    house = restarted(house)
    house.run(3000)
    assert len(house.cars[0].asked) == 1


def test_a_clock_that_begins_anew() -> None:
    """Switches in the future count from now on, and do not lock for ever."""
    house = House(settings(charger(supply_phases=3)))
    house.t = 1e6
    house.sun = 7000.0
    house.run(600)
    house.cars[0].phase_mode = PhaseMode.ONE
    state = house.controller.dump()
    house = House(house.settings, state)
    house.sun = 7000.0
    house.run(3600)
    assert not house.cars[0].asked
    house.run(7200)
    assert house.cars[0].asked


def test_another_charger() -> None:
    """What is stored of a charger that is gone does no harm."""
    house = House(settings(charger(id="gone")))
    house.run(60)
    restarted(house, settings(charger())).run(60)


@pytest.mark.parametrize(
    "state",
    [
        {"chargers": {"a": {"mode": "sun"}}},
        {"chargers": {"a": {"mode": 1}}},
        {"chargers": {"a": {"mode": []}}},
        {"chargers": []},
        {"chargers": {"a": 1}},
        {"chargers": {"a": {"volts": True}}},
        {"chargers": {"a": {"volts": 12.0}}},
        {"chargers": {"a": {"gap_a": "x"}}},
        {"chargers": {"a": {"most_a": float("nan")}}},
        {"chargers": {"a": {"awake_a": 10**400}}},
        {"chargers": {"a": {"one_phase_in": "two"}}},
        {"chargers": {"a": {"switches": 1}}},
        {"chargers": {"a": {"switches": ["x"]}}},
        {"chargers": {"a": {"switches_in_session": -1}}},
    ],
)
def test_damaged(state: dict[str, Any]) -> None:
    """A state that cannot be understood is an error."""
    with pytest.raises(InvalidState):
        Controller(settings(), state)


def test_nothing_stored() -> None:
    """An empty state is none."""
    assert Controller(settings(), {}).dump() == Controller(settings()).dump()
