"""The entities that triggers and conditions apply to."""

from collections.abc import Mapping
from typing import ClassVar

from homeassistant.components.binary_sensor import DOMAIN as BINARY_SENSOR_DOMAIN
from homeassistant.components.event import DOMAIN as EVENT_DOMAIN
from homeassistant.components.select import DOMAIN as SELECT_DOMAIN
from homeassistant.components.sensor import DOMAIN as SENSOR_DOMAIN
from homeassistant.const import UnitOfPower
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.automation import DomainSpec
from homeassistant.util.unit_conversion import BaseUnitConverter, PowerConverter

from .const import DOMAIN

BINARY_SENSORS = {BINARY_SENSOR_DOMAIN: DomainSpec()}
EVENTS = {EVENT_DOMAIN: DomainSpec()}
SELECTS = {SELECT_DOMAIN: DomainSpec()}
SENSORS = {SENSOR_DOMAIN: DomainSpec()}


class EntitiesWithKey:
    """A trigger or condition for the entities of this integration with one key.

    By default, these are binary sensors. The key is the translation key: entity IDs
    and device classes can be changed by the user, translation keys cannot.
    """

    _hass: HomeAssistant
    _domain_specs: Mapping[str, DomainSpec] = BINARY_SENSORS
    _key: ClassVar[str]

    def entity_filter(self, entities: set[str]) -> set[str]:
        """Return the enabled entities that have the key."""
        registry = er.async_get(self._hass)
        # Triggers and conditions have this method, but no base class that says so.
        found: set[str] = super().entity_filter(entities)  # type: ignore[misc]
        return {
            entity_id
            for entity_id in found
            if (entry := registry.async_get(entity_id)) is not None
            and entry.platform == DOMAIN
            and entry.translation_key == self._key
            and not entry.disabled
        }


class Surplus(EntitiesWithKey):
    """A trigger or condition for the surplus power of the site."""

    _domain_specs: Mapping[str, DomainSpec] = SENSORS
    _key = "surplus_power"
    _base_unit: str | None = UnitOfPower.WATT
    _unit_converter: type[BaseUnitConverter] = PowerConverter
