"""The power of the house, which meters and chargers that are read apart do not spoil."""

from custom_components.nexblue_local.house_power import HousePower


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


def test_without_a_meter() -> None:
    """Nothing is shown, and nothing old afterwards."""
    assert shown((1, 300), (None, None), (9, 500)) == [300, None, 500]
