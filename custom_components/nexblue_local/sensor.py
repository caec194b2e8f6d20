"""Sensors."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
import math
from typing import Any, Final, override

from homeassistant.components.sensor import (
    RestoreSensor,
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import (
    DEGREE,
    EntityCategory,
    Platform,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfPower,
    UnitOfTime,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.typing import StateType

from .charge_points import async_add_charge_point
from .controller import ChargerController, ControlledBy
from .entity import NexBlueEntity
from .limited_by import LimitedBy, limited_by
from .modbus.enums import ChargePointState, PhaseMode, StartStop
from .modbus.registers import Reading
from .modbus.snapshot import Snapshot
from .ocpp_config import charge_point_id
from .session_sensors import (
    LAST_COST_DESCRIPTION,
    LAST_SESSION_DESCRIPTIONS,
    LAST_SOLAR_SHARE_DESCRIPTION,
    SOLAR_ENERGY_DESCRIPTION,
    SOLAR_SHARE_DESCRIPTION,
    LastCostSensor,
    LastSessionSensor,
    LastSolarShareSensor,
    SolarEnergySensor,
    SolarShareSensor,
)
from .site_config import is_site
from .site_entity import ChargingEntity, async_when_site
from .site_sensors import SITE_DESCRIPTIONS, SiteSensor
from .start_stop import async_has_transaction, async_start_stop_link

# The coordinator makes all requests.
PARALLEL_UPDATES = 0

CONTROL_KEY: Final = "control"

STANDS_STILL: Final = 3
"""Polls without a change after which an energy stands still; a trickle is no pause."""

type ValueFn = Callable[[Snapshot], StateType]


def _key(member: IntEnum | None) -> str | None:
    """Return the state, which is also the translation key, of a member."""
    return None if member is None else member.name.lower()


def _keys(members: Iterable[IntEnum]) -> list[str]:
    return [member.name.lower() for member in members]


def _mapping_version(snapshot: Snapshot) -> str | None:
    """Return the version as the vendor's document writes it."""
    version = snapshot.identity.mapping_version
    return None if version is None else f"0x{version:04X}"


@dataclass(frozen=True, kw_only=True)
class NexBlueSensorDescription(SensorEntityDescription):
    """Describes a sensor of a register."""

    value_fn: ValueFn
    band: float | None = None
    """Changes of a measurement up to this, in its native unit, are jitter."""
    relative_band: float = 0.0
    """Changes of a measurement up to this part of it are jitter as well."""
    digits: int = 0
    """Decimals of its native unit to which a measurement is rounded."""


POWERS: Final[Mapping[str, ValueFn]] = {
    "power": lambda snapshot: snapshot.reading.power,
    "power_l1": lambda snapshot: snapshot.reading.power_l1,
    "power_l2": lambda snapshot: snapshot.reading.power_l2,
    "power_l3": lambda snapshot: snapshot.reading.power_l3,
}
CURRENTS: Final[Mapping[str, ValueFn]] = {
    "current_l1": lambda snapshot: snapshot.reading.current_l1,
    "current_l2": lambda snapshot: snapshot.reading.current_l2,
    "current_l3": lambda snapshot: snapshot.reading.current_l3,
}
VOLTAGES: Final[Mapping[str, ValueFn]] = {
    "voltage_l1": lambda snapshot: snapshot.reading.voltage_l1,
    "voltage_l2": lambda snapshot: snapshot.reading.voltage_l2,
    "voltage_l3": lambda snapshot: snapshot.reading.voltage_l3,
}
PHASE_ANGLES: Final[Mapping[str, ValueFn]] = {
    "phase_angle_l1": lambda snapshot: snapshot.reading.phase_angle_l1,
    "phase_angle_l2": lambda snapshot: snapshot.reading.phase_angle_l2,
    "phase_angle_l3": lambda snapshot: snapshot.reading.phase_angle_l3,
}
APP_CURRENTS: Final[Mapping[str, ValueFn]] = {
    "app_fallback_current": lambda snapshot: snapshot.reading.app_fallback_current,
    "app_max_current": lambda snapshot: snapshot.reading.app_max_current,
}

DESCRIPTIONS: tuple[NexBlueSensorDescription, ...] = (
    NexBlueSensorDescription(
        key="status",
        value_fn=lambda snapshot: _key(snapshot.reading.status),
        device_class=SensorDeviceClass.ENUM,
        options=_keys(ChargePointState),
    ),
    *(
        NexBlueSensorDescription(
            key=key,
            value_fn=value_fn,
            band=0.75,
            # The voltage's band of 0.75 V is as much.
            relative_band=0.003,
            entity_registry_enabled_default=key == "power",
            device_class=SensorDeviceClass.POWER,
            state_class=SensorStateClass.MEASUREMENT,
            native_unit_of_measurement=UnitOfPower.WATT,
            suggested_display_precision=0,
        )
        for key, value_fn in POWERS.items()
    ),
    *(
        NexBlueSensorDescription(
            key=key,
            value_fn=value_fn,
            band=0.075,
            digits=1,
            # Enough while the phases carry the same.
            entity_registry_enabled_default=key == "current_l1",
            device_class=SensorDeviceClass.CURRENT,
            state_class=SensorStateClass.MEASUREMENT,
            native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
            suggested_display_precision=1,
        )
        for key, value_fn in CURRENTS.items()
    ),
    NexBlueSensorDescription(
        key="active_current_limit",
        value_fn=lambda snapshot: snapshot.settings.current_limit,
        band=0.075,
        digits=1,
        device_class=SensorDeviceClass.CURRENT,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        suggested_display_precision=1,
    ),
    *(
        NexBlueSensorDescription(
            key=key,
            value_fn=value_fn,
            band=0.75,
            digits=1,
            device_class=SensorDeviceClass.VOLTAGE,
            state_class=SensorStateClass.MEASUREMENT,
            native_unit_of_measurement=UnitOfElectricPotential.VOLT,
            suggested_display_precision=1,
        )
        for key, value_fn in VOLTAGES.items()
    ),
    NexBlueSensorDescription(
        key="session_energy",
        value_fn=lambda snapshot: snapshot.reading.session_energy,
        band=0.045,
        digits=3,
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
    ),
    NexBlueSensorDescription(
        key="lifetime_energy",
        value_fn=lambda snapshot: snapshot.reading.lifetime_energy,
        band=75.0,
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
    ),
    *(
        NexBlueSensorDescription(
            key=key,
            value_fn=value_fn,
            band=0.075,
            digits=1,
            entity_category=EntityCategory.DIAGNOSTIC,
            device_class=SensorDeviceClass.CURRENT,
            native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
            suggested_display_precision=1,
        )
        for key, value_fn in APP_CURRENTS.items()
    ),
    NexBlueSensorDescription(
        key="app_phase_mode",
        value_fn=lambda snapshot: _key(snapshot.reading.app_phase_mode),
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.ENUM,
        options=_keys(PhaseMode),
    ),
    NexBlueSensorDescription(
        key="active_fallback_limit",
        value_fn=lambda snapshot: snapshot.settings.fallback_limit,
        band=0.075,
        digits=1,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        suggested_display_precision=1,
    ),
    NexBlueSensorDescription(
        key="active_fallback_timeout",
        value_fn=lambda snapshot: snapshot.settings.fallback_timeout,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_unit_of_measurement=UnitOfTime.MINUTES,
    ),
    NexBlueSensorDescription(
        key="active_phase_mode",
        value_fn=lambda snapshot: _key(snapshot.settings.phase_mode),
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.ENUM,
        options=_keys(PhaseMode),
    ),
    NexBlueSensorDescription(
        key="active_start_stop",
        value_fn=lambda snapshot: _key(snapshot.settings.start_stop),
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.ENUM,
        options=_keys(StartStop),
    ),
    *(
        NexBlueSensorDescription(
            key=key,
            value_fn=value_fn,
            band=0.75,
            digits=1,
            entity_category=EntityCategory.DIAGNOSTIC,
            entity_registry_enabled_default=False,
            state_class=SensorStateClass.MEASUREMENT_ANGLE,
            native_unit_of_measurement=DEGREE,
            suggested_display_precision=1,
        )
        for key, value_fn in PHASE_ANGLES.items()
    ),
    NexBlueSensorDescription(
        key="clock_offset",
        value_fn=lambda snapshot: snapshot.clock_offset,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_display_precision=0,
    ),
    NexBlueSensorDescription(
        key="mapping_version",
        value_fn=_mapping_version,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
    ),
    NexBlueSensorDescription(
        key="connector_count",
        value_fn=lambda snapshot: snapshot.identity.connector_count,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: ConfigEntry[Any],
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensors of the site or of a charger."""
    if is_site(entry):
        async_add_entities(
            SiteSensor(entry=entry, description=description)
            for description in SITE_DESCRIPTIONS
            if description.exists_fn(entry.runtime_data)
        )
        return
    if await async_add_charge_point(hass, entry, Platform.SENSOR, async_add_entities):
        return
    sensors = {
        description.key: (
            NexBlueEnergySensor
            if description.device_class is SensorDeviceClass.ENERGY
            else NexBlueSensor
        )(entry=entry, description=description)
        for description in DESCRIPTIONS
    }
    async_add_entities(sensors.values())
    async_add_entities(
        NexBlueControlSensor(entry=entry, description=description)
        for description in CONTROL_DESCRIPTIONS
    )
    async_add_entities(
        LastSessionSensor(entry=entry, description=description)
        for description in LAST_SESSION_DESCRIPTIONS
    )
    async_add_entities(
        [NexBlueLimitedBySensor(entry=entry, description=LIMITED_BY_DESCRIPTION)]
    )

    def add() -> None:
        async_add_entities(
            [
                NextChangeSensor(entry=entry, description=NEXT_CHANGE_DESCRIPTION),
                SolarEnergySensor(
                    entry=entry,
                    description=SOLAR_ENERGY_DESCRIPTION,
                    session_energy=sensors["session_energy"],
                ),
                SolarShareSensor(entry=entry, description=SOLAR_SHARE_DESCRIPTION),
                LastSolarShareSensor(
                    entry=entry, description=LAST_SOLAR_SHARE_DESCRIPTION
                ),
            ]
        )

    def add_cost() -> None:
        async_add_entities(
            [LastCostSensor(entry=entry, description=LAST_COST_DESCRIPTION)]
        )

    async_when_site(hass, entry, add)
    async_when_site(hass, entry, add_cost, lambda site: site.price is not None)


class NexBlueSensor(NexBlueEntity, SensorEntity):
    """Sensor of a register."""

    entity_description: NexBlueSensorDescription
    _attr_native_value: StateType = None

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        """Show what was read, unless a measurement only jitters.

        A value at the border between two digits would otherwise change with
        every poll, in graphs as in the database.
        """
        value = self.entity_description.value_fn(snapshot)
        shown = self._attr_native_value
        band = self.entity_description.band
        if band is not None and isinstance(value, int | float):
            if isinstance(shown, int | float) and self._is_jitter(value, shown, band):
                return
            value = self._rounded(value)
        self._attr_native_value = value

    def _is_jitter(self, value: float, shown: float, band: float) -> bool:
        relative_band = self.entity_description.relative_band * abs(shown)
        return abs(value - shown) <= max(band, relative_band)

    def _rounded(self, value: float) -> float:
        return round(value, self.entity_description.digits)


class NexBlueEnergySensor(NexBlueSensor, RestoreSensor):
    """Sensor of an energy, stored for the coordinator to check the next one by.

    It is rounded down to the Wh, so that no later value is less than the one shown. A
    counter that advances is shown in steps, and one that stands still exactly.
    """

    _last_read: float | None = None
    _repeats: int = 0

    @override
    def _is_jitter(self, value: float, shown: float, band: float) -> bool:
        self._repeats = self._repeats + 1 if value == self._last_read else 0
        self._last_read = value
        return shown <= value <= shown + band and self._repeats < STANDS_STILL

    @override
    def _rounded(self, value: float) -> float:
        factor = 10.0**self.entity_description.digits
        # The charger's 32-bit floats are a little more or less than a whole Wh.
        return math.floor(value * factor + 0.01) / factor


@dataclass(frozen=True, kw_only=True)
class NexBlueControlSensorDescription(SensorEntityDescription):
    """Describes a sensor of the control of a charger."""

    value_fn: Callable[[ChargerController, Snapshot], StateType | datetime]
    needs_charger: bool = False
    """Whether it is unavailable while the charger cannot be reached."""


CONTROL_DESCRIPTIONS: tuple[NexBlueControlSensorDescription, ...] = (
    NexBlueControlSensorDescription(
        key=CONTROL_KEY,
        device_class=SensorDeviceClass.ENUM,
        options=list(ControlledBy),
        needs_charger=True,
        value_fn=lambda controller, snapshot: controller.controlled_by(snapshot),
    ),
    NexBlueControlSensorDescription(
        key="phase_switches_left",
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda controller, _: controller.control.phase_switches_left,
    ),
    NexBlueControlSensorDescription(
        key="next_phase_switch",
        entity_category=EntityCategory.DIAGNOSTIC,
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda controller, _: controller.control.next_phase_switch,
    ),
)


LIMITED_BY_DESCRIPTION = SensorEntityDescription(
    key="limited_by", device_class=SensorDeviceClass.ENUM, options=list(LimitedBy)
)

UNKNOWN_READS: Final = 2
"""Reads in which the cause may be unknown before that is shown."""

NEXT_CHANGE_DESCRIPTION = SensorEntityDescription(
    key="next_change", device_class=SensorDeviceClass.TIMESTAMP
)


class NexBlueControlSensor(NexBlueEntity, SensorEntity):
    """Sensor of the control of a charger."""

    entity_description: NexBlueControlSensorDescription

    @property
    @override
    def available(self) -> bool:
        """Return whether the value is known."""
        return super().available or not self.entity_description.needs_charger

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        self._attr_native_value = self.entity_description.value_fn(
            self._controller, snapshot
        )
        entry = self.coordinator.config_entry
        has_links = charge_point_id(entry) is not None
        if has_links and self.entity_description.key == CONTROL_KEY:
            link = async_start_stop_link(self.coordinator.hass, entry)
            self._attr_extra_state_attributes = {"start_stop_link": link}


class NexBlueLimitedBySensor(NexBlueEntity, SensorEntity):
    """Sensor of why the vehicle does not get more current."""

    _limited_by: LimitedBy | None = None
    _unknown_in: Reading | None = None
    """The last read in which the cause was unknown."""
    _unknown_reads: int = 0

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        """Show the cause; if it becomes unknown, the last one is shown for two reads.

        A charger takes a moment to charge after its pause has ended.
        """
        limits = self._controller.control.state.limits
        reason = self._controller.charging.reason
        hass, entry = self.coordinator.hass, self.coordinator.config_entry
        found = limited_by(
            snapshot,
            limits,
            self._limited_by,
            reason,
            has_transaction=async_has_transaction(hass, entry),
        )
        if found is not None:
            self._unknown_in, self._unknown_reads = None, 0
        elif snapshot.reading is not self._unknown_in:
            self._unknown_in = snapshot.reading
            self._unknown_reads += 1
        if self._unknown_reads <= UNKNOWN_READS and found is None:
            found = self._limited_by
        self._attr_native_value = self._limited_by = found


class NextChangeSensor(ChargingEntity, SensorEntity):
    """When charging would start, pause or change if everything stays as it is."""

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        self._attr_native_value = self._charging.next_change
