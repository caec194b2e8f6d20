"""Days that are made up: a clear sky, clouds that pass, and a house without a car."""

from dataclasses import dataclass
import math
import random

import numpy as np

from .days import Day, Watts

BASE = 200.0  # W, what a house always takes
FRIDGE = 90.0  # W
FRIDGE_ON = (600.0, 1200.0)  # s
FRIDGE_OFF = (1200.0, 2400.0)  # s


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """What a day's sky does to the production of 3 kW of panels."""

    peak: float  # W at noon under a clear sky
    hours: float  # of daylight
    clear: float  # s that it stays clear on average
    cloudy: float  # s that a cloud lasts on average
    through: tuple[float, float]  # share of the light that a cloud lets through
    edge: float  # s that the edge of a cloud takes
    clearing: float = 0.0  # share of the day after which clouds are over


SKIES: dict[str, Sky] = {
    "clear summer": Sky(
        peak=2600, hours=14, clear=6000, cloudy=60, through=(0.7, 0.9), edge=60
    ),
    "broken clouds": Sky(
        peak=2800, hours=13, clear=500, cloudy=300, through=(0.2, 0.5), edge=30
    ),
    "fast clouds": Sky(
        peak=2900, hours=13, clear=90, cloudy=70, through=(0.3, 0.6), edge=15
    ),
    "overcast": Sky(
        peak=2600, hours=13, clear=200, cloudy=2400, through=(0.25, 0.75), edge=400
    ),
    "cloudy morning": Sky(
        peak=2800,
        hours=14,
        clear=120,
        cloudy=900,
        through=(0.15, 0.6),
        edge=90,
        clearing=0.45,
    ),
    "winter": Sky(
        peak=1900, hours=8, clear=2400, cloudy=600, through=(0.2, 0.5), edge=90
    ),
}


def synthetic() -> list[Day]:
    """Return the days that come with the benchmark, the same at each call."""
    return [_day(name, sky) for name, sky in SKIES.items()]


def _day(name: str, sky: Sky) -> Day:
    rng = random.Random(name)
    duration = int(sky.hours * 3600)
    sun = np.sin(np.linspace(0, math.pi, duration)) ** 1.3
    return Day(name, sky.peak * sun * _light(sky, duration, rng), _house(duration, rng))


def _light(sky: Sky, duration: int, rng: random.Random) -> Watts:
    """Return the share of the light that arrives."""
    clouds_end = duration * (sky.clearing or 1.0)
    times, shares = [0.0], [1.0]

    def hold(share: float, mean: float) -> None:
        start = times[-1] + sky.edge
        times.extend((start, start + rng.expovariate(1 / mean)))
        shares.extend((share, share))

    while times[-1] < clouds_end:
        hold(rng.uniform(*sky.through), sky.cloudy)
        hold(1.0, sky.clear)
    light: Watts = np.interp(np.arange(duration), times, shares)
    return light


def _house(duration: int, rng: random.Random) -> Watts:
    """Return the load of a house: what is always on, and a fridge."""
    house = np.full(duration, BASE)
    at = rng.uniform(*FRIDGE_OFF)
    while at < duration:
        ends = at + rng.uniform(*FRIDGE_ON)
        house[int(at) : int(ends)] += FRIDGE
        at = ends + rng.uniform(*FRIDGE_OFF)
    return house
