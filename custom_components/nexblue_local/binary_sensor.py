"""Binary sensors."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag
from typing import Any, override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .charge_points import async_add_charge_point
from .controller import ChargerController
from .entity import NexBlueControlEntity, NexBlueEntity
from .modbus.enums import (
    ChargePointState,
    ChargerErrors,
    ChargerWarnings,
    WaitingReasons,
)
from .modbus.registers import Reading
from .modbus.snapshot import Snapshot
from .site_config import is_site
from .site_entity import SiteEntity
from .surplus.meter import MeterState

# The coordinator makes all requests.
PARALLEL_UPDATES = 0

# The charger does not report it in the other states.
VEHICLE_CONNECTED: dict[ChargePointState | None, bool] = {
    ChargePointState.AVAILABLE: False,
    ChargePointState.PREPARING: True,
    ChargePointState.CHARGING: True,
    ChargePointState.SUSPENDED_EVSE: True,
    ChargePointState.SUSPENDED_EV: True,
    ChargePointState.FINISHING: True,
    ChargePointState.RESERVED: False,
}


def _is_charging(reading: Reading) -> bool | None:
    if reading.status is None:
        return None
    return reading.status is ChargePointState.CHARGING


def _has_fault(reading: Reading) -> bool | None:
    if reading.status is ChargePointState.FAULTED or reading.errors:
        return True
    return None if reading.status is None or reading.errors is None else False


def _has_warning(reading: Reading) -> bool | None:
    if reading.warnings is None:
        return None
    # Billing by a certified meter is listed among the warnings.
    return bool(reading.warnings & ~ChargerWarnings.MID_MODE)


@dataclass(frozen=True, kw_only=True)
class NexBlueBinarySensorDescription(BinarySensorEntityDescription):
    """Describes a binary sensor of the registers."""

    is_on_fn: Callable[[Reading], bool | None]


@dataclass(frozen=True, kw_only=True)
class NexBlueControlBinarySensorDescription(BinarySensorEntityDescription):
    """Describes a binary sensor of the control of a charger."""

    is_on_fn: Callable[[ChargerController], bool]


def _bit(
    bits_fn: Callable[[Reading], IntFlag | None],
    flag: IntFlag,
    *,
    key: str,
    device_class: BinarySensorDeviceClass | None = None,
    entity_registry_enabled_default: bool = False,
) -> NexBlueBinarySensorDescription:
    """Return the description of a single bit."""

    def is_on(reading: Reading) -> bool | None:
        bits = bits_fn(reading)
        return None if bits is None else flag in bits

    return NexBlueBinarySensorDescription(
        key=key,
        is_on_fn=is_on,
        device_class=device_class,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=entity_registry_enabled_default,
    )


DESCRIPTIONS: tuple[NexBlueBinarySensorDescription, ...] = (
    NexBlueBinarySensorDescription(
        key="vehicle_connected",
        device_class=BinarySensorDeviceClass.PLUG,
        is_on_fn=lambda reading: VEHICLE_CONNECTED.get(reading.status),
    ),
    NexBlueBinarySensorDescription(key="charging", is_on_fn=_is_charging),
    NexBlueBinarySensorDescription(
        key="fault",
        device_class=BinarySensorDeviceClass.PROBLEM,
        is_on_fn=_has_fault,
    ),
    NexBlueBinarySensorDescription(
        key="warning",
        device_class=BinarySensorDeviceClass.PROBLEM,
        is_on_fn=_has_warning,
    ),
    _bit(
        lambda reading: reading.waiting_reasons,
        WaitingReasons.MODBUS_FALLBACK,
        key="fallback_active",
        entity_registry_enabled_default=True,
    ),
    *(
        _bit(
            lambda reading: reading.errors,
            flag,
            key=f"error_{str(flag.name).lower()}",
            device_class=BinarySensorDeviceClass.PROBLEM,
        )
        for flag in ChargerErrors
    ),
    *(
        _bit(
            lambda reading: reading.warnings,
            flag,
            key=f"warning_{str(flag.name).lower()}",
            device_class=None
            if flag is ChargerWarnings.MID_MODE
            else BinarySensorDeviceClass.PROBLEM,
        )
        for flag in ChargerWarnings
    ),
    *(
        _bit(
            lambda reading: reading.waiting_reasons,
            flag,
            key=f"waiting_{str(flag.name).lower()}",
        )
        for flag in WaitingReasons
        if flag is not WaitingReasons.MODBUS_FALLBACK
    ),
)


CONTROL_DESCRIPTIONS: tuple[NexBlueControlBinarySensorDescription, ...] = (
    NexBlueControlBinarySensorDescription(
        key="start_stop_refused",
        entity_category=EntityCategory.DIAGNOSTIC,
        device_class=BinarySensorDeviceClass.PROBLEM,
        is_on_fn=lambda controller: controller.control.reconciler.refuses_start_stop,
    ),
    NexBlueControlBinarySensorDescription(
        key="settings_not_applied",
        entity_category=EntityCategory.DIAGNOSTIC,
        device_class=BinarySensorDeviceClass.PROBLEM,
        is_on_fn=lambda controller: controller.control.reconciler.is_pending,
    ),
    NexBlueControlBinarySensorDescription(
        key="phase_mode_not_restored",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        device_class=BinarySensorDeviceClass.PROBLEM,
        is_on_fn=lambda controller: controller.control.state.phases.is_given_up,
    ),
    NexBlueControlBinarySensorDescription(
        key="phase_switch_allowed",
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on_fn=lambda controller: controller.control.phase_switches_left > 0,
    ),
)


METER_LOST_DESCRIPTION = BinarySensorEntityDescription(
    key="meter_lost", device_class=BinarySensorDeviceClass.PROBLEM
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: ConfigEntry[Any],
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the binary sensors of the site or of a charger."""
    if is_site(entry):
        async_add_entities(
            [MeterLostSensor(entry=entry, description=METER_LOST_DESCRIPTION)]
        )
        return
    if await async_add_charge_point(
        hass, entry, Platform.BINARY_SENSOR, async_add_entities
    ):
        return
    async_add_entities(
        NexBlueBinarySensor(entry=entry, description=description)
        for description in DESCRIPTIONS
    )
    async_add_entities(
        NexBlueControlBinarySensor(entry=entry, description=description)
        for description in CONTROL_DESCRIPTIONS
    )


class NexBlueBinarySensor(NexBlueEntity, BinarySensorEntity):
    """Binary sensor of the registers."""

    entity_description: NexBlueBinarySensorDescription

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        self._attr_is_on = self.entity_description.is_on_fn(snapshot.reading)


class NexBlueControlBinarySensor(NexBlueControlEntity, BinarySensorEntity):
    """Binary sensor of the control of a charger."""

    entity_description: NexBlueControlBinarySensorDescription

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        self._attr_is_on = self.entity_description.is_on_fn(self._controller)


class MeterLostSensor(SiteEntity, BinarySensorEntity):
    """Whether the grid meter cannot be relied on."""

    @override
    def _update(self) -> None:
        state = self.site.meter_state
        self._attr_is_on = (
            None if state is MeterState.STARTING else state is not MeterState.VALID
        )
