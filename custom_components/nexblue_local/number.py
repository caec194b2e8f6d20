"""Numbers: the limits of a charger, and the settings of the site."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.number import (
    NumberDeviceClass,
    NumberEntity,
    NumberEntityDescription,
    NumberMode,
)
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import (
    PERCENTAGE,
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfEnergy,
    UnitOfPower,
    UnitOfTime,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .control.settings import LEAST_CURRENT, Setting, Settings
from .entity import NexBlueControlEntity
from .modbus.registers import Reading
from .modbus.snapshot import Snapshot
from .site import (
    CONF_CAR_FIRST_ABOVE_SOC,
    CONF_EXPORT_KEPT,
    CONF_IMPORT_TOLERATED,
    CONF_START_THRESHOLD,
)
from .site_config import is_site
from .site_entity import ChargingEntity, SiteEntity, async_when_site

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


ENERGY_DESCRIPTION = NumberEntityDescription(
    key="stop_after_energy",
    device_class=NumberDeviceClass.ENERGY,
    native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
    native_min_value=0,
    native_max_value=200,
    native_step=0.5,
    mode=NumberMode.BOX,
)

SITE_DESCRIPTIONS = (
    *(
        NumberEntityDescription(
            key=key,
            entity_category=EntityCategory.CONFIG,
            device_class=NumberDeviceClass.POWER,
            native_unit_of_measurement=UnitOfPower.WATT,
            native_min_value=0,
            native_max_value=5000,
            native_step=10,
            mode=NumberMode.BOX,
        )
        for key in (CONF_START_THRESHOLD, CONF_EXPORT_KEPT, CONF_IMPORT_TOLERATED)
    ),
    NumberEntityDescription(
        key=CONF_CAR_FIRST_ABOVE_SOC,
        entity_category=EntityCategory.CONFIG,
        native_unit_of_measurement=PERCENTAGE,
        native_min_value=0,
        native_max_value=100,
        native_step=1,
        mode=NumberMode.BOX,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: ConfigEntry[Any],
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the numbers of the site or of a charger."""
    if is_site(entry):
        async_add_entities(
            SiteNumber(entry=entry, description=description)
            for description in SITE_DESCRIPTIONS
            if description.key != CONF_CAR_FIRST_ABOVE_SOC
            or entry.runtime_data.config.battery is not None
        )
        return
    async_add_entities(
        NexBlueNumber(entry=entry, description=description)
        for description in DESCRIPTIONS
    )
    async_when_site(
        hass,
        entry,
        lambda: async_add_entities(
            [EnergyNumber(entry=entry, description=ENERGY_DESCRIPTION)]
        ),
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


class EnergyNumber(ChargingEntity, NumberEntity):
    """Energy after which a session pauses."""

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        self._attr_native_value = self._charging.settings.stop_after_energy

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Change the energy; 0 is never."""
        await self._charging.async_set_stop_after_energy(value)


class SiteNumber(SiteEntity, NumberEntity):
    """Setting of solar charging."""

    @override
    def _update(self) -> None:
        self._attr_native_value = self.site.option(self.entity_description.key)

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Change the setting, which applies at once."""
        self.site.async_set_option(self.entity_description.key, value)
