"""What happens to control while nobody watches, as events of the device."""

from enum import StrEnum
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .const import DOMAIN

EVENT: Final = f"{DOMAIN}_event"
ATTR_KIND: Final = "kind"


class Kind(StrEnum):
    """What happened."""

    FALLBACK_ENGAGED = "fallback_engaged"
    """The charger took its fallback limit."""
    RESTORED = "restored"
    """What was asked for was written again; `settings` names what had been lost."""
    LIMIT_EXPIRED = "limit_expired"
    """A current limit was not renewed; `limit` in A has taken its place."""


@callback
def async_fire(
    hass: HomeAssistant, entry: ConfigEntry[Any], kind: Kind, **data: Any
) -> None:
    """Tell what happened, once the charger is a device."""
    for device in dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id):
        hass.bus.async_fire(EVENT, {ATTR_DEVICE_ID: device.id, ATTR_KIND: kind, **data})
