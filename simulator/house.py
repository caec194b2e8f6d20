"""Simulate a house: what flows between roof, house, car, battery and grid."""

from dataclasses import dataclass, field
import math
from typing import Protocol

from .world import PerPhase

STEP = 1.0
"""Simulated time in s for which powers are constant."""


def per_phase(power: float) -> PerPhase:
    """Return a power as the same part on each phase."""
    return (power / 3, power / 3, power / 3)


class Panels(Protocol):
    """Solar panels on a three-phase inverter."""

    def power(self, time: float, *, is_overcast: bool) -> float:
        """Return the power in W at `time` in s after a sunrise."""
        ...


@dataclass(frozen=True)
class Roof:
    """Solar panels on a three-phase inverter, under a sun with a day of its own."""

    peak: float = 9_000.0  # W at noon
    day: float = 3_600.0  # s from one sunrise to the next
    daylight: float = 2_700.0  # s from sunrise to sunset
    cloud_every: float = 300.0  # s between two small clouds
    cloud_depth: float = 0.3  # share of the power that a small cloud takes at most
    overcast: float = 0.15  # share of the power that is left below a closed sky

    def power(self, time: float, *, is_overcast: bool) -> float:
        """Return the power in W at `time` in s after a sunrise."""
        time %= self.day
        if time >= self.daylight:
            return 0.0
        clear = self.peak * math.sin(math.pi * time / self.daylight)
        if is_overcast:
            return self.overcast * clear
        # The fourth power leaves the sky clear for most of the time.
        cloud = max(0.0, -math.sin(2 * math.pi * time / self.cloud_every)) ** 4
        return (1 - self.cloud_depth * cloud) * clear


@dataclass
class Battery:
    """A battery that keeps the power of the grid at 0, as far as it can."""

    capacity: float = 5.0  # kWh
    charge: float = 3.0  # kWh
    max_power: float = 3_000.0  # W
    reserve: float = 0.1  # share of the capacity that is not discharged

    @property
    def level(self) -> float:
        """Return the state of charge in %."""
        return 100 * self.charge / self.capacity

    def power(self, needed: float) -> float:
        """Return the power in W, positive while it discharges, for one that is needed."""
        most = self.max_power if self.charge > self.reserve * self.capacity else 0.0
        least = -self.max_power if self.charge < self.capacity else 0.0
        return max(least, min(most, needed))


@dataclass(frozen=True)
class Flow:
    """What flows at one time in W."""

    solar: PerPhase = (0.0, 0.0, 0.0)
    house: PerPhase = (0.0, 0.0, 0.0)  # without the car
    car: PerPhase = (0.0, 0.0, 0.0)
    battery: PerPhase = (0.0, 0.0, 0.0)  # positive while it discharges

    @property
    def grid(self) -> PerPhase:
        """Return the power from the grid, negative to the grid."""
        first, second, third = (
            house + car - solar - battery
            for house, car, solar, battery in zip(
                self.house, self.car, self.solar, self.battery, strict=True
            )
        )
        return first, second, third


@dataclass
class House:
    """A house with a roof, what is switched on in it, and its energies."""

    roof: Panels = field(default_factory=Roof)
    battery: Battery | None = None
    started_at: float = 0.0  # s on the clock of `advance`
    time_at_start: float = 600.0  # s after sunrise
    base_load: PerPhase = (150.0, 120.0, 80.0)  # W
    kettle_power: float = 2_000.0  # W on L2
    main_fuse: float = 20.0  # A
    left_for_car: float = 8.0  # A below the main fuse on L1, if that is loaded
    is_overcast: bool = False
    kettle_is_on: bool = False
    l1_is_loaded: bool = False

    def __post_init__(self) -> None:
        """Initialize the flow and the energies."""
        self._now = self.started_at
        self.flow = Flow()
        self.imported = 0.0  # Wh
        self.exported = 0.0  # Wh
        self.produced = 0.0  # Wh
        self.charged = 0.0  # Wh
        self.discharged = 0.0  # Wh

    def change_roof(self, roof: Panels, time: float) -> None:
        """Have other panels, for which it is `time` in s after a sunrise now."""
        self.roof = roof
        self.time_at_start = time - (self._now - self.started_at)

    def advance(self, now: float, car: PerPhase, voltages: PerPhase) -> None:
        """Simulate the time until `now`, in which the car takes as much in W."""
        step = max(STEP, (now - self._now) / 2000)
        while self._now < now:
            seconds = min(step, now - self._now)
            self._now += seconds
            self.flow = self._flow(car, voltages)
            self._count(seconds / 3600)

    def _flow(self, car: PerPhase, voltages: PerPhase) -> Flow:
        time = self._now - self.started_at + self.time_at_start
        solar = per_phase(self.roof.power(time, is_overcast=self.is_overcast))
        l1, l2, l3 = self.base_load
        if self.kettle_is_on:
            l2 += self.kettle_power
        if self.l1_is_loaded:
            # Sun and battery on this phase are used as well: what counts is the fuse.
            at_fuse = (self.main_fuse - self.left_for_car) * voltages[0]
            l1 = max(l1, at_fuse + solar[0] + self.flow.battery[0])
        house = (l1, l2, l3)
        battery = 0.0
        if self.battery is not None:
            battery = self.battery.power(sum(house) + sum(car) - sum(solar))
        return Flow(solar, house, car, per_phase(battery))

    def _count(self, hours: float) -> None:
        """Add the energies of the current flow."""
        # A meter adds the phases before it counts.
        grid = sum(self.flow.grid) * hours
        self.imported += max(grid, 0.0)
        self.exported += max(-grid, 0.0)
        self.produced += sum(self.flow.solar) * hours
        battery = sum(self.flow.battery) * hours
        self.discharged += max(battery, 0.0)
        self.charged += max(-battery, 0.0)
        if self.battery is not None:
            self.battery.charge -= battery / 1000
