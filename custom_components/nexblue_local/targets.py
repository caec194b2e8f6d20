"""Which entities triggers and conditions are about."""

from homeassistant.components.binary_sensor import DOMAIN as BINARY_SENSOR_DOMAIN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.automation import DomainSpec

from .const import DOMAIN

BINARY_SENSORS = {BINARY_SENSOR_DOMAIN: DomainSpec()}


def of_key(hass: HomeAssistant, entity_ids: set[str], key: str) -> set[str]:
    """Return those that are enabled entities of this integration, of a key.

    Whatever they have been renamed to.
    """
    registry = er.async_get(hass)
    return {
        entity_id
        for entity_id in entity_ids
        if (entry := registry.async_get(entity_id)) is not None
        and entry.platform == DOMAIN
        and entry.translation_key == key
        and not entry.disabled
    }
