"""Entities of the site, and those that a charger has because of it."""

from collections.abc import Callable, Container
from typing import Final, override

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
    ConfigEntryState,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.entity import Entity, EntityDescription

from .const import DOMAIN, SITE_UNIQUE_ID
from .coordinator import NexBlueConfigEntry
from .entity import NexBlueEntity
from .site import Site, SiteConfigEntry
from .site_config import SiteConfig, async_site_entry, is_site

COST_KEY: Final = "last_session_cost"

CHARGER_KEYS: Final = (
    COST_KEY,
    "charge_mode",
    "fast_until_unplugged",
    "last_session_solar_share",
    "next_change",
    "session_solar_energy",
    "session_solar_share",
    "stop_after_energy",
)
"""The entities that a charger has because of the site."""


class SiteEntity(Entity):
    """Entity of the site; its key is also its translation key."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(
        self, *, entry: SiteConfigEntry, description: EntityDescription
    ) -> None:
        """Initialize the entity."""
        self.site = entry.runtime_data
        self.entity_description = description
        self._attr_translation_key = description.key
        self._attr_unique_id = f"{SITE_UNIQUE_ID}_{description.key}"
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, SITE_UNIQUE_ID)},
            name=entry.title,
            entry_type=DeviceEntryType.SERVICE,
        )
        self._update()

    def _update(self) -> None:
        """Update the state from what the site knows."""

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the site."""
        self.async_on_remove(self.site.async_add_listener(self._updated))

    @callback
    def _updated(self) -> None:
        self._update()
        self.async_write_ha_state()


class ChargingEntity(NexBlueEntity):
    """Entity of a charger that exists because of the site."""

    def __init__(
        self, *, entry: NexBlueConfigEntry, description: EntityDescription
    ) -> None:
        """Initialize the entity."""
        self._charging = entry.runtime_data.controller.charging
        super().__init__(entry=entry, description=description)

    @property
    @override
    def available(self) -> bool:
        """Return whether there is a site, also if the charger cannot be reached."""
        return async_site_entry(self.coordinator.hass) is not None


@callback
def async_loaded_site(hass: HomeAssistant) -> Site | None:
    """Return the site, None if there is none that is set up."""
    entry = async_site_entry(hass)
    if entry is None or entry.state is not ConfigEntryState.LOADED:
        return None
    site: Site = entry.runtime_data
    return site


@callback
def async_when_site(
    hass: HomeAssistant,
    entry: NexBlueConfigEntry,
    add: Callable[[], None],
    is_wanted: Callable[[SiteConfig], bool] = lambda _: True,
) -> None:
    """Add entities of a charger when there is a site that they need, now or later."""
    is_added = False

    def may_add() -> bool:
        site = async_site_entry(hass)
        return site is not None and is_wanted(SiteConfig.from_entry(site))

    @callback
    def changed(change: ConfigEntryChange, other: ConfigEntry[object]) -> None:
        nonlocal is_added
        if other.domain != DOMAIN or not is_site(other):
            return
        if change is ConfigEntryChange.REMOVED or not is_wanted(
            SiteConfig.from_entry(other)
        ):
            is_added = False
        elif not is_added and may_add():
            is_added = True
            add()

    if may_add():
        is_added = True
        add()
    entry.async_on_unload(
        async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, changed)
    )


@callback
def async_remove_site_entities(
    hass: HomeAssistant, keys: Container[str | None] = CHARGER_KEYS
) -> None:
    """Remove the entities that chargers had because of a site, or because of its price."""
    registry = er.async_get(hass)
    for entity in list(registry.entities.values()):
        if entity.platform == DOMAIN and entity.translation_key in keys:
            registry.async_remove(entity.entity_id)
