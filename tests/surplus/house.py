"""A house with a driven clock: cars that follow at once, and meters that can fail."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from custom_components.nexblue_local.surplus.controller import Controller
from custom_components.nexblue_local.surplus.decision import ChargerDecision, Decision
from custom_components.nexblue_local.surplus.readings import (
    NO_CAR,
    Changes,
    ChargerReading,
    Reading,
    Status,
)
from custom_components.nexblue_local.surplus.settings import (
    ChargerSettings,
    Mode,
    PhaseMode,
    Settings,
)

VOLTS = 230.0


def charger(**changes: Any) -> ChargerSettings:
    """Return the settings of a one-phase charger."""
    return ChargerSettings(**{"id": "a", "supply_phases": 1, **changes})


def settings(
    *chargers: ChargerSettings, mode: Mode = Mode.SOLAR, **changes: Any
) -> Settings:
    """Return settings of a house whose chargers have the same mode."""
    each_with_mode = (replace(each, mode=mode) for each in chargers or (charger(),))
    return Settings(chargers=tuple(each_with_mode), **changes)


@dataclass(kw_only=True)
class Car:
    """A charger and a car that takes what it is offered."""

    settings: ChargerSettings
    status: Status = Status.CHARGING
    phase_mode: PhaseMode = PhaseMode.ONE
    refuses_switches: bool = False
    takes_one_phase: bool = False
    least_a: float = 6.0
    most_a: float = 32.0
    gap_a: float = 0.0
    reads: bool = True
    at: float | None = None
    offered_a: float = 0.0
    asked: list[float] = field(default_factory=list)
    """When a switch was asked for."""

    @property
    def phases(self) -> int:
        """Return the phases in use."""
        if self.settings.supply_phases == 1 or self.phase_mode is PhaseMode.ONE:
            return 1
        return 1 if self.takes_one_phase else 3

    @property
    def amps(self) -> float:
        """Return the current in A."""
        if self.status in NO_CAR or self.offered_a < self.least_a:
            return 0.0
        return min(self.offered_a - self.gap_a, self.most_a)

    @property
    def watts(self) -> float:
        """Return the power in W."""
        return self.amps * VOLTS * self.phases

    def reading(self, t: float) -> ChargerReading:
        """Return what is read."""
        if self.reads:
            self.at = t
        rest = self.amps if self.phases == 3 else 0.0
        amps = (self.amps, rest, rest)
        return ChargerReading(
            id=self.settings.id,
            at=self.at,
            status=self.status,
            power_w=(amps[0] * VOLTS, rest * VOLTS, rest * VOLTS),
            current_a=amps,
            voltage_v=(VOLTS, VOLTS, VOLTS),
            offered_a=self.offered_a,
            phase_mode=self.phase_mode,
        )

    def take(self, t: float, decision: ChargerDecision) -> None:
        """Do as decided."""
        if decision.current_a is not None:
            self.offered_a = decision.current_a
        if decision.phase_mode not in (None, self.phase_mode):
            self.asked.append(t)
            if not self.refuses_switches:
                self.phase_mode = decision.phase_mode


class House:
    """Drives a controller with what the house measures."""

    def __init__(self, settings: Settings, state: dict[str, Any] | None = None) -> None:
        """Begin at midnight, without sun."""
        self.settings = settings
        self.controller = Controller(settings, state)
        self.cars = [
            Car(settings=each, phase_mode=each.phase_mode) for each in settings.chargers
        ]
        self.t = 0.0
        self.sun = 0.0
        """W that the chargers can use."""
        self.step = 5.0
        self.alter: Callable[[Reading], Reading] = lambda reading: reading
        self.house_a: tuple[float | None, float | None, float | None] | None = None
        """A of the house without the chargers."""
        self.decisions: list[Decision] = []

    def reading(self) -> Reading:
        """Return everything that is measured now."""
        amps: list[float | None] | None = None
        if self.house_a is not None:
            amps = list(self.house_a)
            for car in self.cars:
                for index in range(car.phases):
                    phase = car.settings.rotation[index] - 1
                    before = amps[phase]
                    amps[phase] = None if before is None else before + car.amps
        return Reading(
            t=self.t,
            grid_w=sum(car.watts for car in self.cars) - self.sun,
            grid_at=self.t,
            house_a=None if amps is None else (amps[0], amps[1], amps[2]),
            house_at=self.t,
            chargers=tuple(car.reading(self.t) for car in self.cars),
        )

    def decide(self, changes: Changes | None = None) -> Decision:
        """Take one reading, do as decided, and let time pass."""
        reading = self.alter(replace(self.reading(), changes=changes))
        decision = self.controller.decide(reading)
        for car, each in zip(self.cars, decision.chargers, strict=True):
            car.take(self.t, each)
        self.decisions.append(decision)
        self.t += self.step
        return decision

    def run(self, seconds: float) -> ChargerDecision:
        """Go on for some time; return the last decision for the first charger."""
        end = self.t + seconds
        while self.t < end:
            self.decide()
        return self.decisions[-1].chargers[0]

    def run_until_charging(self) -> ChargerDecision:
        """Go on until the first charger charges."""
        while not self.run(self.step).current_a:
            assert self.t < 7200
        return self.decisions[-1].chargers[0]
