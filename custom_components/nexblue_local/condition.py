"""Conditions: whether a vehicle is connected, whether it is charging."""

from typing import ClassVar, override

from homeassistant.const import STATE_ON
from homeassistant.core import HomeAssistant
from homeassistant.helpers.condition import Condition, EntityStateConditionBase

from .targets import BINARY_SENSORS, filter_by_key

ON: set[str | bool] = {STATE_ON}


class _IsOn(EntityStateConditionBase):
    """Test if a binary sensor of a charger is on."""

    _domain_specs = BINARY_SENSORS
    _states = ON
    _key: ClassVar[str]

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Return the binary sensors that have the key."""
        return filter_by_key(self._hass, super().entity_filter(entities), self._key)


class IsCharging(_IsOn):
    """Test if a charger is charging a vehicle."""

    _key = "charging"


class VehicleIsConnected(_IsOn):
    """Test if a vehicle is connected."""

    _key = "vehicle_connected"


CONDITIONS: dict[str, type[Condition]] = {
    "is_charging": IsCharging,
    "vehicle_is_connected": VehicleIsConnected,
}


async def async_get_conditions(hass: HomeAssistant) -> dict[str, type[Condition]]:
    """Return the conditions."""
    return CONDITIONS
