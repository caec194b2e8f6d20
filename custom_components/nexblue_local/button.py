"""Button: return control to the charger."""

from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import NexBlueConfigEntry
from .entity import NexBlueControlEntity

# Commands wait for one another in the controller.
PARALLEL_UPDATES = 0

DESCRIPTION = ButtonEntityDescription(key="release_control")


async def async_setup_entry(
    hass: HomeAssistant,
    entry: NexBlueConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the button of a charger."""
    async_add_entities([NexBlueButton(entry=entry, description=DESCRIPTION)])


class NexBlueButton(NexBlueControlEntity, ButtonEntity):
    """Button that returns control to the charger."""

    @override
    async def async_press(self) -> None:
        """Write the fallback limit that is set, and stop writing."""
        await self._controller.async_release()
