"""What the charger measures and says."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, IntFlag
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
from .charger.enums import ChargePointState, PhaseMode, WaitingReasons
from .charger.model import Register
from .charger.registers import Identity, Reading, Settings
from .controller import ChargerController, Controller
from .coordinator import NexBlueConfigEntry
from .entity import NexBlueEntity

# The coordinator makes all requests.
PARALLEL_UPDATES = 0


# Why the car is not getting more, the most important reason first.
WAITING_REASONS: tuple[WaitingReasons, ...] = (
    WaitingReasons.LOW_SEVERITY_ERROR_OR_OCPP_PAUSE,
    WaitingReasons.MODBUS_FALLBACK,
    WaitingReasons.MAIN_UNIT_OFFLINE,
    WaitingReasons.CT_OFFLINE,
    WaitingReasons.LOAD_SHEDDING,
    WaitingReasons.HOST_NOT_RESPONDING,
    WaitingReasons.HOST_REDUCES_CURRENT,
)
NOT_WAITING = "none"


def _key(member: IntEnum | IntFlag) -> str:
    """Return the state and translation key of a state, mode or reason."""
    assert member.name is not None
    return member.name.lower()


def _keys(members: Iterable[IntEnum | IntFlag]) -> list[str]:
    return [_key(member) for member in members]


def _shown(register: Register[Any]) -> Callable[[Snapshot], StateType]:
    """Return what shows the value of a register."""

    def value(snapshot: Snapshot) -> StateType:
        read: StateType = snapshot[register]
        return _key(read) if isinstance(read, IntEnum) else read

    return value


def _waiting_reason(snapshot: Snapshot) -> str | None:
    reasons = snapshot.reading.waiting_reasons
    if reasons is None:
        return None
    if not reasons:
        return NOT_WAITING
    known = (reason for reason in WAITING_REASONS if reason in reasons)
    return next((_key(reason) for reason in known), None)


def _mapping_version(snapshot: Snapshot) -> str | None:
    """Return the version as the vendor's document writes it."""
    version = snapshot.identity.mapping_version
    return None if version is None else f"0x{version:04X}"


@dataclass(frozen=True, kw_only=True)
class NexBlueSensorDescription(SensorEntityDescription):
    """Describes a sensor."""

    value_fn: Callable[[Snapshot], StateType]
    digits: int | None = None
    """The decimals to which a measurement is worth a row in the database."""


DESCRIPTIONS: tuple[NexBlueSensorDescription, ...] = (
    NexBlueSensorDescription(
        key="status",
        value_fn=_shown(Reading.status),
        device_class=SensorDeviceClass.ENUM,
        options=_keys(ChargePointState),
    ),
    NexBlueSensorDescription(
        key="waiting_reason",
        value_fn=_waiting_reason,
        device_class=SensorDeviceClass.ENUM,
        options=[NOT_WAITING, *_keys(WAITING_REASONS)],
    ),
    *(
        NexBlueSensorDescription(
            key=register.name,
            value_fn=_shown(register),
            digits=0,
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
            digits=1,
            device_class=SensorDeviceClass.CURRENT,
            state_class=SensorStateClass.MEASUREMENT,
            native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
            suggested_display_precision=1,
        )
        for register in (Reading.current_l1, Reading.current_l2, Reading.current_l3)
    ),
    NexBlueSensorDescription(
        key="offered_current",
        value_fn=_shown(Settings.current_limit),
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
            digits=0,
            device_class=SensorDeviceClass.VOLTAGE,
            state_class=SensorStateClass.MEASUREMENT,
            native_unit_of_measurement=UnitOfElectricPotential.VOLT,
            suggested_display_precision=0,
        )
        for register in (Reading.voltage_l1, Reading.voltage_l2, Reading.voltage_l3)
    ),
    NexBlueSensorDescription(
        key="session_energy",
        value_fn=_shown(Reading.session_energy),
        digits=2,
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
    ),
    NexBlueSensorDescription(
        key="lifetime_energy",
        value_fn=_shown(Reading.lifetime_energy),
        digits=-2,
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=1,
    ),
    *(
        NexBlueSensorDescription(
            key=register.name,
            value_fn=_shown(register),
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
        device_class=SensorDeviceClass.ENUM,
        options=_keys(PhaseMode),
    ),
    *(
        NexBlueSensorDescription(
            key=register.name,
            value_fn=_shown(register),
            digits=0,
            entity_category=EntityCategory.DIAGNOSTIC,
            entity_registry_enabled_default=False,
            state_class=SensorStateClass.MEASUREMENT_ANGLE,
            native_unit_of_measurement=DEGREE,
            suggested_display_precision=0,
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


def is_jitter(value: float, shown: float, digits: int) -> bool:
    """Return whether a measurement is still the one that is shown.

    The band is wider than rounding's, so that a value at the border between two
    digits does not change with every poll, in graphs as in the database.
    """
    return abs(value - shown) <= 0.75 * 10.0**-digits


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
        )(coordinator=entry.runtime_data, description=description)
        for description in DESCRIPTIONS
    )
    async_add_entities(
        NexBlueControlSensor(coordinator=entry.runtime_data, description=description)
        for description in CONTROL_DESCRIPTIONS
    )


class NexBlueSensor(NexBlueEntity, SensorEntity):
    """A sensor."""

    entity_description: NexBlueSensorDescription
    _attr_native_value: StateType = None

    @override
    def _take_over(self, snapshot: Snapshot) -> bool:
        value = self.entity_description.value_fn(snapshot)
        shown = self._attr_native_value
        digits = self.entity_description.digits
        if digits is not None and isinstance(value, int | float):
            if isinstance(shown, int | float) and is_jitter(value, shown, digits):
                return False
            value = self._rounded(value, digits)
        self._attr_native_value = value
        return value != shown

    def _rounded(self, value: float, digits: int) -> float:
        return round(value, digits)


class NexBlueEnergySensor(NexBlueSensor, RestoreSensor):
    """An energy, stored for the coordinator to measure the next one by.

    It is rounded down, so that what was shown is never more than what comes.
    """

    @override
    def _rounded(self, value: float, digits: int) -> float:
        step = 10.0**-digits
        return round(math.floor(value / step + 1e-6) * step, max(0, digits))


@dataclass(frozen=True, kw_only=True)
class NexBlueControlSensorDescription(SensorEntityDescription):
    """Describes a sensor of what is asked of the charger."""

    value_fn: Callable[[ChargerController, Snapshot], StateType | datetime]


CONTROL_DESCRIPTIONS: tuple[NexBlueControlSensorDescription, ...] = (
    NexBlueControlSensorDescription(
        key="control",
        device_class=SensorDeviceClass.ENUM,
        options=list(Controller),
        value_fn=lambda controller, snapshot: controller.controller(snapshot),
    ),
    NexBlueControlSensorDescription(
        key="phase_switches_left",
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda controller, _: controller.control.budget.left(dt_util.utcnow()),
    ),
    NexBlueControlSensorDescription(
        key="next_phase_switch",
        entity_category=EntityCategory.DIAGNOSTIC,
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda controller, _: controller.next_phase_switch(),
    ),
)


class NexBlueControlSensor(NexBlueEntity, SensorEntity):
    """A sensor of what is asked of the charger."""

    entity_description: NexBlueControlSensorDescription
    _attr_native_value: StateType | datetime = None

    @override
    def _take_over(self, snapshot: Snapshot) -> bool:
        shown = self._attr_native_value
        self._attr_native_value = self.entity_description.value_fn(
            self.coordinator.controller, snapshot
        )
        return self._attr_native_value != shown
