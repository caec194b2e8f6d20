"""The charger in Home Assistant's own `modbus` YAML, as the vendor has it.

37 sensors and a verified switch: the document's addresses and types, at the
intervals of the vendor's package.
"""

from typing import Any

from custom_components.nexblue_local.modbus.codec import (
    FLOAT32,
    INT16,
    UINT16,
    UINT32,
    UINT64,
    Text,
)
from custom_components.nexblue_local.modbus.model import Register, RegisterGroup, Table
from custom_components.nexblue_local.modbus.registers import (
    Clock,
    Identity,
    Reading,
    Settings,
)

INTERVALS = {
    5: [
        *("status", "current_l1", "current_l2", "current_l3"),
        *("voltage_l1", "voltage_l2", "voltage_l3"),
        *("phase_angle_l1", "phase_angle_l2", "phase_angle_l3"),
        *("power_l1", "power_l2", "power_l3", "power"),
    ],
    10: ["session_energy", "time", "errors", "warnings", "waiting_reasons"],
    15: [
        *("app_fallback_current", "app_max_current", "app_phase_mode"),
        *("current_limit", "fallback_limit", "start_stop", "phase_mode"),
    ],
    30: ["lifetime_energy", "fallback_timeout"],
    60: ["date"],
    300: [
        *("brand", "model", "serial_number", "firmware_version"),
        *("mapping_version", "connector_count", "timezone", "hardware_version"),
    ],
}
TYPES = {
    FLOAT32: "float32",
    INT16: "int16",
    UINT16: "uint16",
    UINT32: "uint32",
    UINT64: "uint64",
}


def registers() -> dict[str, tuple[Table, Register[Any]]]:
    """Return all registers of the map by name, each with its table."""
    groups: tuple[type[RegisterGroup], ...] = (Identity, Clock, Reading, Settings)
    return {
        name: (group.table, register)
        for group in groups
        for name, register in group.registers.items()
    }


def _sensor(table: Table, register: Register[Any], interval: int) -> list[str]:
    count = register.data_type.count
    is_text = isinstance(register.data_type, Text)
    lines = [
        f"- name: {register.name}",
        f"  unique_id: {register.name}",
        "  slave: 200",
        f"  address: {register.address}",
        f"  input_type: {table}",
        f"  data_type: {'string' if is_text else TYPES.get(register.data_type, 'uint16')}",
        f"  scan_interval: {interval}",
    ]
    if is_text:
        lines.append(f"  count: {count}")
    elif count > 1:
        lines.append("  swap: word_byte")
    if register.data_type is FLOAT32:
        lines.append("  precision: 2")
    return lines


def configuration(host: str, port: int) -> str:
    """Return the YAML for a charger at an address."""
    known = registers()
    sensors = [
        f"      {line}"
        for interval, names in INTERVALS.items()
        for name in names
        for line in _sensor(*known[name], interval)
    ]
    return "\n".join(
        [
            "modbus:",
            "  - name: nexblue",
            "    type: tcp",
            f"    host: {host}",
            f"    port: {port}",
            "    sensors:",
            *sensors,
            "    switches:",
            "      - name: charging_switch",
            "        unique_id: charging_switch",
            "        slave: 200",
            "        address: 1006",
            "        scan_interval: 15",
            "        verify: {}",
            "",
        ]
    )
