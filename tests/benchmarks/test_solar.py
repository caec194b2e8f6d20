"""The solar benchmark on short days: its world, its oracle, and all strategies."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
import subprocess
import sys
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from benchmarks.solar.car import VOLTAGE, CarModel
from benchmarks.solar.days import Day, recorded
from benchmarks.solar.evcc import Evcc
from benchmarks.solar.oracle import solve
from benchmarks.solar.pictures import draw
from benchmarks.solar.replay import Replay
from benchmarks.solar.strategies import STRATEGIES
from benchmarks.solar.strategy import Answer, Reading
from benchmarks.solar.synthetic import synthetic
from benchmarks.solar.world import Outcome, Setup, simulate

HOUR = 3600
ROOT = Path(__file__).parents[2]


class Scripted:
    """Answers what a function of the time says."""

    def __init__(self, answer: Callable[[float], Answer]) -> None:
        """Take the function."""
        self._answer = answer
        self.readings: list[Reading] = []

    def decide(self, reading: Reading) -> Answer:
        """Return the answer to a reading."""
        self.readings.append(reading)
        return self._answer(reading.t)


def constant(*watts: float, duration: int = HOUR) -> Day:
    """Return a day whose surplus takes values one after the other."""
    return Day("constant", np.repeat(watts, duration), np.zeros(len(watts) * duration))


def afternoon(phases: int) -> Day:
    """Return three hours with broken clouds and kettles."""
    day = next(day for day in synthetic() if day.name == "broken clouds")
    part = slice(5 * HOUR, 8 * HOUR)
    home = Day(day.name, day.solar[part], day.house[part].copy())
    # More than the sun can give.
    home.house[HOUR : HOUR + 60] += 10_000
    return home.in_home(phases, seed=1)


def check_switches(switches: list[int]) -> None:
    """Check the vendor's limits."""
    assert len(switches) <= 6
    assert all(later - first >= 600 for first, later in pairwise(switches))
    assert all(
        third - first >= 3600
        for first, third in zip(switches, switches[2:], strict=False)
    )


def check_energy(day: Day, outcome: Outcome) -> None:
    """Check that the car's energy came from solar surplus, and the rest from the grid."""
    car = np.array(outcome.car)
    score = outcome.score
    assert score.solar + score.grid == pytest.approx(car.sum() / 3.6e6)
    imported = np.maximum(day.house + car - day.solar, 0) - np.maximum(
        day.house - day.solar, 0
    )
    assert score.grid == pytest.approx(imported.sum() / 3.6e6)


@pytest.mark.parametrize("phases", [1, 3])
def test_strategies(phases: int) -> None:
    """No strategy is better than the oracle, and none switches over the limits."""
    day, setup = afternoon(phases), Setup(phases=phases)
    best = solve(day, setup)
    for entry in STRATEGIES.values():
        outcome = simulate(day, entry.make(setup.site), setup, limited=entry.limited)
        check_energy(day, outcome)
        assert outcome.score.solar > 0
        assert outcome.score.net <= best.score.net
        if entry.limited:
            check_switches(outcome.switches)


@pytest.mark.parametrize("phases", [1, 3])
@pytest.mark.parametrize("car", [CarModel(), CarModel(min_current=8, gap=0.7)])
def test_oracle_is_possible(phases: int, car: CarModel) -> None:
    """The oracle's plan is worth nearly as much when it is carried out."""
    day, setup = afternoon(phases), Setup(phases=phases, car=car)
    best = solve(day, setup)
    assert best.score.net == pytest.approx(best.net)
    replayed = simulate(day, Replay(best.plan, day, setup), setup)
    assert replayed.score.refused == 0
    assert replayed.score.switches == best.score.switches
    assert replayed.score.stops == best.score.stops
    assert 0.96 * best.score.net < replayed.score.net <= best.score.net


def test_oracle_knows_the_delays() -> None:
    """A start takes 15 s, a phase switch 20 s, and a switch has its price."""
    one = solve(constant(2000), Setup(phases=1)).score
    assert one.net == pytest.approx(2000 * (HOUR - 15) / 3.6e6)
    three = solve(constant(6000), Setup(phases=3)).score
    assert three.net == pytest.approx(6000 * (HOUR - 20) / 3.6e6 - 0.05)
    assert solve(constant(300), Setup(phases=3)).score.net == 0


def test_oracle_holds_or_stops() -> None:
    """It imports for a short while rather than stop, and stops for a longer one."""
    watts = 1416.0 * 2
    short = solve(Day("", *gap(watts, seconds=60)), Setup()).score
    assert short.stops == 0
    assert short.grid == pytest.approx(6 * VOLTAGE * 60 / 3.6e6)
    long = solve(Day("", *gap(watts, seconds=600)), Setup()).score
    assert (long.stops, long.grid) == (1, 0)


def gap(watts: float, seconds: int) -> tuple[np.ndarray, np.ndarray]:
    """Return solar power that is away for a while, and a house without a load."""
    solar = np.full(2 * HOUR, watts)
    solar[HOUR : HOUR + seconds] = 0
    return solar, np.zeros(2 * HOUR)


def test_oracle_keeps_the_phase_limits() -> None:
    """A surplus that calls for a switch every 15 minutes does not get them all."""
    watts = (2000, 9000) * 10
    day, setup = constant(*watts, duration=900), Setup(phases=3)
    plan = solve(day, setup).plan
    phases = [1, *(step.phases for step in plan)]
    switches = [
        index * 15 for index, (old, new) in enumerate(pairwise(phases)) if old != new
    ]
    check_switches(switches)
    assert len(switches) > 2


def test_charger_refuses_switches() -> None:
    """A strategy that always wants other phases gets what the vendor allows."""
    strategy = Scripted(lambda t: Answer(0.0, 3 if t // 100 % 2 else 1))
    outcome = simulate(constant(0, duration=8 * HOUR), strategy, Setup(phases=3))
    check_switches(outcome.switches)
    assert len(outcome.switches) == 6
    assert outcome.score.refused > 100
    seen = {reading.charger.phases for reading in strategy.readings if reading.charger}
    assert seen == {1, 3}


def test_car() -> None:
    """It starts late, follows the pilot late and slowly, and stops for a switch."""

    def answer(t: float) -> Answer:
        return Answer(6.0 if t < 100 else 16.0, 3 if t >= 200 else 1)

    outcome = simulate(constant(0), Scripted(answer), Setup(phases=3))
    amps = np.array(outcome.car) / VOLTAGE
    assert not amps[:15].any()
    assert list(amps[15:23]) == pytest.approx([1, 2, 3, 4, 5, 6, 6, 6])
    assert list(amps[103:107]) == pytest.approx([6, 7, 8, 9])
    assert amps[199] == pytest.approx(16)
    assert not amps[200:220].any()
    assert amps[240] == pytest.approx(3 * 16)


def test_car_from_8_amps() -> None:
    """A car that needs more is not charging below."""
    setup = Setup(car=CarModel(min_current=8))
    strategy = Scripted(lambda t: Answer(7.9 if t < 100 else 8.0))
    outcome = simulate(constant(0), strategy, setup)
    assert not any(outcome.car[:115])
    assert outcome.car[-1] == pytest.approx(8 * VOLTAGE)


def test_meter_is_late() -> None:
    """A report shows what was measured before the lag."""
    strategy = Scripted(lambda _: Answer(0.0))
    simulate(constant(100, 900, duration=60), strategy, Setup(meter_lag=8))
    shown = {
        reading.meter.at: -reading.meter.grid
        for reading in strategy.readings
        if reading.meter
    }
    assert shown[63] == 100
    assert shown[68] == 900
    assert all(r.meter is None or r.t - r.meter.at < 5 for r in strategy.readings)


def test_changes() -> None:
    """Changes and stops are counted, and the hour with most changes is found."""
    changes = [10, 20, 1000, 4000, 4010]

    def answer(t: float) -> Answer:
        return Answer(6.0 if sum(change <= t for change in changes) % 2 else 0.0)

    outcome = simulate(constant(0, 0), Scripted(answer), Setup())
    score = outcome.score
    assert (score.changes, score.stops, score.worst_hour) == (5, 2, 3)


def test_evcc_delays() -> None:
    """It starts after a minute of surplus and stops after three without."""
    day = constant(0, 3000, 0, duration=1800)
    outcome = simulate(day, Evcc(Setup().site), Setup())
    start, first_rise, *_, stop = outcome.score.change_times
    assert 1860 < start < 1900
    assert 15 <= first_rise - start <= 65
    assert 3780 < stop < 3820
    assert outcome.score.stops == 1
    # The change to whole amps: 3000 W are 13 A at 230 V.
    assert max(outcome.car) == pytest.approx(13 * VOLTAGE, abs=VOLTAGE)


def test_recorded_days(tmp_path: Path) -> None:
    """Rows count at their own time, and rows without a value are left out."""
    (tmp_path / "a.csv").write_text(
        '"time", "solar", "grid"\n'
        "2018-06-10 07:00:00, 500.0, -100\n"
        "2018-06-10 07:01:00, null, null\n"
        "2018-06-10 07:03:00, 680.0, -100\n"
        "2018-06-10 07:03:10, 680.0, 0\n"
    )
    (tmp_path / "b.csv").write_text("time,solar\n1000,800\n1060,\n1120,920\n")
    first, second = recorded(tmp_path)
    assert list(first.solar) == pytest.approx([*range(500, 680), *[680] * 10])
    assert list(first.house[::180]) == pytest.approx([400, 580])
    assert list(second.solar) == pytest.approx(list(range(800, 920)))
    assert list(second.house) == [300] * 120


def test_days_are_repeatable() -> None:
    """Synthetic days and random loads are the same each time, seeds are not."""
    for day, again in zip(synthetic(), synthetic(), strict=True):
        first = day.in_home(3, seed=1, flicker=500)
        second = again.in_home(3, seed=1, flicker=500)
        assert np.array_equal(first.house, second.house)
        assert np.array_equal(first.solar, 3 * day.solar)
        assert not np.array_equal(first.house, day.in_home(3, 2, 500).house)


def test_picture() -> None:
    """A picture is XML with a curve for each power."""
    day = afternoon(1)
    root = ET.fromstring(draw("Title & more", day, day.solar / 2))  # noqa: S314
    shapes = [element.get("class") for element in root if element.get("points")]
    assert shapes == ["solar", "car", "house", "import", "export"]


def test_command(tmp_path: Path) -> None:
    """The command prints each strategy's row for a folder of days."""
    rows = "\n".join(f"{60 * minute},{50 * minute}" for minute in range(90))
    (tmp_path / "morning.csv").write_text(f"time,solar\n{rows}\n")
    output = subprocess.run(  # noqa: S603
        [
            *(sys.executable, "-m", "benchmarks.solar"),
            *("--quick", "--days", tmp_path, "--phases", "3"),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "### Three-phase home, 16 A" in output
    for strategy in STRATEGIES:
        assert f"| {strategy} |" in output
