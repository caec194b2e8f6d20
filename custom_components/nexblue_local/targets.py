"""The entities that triggers and conditions apply to."""

from homeassistant.components.binary_sensor import DOMAIN as BINARY_SENSOR_DOMAIN
from homeassistant.components.event import DOMAIN as EVENT_DOMAIN
from homeassistant.components.select import DOMAIN as SELECT_DOMAIN
from homeassistant.components.sensor import DOMAIN as SENSOR_DOMAIN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.automation import DomainSpec

from .const import DOMAIN

BINARY_SENSORS = {BINARY_SENSOR_DOMAIN: DomainSpec()}
EVENTS = {EVENT_DOMAIN: DomainSpec()}
SELECTS = {SELECT_DOMAIN: DomainSpec()}
SENSORS = {SENSOR_DOMAIN: DomainSpec()}


def filter_by_key(hass: HomeAssistant, entity_ids: set[str], key: str) -> set[str]:
    """Return the enabled entities of this integration that have a translation key.

    Entity IDs and device classes can be changed by the user, translation keys
    cannot.
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
