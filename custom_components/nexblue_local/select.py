"""Select: the phase mode."""

from typing import override

from homeassistant.components.select import SelectEntity, SelectEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import NexBlueConfigEntry
from .entity import NexBlueControlEntity
from .modbus.enums import PhaseMode
from .modbus.registers import Settings
from .modbus.snapshot import Snapshot

# Commands wait for one another in the controller.
PARALLEL_UPDATES = 0

DESCRIPTION = SelectEntityDescription(
    key="phase_mode", options=[mode.name.lower() for mode in PhaseMode]
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: NexBlueConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the phase mode of a charger."""
    async_add_entities(
        [NexBlueSelect(coordinator=entry.runtime_data, description=DESCRIPTION)]
    )


class NexBlueSelect(NexBlueControlEntity, SelectEntity):
    """Phase mode: the one asked for, or the charger's own where none was."""

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        mode = self.coordinator.controller.wanted(snapshot).phase_mode
        self._attr_current_option = None if mode is None else mode.name.lower()

    @override
    async def async_select_option(self, option: str) -> None:
        """Switch the phases, within the phase budget."""
        await self.coordinator.controller.async_set(
            Settings(phase_mode=PhaseMode[option.upper()])
        )
