"""Select: the phase mode."""

from typing import override

from homeassistant.components.select import SelectEntity, SelectEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .control.settings import PhaseMode, Settings
from .coordinator import NexBlueConfigEntry
from .entity import NexBlueControlEntity
from .modbus.snapshot import Snapshot

# Commands wait for one another in the controller.
PARALLEL_UPDATES = 0

DESCRIPTION = SelectEntityDescription(key="phase_mode", options=list(PhaseMode))


async def async_setup_entry(
    hass: HomeAssistant,
    entry: NexBlueConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the phase mode of a charger."""
    async_add_entities([NexBlueSelect(entry=entry, description=DESCRIPTION)])


class NexBlueSelect(NexBlueControlEntity, SelectEntity):
    """Phase mode: the one asked for, or the charger's own where none was."""

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        self._attr_current_option = self._controller.control.wanted.phase_mode

    @override
    async def async_select_option(self, option: str) -> None:
        """Switch the phases, within the phase budget."""
        await self._controller.async_set(Settings(phase_mode=PhaseMode(option)))
