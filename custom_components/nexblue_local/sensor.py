"""Sensors."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
import math
from typing import Any, override

from homeassistant.components.sensor import (
    RestoreSensor,
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    DEGREE,
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfPower,
    UnitOfTime,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.typing import StateType
from homeassistant.util import dt as dt_util

from .charger.charger import Snapshot
from .charger.enums import ChargePointState, PhaseMode, StartStop
from .charger.model import Register
from .charger.registers import Identity, Reading, Settings
from .controller import ChargerController, Controller
from .coordinator import NexBlueConfigEntry
from .entity import NexBlueEntity
from .limited_by import LimitedBy, limited_by

# The coordinator makes all requests.
PARALLEL_UPDATES = 0


def _key(member: IntEnum) -> str:
    """Return the state, which is also the translation key, of a member."""
    assert member.name is not None
    return member.name.lower()


def _keys(members: Iterable[IntEnum]) -> list[str]:
    return [_key(member) for member in members]


def _shown(register: Register[Any]) -> Callable[[Snapshot], StateType]:
    """Return the function that returns the value of a register."""

    def value(snapshot: Snapshot) -> StateType:
        read: StateType = snapshot[register]
        return _key(read) if isinstance(read, IntEnum) else read

    return value


def _mapping_version(snapshot: Snapshot) -> str | None:
    """Return the version as the vendor's document writes it."""
    version = snapshot.identity.mapping_version
    return None if version is None else f"0x{version:04X}"


@dataclass(frozen=True, kw_only=True)
class NexBlueSensorDescription(SensorEntityDescription):
    """Describes a sensor of a register."""

    value_fn: Callable[[Snapshot], StateType]
    band: float | None = None
    """Changes of a measurement up to this, in its native unit, are jitter."""
    digits: int = 0
    """Decimals of its native unit to which a measurement is rounded."""


DESCRIPTIONS: tuple[NexBlueSensorDescription, ...] = (
    NexBlueSensorDescription(
        key="status",
        value_fn=_shown(Reading.status),
        device_class=SensorDeviceClass.ENUM,
        options=_keys(ChargePointState),
    ),
    *(
        NexBlueSensorDescription(
            key=register.name,
            value_fn=_shown(register),
            band=0.75,
            entity_registry_enabled_default=register is Reading.power,
            device_class=SensorDeviceClass.POWER,
            state_class=SensorStateClass.MEASUREMENT,
            native_unit_of_measurement=UnitOfPower.WATT,
            suggested_display_precision=0,
        )
        for register in (
            Reading.power,
            Reading.power_l1,
            Reading.power_l2,
            Reading.power_l3,
        )
    ),
    *(
        NexBlueSensorDescription(
            key=register.name,
            value_fn=_shown(register),
            band=0.075,
            digits=1,
            # Enough while the phases carry the same.
            entity_registry_enabled_default=register is Reading.current_l1,
            device_class=SensorDeviceClass.CURRENT,
            state_class=SensorStateClass.MEASUREMENT,
            native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
            suggested_display_precision=1,
        )
        for register in (Reading.current_l1, Reading.current_l2, Reading.current_l3)
    ),
    NexBlueSensorDescription(
        key="active_current_limit",
        value_fn=_shown(Settings.current_limit),
        band=0.075,
        digits=1,
        device_class=SensorDeviceClass.CURRENT,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        suggested_display_precision=1,
    ),
    *(
        NexBlueSensorDescription(
            key=register.name,
            value_fn=_shown(register),
            band=0.75,
            digits=1,
            device_class=SensorDeviceClass.VOLTAGE,
            state_class=SensorStateClass.MEASUREMENT,
            native_unit_of_measurement=UnitOfElectricPotential.VOLT,
            suggested_display_precision=1,
        )
        for register in (Reading.voltage_l1, Reading.voltage_l2, Reading.voltage_l3)
    ),
    NexBlueSensorDescription(
        key="session_energy",
        value_fn=_shown(Reading.session_energy),
        band=0.0075,
        digits=2,
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
    ),
    NexBlueSensorDescription(
        key="lifetime_energy",
        value_fn=_shown(Reading.lifetime_energy),
        band=75.0,
        digits=-1,
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
    ),
    *(
        NexBlueSensorDescription(
            key=register.name,
            value_fn=_shown(register),
            band=0.075,
            digits=1,
            entity_category=EntityCategory.DIAGNOSTIC,
            device_class=SensorDeviceClass.CURRENT,
            native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
            suggested_display_precision=1,
        )
        for register in (Reading.app_fallback_current, Reading.app_max_current)
    ),
    NexBlueSensorDescription(
        key="app_phase_mode",
        value_fn=_shown(Reading.app_phase_mode),
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.ENUM,
        options=_keys(PhaseMode),
    ),
    NexBlueSensorDescription(
        key="active_fallback_limit",
        value_fn=_shown(Settings.fallback_limit),
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
        value_fn=_shown(Settings.fallback_timeout),
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_unit_of_measurement=UnitOfTime.MINUTES,
    ),
    NexBlueSensorDescription(
        key="active_phase_mode",
        value_fn=_shown(Settings.phase_mode),
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.ENUM,
        options=_keys(PhaseMode),
    ),
    NexBlueSensorDescription(
        key="active_start_stop",
        value_fn=_shown(Settings.start_stop),
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        device_class=SensorDeviceClass.ENUM,
        options=_keys(StartStop),
    ),
    *(
        NexBlueSensorDescription(
            key=register.name,
            value_fn=_shown(register),
            band=0.75,
            digits=1,
            entity_category=EntityCategory.DIAGNOSTIC,
            entity_registry_enabled_default=False,
            state_class=SensorStateClass.MEASUREMENT_ANGLE,
            native_unit_of_measurement=DEGREE,
            suggested_display_precision=1,
        )
        for register in (
            Reading.phase_angle_l1,
            Reading.phase_angle_l2,
            Reading.phase_angle_l3,
        )
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
        value_fn=_shown(Identity.connector_count),
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: NexBlueConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensors of a charger."""
    async_add_entities(
        (
            NexBlueEnergySensor
            if description.device_class is SensorDeviceClass.ENERGY
            else NexBlueSensor
        )(entry=entry, description=description)
        for description in DESCRIPTIONS
    )
    async_add_entities(
        NexBlueControlSensor(entry=entry, description=description)
        for description in CONTROL_DESCRIPTIONS
    )
    async_add_entities(
        [NexBlueLimitedBySensor(entry=entry, description=LIMITED_BY_DESCRIPTION)]
    )


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
            if isinstance(shown, int | float) and abs(value - shown) <= band:
                return
            value = self._rounded(value)
        self._attr_native_value = value

    def _rounded(self, value: float) -> float:
        return round(value, self.entity_description.digits)


class NexBlueEnergySensor(NexBlueSensor, RestoreSensor):
    """Sensor of an energy, stored for the coordinator to check the next one by.

    It is rounded down, so that no later value is less than the one shown.
    """

    @override
    def _rounded(self, value: float) -> float:
        digits = self.entity_description.digits
        step = 10.0**-digits
        return round(math.floor(value / step + 1e-6) * step, max(0, digits))


@dataclass(frozen=True, kw_only=True)
class NexBlueControlSensorDescription(SensorEntityDescription):
    """Describes a sensor of the control of a charger."""

    value_fn: Callable[[ChargerController, Snapshot], StateType | datetime]
    needs_charger: bool = False
    """Whether it is unavailable while the charger cannot be reached."""


def _phase_switches_left(controller: ChargerController) -> int:
    """Return how many phase switches are left now, 0 while none is allowed."""
    budget, now = controller.control.budget, dt_util.utcnow()
    return budget.left(now) if budget.is_allowed(now) else 0


CONTROL_DESCRIPTIONS: tuple[NexBlueControlSensorDescription, ...] = (
    NexBlueControlSensorDescription(
        key="control",
        device_class=SensorDeviceClass.ENUM,
        options=list(Controller),
        needs_charger=True,
        value_fn=lambda controller, snapshot: controller.controller(snapshot),
    ),
    NexBlueControlSensorDescription(
        key="phase_switches_left",
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda controller, _: _phase_switches_left(controller),
    ),
    NexBlueControlSensorDescription(
        key="next_phase_switch",
        entity_category=EntityCategory.DIAGNOSTIC,
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda controller, _: controller.next_phase_switch(),
    ),
)

LIMITED_BY_DESCRIPTION = SensorEntityDescription(
    key="limited_by", device_class=SensorDeviceClass.ENUM, options=list(LimitedBy)
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


class NexBlueLimitedBySensor(NexBlueEntity, SensorEntity):
    """Sensor of why the vehicle does not get more current."""

    _limited_by: LimitedBy | None = None

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        control = self._controller.control
        self._limited_by = limited_by(snapshot, control, self._limited_by)
        self._attr_native_value = self._limited_by
