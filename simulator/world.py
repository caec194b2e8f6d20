"""Simulate the mains and a car."""

from dataclasses import dataclass
import math

type PerPhase = tuple[float, float, float]


@dataclass
class Mains:
    """A three-phase supply whose voltage varies, and drops under load."""

    nominal: float = 230.0  # V
    offsets: PerPhase = (0.6, -0.9, 1.4)  # V
    impedance: float = 0.25  # ohm

    def voltages(self, now: float, currents: PerPhase) -> PerPhase:
        """Return the voltages to neutral in V at time `now` in s, under load in A."""
        first, second, third = (
            self.nominal
            + offset
            + 1.5 * math.sin(now / 97 + phase)
            - self.impedance * current
            for phase, (offset, current) in enumerate(
                zip(self.offsets, currents, strict=True)
            )
        )
        return first, second, third


@dataclass
class Car:
    """An electric car."""

    phases: int = 3
    min_current: float = 6.0  # A; with less, it does not charge
    max_current: float = 16.0  # A
    ramp: float = 4.0  # A/s
    battery: float = 60.0  # kWh
    charge: float = 20.0  # kWh

    @property
    def is_full(self) -> bool:
        """Return whether the battery is full."""
        return self.charge >= self.battery

    def wanted(self, offered: float) -> float:
        """Return the current in A that the car draws when `offered` A are available."""
        if self.is_full or offered < self.min_current:
            return 0.0
        return min(offered, self.max_current)


def phase_shift(current: float) -> float:
    """Return the lag of an on-board charger's current in degrees.

    Its power factor improves with the current.
    """
    return 3.0 + 30.0 / max(current, 4.0)
