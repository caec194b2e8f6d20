"""Meter values: what was measured, in one unit for each quantity."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from ocpp.v16.enums import Measurand

from .tolerance import Moment, number

MAX_SAMPLES: Final = 500
"""Samples of one message that are read."""

_PHASES: Final = {"L1": 1, "L1-N": 1, "L2": 2, "L2-N": 2, "L3": 3, "L3-N": 3}

_FACTORS: Final[Mapping[str, float]] = dict.fromkeys(
    ("kwh", "kvarh", "kw", "kva", "kvar"), 1000.0
)

_ENERGY_UNITS: Final = {"", "wh", "kwh"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterValues:
    """The latest values; None for what was never reported.

    Chargers leave out what has not changed, so an old value is not a stale one.
    """

    energy: float | None = None
    """Energy register of the meter in Wh; some restart at 0 with each transaction."""
    power: float | None = None
    """W"""
    power_l1: float | None = None
    power_l2: float | None = None
    power_l3: float | None = None
    current: float | None = None
    """A, of a charge point that does not tell the phases apart."""
    current_l1: float | None = None
    current_l2: float | None = None
    current_l3: float | None = None
    voltage: float | None = None
    """V to neutral, of a charge point that does not tell the phases apart."""
    voltage_l1: float | None = None
    voltage_l2: float | None = None
    voltage_l3: float | None = None
    reactive_power: float | None = None
    """var"""
    power_factor: float | None = None
    frequency: float | None = None
    """Hz"""
    temperature: float | None = None
    """°C"""
    state_of_charge: float | None = None
    """%, as reported by the vehicle."""
    current_offered: float | None = None
    """A"""
    power_offered: float | None = None
    """W"""

    def merged(self, newer: MeterValues) -> MeterValues:
        """Return these values, with those of `newer` that are known."""
        return replace(self, **_known(newer))

    def without_vehicle(self) -> MeterValues:
        """Return what remains after a transaction: no current flows.

        Most charge points report nothing outside of transactions.
        """
        flows = dict.fromkeys(_known(self).keys() & _FLOWS, 0.0)
        return replace(self, **flows, state_of_charge=None)


_FLOWS: Final = {
    "current",
    "current_l1",
    "current_l2",
    "current_l3",
    "power",
    "power_l1",
    "power_l2",
    "power_l3",
    "reactive_power",
}


def _known(values: MeterValues) -> dict[str, float]:
    return {
        field.name: value
        for field in fields(values)
        if (value := getattr(values, field.name)) is not None
    }


_NAMES: Final[Mapping[str, str]] = {
    Measurand.energy_active_import_register: "energy",
    Measurand.power_active_import: "power",
    Measurand.current_import: "current",
    Measurand.voltage: "voltage",
    Measurand.power_reactive_import: "reactive_power",
    Measurand.power_factor: "power_factor",
    Measurand.frequency: "frequency",
    Measurand.temperature: "temperature",
    Measurand.soc: "state_of_charge",
    Measurand.current_offered: "current_offered",
    Measurand.power_offered: "power_offered",
}
"""The field of each measurand."""

_WITH_PHASES: Final = {"power", "current", "voltage"}

_WITHOUT_PHASES: Final = {
    "current_offered",
    "frequency",
    "power_factor",
    "power_offered",
    "state_of_charge",
    "temperature",
}
"""What is the same for all phases, whatever phase is given."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured at one time."""

    moment: Moment
    values: MeterValues


def samples(
    meter_value: object, moment_of: Callable[[object], Moment]
) -> Iterator[Sample]:
    """Return what a list of meter values of OCPP 1.6 says, by time of measurement."""
    if not isinstance(meter_value, list):
        return
    left = MAX_SAMPLES
    for entry in meter_value[:MAX_SAMPLES]:
        if not isinstance(entry, dict):
            continue
        sampled = entry.get("sampledValue")
        # A single one is not always in a list.
        sampled = sampled if isinstance(sampled, list) else [sampled]
        values = _values(sampled[:left])
        left -= len(sampled)
        if _known(values):
            yield Sample(moment_of(entry.get("timestamp")), values)
        if left <= 0:
            return


def _values(sampled: list[Any]) -> MeterValues:
    found: dict[str, float] = {}
    for sample in sampled:
        if isinstance(sample, dict) and (reading := _reading(sample)) is not None:
            found[reading[0]] = reading[1]
    powers = [found.get(f"power_l{phase}") for phase in (1, 2, 3)]
    if "power" not in found and powers[0] is not None:
        found["power"] = sum(power for power in powers if power is not None)
    return MeterValues(**found)


def _reading(sample: Mapping[str, object]) -> tuple[str, float] | None:
    """Return the field and the value of a sample, None if it is of no use."""
    measurand = sample.get("measurand") or Measurand.energy_active_import_register
    name = _NAMES.get(measurand) if isinstance(measurand, str) else None
    value = number(sample.get("value"))
    if name is None or value is None:
        return None
    unit = sample.get("unit")
    unit = unit.strip().lower() if isinstance(unit, str) else ""
    if name == "energy" and unit not in _ENERGY_UNITS:
        return None
    if name == "temperature":
        value = _celsius(value, unit)
    value *= _FACTORS.get(unit, 1.0)
    phase = sample.get("phase") or ""
    if phase == "" or name in _WITHOUT_PHASES:
        return name, value
    if not isinstance(phase, str) or phase not in _PHASES or name not in _WITH_PHASES:
        # One phase of several is not the whole, and the neutral is none.
        return None
    return f"{name}_l{_PHASES[phase]}", value


def _celsius(value: float, unit: str) -> float:
    match unit:
        case "fahrenheit" | "f" | "°f":
            return (value - 32) / 1.8
        case "k" | "kelvin":
            return value - 273.15
    return value
