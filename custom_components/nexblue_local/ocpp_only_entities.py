"""The everyday entities of a charger without Modbus, under the keys that they have with it.

Their descriptions are those of the platforms, so that name, unit and device class are the
same. What only Modbus can tell, and limits, have no entity.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, override

from homeassistant.components.binary_sensor import BinarySensorEntity
from homeassistant.components.sensor import SensorEntity, SensorEntityDescription
from homeassistant.components.switch import SwitchEntity
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.restore_state import RestoredExtraData, RestoreEntity
from homeassistant.helpers.typing import StateType

from .binary_sensor import DESCRIPTIONS as BINARY_SENSORS, VEHICLE_CONNECTED
from .central_system.meter_values import MeterValues
from .central_system.state import ChargePointState
from .central_system.tolerance import ErrorCode, Status
from .ledger.recorder import Recorder
from .modbus.enums import ChargePointState as ModbusStatus
from .ocpp_entities import ChargePointEntity, ReportedEntity
from .ocpp_only import OcppChargerConfigEntry
from .sensor import DESCRIPTIONS as SENSORS
from .session_sensors import LAST_SESSION_DESCRIPTIONS, LastSessionSensorDescription
from .switch import DESCRIPTION as SWITCH

STATUSES: Final[Mapping[Status | None, ModbusStatus]] = {
    Status.AVAILABLE: ModbusStatus.AVAILABLE,
    Status.PREPARING: ModbusStatus.PREPARING,
    Status.CHARGING: ModbusStatus.CHARGING,
    Status.SUSPENDED_EVSE: ModbusStatus.SUSPENDED_EVSE,
    Status.SUSPENDED_EV: ModbusStatus.SUSPENDED_EV,
    Status.FINISHING: ModbusStatus.FINISHING,
    Status.RESERVED: ModbusStatus.RESERVED,
    Status.UNAVAILABLE: ModbusStatus.INOPERATIVE,
    Status.FAULTED: ModbusStatus.FAULTED,
    # Two that OCPP 1.6 does not have; the charger does not charge in them.
    Status.DIODE_ERROR: ModbusStatus.FAULTED,
    Status.VENT_ERROR: ModbusStatus.FAULTED,
}
"""The status as with Modbus; one that nobody knows is unknown."""


def _status(state: ChargePointState) -> str | None:
    status = STATUSES.get(state.status)
    return None if status is None else status.name.lower()


def _measured(
    value_fn: Callable[[MeterValues], float | None],
) -> Callable[[ChargePointState], float | None]:
    return lambda state: value_fn(state.meter_values)


def _flow(
    value_fn: Callable[[MeterValues], float | None],
) -> Callable[[ChargePointState], float | None]:
    """Return the value of a power or current, which is 0 without a vehicle."""

    def value(state: ChargePointState) -> float | None:
        measured = value_fn(state.meter_values)
        if measured is None and state.status is Status.AVAILABLE:
            return 0.0
        return measured

    return value


def _first(value: float | None, without_phases: float | None) -> float | None:
    """Return the value of L1, also of a charger that does not tell the phases apart."""
    return without_phases if value is None else value


VALUES: Final[Mapping[str, Callable[[ChargePointState], StateType]]] = {
    "status": _status,
    "power": _flow(lambda values: values.power),
    "power_l1": _flow(lambda values: values.power_l1),
    "power_l2": _flow(lambda values: values.power_l2),
    "power_l3": _flow(lambda values: values.power_l3),
    "current_l1": _flow(lambda values: _first(values.current_l1, values.current)),
    "current_l2": _flow(lambda values: values.current_l2),
    "current_l3": _flow(lambda values: values.current_l3),
    "voltage_l1": _measured(lambda values: _first(values.voltage_l1, values.voltage)),
    "voltage_l2": _measured(lambda values: values.voltage_l2),
    "voltage_l3": _measured(lambda values: values.voltage_l3),
}
"""The values of the sensors that the state of the charge point is enough for, by key."""


def _vehicle_connected(state: ChargePointState) -> bool | None:
    return VEHICLE_CONNECTED.get(STATUSES.get(state.status))


def _is_charging(state: ChargePointState) -> bool | None:
    status = STATUSES.get(state.status)
    return None if status is None else status is ModbusStatus.CHARGING


def _has_fault(state: ChargePointState) -> bool | None:
    status = STATUSES.get(state.status)
    return None if status is None else status is ModbusStatus.FAULTED


def _has_warning(state: ChargePointState) -> bool | None:
    """Return whether there is an error with which the charger can charge."""
    if state.error is None:
        return None
    return state.error is not ErrorCode.NO_ERROR and not _has_fault(state)


IS_ON: Final[Mapping[str, Callable[[ChargePointState], bool | None]]] = {
    "vehicle_connected": _vehicle_connected,
    "charging": _is_charging,
    "fault": _has_fault,
    "warning": _has_warning,
}
"""The values of the binary sensors, by key."""


class OcppSensor(ReportedEntity, SensorEntity):
    """Sensor of what the charge point reports."""

    @override
    def _update_from(self, state: ChargePointState) -> None:
        self._attr_native_value = VALUES[self.entity_description.key](state)


class OcppBinarySensor(ReportedEntity, BinarySensorEntity):
    """Binary sensor of what the charge point reports."""

    @override
    def _update_from(self, state: ChargePointState) -> None:
        self._attr_is_on = IS_ON[self.entity_description.key](state)


class OcppLifetimeEnergy(OcppSensor, RestoreEntity):
    """The energy register, restored: the next reading may be that of the next session."""

    @property
    @override
    def extra_restore_state_data(self) -> RestoredExtraData:
        """Return what is stored.

        It is not called `native_value`, with which the first reads over Modbus are
        compared: that register may be another one.
        """
        return RestoredExtraData({"energy_register": self._attr_native_value})

    @override
    async def async_added_to_hass(self) -> None:
        """Restore the last reading, and follow the charge point."""
        if (last := await self.async_get_last_extra_data()) is not None:
            value = last.as_dict().get("energy_register")
            if isinstance(value, int | float):
                self._attr_native_value = value
        await super().async_added_to_hass()

    @override
    def _update_from(self, state: ChargePointState) -> None:
        if state.meter_values.energy is not None:
            self._attr_native_value = state.meter_values.energy


class OcppSessionEnergy(OcppSensor):
    """The energy of the transaction that runs, or else of the last session."""

    def __init__(
        self, *, entry: OcppChargerConfigEntry, description: SensorEntityDescription
    ) -> None:
        """Initialize the sensor."""
        super().__init__(entry=entry, description=description)
        self._recorder = entry.runtime_data.recorder

    @override
    def _update_from(self, state: ChargePointState) -> None:
        session = self._recorder.last_ended
        energy = None if session is None else session.energy_wh
        if state.transaction is not None:
            energy = state.transaction.energy
        self._attr_native_value = None if energy is None else round(energy / 1000, 3)


class OcppLastSession(ChargePointEntity, SensorEntity):
    """Sensor of the session that ended last, whether the charger is connected or not."""

    entity_description: LastSessionSensorDescription

    def __init__(
        self,
        *,
        entry: OcppChargerConfigEntry,
        description: LastSessionSensorDescription,
    ) -> None:
        """Initialize the sensor."""
        super().__init__(entry=entry, description=description)
        self._recorder: Recorder = entry.runtime_data.recorder

    @callback
    @override
    def _update(self) -> None:
        session = self._recorder.last_ended
        self._attr_native_value = (
            None if session is None else self.entity_description.value_fn(session)
        )


class OcppChargingSwitch(ChargePointEntity, SwitchEntity):
    """Whether a transaction runs; a command that fails says why."""

    @override
    def _update_from(self, state: ChargePointState) -> None:
        self._attr_is_on = state.transaction is not None

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Start a transaction."""
        await self._async_command(lambda point: point.start())

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Stop the transaction that runs."""
        await self._async_command(lambda point: point.stop())


SENSOR_CLASSES: Final[Mapping[str, type[OcppSensor]]] = {
    **dict.fromkeys(VALUES, OcppSensor),
    "lifetime_energy": OcppLifetimeEnergy,
    "session_energy": OcppSessionEnergy,
}


def entities(
    hass: HomeAssistant, entry: OcppChargerConfigEntry, platform: Platform
) -> list[Entity]:
    """Return the everyday entities of a charger without Modbus."""
    match platform:
        case Platform.BINARY_SENSOR:
            return [
                OcppBinarySensor(entry=entry, description=description)
                for description in BINARY_SENSORS
                if description.key in IS_ON
            ]
        case Platform.SENSOR:
            return [
                *(
                    SENSOR_CLASSES[description.key](
                        entry=entry, description=description
                    )
                    for description in SENSORS
                    if description.key in SENSOR_CLASSES
                ),
                *(
                    OcppLastSession(entry=entry, description=description)
                    for description in LAST_SESSION_DESCRIPTIONS
                ),
            ]
        case Platform.SWITCH:
            return [OcppChargingSwitch(entry=entry, description=SWITCH)]
    return []
