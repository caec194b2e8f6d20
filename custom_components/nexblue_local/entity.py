"""What all entities of a charger share."""

from abc import abstractmethod
from typing import override

from homeassistant.core import callback
from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .charger.charger import Snapshot
from .coordinator import NexBlueCoordinator, device_info


class NexBlueEntity(CoordinatorEntity[NexBlueCoordinator]):
    """An entity of a charger; its key is also its translation key."""

    _attr_has_entity_name = True

    def __init__(
        self, *, coordinator: NexBlueCoordinator, description: EntityDescription
    ) -> None:
        """Take the description of the entity."""
        super().__init__(coordinator)
        self.entity_description = description
        self._attr_translation_key = description.key
        self._attr_unique_id = f"{coordinator.config_entry.unique_id}_{description.key}"
        self._attr_device_info = device_info(coordinator.data.identity)
        self._was_available = self.available
        self._take_over(coordinator.data)

    @abstractmethod
    def _take_over(self, snapshot: Snapshot) -> bool:
        """Take the state from what was read; return whether it changed."""

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Write the state when there is something new to write."""
        changed = self.available and self._take_over(self.coordinator.data)
        if changed or self.available != self._was_available:
            self._was_available = self.available
            super()._handle_coordinator_update()
