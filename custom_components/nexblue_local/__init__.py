"""NexBlue EV chargers on the local network, and the house that they belong to."""

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
    ConfigEntryState,
)
from homeassistant.const import Platform
from homeassistant.core import HassJob, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryError, ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv, entity_registry as er
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.importlib import async_import_module
from homeassistant.helpers.typing import ConfigType

from .address import modbus_address
from .charge_points import (
    CHARGE_POINT_KEYS,
    async_adopt,
    async_start_automatically,
    async_unlink,
)
from .const import CONF_CHARGE_POINT_ID, DOMAIN
from .controller import ChargerController
from .coordinator import (
    NexBlueConfigEntry,
    NexBlueCoordinator,
    NexBlueRuntimeData,
    async_clear_issues,
    async_reset_in_use_timer,
    is_modbus,
)
from .domain_data import async_get_domain_data
from .links import async_open_modbus
from .modbus.errors import BadAnswer, InUse, NoAnswer, WrongCharger
from .modbus.snapshot import Snapshot
from .ocpp_config import charge_point_id, is_ocpp
from .ocpp_only import (
    PLATFORMS as OCPP_ONLY_PLATFORMS,
    async_setup_ocpp_only,
    has_ocpp_only,
)
from .repairs import async_delete_fuse_issue, async_delete_password_issue
from .services import async_setup_services
from .site import Site, SiteConfigEntry, async_end_site
from .site_config import async_follow_renames, is_charger, is_site
from .site_entity import COST_KEY, async_remove_site_entities
from .start_stop import async_drop_when_over_ocpp
from .storage import LearnedStore, async_release_removed, ocpp_store

if TYPE_CHECKING:
    from .ocpp_server import OcppConfigEntry, OcppServer

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

SITE_PLATFORMS = [
    Platform.BINARY_SENSOR,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
]

RESTORE_RETRY: Final = 5.0
"""Seconds until the set-up of a charger with settings to restore is retried."""

LEAVE_ALONE: Final = 60.0
"""The same if another client uses the charger, or another device responds.

Also for a charger that is silent behind a gateway that other chargers share.
"""


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Load the sessions, register the actions, and delete the issues of entries that are disabled.

    A reload keeps the issues, including whether the user ignored them.
    """
    await async_get_domain_data(hass).sessions.async_load()
    async_setup_services(hass)

    entries = hass.config_entries.async_entries(DOMAIN)
    disabled = {entry.entry_id for entry in entries if entry.disabled_by is not None}

    @callback
    def changed(_: ConfigEntryChange, entry: ConfigEntry) -> None:
        if entry.domain != DOMAIN:
            return
        if entry.disabled_by is None:
            disabled.discard(entry.entry_id)
            return
        if entry.entry_id in disabled:
            # What it was before is over, and the user may have confirmed an issue about it.
            return
        disabled.add(entry.entry_id)
        if is_site(entry):
            hass.async_create_task(async_end_site(hass, entry))
        elif is_ocpp(entry):
            async_delete_password_issue(hass)
        else:
            async_clear_issues(hass, entry)

    async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, changed)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: ConfigEntry[Any]) -> bool:
    """Set up the site, the OCPP back end or a charger."""
    if is_site(entry):
        return await _setup_site(hass, entry)
    if is_ocpp(entry):
        return await _setup_ocpp(hass, entry)
    await async_adopt(hass, entry)
    if has_ocpp_only(entry):
        async_setup_ocpp_only(hass, entry)
        await hass.config_entries.async_forward_entry_setups(entry, OCPP_ONLY_PLATFORMS)
        return True
    return await _setup_charger(hass, entry)


async def _setup_site(hass: HomeAssistant, entry: SiteConfigEntry) -> bool:
    """Set up the site."""
    site = entry.runtime_data = Site(hass, entry)
    entry.async_on_unload(site.async_stop)
    entry.async_on_unload(async_follow_renames(hass, entry, site.entity_ids))
    if site.config.price is None:
        async_remove_site_entities(hass, (COST_KEY,))
    await site.async_start()
    await hass.config_entries.async_forward_entry_setups(entry, SITE_PLATFORMS)
    if site.config.main_fuse is not None:
        async_delete_fuse_issue(hass)
    return True


async def _setup_ocpp(hass: HomeAssistant, entry: OcppConfigEntry) -> bool:
    """Set up the OCPP back end, which nothing is imported of without its entry."""
    module = await async_import_module(hass, f"{__package__}.ocpp_server")
    server: OcppServer = module.OcppServer(hass, entry)
    await server.async_start()
    entry.runtime_data = server
    return True


async def _setup_charger(hass: HomeAssistant, entry: NexBlueConfigEntry) -> bool:
    """Set up a charger with Modbus, whatever its other links."""
    data = async_get_domain_data(hass)
    if cancel := data.retries.pop(entry.entry_id, None):
        cancel()
    if (address := modbus_address(entry)) is None:
        raise ConfigEntryError(
            translation_domain=DOMAIN, translation_key="no_modbus_address"
        )
    assert entry.unique_id is not None
    client, release = async_open_modbus(hass, address, entry.unique_id)
    # This is also called if the set-up fails.
    entry.async_on_unload(release)
    learned_store = LearnedStore(hass, entry.entry_id)
    if (learned := await learned_store.async_load()) is not None:
        client.restore_learned(learned)

    @callback
    def publish(snapshot: Snapshot | None) -> None:
        # Nothing is published before the coordinator below exists.
        coordinator.async_publish(snapshot)

    controller = ChargerController(
        hass,
        entry,
        client,
        on_update=publish,
        on_event=data.events_of(entry).async_fire,
    )
    coordinator = NexBlueCoordinator(
        hass, entry, address, client, controller, learned_store
    )
    await controller.async_start()
    entry.async_on_unload(controller.async_stop)
    await async_drop_when_over_ocpp(hass, entry, controller)
    try:
        await coordinator.async_config_entry_first_refresh()
    except ConfigEntryNotReady:
        if controller.control.state.desired:
            _async_retry_soon(
                hass,
                entry,
                coordinator.last_exception,
                is_shared=client.shares_connection,
            )
        raise
    entry.runtime_data = NexBlueRuntimeData(
        coordinator=coordinator,
        controller=controller,
        modbus=client,
        recorder=data.sessions.recorder(entry.unique_id),
    )

    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    if charge_point_id(entry) is not None:
        # The charge mode may have left `off`.
        start = partial(async_start_automatically, hass, entry)
        entry.async_on_unload(coordinator.async_add_listener(start))
    return True


@callback
def _async_retry_soon(
    hass: HomeAssistant,
    entry: NexBlueConfigEntry,
    failure: BaseException | None,
    *,
    is_shared: bool,
) -> None:
    """Retry the set-up sooner than Home Assistant does.

    Its delay grows to ten minutes, during which a charger that is back would stay at
    its fallback limit.
    """
    retries = async_get_domain_data(hass).retries

    @callback
    def retry(_: datetime) -> None:
        retries.pop(entry.entry_id)
        # The entry may have been removed, disabled or set up since.
        if entry.state is ConfigEntryState.SETUP_RETRY:
            hass.config_entries.async_schedule_reload(entry.entry_id)

    cause = None if failure is None else failure.__cause__
    backs_off = isinstance(cause, BadAnswer | InUse | WrongCharger) or (
        # A request without an answer ends the connection of the others.
        is_shared and isinstance(cause, NoAnswer)
    )
    wait = LEAVE_ALONE if backs_off else RESTORE_RETRY
    retries[entry.entry_id] = async_call_later(
        hass, wait, HassJob(retry, cancel_on_shutdown=True)
    )


async def async_unload_entry(hass: HomeAssistant, entry: ConfigEntry[Any]) -> bool:
    """Unload the site, the OCPP back end or a charger."""
    if is_site(entry):
        return await hass.config_entries.async_unload_platforms(entry, SITE_PLATFORMS)
    if is_ocpp(entry):
        await entry.runtime_data.async_stop()
        return True
    async_get_domain_data(hass).async_drop_pending(entry)
    # Its data may have got a Modbus address since.
    if not is_modbus(entry):
        return await hass.config_entries.async_unload_platforms(
            entry, OCPP_ONLY_PLATFORMS
        )
    async_reset_in_use_timer(hass, entry)
    if not await hass.config_entries.async_unload_platforms(entry, PLATFORMS):
        return False
    # A confirmed command has to be stored before a reload loads it.
    await entry.runtime_data.controller.async_finish()
    return True


async def async_remove_entry(hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
    """Release control, and delete the stored settings and the repair issues.

    The sessions of the charger are kept: it may be added again.
    """
    if is_site(entry):
        await async_end_site(hass, entry)
        async_remove_site_entities(hass)
        return
    if is_ocpp(entry):
        async_delete_password_issue(hass)
        await ocpp_store(hass).async_remove()
        # Also from those that are disabled.
        for charger in filter(is_charger, hass.config_entries.async_entries(DOMAIN)):
            _remove_ocpp_link(hass, charger)
        return
    await async_unlink(hass, entry)
    async_clear_issues(hass, entry)
    assert entry.unique_id is not None
    await async_get_domain_data(hass).sessions.async_forget(entry.unique_id)
    await async_release_removed(hass, entry)


@callback
def _remove_ocpp_link(hass: HomeAssistant, entry: NexBlueConfigEntry) -> None:
    """Remove the OCPP link of a charger, with its entities, unless it is the only one."""
    if charge_point_id(entry) is None or has_ocpp_only(entry):
        return
    data = dict(entry.data)
    del data[CONF_CHARGE_POINT_ID]
    hass.config_entries.async_update_entry(entry, data=data)
    registry = er.async_get(hass)
    for entity in er.async_entries_for_config_entry(registry, entry.entry_id):
        if entity.translation_key in CHARGE_POINT_KEYS:
            registry.async_remove(entity.entity_id)
    if entry.state is ConfigEntryState.LOADED:
        hass.config_entries.async_schedule_reload(entry.entry_id)
