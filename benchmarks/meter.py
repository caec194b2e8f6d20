"""The meter of a site with any number of chargers, and the site's configuration."""

import math
from typing import Any, Final

from homeassistant.core import HomeAssistant

SENSORS: Final = ("grid", "l1", "l2", "l3")


def site_data(chargers: int) -> dict[str, Any]:
    """Return the data of the site's config entry."""
    currents = {f"house_current_{phase}": f"sensor.{phase}" for phase in SENSORS[1:]}
    return {
        "site": {
            "grid_power": "sensor.grid",
            "fuse": {"main_fuse": 30 * max(1, chargers), **currents},
        }
    }


def report(hass: HomeAssistant, number: int, chargers: int) -> None:
    """Let the meter report: a sun that comes and goes, and a house that varies."""
    watts = chargers * (1_500 * math.sin(number / 20) + 60 * math.sin(number * 1.7))
    hass.states.async_set("sensor.grid", f"{watts:.0f}", {"unit_of_measurement": "W"})
    for phase in SENSORS[1:]:
        amps = chargers * (14 + 5 * math.sin(number / 7 + int(phase[1])))
        entity_id = f"sensor.{phase}"
        hass.states.async_set(entity_id, f"{amps:.1f}", {"unit_of_measurement": "A"})
