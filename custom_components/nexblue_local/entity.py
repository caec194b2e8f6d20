"""What all entities of a charger share."""

from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.update_coordinator import CoordinatorEntity

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
