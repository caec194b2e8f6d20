"""NexBlue EV chargers over their local Modbus TCP interface."""

from datetime import datetime
from functools import partial
from typing import Final

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
    ConfigEntryState,
)
from homeassistant.const import CONF_HOST, CONF_PORT, Platform
from homeassistant.core import CALLBACK_TYPE, HassJob, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.typing import ConfigType
from homeassistant.util.hass_dict import HassKey

from .charger.errors import InUse, WrongCharger
from .const import DOMAIN
from .coordinator import (
    NexBlueConfigEntry,
    NexBlueCoordinator,
    async_forget,
    async_forget_use,
)
from .links import async_get_links
from .services import async_setup_services
from .storage import async_release_removed

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)

PLATFORMS = [
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
]

RESTORE_RETRY: Final = 5.0
"""Seconds to the next try to set a charger up that waits for its intent."""

LEAVE_ALONE: Final = 60.0
"""The same while somebody else's connection would be disturbed."""

# What cancels these tries, by entry.
_RETRIES: HassKey[dict[str, CALLBACK_TYPE]] = HassKey(f"{DOMAIN}_retries")


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Register the actions, and forget what was reported of disabled chargers.

    A reload leaves the reports where they are, and whether they are ignored.
    """
    async_setup_services(hass)

    @callback
    def changed(_: ConfigEntryChange, entry: ConfigEntry) -> None:
        if entry.domain == DOMAIN and entry.disabled_by is not None:
            async_forget(hass, entry)

    async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, changed)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: NexBlueConfigEntry) -> bool:
    """Set up a charger."""
    if cancel := hass.data.setdefault(_RETRIES, {}).pop(entry.entry_id, None):
        cancel()
    links = async_get_links(hass)
    link = await links.acquire(entry.data[CONF_HOST], entry.data[CONF_PORT])
    # Also called when the rest of this fails.
    entry.async_on_unload(partial(links.release, link))

    coordinator = NexBlueCoordinator(hass, entry, link)
    entry.async_on_unload(coordinator.controller.async_stop)
    await coordinator.controller.async_load()
    try:
        await coordinator.async_config_entry_first_refresh()
    except ConfigEntryNotReady:
        if coordinator.controller.control.intent.values:
            _async_retry_soon(hass, entry, coordinator.last_exception)
        raise
    entry.runtime_data = coordinator

    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    return True


@callback
def _async_retry_soon(
    hass: HomeAssistant, entry: NexBlueConfigEntry, failure: BaseException | None
) -> None:
    """Set a charger up again without Home Assistant's growing intervals.

    They reach ten minutes, for which a charger that is back would be left to
    its fallback.
    """

    @callback
    def retry(_: datetime) -> None:
        hass.data[_RETRIES].pop(entry.entry_id)
        # It may have been removed, disabled or set up by somebody else since.
        if entry.state is ConfigEntryState.SETUP_RETRY:
            hass.config_entries.async_schedule_reload(entry.entry_id)

    cause = None if failure is None else failure.__cause__
    wait = LEAVE_ALONE if isinstance(cause, InUse | WrongCharger) else RESTORE_RETRY
    hass.data[_RETRIES][entry.entry_id] = async_call_later(
        hass, wait, HassJob(retry, cancel_on_shutdown=True)
    )


async def async_unload_entry(hass: HomeAssistant, entry: NexBlueConfigEntry) -> bool:
    """Unload a charger."""
    async_forget_use(hass, entry)
    if not await hass.config_entries.async_unload_platforms(entry, PLATFORMS):
        return False
    # What is confirmed has to be stored before a reload loads it.
    await entry.runtime_data.controller.async_finish()
    return True


async def async_remove_entry(hass: HomeAssistant, entry: NexBlueConfigEntry) -> None:
    """Release control, and take back what was stored and reported."""
    async_forget(hass, entry)
    await async_release_removed(hass, entry, async_get_links(hass))
