"""Buttons: return control to the charger, and test it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .charge_points import async_add_charge_point
from .coordinator import NexBlueConfigEntry
from .entity import NexBlueControlEntity
from .first_contact import async_notify

# Commands wait for one another in the controller.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class NexBlueButtonDescription(ButtonEntityDescription):
    """Description of a button."""

    press_fn: Callable[[HomeAssistant, NexBlueConfigEntry], Awaitable[None]]


async def _async_release(_: HomeAssistant, entry: NexBlueConfigEntry) -> None:
    """Write the fallback limit that is set, and stop writing."""
    await entry.runtime_data.controller.async_release()


DESCRIPTIONS = (
    NexBlueButtonDescription(key="release_control", press_fn=_async_release),
    NexBlueButtonDescription(
        key="test_charger",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        press_fn=async_notify,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: NexBlueConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the buttons of a charger."""
    if await async_add_charge_point(hass, entry, Platform.BUTTON, async_add_entities):
        return
    async_add_entities(
        NexBlueButton(entry=entry, description=description)
        for description in DESCRIPTIONS
    )


class NexBlueButton(NexBlueControlEntity, ButtonEntity):
    """Button of a charger."""

    entity_description: NexBlueButtonDescription

    @override
    async def async_press(self) -> None:
        """Do what the button is for; raises HomeAssistantError."""
        await self.entity_description.press_fn(self.hass, self.coordinator.config_entry)
