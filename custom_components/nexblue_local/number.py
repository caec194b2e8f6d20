"""Numbers: the limits that can be set."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.number import (
    NumberDeviceClass,
    NumberEntity,
    NumberEntityDescription,
    NumberMode,
)
from homeassistant.const import EntityCategory, UnitOfElectricCurrent, UnitOfTime
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .control.settings import LEAST_CURRENT, Setting, Settings
from .coordinator import NexBlueConfigEntry
from .entity import NexBlueControlEntity
from .modbus.registers import Reading
from .modbus.snapshot import Snapshot

# Commands wait for one another in the controller.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class NexBlueNumberDescription(NumberEntityDescription):
    """Describes a number."""

    value_fn: Callable[[Settings], float | None]
    settings_fn: Callable[[float], Settings]
    """Returns the settings to write for a value."""
    unit: float = 1.0
    """The number's unit in units of the setting."""
    maximum_fn: Callable[[Reading], float | None] | None = None
    """Returns a lower maximum, None while it is unknown."""


DESCRIPTIONS = (
    NexBlueNumberDescription(
        key="current_limit",
        value_fn=lambda settings: settings.current_limit,
        settings_fn=lambda value: Settings(current_limit=value),
        maximum_fn=lambda reading: reading.app_max_current,
        device_class=NumberDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        native_min_value=0,
        native_max_value=32,
        native_step=1,
        mode=NumberMode.BOX,
    ),
    NexBlueNumberDescription(
        key="fallback_limit",
        value_fn=lambda settings: settings.fallback_limit,
        settings_fn=lambda value: Settings(fallback_limit=value),
        entity_category=EntityCategory.CONFIG,
        device_class=NumberDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        native_min_value=0,
        native_max_value=16,
        native_step=1,
        mode=NumberMode.BOX,
    ),
    NexBlueNumberDescription(
        key="fallback_timeout",
        value_fn=lambda settings: settings.fallback_timeout,
        settings_fn=lambda value: Settings().with_value(
            Setting.FALLBACK_TIMEOUT, value
        ),
        unit=60.0,
        entity_category=EntityCategory.CONFIG,
        device_class=NumberDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.MINUTES,
        native_min_value=0.5,
        native_max_value=30,
        native_step=0.5,
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
        NexBlueNumber(entry=entry, description=description)
        for description in DESCRIPTIONS
    )


class NexBlueNumber(NexBlueControlEntity, NumberEntity):
    """Limit: the one asked for, or the charger's own where none was."""

    entity_description: NexBlueNumberDescription
    _known_maximum: float | None = None

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        value = self.entity_description.value_fn(self._controller.control.wanted)
        self._attr_native_value = (
            None if value is None else round(value / self.entity_description.unit, 2)
        )
        self._update_maximum(snapshot, self._attr_native_value)

    def _update_maximum(self, snapshot: Snapshot, value: float | None) -> None:
        """Set the maximum, which keeps its last known value.

        It is never lower than the value, which may have been set by an action.
        """
        if self.entity_description.maximum_fn is None:
            return
        most = self.entity_description.native_max_value
        assert most is not None
        known = self.entity_description.maximum_fn(snapshot.reading)
        if known is not None and known >= LEAST_CURRENT:
            self._known_maximum = min(known, most)
        self._attr_native_max_value = max(self._known_maximum or most, value or 0.0)

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Write the limit, in steps of 0.1 A or 1 s."""
        description = self.entity_description
        wanted = description.settings_fn(value * description.unit)
        await self._controller.async_set(wanted)
