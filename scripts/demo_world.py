"""The house around the demo's charger, as Home Assistant's Modbus integration reads it."""

from dataclasses import dataclass

from simulator.meter import address_of

from .home_assistant import HOST

# The names and icons of the simulated world's switches, in the order of their registers.
WORLD = {
    "Car plugged in": "mdi:car-electric",
    "Charger power": "mdi:ev-station",
    "OCPP control": "mdi:server-network",
    "Overcast sky": "mdi:weather-cloudy",
    "Kettle": "mdi:kettle",
    "Load on L1": "mdi:stove",
    "Grid meter": "mdi:meter-electric",
}
MAIN_FUSE = 20  # A


@dataclass(frozen=True)
class Quantity:
    """What Home Assistant has to know about a sensor."""

    device_class: str
    unit: str
    state_class: str = "measurement"
    precision: int = 0


POWER = Quantity("power", "W")
CURRENT = Quantity("current", "A", precision=1)
ENERGY = Quantity("energy", "kWh", "total_increasing", precision=3)

# The sensors of the grid meter, by what it measures.
METER = {
    "grid_power": ("Meter power", POWER),
    "grid_import": ("Meter import", ENERGY),
    "grid_export": ("Meter export", ENERGY),
    "current_l1": ("Meter current L1", CURRENT),
    "current_l2": ("Meter current L2", CURRENT),
    "current_l3": ("Meter current L3", CURRENT),
    "solar_power": ("Solar power", POWER),
    "solar_energy": ("Solar energy", ENERGY),
}
BATTERY = {
    "battery_power": ("Battery power", POWER),
    "battery_level": ("Battery level", Quantity("battery", "%")),
    "battery_discharged": ("Battery discharged", ENERGY),
    "battery_charged": ("Battery charged", ENERGY),
}


def world_configuration(port: int) -> str:
    """Return the YAML of the simulated world's switches."""
    lines = [
        "modbus:",
        "  - name: world",
        "    type: tcp",
        f"    host: {HOST}",
        f"    port: {port}",
        "    switches:",
    ]
    for address, name in enumerate(WORLD):
        lines += [
            f"      - name: {name}",
            f"        unique_id: world_{address}",
            "        slave: 1",
            f"        address: {address}",
            "        scan_interval: 5",
            "        verify: {}",
        ]
    return "\n".join([*lines, ""])


def meter_configuration(port: int, *, has_battery: bool) -> str:
    """Return the YAML of the grid meter's sensors."""
    lines = [
        "  - name: meter",
        "    type: tcp",
        f"    host: {HOST}",
        f"    port: {port}",
        "    timeout: 2",
        "    sensors:",
    ]
    for value, (name, quantity) in (METER | (BATTERY if has_battery else {})).items():
        lines += [
            f"      - name: {name}",
            f"        unique_id: meter_{value}",
            "        slave: 1",
            "        input_type: input",
            f"        address: {address_of(value)}",
            "        data_type: float32",
            f"        device_class: {quantity.device_class}",
            f"        unit_of_measurement: '{quantity.unit}'",
            f"        state_class: {quantity.state_class}",
            f"        precision: {quantity.precision}",
            # Home Assistant warns about less.
            "        scan_interval: 5",
        ]
    return "\n".join([*lines, ""])
