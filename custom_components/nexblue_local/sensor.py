"""What the charger measures and says."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfPower,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.typing import StateType

from .charger.enums import ChargePointState
from .charger.model import Register
from .charger.registers import Reading
from .coordinator import NexBlueConfigEntry
from .entity import NexBlueEntity

# The coordinator makes all requests.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class NexBlueSensorDescription(SensorEntityDescription):
    """Describes a sensor that shows a register."""

    register: Register[Any]


DESCRIPTIONS: tuple[NexBlueSensorDescription, ...] = (
    NexBlueSensorDescription(
        key="status",
        register=Reading.status,
        device_class=SensorDeviceClass.ENUM,
        options=[state.name.lower() for state in ChargePointState],
    ),
    *(
        NexBlueSensorDescription(
            key=register.name,
            register=register,
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
            register=register,
            device_class=SensorDeviceClass.CURRENT,
            state_class=SensorStateClass.MEASUREMENT,
            native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
            suggested_display_precision=1,
        )
        for register in (Reading.current_l1, Reading.current_l2, Reading.current_l3)
    ),
    *(
        NexBlueSensorDescription(
            key=register.name,
            register=register,
            device_class=SensorDeviceClass.VOLTAGE,
            state_class=SensorStateClass.MEASUREMENT,
            native_unit_of_measurement=UnitOfElectricPotential.VOLT,
            suggested_display_precision=0,
        )
        for register in (Reading.voltage_l1, Reading.voltage_l2, Reading.voltage_l3)
    ),
    NexBlueSensorDescription(
        key="session_energy",
        register=Reading.session_energy,
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
    ),
    NexBlueSensorDescription(
        key="lifetime_energy",
        register=Reading.lifetime_energy,
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=1,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: NexBlueConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensors of a charger."""
    async_add_entities(
        NexBlueSensor(coordinator=entry.runtime_data, description=description)
        for description in DESCRIPTIONS
    )


class NexBlueSensor(NexBlueEntity, SensorEntity):
    """A sensor that shows a register."""

    entity_description: NexBlueSensorDescription

    @property
    @override
    def native_value(self) -> StateType:
        """Return the value of the register."""
        value: StateType = self.coordinator.data[self.entity_description.register]
        return value.name.lower() if isinstance(value, IntEnum) else value
