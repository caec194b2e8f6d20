"""Sensors of the present session and of the one that ended last."""

from collections.abc import Callable
from dataclasses import dataclass
import math
from typing import override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import PERCENTAGE, UnitOfEnergy, UnitOfTime

from .coordinator import NexBlueConfigEntry
from .entity import NexBlueControlEntity
from .ledger.session import Session
from .modbus.snapshot import Snapshot
from .sessions import duration, solar_share
from .site_entity import COST_KEY, ChargingEntity, async_loaded_site


@dataclass(frozen=True, kw_only=True)
class LastSessionSensorDescription(SensorEntityDescription):
    """Describes a sensor of the session that ended last."""

    value_fn: Callable[[Session], float | None]


LAST_SESSION_DESCRIPTIONS: tuple[LastSessionSensorDescription, ...] = (
    LastSessionSensorDescription(
        key="last_session_energy",
        value_fn=lambda session: round(session.energy_wh / 1000, 3),
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
    ),
    LastSessionSensorDescription(
        key="last_session_duration",
        value_fn=lambda session: round(duration(session) / 60, 3),
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.HOURS,
        suggested_display_precision=2,
    ),
)
LAST_SOLAR_SHARE_DESCRIPTION = LastSessionSensorDescription(
    key="last_session_solar_share",
    value_fn=solar_share,
    native_unit_of_measurement=PERCENTAGE,
    suggested_display_precision=0,
)
LAST_COST_DESCRIPTION = LastSessionSensorDescription(
    key=COST_KEY,
    value_fn=lambda session: session.cost,
    device_class=SensorDeviceClass.MONETARY,
    suggested_display_precision=2,
)

SOLAR_ENERGY_DESCRIPTION = SensorEntityDescription(
    key="session_solar_energy",
    device_class=SensorDeviceClass.ENERGY,
    state_class=SensorStateClass.TOTAL_INCREASING,
    native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
    suggested_display_precision=2,
)
SOLAR_SHARE_DESCRIPTION = SensorEntityDescription(
    key="session_solar_share",
    state_class=SensorStateClass.MEASUREMENT,
    native_unit_of_measurement=PERCENTAGE,
    suggested_display_precision=0,
)


class LastSessionSensor(NexBlueControlEntity, SensorEntity):
    """Sensor of the session that ended last, whether the charger can be reached or not."""

    entity_description: LastSessionSensorDescription

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        session = self._recorder.last_ended
        self._attr_native_value = (
            None if session is None else self.entity_description.value_fn(session)
        )


class LastSolarShareSensor(ChargingEntity, LastSessionSensor):
    """How much of the last session's energy came from the sun."""


class LastCostSensor(ChargingEntity, LastSessionSensor):
    """What the last session's energy from the grid has cost."""

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        super()._update_from(snapshot)
        hass = self.coordinator.hass
        site = async_loaded_site(hass)
        currency = None if site is None else site.currency
        if currency is None:
            # The sensor of the price has not reported yet.
            currency = self._attr_native_unit_of_measurement or hass.config.currency
        self._attr_native_unit_of_measurement = currency


class SolarEnergySensor(ChargingEntity, SensorEntity):
    """Energy that this session took from the sun."""

    def __init__(
        self,
        *,
        entry: NexBlueConfigEntry,
        description: SensorEntityDescription,
        session_energy: SensorEntity,
    ) -> None:
        """Initialize; it never shows more than the sensor of the whole energy does."""
        self._session_energy = session_energy
        super().__init__(entry=entry, description=description)

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        session = self._recorder.latest
        energy = 0.0 if session is None else session.solar_wh or 0.0
        # Rounded down, so that it never falls.
        shown = math.floor(energy / 10) / 100
        whole = self._session_energy.native_value
        # A sensor that is disabled is not updated.
        if self._session_energy.enabled and isinstance(whole, int | float):
            shown = min(shown, whole)
        self._attr_native_value = shown


class SolarShareSensor(ChargingEntity, SensorEntity):
    """How much of this session's energy came from the sun."""

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        session = self._recorder.latest
        self._attr_native_value = None if session is None else solar_share(session)
