"""Currents of the phases of a house, from sensors that do not tell all of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from .modbus.registers import Reading
from .site_config import ChargerConfig

type Phases = tuple[float | None, float | None, float | None]
"""A value for each phase of the house; None is unknown or not measured."""

NOMINAL_VOLTAGE: Final = 230.0
LEAST_VOLTAGE: Final = 100.0
"""V below which a phase is not connected."""

LEAST_POWER_FACTOR: Final = 2 / 3
"""A current that is larger than this explains does not belong to its power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerLoad:
    """What a charger draws, by the phases of the house."""

    power_w: float = 0.0
    current_a: tuple[float, float, float] = (0.0, 0.0, 0.0)
    voltage_v: Phases = (None, None, None)
    """None where the charger is not connected, and where it is unknown."""

    @classmethod
    def from_reading(cls, reading: Reading, config: ChargerConfig) -> Self:
        """Return the load of a charger that was read; what is unknown counts as 0."""
        current = [0.0, 0.0, 0.0]
        voltage: list[float | None] = [None, None, None]
        for phase, amps, volts in (
            (config.rotation[0], reading.current_l1, reading.voltage_l1),
            (config.rotation[1], reading.current_l2, reading.voltage_l2),
            (config.rotation[2], reading.current_l3, reading.voltage_l3),
        ):
            current[phase - 1] = amps or 0.0
            voltage[phase - 1] = volts if (volts or 0.0) >= LEAST_VOLTAGE else None
        return cls(
            power_w=reading.power or 0.0,
            current_a=(current[0], current[1], current[2]),
            voltage_v=(voltage[0], voltage[1], voltage[2]),
        )


def phase_voltage(phase: int, chargers: Sequence[ChargerLoad]) -> float:
    """Return the voltage of a phase, from 0, in V: as a charger measures it, or 230."""
    measured = (charger.voltage_v[phase] for charger in chargers)
    return next((volts for volts in measured if volts is not None), NOMINAL_VOLTAGE)


def has_one_phase(measured: Sequence[int], chargers: Sequence[ChargerLoad]) -> bool:
    """Return whether the house has one phase, as far as meter and chargers show.

    `measured` are the phases with a current sensor, from 0. Without a charger that
    shows its voltages, the house may have more phases than are measured.
    """
    supplied = {
        phase
        for charger in chargers
        for phase, volts in enumerate(charger.voltage_v)
        if volts is not None
    }
    return len(measured) == 1 and supplied == set(measured)


def signed_current(current: float, voltage: float, power: float | None) -> float:
    """Return a current in A that shows no direction with the sign of its power in W.

    It counts as import if the power is unknown or too small for the current: then
    the power is of another time, or of another phase.
    """
    explained = LEAST_POWER_FACTOR * (current * voltage - voltage)
    is_export = power is not None and power < 0 and -power >= explained
    return -current if is_export else current


def shared_currents(
    other: float, chargers: Sequence[ChargerLoad]
) -> tuple[float, float, float]:
    """Return the highest currents in A that the phases can have.

    Chargers measure theirs. The `other` power in W that the house uses is assumed on
    every phase.
    """
    l1, l2, l3 = (
        other / phase_voltage(phase, chargers)
        + sum(charger.current_a[phase] for charger in chargers)
        for phase in range(3)
    )
    return l1, l2, l3
