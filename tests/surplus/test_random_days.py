"""Random days, meters, cars and faults: what must hold, whatever happens."""

from dataclasses import dataclass, field, replace
import itertools
import json
import math
import random

import pytest

from custom_components.nexblue_local.surplus.controller import Controller
from custom_components.nexblue_local.surplus.decision import ChargerDecision, Decision
from custom_components.nexblue_local.surplus.readings import (
    Changes,
    ChargerReading,
    Reading,
    Status,
)
from custom_components.nexblue_local.surplus.settings import (
    Battery,
    ChargerSettings,
    Fuse,
    Mode,
    PhaseMode,
    Restarts,
    Settings,
)

VOLTS = 235.0
STEPS = 2500


@dataclass
class Car:
    """A charger and a car that follow late, sleep, refuse, break and leave."""

    settings: ChargerSettings
    rng: random.Random
    amps: float = 0.0
    offered_a: float = 0.0
    mode: PhaseMode = PhaseMode.ONE
    shown: PhaseMode = PhaseMode.ONE
    status: Status = Status.CHARGING
    read: ChargerReading | None = None

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if self.rng.random() < 0.005:
            self.status = self.rng.choice(list(Status))
        elif self.rng.random() < 0.05:
            self.status = Status.CHARGING
        can_charge = self.status is Status.CHARGING and self.offered_a >= 6
        wanted = self.offered_a - 0.4 if can_charge else 0.0
        self.amps += max(-seconds, min(seconds, wanted - self.amps))
        if self.rng.random() < 0.3:
            self.shown = self.mode

    @property
    def phases(self) -> int:
        """Return the phases in use."""
        is_one = self.mode is PhaseMode.ONE or self.settings.supply_phases == 1
        return 1 if is_one else 3

    def reading(self, t: float) -> ChargerReading:
        """Return what is read: sometimes nothing, or what was read before."""
        fault = self.rng.random()
        if fault < 0.02:
            return ChargerReading(id=self.settings.id)
        if self.read is None or fault < 0.7:
            rest = self.amps if self.phases == 3 else 0.0
            amps = (self.amps, rest, rest)
            self.read = ChargerReading(
                id=self.settings.id,
                at=t,
                status=self.status,
                power_w=(amps[0] * VOLTS, rest * VOLTS, rest * VOLTS),
                current_a=amps if self.rng.random() < 0.8 else None,
                voltage_v=(VOLTS, VOLTS, VOLTS),
                offered_a=self.offered_a,
                phase_mode=self.shown,
            )
        return self.read

    def take(self, decision: ChargerDecision) -> None:
        """Do as decided, most of the time."""
        if self.rng.random() < 0.9:
            if decision.current_a is not None:
                self.offered_a = decision.current_a
            if decision.phase_mode is not None and self.rng.random() < 0.5:
                self.mode = decision.phase_mode


@dataclass
class Day:
    """A random house, and every reading and decision of a day in it."""

    seed: int
    settings: Settings = field(init=False)
    readings: list[Reading] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    states: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make up a house and drive it."""
        rng = random.Random(self.seed)  # noqa: S311 (no secret)
        self.settings = _settings(rng)
        controller = Controller(self.settings)
        cars = [
            Car(each, rng, mode=each.phase_mode, shown=each.phase_mode)
            for each in self.settings.chargers
        ]
        interval = rng.choice([1.0, 5.0, 10.0, 30.0])
        t = grid_at = house_at = 0.0
        grid: float | None = 0.0
        outage = 0.0
        for _ in range(STEPS):
            seconds = rng.choice([0.0, 1.0, 2.5, 5.0])
            t += seconds
            sun = 5000 * (1 + math.sin(t / 700)) * rng.uniform(0.8, 1.0)
            others = [rng.choice([1.0, 3.0, 5.0, 25.0 * (rng.random() < 0.03)])] * 3
            for car in cars:
                car.advance(seconds)
                for index in range(car.phases):
                    others[car.settings.rotation[index] - 1] += car.amps
            if rng.random() < 0.003:
                outage = t + rng.choice([20.0, 70.0, 400.0])
            if t - grid_at >= interval and t > outage:
                grid, grid_at = sum(others) * VOLTS - sun, t
                grid = rng.choice([None, 1e6]) if rng.random() < 0.01 else grid
            if t > outage or rng.random() < 0.1:
                house_at = t
            house = None if rng.random() < 0.01 else (others[0], others[1], others[2])
            reading = Reading(
                t=t,
                grid_w=grid,
                grid_at=grid_at,
                house_a=house,
                house_at=house_at,
                battery_w=None if rng.random() < 0.01 else rng.uniform(-2000, 2000),
                battery_soc=rng.uniform(0, 100),
                chargers=tuple(car.reading(t) for car in cars),
                changes=_changes(rng, self.settings) if rng.random() < 0.005 else None,
            )
            self.readings.append(reading)
            self.states.append(json.dumps(controller.dump()))
            self.decisions.append(controller.decide(reading))
            for car, decision in zip(cars, self.decisions[-1].chargers, strict=True):
                car.take(decision)


def _settings(rng: random.Random) -> Settings:
    """Make up settings."""
    return Settings(
        fuse=Fuse() if rng.random() < 0.7 else None,
        battery=Battery(car_first_above_soc=50) if rng.random() < 0.5 else None,
        restarts=rng.choice(list(Restarts)),
        chargers=tuple(
            ChargerSettings(
                id=name,
                mode=rng.choice([Mode.SOLAR, Mode.SOLAR, *Mode]),
                ceiling_a=rng.choice([5.0, 10.0, 16.0, 32.0]),
                supply_phases=rng.choice([1, 3, 3]),
                can_switch=rng.random() < 0.7,
                rotation=rng.choice([(1, 2, 3), (2, 3, 1), (3, 1, 2)]),
                phase_mode=rng.choice(list(PhaseMode)),
            )
            for name in "abc"[: rng.randint(1, 3)]
        ),
    )


def _changes(rng: random.Random, settings: Settings) -> Changes:
    """Make up what a user changes."""
    charger = rng.choice(settings.chargers)
    return Changes(
        mode={charger.id: rng.choice([Mode.SOLAR, *Mode])},
        ceiling_a={charger.id: rng.choice([0.0, 8.0, 16.0])},
    )


@pytest.fixture(scope="module", params=range(12))
def day(request: pytest.FixtureRequest) -> Day:
    """Return a random day."""
    return Day(request.param)


def follow(day: Day, index: int) -> list[tuple[Reading, ChargerDecision, Mode, float]]:
    """Return readings and decisions of a charger, with the mode and the ceiling."""
    settings = day.settings.chargers[index]
    mode, ceiling = settings.mode, settings.ceiling_a
    result = []
    for reading, decision in zip(day.readings, day.decisions, strict=True):
        if reading.changes is not None:
            mode = reading.changes.mode.get(settings.id, mode)
            ceiling = reading.changes.ceiling_a.get(settings.id, ceiling)
        result.append((reading, decision.chargers[index], mode, ceiling))
    return result


def test_ceilings(day: Day) -> None:
    """0, or from the minimum to the ceiling in steps of 0.1 A; null in `manual` only."""
    for index, settings in enumerate(day.settings.chargers):
        for _, decision, mode, ceiling in follow(day, index):
            amps = decision.current_a
            if amps is None:
                assert mode is Mode.MANUAL
            elif amps:
                assert settings.min_a <= amps <= ceiling
                assert amps == round(amps, 1)
                assert mode is not Mode.OFF
            at = decision.next_change_at
            assert at is None or at > 0


def test_budget(day: Day) -> None:
    """600 s apart, two in any hour, whoever made them."""
    for index, settings in enumerate(day.settings.chargers):
        read, asked = settings.phase_mode, False
        switches: list[float] = []
        is_first = True
        for reading, decision, _, _ in follow(day, index):
            charger = reading.chargers[index]
            if charger.at is not None and charger.phase_mode is not None:
                if charger.phase_mode is not read and not is_first and not asked:
                    switches.append(reading.t)
                read, is_first = charger.phase_mode, False
            is_asking = decision.phase_mode not in (None, read)
            if is_asking and not asked:
                assert settings.can_switch
                assert settings.supply_phases == 3
                last = switches[-1] if switches else -math.inf
                before = switches[-2] if len(switches) > 1 else -math.inf
                assert reading.t - last >= 600
                assert reading.t - before >= 3600
                assert charger.at is not None
                assert reading.t - charger.at <= 30
                switches.append(reading.t)
            # What shows up late is not another switch.
            asked = is_asking or (
                asked and bool(switches) and reading.t - switches[-1] < 120
            )


def test_fuse(day: Day) -> None:
    """No more than the fuse leaves, on each measured phase in use."""
    if day.settings.fuse is None:
        return
    is_shared = len(day.settings.chargers) > 1
    for index, settings in enumerate(day.settings.chargers):
        read = settings.phase_mode
        for reading, decision, mode, _ in follow(day, index):
            charger = reading.chargers[index]
            read = charger.phase_mode or read
            if mode is Mode.OFF or not decision.current_a:
                continue
            age = reading.t - (reading.house_at or 0.0)
            if reading.house_a is None or age > 60:
                assert decision.current_a <= settings.min_a
                continue
            is_one = read is PhaseMode.ONE or settings.supply_phases == 1
            for position in range(1 if is_one else 3):
                phase = settings.rotation[position] - 1
                own = charger.current_a[position] if charger.current_a else None
                own = own if own is not None else _own(charger, position)
                house = reading.house_a[phase]
                assert house is not None
                left = 24.0 - (house - own) + 1e-6
                # One that gives way leaves the minimum to the one before it.
                least = settings.min_a if is_shared else 0.0
                assert decision.current_a <= max(left, least)


def _own(charger: ChargerReading, position: int) -> float:
    power = charger.power_w[position] if charger.power_w else None
    return (power or 0.0) / VOLTS


def test_no_offer_without_a_meter(day: Day) -> None:
    """At most the minimum without a grid meter, and after 60 s nothing."""
    for index, settings in enumerate(day.settings.chargers):
        invalid_since = None
        for reading, decision, mode, _ in follow(day, index):
            grid = reading.grid_w
            if grid is not None and abs(grid) <= 100_000:
                invalid_since = None
            elif invalid_since is None:
                invalid_since = reading.t
            if mode not in {Mode.SOLAR, Mode.SOLAR_MIN} or not decision.current_a:
                continue
            age = reading.t - (reading.grid_at or 0.0)
            if invalid_since is not None or age > 110:
                assert decision.current_a == settings.min_a
            if mode is Mode.SOLAR:
                assert invalid_since is None or reading.t < invalid_since + 60
                assert age < 360


def test_no_rise_of_a_charger_that_cannot_be_read(day: Day) -> None:
    """It is offered no more than before."""
    for index in range(len(day.settings.chargers)):
        for (_, before, mode, _), (reading, decision, now, _) in itertools.pairwise(
            follow(day, index)
        ):
            at = reading.chargers[index].at
            if at is not None and reading.t - at <= 30:
                continue
            assert decision.phase_mode is None
            if mode is now and before.current_a is not None:
                assert (decision.current_a or 0.0) <= before.current_a


def test_same_again(day: Day) -> None:
    """The same readings lead to the same decisions."""
    controller = Controller(day.settings)
    assert [controller.decide(each) for each in day.readings] == day.decisions


def test_restart_in_the_middle(day: Day) -> None:
    """A controller that starts with what another knew begins with what is safe."""
    for index in range(100, STEPS, 100):
        controller = Controller(day.settings, json.loads(day.states[index]))
        reading = replace(day.readings[index], changes=None)
        first = controller.decide(reading)
        for decision, charger in zip(first.chargers, controller.chargers, strict=True):
            if charger.mode is Mode.SOLAR:
                assert decision.current_a == 0.0
            if charger.mode is Mode.SOLAR_MIN:
                assert (decision.current_a or 0.0) <= charger.settings.min_a
        for later in day.readings[index + 1 : index + 20]:
            controller.decide(later)
