"""One home with panels, a meter that reports late, a charger and a car."""

from collections import deque
from dataclasses import dataclass, field
import random
from time import process_time

from .car import VOLTAGE, Car, CarModel
from .days import Day
from .phase_limits import may_switch
from .score import Score, busiest_hour
from .strategy import (
    Answer,
    ChargerRead,
    MeterReport,
    PerPhase,
    Reading,
    Site,
    Status,
    Strategy,
)

READ_INTERVAL = 5  # s between two reads of the charger
NOTICEABLE = 0.05  # A by which a changed limit differs
VOLTAGES = (VOLTAGE, VOLTAGE, VOLTAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a simulation can vary."""

    phases: int = 1  # of the home; with three, the charger can switch
    ceiling: float = 16.0  # A
    meter_interval: int = 5  # s
    meter_lag: int = 3  # s
    noise: float = 0.0  # W, standard deviation of the meter
    flicker: float = 0.0  # W
    car: CarModel = field(default_factory=CarModel)

    @property
    def site(self) -> Site:
        """What a user would configure."""
        return Site(
            ceiling=self.ceiling,
            supply_phases=self.phases,
            can_switch=self.phases > 1,
        )


@dataclass(slots=True)
class Charger:
    """A charger that refuses switches over the vendor's limits, if they are enforced."""

    car: Car
    limited: bool
    offered: float = 0.0
    phases: int = 1
    switches: list[int] = field(default_factory=list)
    refused: int = 0

    def take(self, t: int, answer: Answer) -> None:
        """Apply an answer."""
        if answer.phases not in (None, self.phases):
            self._switch(t, answer.phases)
        if answer.current != self.offered:
            self.car.offer(t, self.offered, answer.current)
            self.offered = answer.current

    def _switch(self, t: int, phases: int) -> None:
        if self.limited and not may_switch(self.switches, t):
            self.refused += 1
            return
        self.switches.append(t)
        self.phases = phases
        self.car.interrupt(t)

    def read(self, t: int) -> ChargerRead:
        """Return what the registers show."""
        current = self.car.current
        status: Status = "suspended_ev"
        if not self.offered:
            status = "suspended_evse"
        elif current:
            status = "charging"
        rest = current if self.phases > 1 else 0.0
        currents: PerPhase = (current, rest, rest)
        powers: PerPhase = (current * VOLTAGE, rest * VOLTAGE, rest * VOLTAGE)
        return ChargerRead(
            t, status, powers, currents, VOLTAGES, self.offered, self.phases
        )


@dataclass(slots=True)
class Outcome:
    """The score of a day, and the power of the car in W, second by second."""

    score: Score
    car: list[float]
    switches: list[int]


def simulate(
    day: Day, strategy: Strategy, setup: Setup, *, limited: bool = True
) -> Outcome:
    """Let a strategy charge on a day of this home, and measure it."""
    car = Car(setup.car)
    charger = Charger(car, limited)
    rng = random.Random(day.name)
    reports: deque[MeterReport] = deque()
    meter: MeterReport | None = None
    seen: ChargerRead | None = None
    score = Score()
    solar = grid = 0.0  # J
    trace: list[float] = []
    surpluses: list[float] = (day.solar - day.house).tolist()
    for t, surplus in enumerate(surpluses):
        car.advance(t)
        power = car.current * charger.phases * VOLTAGE
        if t % setup.meter_interval == 0:
            noise = rng.gauss(0, setup.noise) if setup.noise else 0.0
            reports.append(MeterReport(t + setup.meter_lag, power - surplus + noise))
        reported = bool(reports) and reports[0].at <= t
        if reported:
            meter = reports.popleft()
        if t % READ_INTERVAL == 0:
            seen = charger.read(t)
        if reported or t % READ_INTERVAL == 0:
            reading = Reading(t, meter, seen)
            began = process_time()
            answer = strategy.decide(reading)
            score.decision_time += process_time() - began
            score.decisions += 1
            _count(score, t, charger.offered, answer.current)
            charger.take(t, answer)
            # A phase switch cuts the power at once.
            power = car.current * charger.phases * VOLTAGE
        covered = min(power, max(surplus, 0.0))
        solar += covered
        grid += power - covered
        score.charging += charger.offered > 0
        trace.append(power)
    score.solar = solar / 3.6e6
    score.grid = grid / 3.6e6
    score.switches = len(charger.switches)
    score.refused = charger.refused
    score.worst_hour = busiest_hour(score.change_times)
    return Outcome(score, trace, charger.switches)


def _count(score: Score, t: int, old: float, new: float) -> None:
    """Count a change of the limit, and a stop."""
    if abs(new - old) < NOTICEABLE:
        return
    score.changes += 1
    score.change_times.append(t)
    score.stops += old > 0 and new == 0
