"""Selects: phase mode and charge mode of a charger, and restarts of the site."""

from typing import Any, override

from homeassistant.components.select import SelectEntity, SelectEntityDescription
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .control.settings import PhaseMode, Settings
from .entity import NexBlueControlEntity
from .modbus.snapshot import Snapshot
from .site import CONF_RESTARTS
from .site_config import is_site
from .site_entity import ChargingEntity, SiteEntity, async_when_site
from .surplus.settings import Mode, Restarts

# Commands wait for one another in the controller.
PARALLEL_UPDATES = 0

DESCRIPTION = SelectEntityDescription(key="phase_mode", options=list(PhaseMode))
CHARGE_MODE_DESCRIPTION = SelectEntityDescription(key="charge_mode", options=list(Mode))
RESTARTS_DESCRIPTION = SelectEntityDescription(
    key=CONF_RESTARTS,
    options=list(Restarts),
    entity_category=EntityCategory.CONFIG,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: ConfigEntry[Any],
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the selects of the site or of a charger."""
    if is_site(entry):
        async_add_entities(
            [RestartsSelect(entry=entry, description=RESTARTS_DESCRIPTION)]
        )
        return
    async_add_entities([NexBlueSelect(entry=entry, description=DESCRIPTION)])
    async_when_site(
        hass,
        entry,
        lambda: async_add_entities(
            [ChargeModeSelect(entry=entry, description=CHARGE_MODE_DESCRIPTION)]
        ),
    )


class NexBlueSelect(NexBlueControlEntity, SelectEntity):
    """Phase mode: the one asked for, or the charger's own where none was."""

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        self._attr_current_option = self._controller.control.wanted.phase_mode

    @override
    async def async_select_option(self, option: str) -> None:
        """Switch the phases, within the phase budget."""
        await self._controller.async_set(Settings(phase_mode=PhaseMode(option)))


class ChargeModeSelect(ChargingEntity, SelectEntity):
    """What decides how much the car gets."""

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        self._attr_current_option = self._charging.settings.mode

    @override
    async def async_select_option(self, option: str) -> None:
        """Change the charge mode."""
        await self._charging.async_set_mode(Mode(option))


class RestartsSelect(SiteEntity, SelectEntity):
    """How often solar charging may stop and start again."""

    @override
    def _update(self) -> None:
        self._attr_current_option = self.site.option(CONF_RESTARTS)

    @override
    async def async_select_option(self, option: str) -> None:
        """Change how often it may."""
        self.site.async_set_option(CONF_RESTARTS, option)
