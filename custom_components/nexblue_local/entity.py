"""Base of all entities."""

from typing import override

from homeassistant.core import callback
from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .coordinator import NexBlueConfigEntry, NexBlueCoordinator, device_info
from .modbus.snapshot import Snapshot


class NexBlueEntity(CoordinatorEntity[NexBlueCoordinator]):
    """Entity of a charger; its key is also its translation key."""

    _attr_has_entity_name = True

    def __init__(
        self, *, entry: NexBlueConfigEntry, description: EntityDescription
    ) -> None:
        """Initialize the entity."""
        coordinator = entry.runtime_data.coordinator
        super().__init__(coordinator)
        self._controller = entry.runtime_data.controller
        self._recorder = entry.runtime_data.recorder
        self.entity_description = description
        self._attr_translation_key = description.key
        self._attr_unique_id = f"{entry.unique_id}_{description.key}"
        self._attr_device_info = device_info(coordinator.data.identity)
        self._update_from(coordinator.data)

    def _update_from(self, snapshot: Snapshot) -> None:
        """Update the state from what was read; a button has none."""

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Write the state after each successful poll, changed or not.

        Integrals and statistics rely on the time at which it was last reported.
        """
        if self.available:
            self._update_from(self.coordinator.data)
        self.async_write_ha_state()


class NexBlueControlEntity(NexBlueEntity):
    """Entity of what was asked for, which does not depend on the connection.

    It stays available: Home Assistant silently skips commands to an unavailable
    entity, while a command to this one fails with the reason.
    """

    @property
    @override
    def available(self) -> bool:
        """Return True, also while the charger cannot be reached."""
        return True
