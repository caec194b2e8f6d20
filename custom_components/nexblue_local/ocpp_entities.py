"""Entities of a charger that its charge point is for; imported only where there is one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.components.button import (
    ButtonDeviceClass,
    ButtonEntity,
    ButtonEntityDescription,
)
from homeassistant.components.event import EventEntityDescription
from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.components.switch import SwitchEntity, SwitchEntityDescription
from homeassistant.const import (
    PERCENTAGE,
    EntityCategory,
    Platform,
    UnitOfFrequency,
    UnitOfTemperature,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity import Entity, EntityDescription
from homeassistant.helpers.typing import StateType

from .central_system.charge_point import ChargePoint
from .central_system.events import TagPresented
from .central_system.state import ChargePointState
from .central_system.tolerance import Status
from .charge_points import async_charge_point, async_follow, async_required_back_end
from .domain_data import async_get_domain_data
from .event import NexBlueEvent
from .ledger.session import EndReason
from .ocpp_only import AnyChargerConfigEntry


@dataclass(frozen=True, kw_only=True)
class ChargePointSensorDescription(SensorEntityDescription):
    """Describes a sensor of a charge point."""

    value_fn: Callable[[ChargePointState], StateType]
    attributes_fn: Callable[[ChargePointState], Mapping[str, Any] | None] = lambda _: (
        None
    )


@dataclass(frozen=True, kw_only=True)
class ChargePointButtonDescription(ButtonEntityDescription):
    """Describes a button of a charge point."""

    press_fn: Callable[[ChargePoint], Any]


class TagEventType(StrEnum):
    """What happened to a card."""

    TAG_PRESENTED = "tag_presented"
    """Its attributes are `name`, None for an unknown card, `tag_id` and `is_accepted`."""


def _percent(part: float | None) -> float | None:
    return None if part is None else 100 * part


def _status_attributes(state: ChargePointState) -> Mapping[str, Any]:
    return {
        "error": state.error,
        "vendor_error": state.vendor_error,
        "info": state.info,
    }


CONNECTED: Final = BinarySensorEntityDescription(
    key="ocpp_connected",
    device_class=BinarySensorDeviceClass.CONNECTIVITY,
    entity_category=EntityCategory.DIAGNOSTIC,
)

SENSORS: Final[tuple[ChargePointSensorDescription, ...]] = (
    ChargePointSensorDescription(
        key="ocpp_status",
        value_fn=lambda state: state.status,
        attributes_fn=_status_attributes,
        device_class=SensorDeviceClass.ENUM,
        options=list(Status),
    ),
    ChargePointSensorDescription(
        key="session_tag",
        value_fn=lambda state: (
            None if state.transaction is None else state.transaction.tag
        ),
    ),
    ChargePointSensorDescription(
        key="transaction_id",
        value_fn=lambda state: (
            None if state.transaction is None else state.transaction.number
        ),
        entity_category=EntityCategory.DIAGNOSTIC,
    ),
    ChargePointSensorDescription(
        key="stop_reason",
        value_fn=lambda state: state.end_reason,
        device_class=SensorDeviceClass.ENUM,
        options=list(EndReason),
    ),
    ChargePointSensorDescription(
        key="frequency",
        value_fn=lambda state: state.meter_values.frequency,
        device_class=SensorDeviceClass.FREQUENCY,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfFrequency.HERTZ,
        suggested_display_precision=1,
        entity_category=EntityCategory.DIAGNOSTIC,
    ),
    ChargePointSensorDescription(
        key="power_factor",
        value_fn=lambda state: _percent(state.meter_values.power_factor),
        device_class=SensorDeviceClass.POWER_FACTOR,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=PERCENTAGE,
        suggested_display_precision=0,
        entity_category=EntityCategory.DIAGNOSTIC,
    ),
    ChargePointSensorDescription(
        key="temperature",
        value_fn=lambda state: state.meter_values.temperature,
        device_class=SensorDeviceClass.TEMPERATURE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfTemperature.CELSIUS,
        suggested_display_precision=0,
        entity_category=EntityCategory.DIAGNOSTIC,
    ),
)

OPERATIVE: Final = SwitchEntityDescription(
    key="operative", entity_category=EntityCategory.CONFIG
)

BUTTONS: Final[tuple[ChargePointButtonDescription, ...]] = (
    ChargePointButtonDescription(
        key="ocpp_reset",
        device_class=ButtonDeviceClass.RESTART,
        entity_category=EntityCategory.CONFIG,
        press_fn=lambda point: point.commands.reset(),
    ),
    ChargePointButtonDescription(
        key="unlock_connector",
        press_fn=lambda point: point.commands.unlock_connector(),
    ),
)

TAG: Final = EventEntityDescription(
    key="tag", translation_key="tag", event_types=list(TagEventType)
)


class ChargePointEntity(Entity):
    """Entity of a charge point; its key is also its translation key."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(
        self, *, entry: AnyChargerConfigEntry, description: EntityDescription
    ) -> None:
        """Initialize the entity."""
        self._entry = entry
        self.entity_description = description
        self._attr_translation_key = description.key
        self._attr_unique_id = f"{entry.unique_id}_{description.key}"
        self._attr_device_info = entry.runtime_data.device_info

    @property
    def _state(self) -> ChargePointState | None:
        charge_point = async_charge_point(self.hass, self._entry)
        return None if charge_point is None else charge_point.state

    def _update_from(self, state: ChargePointState) -> None:
        """Update from what is known of the charge point; a button has no state."""

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the charge point."""
        await super().async_added_to_hass()
        self.async_on_remove(async_follow(self.hass, self._entry, self._updated))
        self._update()

    @callback
    def _updated(self) -> None:
        self._update()
        self.async_write_ha_state()

    @callback
    def _update(self) -> None:
        if (state := self._state) is not None:
            self._update_from(state)

    async def _async_command(self, command: Callable[[ChargePoint], Any]) -> None:
        """Send a command; raises HomeAssistantError."""
        back_end = async_required_back_end(self.hass, self._entry)
        await back_end.async_command(self._entry, command)


class ReportedEntity(ChargePointEntity):
    """Entity of what a charge point reports, available while that is connected.

    A charge point leaves out what has not changed, so no value is too old until then.
    """

    @property
    @override
    def available(self) -> bool:
        """Return whether the charge point is connected."""
        return self._state is not None and self._state.is_connected


class ConnectedSensor(ChargePointEntity, BinarySensorEntity):
    """Whether the charge point is connected; also if there is no back end."""

    @callback
    @override
    def _update(self) -> None:
        self._attr_is_on = self._state is not None and self._state.is_connected


class ChargePointSensor(ReportedEntity, SensorEntity):
    """Sensor of a charge point."""

    entity_description: ChargePointSensorDescription

    @override
    def _update_from(self, state: ChargePointState) -> None:
        self._attr_native_value = self.entity_description.value_fn(state)
        attributes = self.entity_description.attributes_fn(state)
        if attributes is not None:
            self._attr_extra_state_attributes = dict(attributes)


class OperativeSwitch(ChargePointEntity, SwitchEntity):
    """Whether the charge point takes vehicles; a command that fails says why."""

    @override
    def _update_from(self, state: ChargePointState) -> None:
        self._attr_is_on = state.is_operative

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Take the charge point into service."""
        await self._async_command(
            lambda point: point.commands.change_availability(is_operative=True)
        )

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Take the charge point out of service, after the transaction that runs."""
        await self._async_command(
            lambda point: point.commands.change_availability(is_operative=False)
        )


class ChargePointButton(ChargePointEntity, ButtonEntity):
    """Button of a charge point; a command that fails says why."""

    entity_description: ChargePointButtonDescription

    @override
    async def async_press(self) -> None:
        """Send the command; raises HomeAssistantError."""
        await self._async_command(self.entity_description.press_fn)


def _as_event(event: TagPresented) -> tuple[str, dict[str, Any]]:
    return TagEventType.TAG_PRESENTED, {
        "name": event.name,
        "tag_id": event.tag_id,
        "is_accepted": event.is_accepted,
    }


def entities(
    hass: HomeAssistant, entry: AnyChargerConfigEntry, platform: Platform
) -> list[Entity]:
    """Return the entities of a charger's charge point."""
    match platform:
        case Platform.BINARY_SENSOR:
            return [ConnectedSensor(entry=entry, description=CONNECTED)]
        case Platform.BUTTON:
            return [
                ChargePointButton(entry=entry, description=description)
                for description in BUTTONS
            ]
        case Platform.EVENT:
            events = async_get_domain_data(hass).tag_events_of(entry)
            return [NexBlueEvent(entry, TAG, events, _as_event)]
        case Platform.SENSOR:
            return [
                ChargePointSensor(entry=entry, description=description)
                for description in SENSORS
            ]
        case Platform.SWITCH:
            return [OperativeSwitch(entry=entry, description=OPERATIVE)]
    return []
