"""Phase switches: when, how often, and what if they are refused."""

from dataclasses import replace
import itertools

import pytest

from custom_components.nexblue_local.surplus.decision import Reason
from custom_components.nexblue_local.surplus.phases import PhaseSwitches
from custom_components.nexblue_local.surplus.readings import Status
from custom_components.nexblue_local.surplus.settings import Mode, PhaseMode

from .house import House, charger, settings

ONE, THREE, ADAPTIVE = PhaseMode.ONE, PhaseMode.THREE, PhaseMode.ADAPTIVE
MUCH, LITTLE = 7000.0, 2000.0
"""Surplus in W for three phases, and for one."""


def home(mode: Mode = Mode.SOLAR, **changes: object) -> House:
    """Return a house with a charger that can switch."""
    return House(settings(charger(supply_phases=3, **changes), mode=mode))


@pytest.mark.parametrize(
    ("switches", "in_session", "keep", "allowed_at"),
    [
        ([], 0, 0, 10000.0),
        ([9500.0], 1, 0, 10100.0),
        ([9000.0], 1, 0, 10000.0),
        ([7000.0, 9000.0], 2, 0, 10600.0),
        ([6000.0, 9000.0], 2, 0, 10000.0),
        ([9000.0], 1, 1, 12600.0),
        ([9000.0], 5, 0, 10000.0),
        ([9000.0], 5, 1, None),
        ([], 6, 0, None),
        ([99999.0], 1, 0, 10600.0),
    ],
)
def test_budget(
    switches: list[float], in_session: int, keep: int, allowed_at: float | None
) -> None:
    """600 s apart, two in any hour, six in a session."""
    budget = PhaseSwitches(ONE)
    budget.restore(switches, in_session)
    assert budget.allowed_at(10000.0, keep) == allowed_at


def test_to_three_and_back() -> None:
    """Much sun needs three phases, little needs one, and the current fits at once."""
    house = home()
    house.sun = MUCH
    house.run(1800)
    car = house.cars[0]
    assert (car.phase_mode, len(car.asked)) == (THREE, 1)
    assert car.offered_a == 10.1
    assert all(
        each.chargers[0].current_a == 10.1
        for each in house.decisions
        if each.chargers[0].phase_mode is THREE
    )
    house.sun = LITTLE
    house.run(3600)
    assert (car.phase_mode, len(car.asked)) == (ONE, 2)
    assert car.offered_a == 8.6


def test_before_it_is_read_the_current_fits_both() -> None:
    """A switch to three phases lowers the current first, in case it comes late."""
    house = home()
    house.cars[0].refuses_switches = True
    house.sun = MUCH
    while not house.cars[0].asked:
        house.decide()
    assert house.decisions[-2].chargers[0].current_a == 16.0
    assert house.decisions[-1].chargers[0].current_a == 10.1


def test_a_refused_switch_is_not_repeated() -> None:
    """It is answered until it has to show, and again after 600 s at the earliest."""
    house = home()
    house.cars[0].refuses_switches = True
    house.sun = MUCH
    house.run(4 * 3600)
    asked = house.cars[0].asked
    begun = [
        at for at, before in zip(asked, [-1e9, *asked], strict=False) if at - before > 5
    ]
    assert len(begun) == 4
    assert all(later - at >= 600 for at, later in itertools.pairwise(begun))
    assert max(at - max(b for b in begun if b <= at) for at in asked) < 60


def test_never_over_budget() -> None:
    """A sky that changes every 15 minutes is not followed."""
    house = home()
    for _ in range(24):
        for house.sun in (MUCH, LITTLE):
            house.run(900)
    asked = house.cars[0].asked
    assert 2 < len(asked) <= 6
    assert all(b - a >= 600 for a, b in itertools.pairwise(asked))
    assert all(b - a >= 3600 for a, b in zip(asked, asked[2:], strict=False))


def test_phase_budget_is_the_reason() -> None:
    """While a switch is due and not allowed, that is said, and until when."""
    house = home(switches=(-10.0, -900.0))
    house.sun = MUCH
    decision = house.run(1200)
    assert decision.reason is Reason.PHASE_BUDGET
    # One switch of two in an hour is kept for the way back.
    assert decision.next_change_at == 3590.0
    house.run(2400)
    assert house.cars[0].asked == [3590.0]


def test_switches_of_others_count() -> None:
    """A switch that is seen is one, whoever made it."""
    house = home()
    house.sun = 0.0
    house.run(60)
    house.cars[0].phase_mode = THREE
    house.run(60)
    house.cars[0].phase_mode = ONE
    house.run(60)
    house.sun = MUCH
    house.run(3000)
    assert not house.cars[0].asked
    house.run(1200)
    assert len(house.cars[0].asked) == 1


def test_a_session_begins_anew_after_available() -> None:
    """Six switches end with the session in which they were made."""
    house = home(switches=tuple(range(-36000, -30000, 1000)))
    house.sun = MUCH
    house.run(3600)
    assert not house.cars[0].asked
    house.cars[0].status = Status.AVAILABLE
    house.run(60)
    house.cars[0].status = Status.CHARGING
    house.run(3600)
    assert len(house.cars[0].asked) == 1


@pytest.mark.parametrize("sun", [0.0, LITTLE])
@pytest.mark.parametrize("mode", [THREE, ADAPTIVE])
def test_no_switch_without_a_car(mode: PhaseMode, sun: float) -> None:
    """A switch is not spent before there is a car, and then made if it has to be."""
    house = home(phase_mode=mode)
    house.sun = sun
    car = house.cars[0]
    car.status = Status.AVAILABLE
    house.run(3600)
    assert not car.asked
    car.status = Status.CHARGING
    house.run(600)
    assert len(car.asked) == (1 if sun else 0)


@pytest.mark.parametrize(
    "house",
    [
        home(can_switch=False),
        House(settings(charger(supply_phases=1))),
        home(can_switch=False, phase_mode=THREE),
    ],
)
def test_never(house: House) -> None:
    """What cannot be switched, is not."""
    for house.sun in (MUCH, LITTLE, MUCH):
        house.run(3600)
    assert all(each.chargers[0].phase_mode is None for each in house.decisions)


def test_a_car_that_uses_one_phase_of_three() -> None:
    """It is charged as on one phase, and never switched."""
    house = home(phase_mode=THREE)
    house.cars[0].takes_one_phase = True
    house.sun = MUCH
    house.run(600)
    assert house.cars[0].offered_a == 16.0
    house.sun = LITTLE
    house.run(7200)
    assert house.cars[0].offered_a == 8.6
    assert not house.cars[0].asked


def test_adaptive_counts_as_three() -> None:
    """Until the car is seen on one phase, it may use three at any moment."""
    house = home(phase_mode=ADAPTIVE, can_switch=False)
    house.sun = LITTLE
    assert house.run(3600).current_a == 0.0
    house.sun = MUCH
    house.run(600)
    house.cars[0].takes_one_phase = True
    house.run(600)
    house.sun = LITTLE
    assert house.run(300).current_a == 8.6


def test_no_switch_while_the_charger_cannot_be_read() -> None:
    """An old read is no ground for a switch."""
    house = home()
    house.run(10)
    house.sun = MUCH
    house.cars[0].reads = False
    house.run(3600)
    assert not house.cars[0].asked


@pytest.mark.parametrize("late", [10.0, 20.0])
def test_a_switch_that_is_read_late_counts_once(late: float) -> None:
    """It is answered until it is read, and is one switch."""
    house = home()
    house.sun = MUCH
    car = house.cars[0]
    house.alter = lambda reading: replace(
        reading,
        chargers=(
            replace(
                reading.chargers[0],
                phase_mode=car.phase_mode
                if car.asked and reading.t - car.asked[0] >= late
                else ONE,
            ),
        ),
    )
    house.run(2400)
    assert len(house.controller.chargers[0].switches.times) == 1
    assert car.offered_a == 10.1


def test_fast_takes_three_phases() -> None:
    """As much as possible needs three phases."""
    house = home(Mode.FAST)
    house.run(60)
    assert house.cars[0].phase_mode is THREE


@pytest.mark.parametrize("mode", [Mode.MANUAL, Mode.OFF])
def test_modes_that_leave_the_phases_alone(mode: Mode) -> None:
    """These modes do not switch."""
    house = home(mode, phase_mode=THREE)
    house.sun = LITTLE
    house.run(3600)
    assert not house.cars[0].asked
