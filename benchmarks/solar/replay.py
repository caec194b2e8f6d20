"""The oracle's plan, carried out in the simulated home as any other strategy."""

from .car import VOLTAGE
from .days import Day
from .oracle import STEP, Step
from .strategy import MIN_CURRENT, Answer, Reading, Site
from .world import READ_INTERVAL, Setup


class Replay:
    """Pauses, starts and switches as planned, and sets the surplus that is coming."""

    def __init__(self, plan: list[Step], day: Day, setup: Setup) -> None:
        """Take the plan of a day in a home."""
        self._plan = plan
        self._surplus: list[float] = (day.solar - day.house).tolist()
        self._site: Site = setup.site
        self._car = setup.car

    def decide(self, reading: Reading) -> Answer:
        """Return the answer to a reading."""
        step = self._plan[int(reading.t) // STEP]
        if not step.on:
            return Answer(0.0, step.phases)
        first = int(reading.t) + self._car.delay
        coming = self._surplus[first : first + READ_INTERVAL] or [0.0]
        amps = sum(coming) / len(coming) / VOLTAGE / step.phases + self._car.gap
        lowest = max(MIN_CURRENT, self._car.min_current)
        current = min(max(round(amps, 1), lowest), self._site.ceiling)
        return Answer(current, step.phases)
