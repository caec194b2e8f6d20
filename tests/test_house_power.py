"""The power of the house, which meters and chargers that are read apart do not spoil."""

from custom_components.nexblue_local.house_power import HOLD, HousePower


def shown(*reports: tuple[float | None, float | None]) -> list[float | None]:
    """Return what is shown after each of some reports."""
    house = HousePower()
    values = []
    for reported_at, power in reports:
        house.update(reported_at, power)
        values.append(house.value)
    return values


def test_from_the_first_report() -> None:
    """There is a value from the first report on."""
    assert shown((1, 300), (6, 310), (11, 320)) == [300, 310, 310]


def test_a_car_that_starts() -> None:
    """It does not show as a load of the house, nor does one that stops."""
    reports = ((1, 300), (6, 310), (11, 320), (16, 7000), (21, 330), (26, 0), (31, 340))
    assert shown(*reports)[3:] == [320, 330, 330, 330]


def test_a_load_that_stays() -> None:
    """It shows with its second report."""
    reports = ((1, 300), (6, 300), (11, 300), (16, 2300), (21, 2300))
    assert shown(*reports)[3:] == [300, 2300]


def test_read_again() -> None:
    """A charger that is read after the report corrects it."""
    assert shown((1, 300), (6, 310), (11, 7000), (11, 320))[-1] == 310


def test_a_car_that_the_meter_does_not_show_yet() -> None:
    """The last good value is shown, or nothing if there is none."""
    assert shown((1, -3700), (6, 300), (6, -3700), (11, -3400)) == [None, 300, 300, 300]


def test_a_negative_power_that_lasts() -> None:
    """After a minute it is shown as zero, until it is positive again."""
    reports = ((5, 300), (6, -1), (6 + HOLD, -1), (7 + HOLD, -1), (8 + HOLD, -1))
    assert shown(*reports) == [300, 300, 300, 0, 0]
    again = ((9 + HOLD, 400), (10 + HOLD, 410))
    assert shown(*reports, *again)[-1] == 400


def test_without_a_meter() -> None:
    """Nothing is shown, and nothing old afterwards."""
    assert shown((1, 300), (None, None), (9, 500)) == [300, None, 500]
