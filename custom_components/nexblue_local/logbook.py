"""What the logbook says of the events of a charger."""

from collections.abc import Callable

from homeassistant.components.logbook import (
    LOGBOOK_ENTRY_ICON,
    LOGBOOK_ENTRY_MESSAGE,
    LOGBOOK_ENTRY_NAME,
)
from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .const import DOMAIN
from .events import ATTR_KIND, EVENT, Kind

# Home Assistant has no translations for these.
MESSAGES = {
    Kind.FALLBACK_ENGAGED: "took its fallback limit",
    Kind.RESTORED: "was given back what it had lost: {settings}",
    Kind.LIMIT_EXPIRED: "now has {limit:g} A, as its current limit was not renewed",
}


@callback
def async_describe_events(
    hass: HomeAssistant,
    async_describe_event: Callable[[str, str, Callable[[Event], dict[str, str]]], None],
) -> None:
    """Describe the events of chargers."""
    registry = dr.async_get(hass)

    @callback
    def describe(event: Event) -> dict[str, str]:
        device = registry.async_get(event.data[ATTR_DEVICE_ID])
        name = (device.name_by_user or device.name) if device else None
        return {
            LOGBOOK_ENTRY_ICON: "mdi:ev-station",
            LOGBOOK_ENTRY_NAME: name or "NexBlue",
            LOGBOOK_ENTRY_MESSAGE: MESSAGES[Kind(event.data[ATTR_KIND])].format(
                **event.data
            ),
        }

    async_describe_event(DOMAIN, EVENT, describe)
