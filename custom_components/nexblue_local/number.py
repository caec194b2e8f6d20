"""The limits that can be set."""

from typing import Any, override

from homeassistant.components.number import (
    NumberDeviceClass,
    NumberEntity,
    NumberEntityDescription,
    NumberMode,
)
from homeassistant.const import EntityCategory, UnitOfElectricCurrent, UnitOfTime
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .charger.charger import Snapshot
from .charger.model import Register
from .charger.registers import Settings
from .coordinator import NexBlueConfigEntry
from .entity import NexBlueEntity

# Commands wait for one another in the controller.
PARALLEL_UPDATES = 0

REGISTERS: dict[str, Register[float] | Register[int]] = {
    "current_limit": Settings.current_limit,
    "fallback_limit": Settings.fallback_limit,
    "fallback_timeout": Settings.fallback_timeout,
}

DESCRIPTIONS = (
    NumberEntityDescription(
        key="current_limit",
        device_class=NumberDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        native_min_value=0,
        native_max_value=32,
        native_step=0.1,
        mode=NumberMode.SLIDER,
    ),
    NumberEntityDescription(
        key="fallback_limit",
        entity_category=EntityCategory.CONFIG,
        device_class=NumberDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        native_min_value=0,
        native_max_value=16,
        native_step=0.1,
        mode=NumberMode.BOX,
    ),
    NumberEntityDescription(
        key="fallback_timeout",
        entity_category=EntityCategory.CONFIG,
        device_class=NumberDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        native_min_value=30,
        native_max_value=1800,
        native_step=1,
        mode=NumberMode.BOX,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: NexBlueConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the limits of a charger."""
    async_add_entities(
        NexBlueNumber(coordinator=entry.runtime_data, description=description)
        for description in DESCRIPTIONS
    )


class NexBlueNumber(NexBlueEntity, NumberEntity):
    """A limit: what was asked for, or what the charger has where nothing was."""

    _attr_native_value: float | None = None
    _attr_extra_state_attributes: dict[str, Any] = {}  # noqa: RUF012 (as the base has it)

    @override
    def _take_over(self, snapshot: Snapshot) -> bool:
        shown = (self._attr_native_value, self._attr_extra_state_attributes)
        control = self.coordinator.controller.control
        name = REGISTERS[self.entity_description.key].name
        asked_for: float | None = control.intent.values.get(name)
        found = snapshot.settings.values.get(name)
        value = found if asked_for is None else asked_for
        self._attr_native_value = None if value is None else round(value, 1)
        if self.entity_description.key == "current_limit":
            # Why the charger offers 6 A at the most, whatever was asked for.
            self._attr_extra_state_attributes = {
                "awaits_phase_mode": control.awaits_phase_mode
            }
        return (self._attr_native_value, self._attr_extra_state_attributes) != shown

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Write the limit, in steps of 0.1 A or 1 s."""
        name = REGISTERS[self.entity_description.key].name
        await self.coordinator.controller.async_set(Settings({name: value}))
