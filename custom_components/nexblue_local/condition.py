"""Conditions: whether a charger charges, whether a vehicle is connected."""

from typing import ClassVar, override

from homeassistant.const import STATE_ON
from homeassistant.core import HomeAssistant
from homeassistant.helpers.condition import Condition, EntityStateConditionBase

from .targets import BINARY_SENSORS, of_key

ON: set[str | bool] = {STATE_ON}


class _IsOn(EntityStateConditionBase):
    """A binary sensor of a charger is on."""

    _domain_specs = BINARY_SENSORS
    _states = ON
    _key: ClassVar[str]

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Leave the binary sensors of the integration that have the key."""
        return of_key(self._hass, super().entity_filter(entities), self._key)


class IsCharging(_IsOn):
    """The charger charges."""

    _key = "charging"


class VehicleIsConnected(_IsOn):
    """A vehicle is connected."""

    _key = "vehicle_connected"


CONDITIONS: dict[str, type[Condition]] = {
    "is_charging": IsCharging,
    "vehicle_is_connected": VehicleIsConnected,
}


async def async_get_conditions(hass: HomeAssistant) -> dict[str, type[Condition]]:
    """Return the conditions."""
    return CONDITIONS
