"""Test energy counters with misreads, resets and outages."""

import pytest

from custom_components.nexblue_local.modbus.energy import EnergyCounter

KWH = 1000.0


@pytest.mark.parametrize(
    ("reads", "shown"),
    [
        pytest.param(
            [(0, 10.0), (5, 10.02), (10, 10.04)], [10.0, 10.02, 10.04], id="charging"
        ),
        pytest.param(
            [(0, 10.0), (5, 0.0), (10, 10.03)], [10.0, 10.0, 10.03], id="one zero"
        ),
        pytest.param(
            [(0, 10.0), (5, 99.0), (10, 10.03)], [10.0, 10.0, 10.03], id="one leap"
        ),
        pytest.param(
            [(0, 10.0), (5, 99.0), (10, 3.0), (15, 77.0), (20, 10.1)],
            [10.0, 10.0, 10.0, 10.0, 10.1],
            id="noise never agrees with itself",
        ),
        pytest.param(
            [(0, 10.0), (5, 0.0), (10, 0.02), (15, 0.04), (20, 0.06)],
            [10.0, 10.0, 10.0, 0.04, 0.06],
            id="a new session starts at zero",
        ),
        pytest.param(
            [(0, 10.0), (3600, 32.0)], [10.0, 32.0], id="an hour without reads"
        ),
        pytest.param(
            [(0, 10.0), (3600, 45.0)], [10.0, 10.0], id="more than an hour can give"
        ),
        pytest.param(
            [(0, 10.0), (5, None), (10, 10.02)], [10.0, None, 10.02], id="unknown"
        ),
    ],
)
def test_counter(
    reads: list[tuple[float, float | None]], shown: list[float | None]
) -> None:
    """Misreads are held back, and a reset is accepted after three reads."""
    counter = EnergyCounter(wh_per_unit=KWH, hold=10)
    assert counter.accept(reads[0][1], reads[0][0] - 0.1) is None
    assert [counter.accept(value, now) for now, value in reads] == shown


def test_the_first_value_is_confirmed() -> None:
    """The first value is accepted when a second read confirms it."""
    counter = EnergyCounter(wh_per_unit=KWH, hold=10)
    assert counter.accept(0.0, 0) is None
    assert not counter.is_settled
    assert counter.accept(10.0, 5) is None
    assert counter.accept(10.01, 10) == 10.01
    assert counter.is_settled


def test_a_jump_is_held_back() -> None:
    """A jump is held back for the whole time, however often it is read."""
    counter = EnergyCounter(wh_per_unit=KWH, hold=10)
    counter.restore(10.0, -5)
    shown = [counter.accept(0.0, second) for second in range(13)]
    assert shown == [10.0] * 10 + [0.0] * 3


def test_a_meter_that_is_not_ready() -> None:
    """A first value of zero is held back for the whole time."""
    counter = EnergyCounter(wh_per_unit=KWH, hold=60)
    shown = [counter.accept(0.0, second) for second in range(0, 65, 5)]
    assert shown == [None] * 12 + [0.0]


def test_restored_value() -> None:
    """After a restart the first value is compared with the restored one."""
    counter = EnergyCounter(wh_per_unit=KWH, hold=60)
    counter.restore(10.0, -3600)
    assert counter.is_settled
    assert counter.accept(0.0, 0) == 10.0
    assert counter.accept(12.0, 5) == 12.0
