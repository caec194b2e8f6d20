"""Days of solar production and house load, recorded or synthetic, second by second."""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
import random

import numpy as np
import numpy.typing as npt

Watts = npt.NDArray[np.float64]
"""Power in W, one value a second."""

FLAT_HOUSE = 300.0  # W, of a recorded day that has solar alone
KETTLE_WATTS = (1200.0, 2000.0, 2800.0)
KETTLE_EVERY = 3000.0  # s, mean
KETTLE_LASTS = (60.0, 300.0)  # s
HOB_EVERY = 7200.0  # s, mean
HOB_LASTS = 1800.0  # s


@dataclass(frozen=True, slots=True)
class Day:
    """A day: solar production and the load of the house without a car."""

    name: str
    solar: Watts
    house: Watts

    def __len__(self) -> int:
        """Return the length in s."""
        return len(self.solar)

    def in_home(self, phases: int, seed: int, flicker: float = 0.0) -> Day:
        """Return this day in a home with one or three phases and random loads.

        A three-phase home has three times the panels. `flicker` is the power in W
        of a hob, none with 0.
        """
        rng = random.Random(f"{self.name} {seed}")
        house = self.house + kettles(len(self), rng)
        if flicker:
            house += flickering(len(self), flicker, rng)
        return Day(self.name, self.solar * phases, house)


def kettles(duration: int, rng: random.Random) -> Watts:
    """Return a load of short appliances."""
    load = np.zeros(duration)
    at = rng.expovariate(1 / KETTLE_EVERY)
    while at < duration:
        ends = at + rng.uniform(*KETTLE_LASTS)
        load[int(at) : int(ends)] += rng.choice(KETTLE_WATTS)
        at = ends + rng.expovariate(1 / KETTLE_EVERY)
    return load


def flickering(duration: int, watts: float, rng: random.Random) -> Watts:
    """Return the load of a hob: now and then, on and off every few seconds."""
    load = np.zeros(duration)
    at = rng.expovariate(1 / HOB_EVERY)
    while at < duration:
        cooked = at + HOB_LASTS
        while at < cooked:
            ends = at + rng.uniform(2, 10)
            load[int(at) : int(ends)] = watts
            at = ends + rng.uniform(2, 20)
        at += rng.expovariate(1 / HOB_EVERY)
    return load


def recorded(folder: Path) -> list[Day]:
    """Return the days of the CSV files in a folder.

    Columns: time (seconds or ISO 8601), solar in W, and optionally grid in W without
    a car, import positive. Rows without a value are left out. Between two rows, at
    whatever times they are, values are linear.
    """
    return [_read(file) for file in sorted(folder.glob("*.csv"))]


def _read(file: Path) -> Day:
    rows: list[tuple[float, ...]] = []
    with file.open(newline="") as lines:
        for row in list(csv.reader(lines, skipinitialspace=True))[1:]:
            try:
                rows.append((_time(row[0]), *map(float, row[1:3])))
            except ValueError:
                continue
    times, solar, *grid = map(np.array, zip(*rows, strict=True))
    seconds = np.arange(times[0], times[-1])
    solar = np.interp(seconds, times, solar)
    if grid:
        return Day(file.stem, solar, np.interp(seconds, times, grid[0]) + solar)
    return Day(file.stem, solar, np.full(len(solar), FLAT_HOUSE))


def _time(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
