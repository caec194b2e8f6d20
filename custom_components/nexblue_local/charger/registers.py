"""The register map, one line per register.

Addresses, types and units are those of the vendor's Modbus TCP document. The
ranges in `valid` are wider than the documented ones where a measurement may
exceed those. Values outside of `valid` are not possible and are read as unknown.
"""

from .codec import FLOAT32, INT16, UINT16, UINT32, UINT64, Bitset, Enumeration, Text
from .enums import (
    ChargePointState,
    ChargerErrors,
    ChargerWarnings,
    PhaseMode,
    StartStop,
    WaitingReasons,
)
from .model import Register, RegisterGroup, Table

# Possible values of measurements, in the unit of the name.
AMPERES = (-100.0, 100.0)
VOLTS = (0.0, 500.0)
WATTS = (-75_000.0, 75_000.0)
DEGREES = (-360.0, 360.0)


class Identity(RegisterGroup):
    """Identity of the charger (input registers 0-51)."""

    brand = Register(0, Text(8))
    model = Register(8, Text(8))
    serial_number = Register(16, Text(12))
    firmware_version = Register(28, Text(8))
    mapping_version = Register(36, UINT16)
    connector_count = Register(37, UINT16, valid=(1, 2))
    hardware_version = Register(44, Text(8))


class Clock(RegisterGroup):
    """The charger's clock (input registers 38-42)."""

    date = Register(38, UINT32)  # YYYYMMDD
    time = Register(40, UINT32, valid=(0, 235_959))  # HHMMSS
    timezone = Register(42, INT16, valid=(-840, 840))  # minutes east of UTC


class Reading(RegisterGroup):
    """State, measurements and alarms (input registers 100-138 and 400-402)."""

    status = Register(100, Enumeration(ChargePointState))
    current_l1 = Register(102, FLOAT32, valid=AMPERES)
    current_l2 = Register(104, FLOAT32, valid=AMPERES)
    current_l3 = Register(106, FLOAT32, valid=AMPERES)
    voltage_l1 = Register(108, FLOAT32, valid=VOLTS)
    voltage_l2 = Register(110, FLOAT32, valid=VOLTS)
    voltage_l3 = Register(112, FLOAT32, valid=VOLTS)
    phase_angle_l1 = Register(114, FLOAT32, valid=DEGREES)  # relative to L1-N
    phase_angle_l2 = Register(116, FLOAT32, valid=DEGREES)
    phase_angle_l3 = Register(118, FLOAT32, valid=DEGREES)
    power_l1 = Register(120, FLOAT32, valid=WATTS)
    power_l2 = Register(122, FLOAT32, valid=WATTS)
    power_l3 = Register(124, FLOAT32, valid=WATTS)
    power = Register(126, FLOAT32, valid=WATTS)
    session_energy = Register(128, FLOAT32, valid=(0.0, 10_000.0))  # kWh
    lifetime_energy = Register(130, UINT64, valid=(0, 10**12))  # Wh
    app_fallback_current = Register(134, FLOAT32, valid=AMPERES)
    app_max_current = Register(136, FLOAT32, valid=AMPERES)
    app_phase_mode = Register(138, Enumeration(PhaseMode))
    errors = Register(400, Bitset(ChargerErrors))
    warnings = Register(401, Bitset(ChargerWarnings))
    waiting_reasons = Register(402, Bitset(WaitingReasons))


class Settings(RegisterGroup, table=Table.HOLDING):
    """Settings that can be written (holding registers 1000-1007)."""

    current_limit = Register(1000, FLOAT32, valid=(0.0, 32.0))  # A
    fallback_limit = Register(1002, FLOAT32, valid=(0.0, 16.0))  # A; below 6 means 0
    fallback_timeout = Register(1004, UINT32, valid=(30, 1800))  # s
    start_stop = Register(1006, Enumeration(StartStop))
    phase_mode = Register(1007, Enumeration(PhaseMode))
