"""NexBlue EV chargers on the local network, over Modbus TCP."""

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

from .const import DOMAIN
from .coordinator import (
    NexBlueConfigEntry,
    NexBlueCoordinator,
    async_clear_issues,
    async_reset_in_use_timer,
)
from .links import async_get_connection_pool
from .modbus.errors import BadAnswer, InUse, WrongCharger
from .modbus.registers import Settings
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
"""Seconds until the set-up of a charger with settings to restore is retried."""

LEAVE_ALONE: Final = 60.0
"""The same if another client uses the charger, or another device responds."""

# Callbacks that cancel these retries, by entry.
_RETRIES: HassKey[dict[str, CALLBACK_TYPE]] = HassKey(f"{DOMAIN}_retries")


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Register the actions, and delete the issues of entries that are disabled.

    A reload keeps the issues, including whether the user ignored them.
    """
    async_setup_services(hass)

    @callback
    def changed(_: ConfigEntryChange, entry: ConfigEntry) -> None:
        if entry.domain == DOMAIN and entry.disabled_by is not None:
            async_clear_issues(hass, entry)

    async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, changed)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: NexBlueConfigEntry) -> bool:
    """Set up a charger."""
    if cancel := hass.data.setdefault(_RETRIES, {}).pop(entry.entry_id, None):
        cancel()
    pool = async_get_connection_pool(hass)
    endpoint = pool.acquire(entry.data[CONF_HOST], entry.data[CONF_PORT])
    # This is also called if the set-up fails.
    entry.async_on_unload(partial(pool.release, endpoint))

    coordinator = NexBlueCoordinator(hass, entry, endpoint)
    entry.async_on_unload(coordinator.controller.async_stop)
    await coordinator.controller.async_load()
    try:
        await coordinator.async_config_entry_first_refresh()
    except ConfigEntryNotReady:
        if coordinator.controller.control.intent != Settings():
            _async_retry_soon(hass, entry, coordinator.last_exception)
        raise
    entry.runtime_data = coordinator

    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    return True


@callback
def _async_retry_soon(
    hass: HomeAssistant, entry: NexBlueConfigEntry, failure: BaseException | None
) -> None:
    """Retry the set-up sooner than Home Assistant does.

    Its delay grows to ten minutes, during which a charger that is back would stay at
    its fallback limit.
    """

    @callback
    def retry(_: datetime) -> None:
        hass.data[_RETRIES].pop(entry.entry_id)
        # The entry may have been removed, disabled or set up since.
        if entry.state is ConfigEntryState.SETUP_RETRY:
            hass.config_entries.async_schedule_reload(entry.entry_id)

    cause = None if failure is None else failure.__cause__
    backs_off = isinstance(cause, BadAnswer | InUse | WrongCharger)
    wait = LEAVE_ALONE if backs_off else RESTORE_RETRY
    hass.data[_RETRIES][entry.entry_id] = async_call_later(
        hass, wait, HassJob(retry, cancel_on_shutdown=True)
    )


async def async_unload_entry(hass: HomeAssistant, entry: NexBlueConfigEntry) -> bool:
    """Unload a charger."""
    async_reset_in_use_timer(hass, entry)
    if not await hass.config_entries.async_unload_platforms(entry, PLATFORMS):
        return False
    # A confirmed command has to be stored before a reload loads it.
    await entry.runtime_data.controller.async_finish()
    return True


async def async_remove_entry(hass: HomeAssistant, entry: NexBlueConfigEntry) -> None:
    """Release control, and delete the stored settings and the repair issues."""
    async_clear_issues(hass, entry)
    await async_release_removed(hass, entry, async_get_connection_pool(hass))
