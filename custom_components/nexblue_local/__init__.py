"""NexBlue EV chargers over their local Modbus TCP interface."""

from functools import partial

from homeassistant.const import CONF_HOST, CONF_PORT, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN
from .controller import async_release_removed
from .coordinator import NexBlueConfigEntry, NexBlueCoordinator, wrong_charger_issue
from .links import async_get_links

PLATFORMS = [
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
]


async def async_setup_entry(hass: HomeAssistant, entry: NexBlueConfigEntry) -> bool:
    """Set up a charger."""
    links = async_get_links(hass)
    link = await links.acquire(entry.data[CONF_HOST], entry.data[CONF_PORT])
    # Also called when the rest of this fails.
    entry.async_on_unload(partial(links.release, link))

    coordinator = NexBlueCoordinator(hass, entry, link)
    entry.async_on_unload(coordinator.controller.async_stop)
    await coordinator.controller.async_load()
    await coordinator.async_config_entry_first_refresh()
    entry.runtime_data = coordinator

    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: NexBlueConfigEntry) -> bool:
    """Unload a charger."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: NexBlueConfigEntry) -> None:
    """Release control, and take back what was stored and reported."""
    ir.async_delete_issue(hass, DOMAIN, wrong_charger_issue(entry))
    await async_release_removed(hass, entry, async_get_links(hass))
