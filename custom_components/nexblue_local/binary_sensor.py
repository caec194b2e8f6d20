"""What is on or off at the charger."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag
from typing import override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .charger.charger import Snapshot
from .charger.enums import (
    ChargePointState,
    ChargerErrors,
    ChargerWarnings,
    WaitingReasons,
)
from .charger.model import Register
from .charger.registers import Reading
from .coordinator import NexBlueConfigEntry
from .entity import NexBlueEntity

# The coordinator makes all requests.
PARALLEL_UPDATES = 0

# In the remaining states the charger does not tell.
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


def _any_bit(bits: IntFlag | None) -> bool | None:
    return None if bits is None else bool(bits)


@dataclass(frozen=True, kw_only=True)
class NexBlueBinarySensorDescription(BinarySensorEntityDescription):
    """Describes a binary sensor."""

    is_on_fn: Callable[[Reading], bool | None]


def _bit[F: IntFlag](
    register: Register[F],
    flag: F,
    *,
    key: str,
    device_class: BinarySensorDeviceClass | None = None,
    entity_registry_enabled_default: bool = False,
) -> NexBlueBinarySensorDescription:
    """Return the description of a single bit."""

    def is_on(reading: Reading) -> bool | None:
        bits = register.__get__(reading, Reading)
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
    NexBlueBinarySensorDescription(
        key="charging",
        device_class=BinarySensorDeviceClass.BATTERY_CHARGING,
        is_on_fn=_is_charging,
    ),
    NexBlueBinarySensorDescription(
        key="fault",
        device_class=BinarySensorDeviceClass.PROBLEM,
        is_on_fn=_has_fault,
    ),
    NexBlueBinarySensorDescription(
        key="warning",
        device_class=BinarySensorDeviceClass.PROBLEM,
        is_on_fn=lambda reading: _any_bit(reading.warnings),
    ),
    _bit(
        Reading.waiting_reasons,
        WaitingReasons.MODBUS_FALLBACK,
        key="fallback_active",
        entity_registry_enabled_default=True,
    ),
    *(
        _bit(
            Reading.errors,
            flag,
            key=f"error_{str(flag.name).lower()}",
            device_class=BinarySensorDeviceClass.PROBLEM,
        )
        for flag in ChargerErrors
    ),
    *(
        _bit(
            Reading.warnings,
            flag,
            key=f"warning_{str(flag.name).lower()}",
            # Billing by a certified meter is listed among the warnings.
            device_class=None
            if flag is ChargerWarnings.MID_MODE
            else BinarySensorDeviceClass.PROBLEM,
        )
        for flag in ChargerWarnings
    ),
    *(
        _bit(Reading.waiting_reasons, flag, key=f"waiting_{str(flag.name).lower()}")
        for flag in WaitingReasons
        if flag is not WaitingReasons.MODBUS_FALLBACK
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: NexBlueConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the binary sensors of a charger."""
    async_add_entities(
        NexBlueBinarySensor(coordinator=entry.runtime_data, description=description)
        for description in DESCRIPTIONS
    )


class NexBlueBinarySensor(NexBlueEntity, BinarySensorEntity):
    """A binary sensor."""

    entity_description: NexBlueBinarySensorDescription

    @override
    def _take_over(self, snapshot: Snapshot) -> bool:
        shown = self._attr_is_on
        self._attr_is_on = self.entity_description.is_on_fn(snapshot.reading)
        return self._attr_is_on != shown
