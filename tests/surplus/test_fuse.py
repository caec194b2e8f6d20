"""The main fuse, phase by phase."""

from dataclasses import replace

import pytest

from custom_components.nexblue_local.surplus.decision import Reason
from custom_components.nexblue_local.surplus.readings import Changes, Reading
from custom_components.nexblue_local.surplus.settings import Fuse, Mode, PhaseMode

from .house import House, charger, settings

FUSE = Fuse(main_a=25, margin_a=1)


def fast(*chargers: object, mode: Mode = Mode.FAST) -> House:
    """Return a house with a fuse and nothing else on."""
    house = House(settings(*chargers, mode=mode, fuse=FUSE))  # type: ignore[arg-type]
    house.house_a = (0.0, 0.0, 0.0)
    return house


@pytest.mark.parametrize("mode", [Mode.FAST, Mode.SOLAR_MIN, Mode.SOLAR])
def test_down_at_once_and_up_late(mode: Mode) -> None:
    """What the fuse does not leave is taken back at once, and given after 60 s."""
    house = fast(mode=mode)
    house.sun = 16 * 230.0
    assert house.run(1200).current_a == 16.0
    house.house_a = (14.05, 0.0, 0.0)
    decision = house.decide().chargers[0]
    assert (decision.current_a, decision.reason) == (9.9, Reason.FUSE)
    assert decision.next_change_at is None
    house.run(60)
    house.house_a = (0.0, 0.0, 0.0)
    free_since = house.t
    while house.t < free_since + 60:
        decision = house.decide().chargers[0]
        assert decision.current_a == 9.9
        assert decision.next_change_at == free_since + 60
    assert house.decide().chargers[0].current_a == 16.0


@pytest.mark.parametrize(("others", "amps"), [(18.0, 6.0), (18.05, 0.0), (40.0, 0.0)])
def test_below_the_minimum(others: float, amps: float) -> None:
    """There is no charging below the minimum."""
    house = fast()
    house.run(30)
    house.house_a = (others, 0.0, 0.0)
    assert house.decide().chargers[0].current_a == amps


@pytest.mark.parametrize(
    ("rotation", "mode", "amps"),
    [
        ((1, 2, 3), PhaseMode.ONE, 14.0),
        ((2, 3, 1), PhaseMode.ONE, 13.0),
        ((3, 1, 2), PhaseMode.ONE, 12.0),
        ((3, 1, 2), PhaseMode.THREE, 12.0),
        ((1, 2, 3), PhaseMode.ADAPTIVE, 12.0),
    ],
)
def test_rotation(rotation: tuple[int, int, int], mode: PhaseMode, amps: float) -> None:
    """The scarcest of the phases that are used counts, and only those."""
    house = fast(
        charger(supply_phases=3, can_switch=False, rotation=rotation, phase_mode=mode)
    )
    house.house_a = (10.0, 11.0, 12.0)
    assert house.run(120).current_a == amps


def test_a_switch_counts_for_all_phases_at_once() -> None:
    """With three phases asked for, the fuse counts on all three before they are read."""
    house = fast(charger(supply_phases=3))
    house.house_a = (0.0, 0.0, 17.0)
    house.cars[0].refuses_switches = True
    decision = house.decide().chargers[0]
    assert (decision.phase_mode, decision.current_a) == (PhaseMode.THREE, 7.0)


def test_a_phase_that_is_not_measured() -> None:
    """It has no limit, as long as another phase in use is measured."""
    house = fast(charger(supply_phases=3, can_switch=False, phase_mode=PhaseMode.THREE))
    house.house_a = (None, 15.0, None)
    assert house.run(120).current_a == 9.0


@pytest.mark.parametrize("mode", [Mode.FAST, Mode.SOLAR_MIN, Mode.MANUAL])
@pytest.mark.parametrize(
    "missing",
    [
        {"house_a": None},
        {"house_a": (None, None, None)},
        {"house_a": (None, 1.0, 1.0)},
        {"house_a": (-9e9, 1.0, 1.0)},
        {"house_at": None},
        {"house_at": 1e6},
    ],
)
def test_missing(mode: Mode, missing: dict[str, object]) -> None:
    """Unknown currents mean the minimum at once, and after 60 s nothing."""
    house = fast(mode=mode)
    house.sun = 3000.0
    house.cars[0].offered_a = 16.0
    house.run(120)
    house.alter = lambda reading: replace(reading, **missing)  # type: ignore[arg-type]
    lost_at = house.t
    while house.t <= lost_at + 120:
        decision = house.decide().chargers[0]
        expected = 6.0 if house.t - house.step < lost_at + 60 else 0.0
        assert (decision.current_a, decision.reason) == (expected, Reason.FUSE)
        if expected:
            assert decision.next_change_at == lost_at + 60


@pytest.mark.parametrize(("step", "missing", "lost"), [(5, 15, 60), (30, 60, 60)])
def test_frozen(step: float, missing: float, lost: float) -> None:
    """Currents are missing after three usual intervals, at most after 60 s."""
    house = fast()
    house.step = step
    house.run(300)
    frozen = house.t - step
    house.step = 1.0
    house.alter = lambda reading: replace(reading, house_at=frozen)
    while (age := house.t - frozen) < lost + 10:
        amps = house.decide().chargers[0].current_a
        assert amps == (16.0 if age <= missing else 6.0 if age < lost else 0.0), age


def test_manual_is_left_alone_until_the_fuse_limits() -> None:
    """In `manual` the fuse takes what is too much, and then lets go."""
    house = fast(mode=Mode.MANUAL)
    car = house.cars[0]
    car.offered_a = 14.0
    assert house.run(60).current_a is None
    house.house_a = (10.0, 0.0, 0.0)
    assert house.run(60).current_a is None
    house.house_a = (14.0, 0.0, 0.0)
    decision = house.decide().chargers[0]
    assert (decision.current_a, decision.reason) == (10.0, Reason.FUSE)
    house.house_a = (12.0, 0.0, 0.0)
    assert house.run(120).current_a == 12.0
    house.house_a = (9.0, 0.0, 0.0)
    assert house.run(120).current_a is None


def test_off_needs_no_fuse() -> None:
    """Nothing is offered in `off`, for this and no other reason."""
    house = fast(mode=Mode.OFF)
    decision = house.run(60)
    assert (decision.current_a, decision.reason) == (0.0, Reason.OFF)


def test_unknown_own_current() -> None:
    """A charger whose current is unknown is taken to draw nothing."""
    house = fast()
    house.run(30)
    house.alter = lambda reading: replace(
        reading, chargers=(replace(reading.chargers[0], current_a=None, power_w=None),)
    )
    assert house.decide().chargers[0].current_a == 8.0


def test_own_current_from_power() -> None:
    """Where currents are not measured, they follow from the powers."""
    house = fast()
    house.house_a = (5.0, 0.0, 0.0)
    house.run(30)
    house.alter = lambda reading: replace(
        reading, chargers=(replace(reading.chargers[0], current_a=None),)
    )
    assert house.run(30).current_a == 16.0


def test_two_chargers_share_what_is_left() -> None:
    """What one is offered and does not draw yet is not offered to the other."""
    house = fast(charger(), charger(id="b"))
    first, second = house.decide().chargers
    assert (first.current_a, second.current_a) == (16.0, 8.0)
    house.cars[0].least_a = 99.0
    first, second = house.decide().chargers
    assert (first.current_a, second.current_a) == (16.0, 8.0)


def test_the_second_gives_way_before_the_first_pauses() -> None:
    """Where only one can charge, it is the first."""
    house = fast(charger(), charger(id="b"))
    house.run(120)
    house.house_a = (17.0, 0.0, 0.0)
    first, second = house.decide().chargers
    assert (first.current_a, second.current_a) == (6.0, 0.0)
    for _ in range(4):
        first, second = house.decide().chargers
        assert (first.current_a, second.current_a) == (6.0, 0.0)
    house.run(60)
    assert house.decisions[-1].chargers[0].current_a == 7.0


def test_a_second_charger_that_does_not_give_way() -> None:
    """If the second goes on drawing, the first has to pause."""
    house = fast(charger(), charger(id="b"))
    house.run(120)
    house.house_a = (17.0, 0.0, 0.0)
    stuck = house.cars[1].offered_a
    for _ in range(5):
        house.decide()
        house.cars[1].offered_a = stuck
    assert house.decisions[-1].chargers[0].current_a == 0.0


def test_chargers_on_other_phases_do_not_share() -> None:
    """Each phase has its own headroom."""
    house = fast(charger(), charger(id="b", rotation=(2, 3, 1)))
    assert [each.current_a for each in house.decide().chargers] == [16.0, 16.0]


def test_without_car_nothing_is_reserved() -> None:
    """A charger without a car leaves its share to the next."""
    house = fast(charger(), charger(id="b"))
    house.cars[0].status = house.cars[0].status.AVAILABLE
    assert house.decide().chargers[1].current_a == 16.0


def test_a_mode_that_changes_keeps_the_fuse() -> None:
    """Another mode does not get more than the fuse leaves."""
    house = fast(mode=Mode.SOLAR)
    house.house_a = (16.0, 0.0, 0.0)
    house.run(30)
    decision = house.decide(Changes(mode={"a": Mode.FAST})).chargers[0]
    assert decision.current_a == 8.0


def test_fuse_with_reports_one_after_the_other() -> None:
    """Phase sensors that report every 30 s, in three messages, leave the car its current."""
    house = House(settings(mode=Mode.FAST, fuse=Fuse(main_a=25, margin_a=1)))
    house.house_a = (0.0, 0.0, 0.0)
    house.step = 0.1

    def alter(reading: Reading) -> Reading:
        at = reading.t - max(0.0, reading.t % 30 - 0.2)
        return replace(reading, house_at=at, grid_at=at)

    house.alter = alter
    house.run(900)
    amps = {d.chargers[0].current_a for d in house.decisions[-3000:]}
    assert amps == {16.0}
