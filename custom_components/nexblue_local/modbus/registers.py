"""The register map, one line per register.

Addresses, types and units are those of the vendor's Modbus TCP document. The
ranges in `valid` are wider than the documented ones where a measurement may
exceed those. Values outside of `valid` are not possible and are read as unknown.
"""

from dataclasses import dataclass
from typing import Final

from .codec import FLOAT32, INT16, UINT16, UINT32, UINT64, Bitset, Enumeration, Text
from .enums import (
    ChargePointState,
    ChargerErrors,
    ChargerWarnings,
    PhaseMode,
    StartStop,
    WaitingReasons,
)
from .model import Register, RegisterGroup, Table, register

# Possible values of measurements, in the unit of the name.
AMPERES = (-100.0, 100.0)
VOLTS = (0.0, 500.0)
WATTS = (-75_000.0, 75_000.0)
DEGREES = (-360.0, 360.0)


@dataclass(frozen=True, kw_only=True)
class Identity(RegisterGroup):
    """Identity of the charger (input registers 0-51)."""

    brand: str | None = register(0, Text(8))
    model: str | None = register(8, Text(8))
    serial_number: str | None = register(16, Text(12))
    firmware_version: str | None = register(28, Text(8))
    mapping_version: int | None = register(36, UINT16)
    connector_count: int | None = register(37, UINT16, valid=(1, 2))
    hardware_version: str | None = register(44, Text(8))


@dataclass(frozen=True, kw_only=True)
class Clock(RegisterGroup):
    """The charger's clock (input registers 38-42)."""

    date: int | None = register(38, UINT32)  # YYYYMMDD
    time: int | None = register(40, UINT32, valid=(0, 235_959))  # HHMMSS
    timezone: int | None = register(42, INT16, valid=(-840, 840))  # minutes east of UTC


@dataclass(frozen=True, kw_only=True)
class Reading(RegisterGroup):
    """State, measurements and alarms (input registers 100-138 and 400-402).

    Phase angles are relative to the voltage between L1 and neutral.
    """

    status: ChargePointState | None = register(100, Enumeration(ChargePointState))
    current_l1: float | None = register(102, FLOAT32, valid=AMPERES)
    current_l2: float | None = register(104, FLOAT32, valid=AMPERES)
    current_l3: float | None = register(106, FLOAT32, valid=AMPERES)
    voltage_l1: float | None = register(108, FLOAT32, valid=VOLTS)
    voltage_l2: float | None = register(110, FLOAT32, valid=VOLTS)
    voltage_l3: float | None = register(112, FLOAT32, valid=VOLTS)
    phase_angle_l1: float | None = register(114, FLOAT32, valid=DEGREES)
    phase_angle_l2: float | None = register(116, FLOAT32, valid=DEGREES)
    phase_angle_l3: float | None = register(118, FLOAT32, valid=DEGREES)
    power_l1: float | None = register(120, FLOAT32, valid=WATTS)
    power_l2: float | None = register(122, FLOAT32, valid=WATTS)
    power_l3: float | None = register(124, FLOAT32, valid=WATTS)
    power: float | None = register(126, FLOAT32, valid=WATTS)
    session_energy: float | None = register(128, FLOAT32, valid=(0.0, 10_000.0))  # kWh
    lifetime_energy: float | None = register(130, UINT64, valid=(0, 10**12))  # Wh
    app_fallback_current: float | None = register(134, FLOAT32, valid=AMPERES)
    app_max_current: float | None = register(136, FLOAT32, valid=AMPERES)
    app_phase_mode: PhaseMode | None = register(138, Enumeration(PhaseMode))
    errors: ChargerErrors | None = register(400, Bitset(ChargerErrors))
    warnings: ChargerWarnings | None = register(401, Bitset(ChargerWarnings))
    waiting_reasons: WaitingReasons | None = register(402, Bitset(WaitingReasons))


@dataclass(frozen=True, kw_only=True)
class Settings(RegisterGroup, table=Table.HOLDING):
    """Settings that can be written (holding registers 1000-1007).

    The charger treats a fallback limit below 6 A as 0.
    """

    current_limit: float | None = register(1000, FLOAT32, valid=(0.0, 32.0))  # A
    fallback_limit: float | None = register(1002, FLOAT32, valid=(0.0, 16.0))  # A
    fallback_timeout: int | None = register(1004, UINT32, valid=(30, 1800))  # s
    start_stop: StartStop | None = register(1006, Enumeration(StartStop))
    phase_mode: PhaseMode | None = register(1007, Enumeration(PhaseMode))


# The registers of the settings, for writes.
CURRENT_LIMIT: Final[Register[float]] = Settings.registers["current_limit"]
FALLBACK_LIMIT: Final[Register[float]] = Settings.registers["fallback_limit"]
FALLBACK_TIMEOUT: Final[Register[int]] = Settings.registers["fallback_timeout"]
START_STOP: Final[Register[StartStop]] = Settings.registers["start_stop"]
PHASE_MODE: Final[Register[PhaseMode]] = Settings.registers["phase_mode"]
