"""The time of the next change is when it comes, if everything stays as it is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from custom_components.nexblue_local.surplus.decision import ChargerDecision
from custom_components.nexblue_local.surplus.readings import Reading
from custom_components.nexblue_local.surplus.settings import Fuse, Mode, PhaseMode

from .house import House, charger, settings


def solar(
    sun: float, *, before: float = 0.0, wait: float = 20.0, **changes: Any
) -> House:
    """Return a one-phase house whose sun has just changed."""
    house = House(settings(**changes))
    house.sun = before
    house.run(1200)
    house.sun = sun
    house.run(wait)
    return house


def three_phases(sun: float, *, before: float) -> House:
    """Return a three-phase house whose sun has just changed."""
    house = House(settings(charger(supply_phases=3)))
    house.sun = before
    house.run(4 * 3600)
    house.sun = sun
    house.run(40)
    return house


def over_budget() -> House:
    """Return a house that waits until a switch is allowed."""
    house = House(settings(charger(supply_phases=3, switches=(-10.0, -900.0))))
    house.sun = 7000.0
    house.run(900)
    return house


def fuse() -> House:
    """Return a house whose fuse has just left more."""
    house = House(settings(mode=Mode.FAST, fuse=Fuse()))
    house.house_a = (15.0, 0.0, 0.0)
    house.run(60)
    house.house_a = (5.0, 0.0, 0.0)
    house.run(10)
    return house


def meter() -> House:
    """Return a house whose meter was just lost."""
    house = solar(2300.0, before=2300.0)
    house.alter = lambda reading: replace(reading, grid_w=None)
    house.run(10)
    return house


def sleeping() -> House:
    """Return a house whose car draws nothing."""
    house = House(settings(mode=Mode.SOLAR_MIN))
    house.cars[0].least_a = 99.0
    house.run(30)
    return house


CASES: dict[str, Callable[[], House]] = {
    "start": lambda: solar(1700.0),
    "stop": lambda: solar(0.0, before=2300.0),
    "slow stop": lambda: solar(1200.0, before=2300.0),
    "up": lambda: solar(2346.0, before=2310.0),
    "down": lambda: solar(2285.0, before=2310.0, wait=5),
    "start three": lambda: three_phases(5000.0, before=0.0),
    "to three": lambda: three_phases(7000.0, before=2300.0),
    "to one": lambda: three_phases(2000.0, before=7000.0),
    "over budget": over_budget,
    "fuse": fuse,
    "meter": meter,
    "sleeping": sleeping,
}


def answer(decision: ChargerDecision) -> tuple[float | None, PhaseMode | None]:
    """Return what is decided, without the reason."""
    return decision.current_a, decision.phase_mode


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("step", [1.0, 5.0])
def test_predicted(case: str, step: float) -> None:
    """Constant readings change nothing before the time that was told, and then they do."""
    house = CASES[case]()
    first = house.decisions[-1].chargers[0]
    assert first.next_change_at is not None
    last: Reading = house.alter(house.reading())
    t = house.t - house.step
    while t < first.next_change_at:
        t = min(t + step, first.next_change_at)
        is_reported = last.grid_w is not None
        decision = house.controller.decide(
            replace(
                last,
                t=t,
                grid_at=t if is_reported else None,
                house_at=t,
                chargers=tuple(replace(each, at=t) for each in last.chargers),
            )
        ).chargers[0]
        if t < first.next_change_at:
            assert answer(decision) == answer(first), (t, first)
            assert decision.next_change_at == pytest.approx(
                first.next_change_at, abs=0.1
            )
    assert answer(decision) != answer(first)


@pytest.mark.parametrize("sun", [0.0, 2310.0, 9000.0])
def test_none(sun: float) -> None:
    """Where nothing changes, no change is told."""
    house = solar(sun)
    assert house.run(3600).next_change_at is None


@pytest.mark.parametrize("case", CASES)
def test_transitions(case: str) -> None:
    """What follows the surplus is a change, and no transition."""
    decision = CASES[case]().decisions[-1].chargers[0]
    follows = case in {"up", "down"}
    assert decision.next_transition_at == (None if follows else decision.next_change_at)


def test_no_transition_while_the_sun_rises() -> None:
    """While the current follows the sun, the time does not come and go."""
    house = solar(2000.0, before=2000.0)
    told = []
    for _ in range(120):
        house.sun += 10.0
        house.decide()
        told.append(house.decisions[-1].chargers[0])
    assert any(each.next_change_at is not None for each in told)
    assert all(each.next_transition_at is None for each in told)
