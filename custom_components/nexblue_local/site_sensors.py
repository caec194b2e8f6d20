"""Sensors of the site."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import UnitOfElectricCurrent, UnitOfPower

from .site import Site
from .site_entity import SiteEntity


@dataclass(frozen=True, kw_only=True)
class SiteSensorDescription(SensorEntityDescription):
    """Describes a sensor of the site."""

    value_fn: Callable[[Site], float | None]
    exists_fn: Callable[[Site], bool] = lambda _: True
    digits: int = 0


SITE_DESCRIPTIONS: tuple[SiteSensorDescription, ...] = (
    *(
        SiteSensorDescription(
            key=key,
            value_fn=value_fn,
            exists_fn=exists_fn,
            device_class=SensorDeviceClass.POWER,
            state_class=SensorStateClass.MEASUREMENT,
            native_unit_of_measurement=UnitOfPower.WATT,
            suggested_display_precision=0,
        )
        for key, value_fn, exists_fn in (
            ("surplus_power", lambda site: site.surplus_w, lambda _: True),
            ("grid_power", lambda site: site.reading.grid_w, lambda _: True),
            (
                "house_power",
                lambda site: site.house_w,
                lambda site: site.config.solar is not None,
            ),
        )
    ),
    SiteSensorDescription(
        key="fuse_headroom",
        value_fn=lambda site: site.fuse_headroom,
        exists_fn=lambda site: site.config.main_fuse is not None,
        digits=1,
        device_class=SensorDeviceClass.CURRENT,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        suggested_display_precision=1,
    ),
)


class SiteSensor(SiteEntity, SensorEntity):
    """Sensor of the site."""

    entity_description: SiteSensorDescription

    @override
    def _update(self) -> None:
        value = self.entity_description.value_fn(self.site)
        self._attr_native_value = (
            None if value is None else round(value, self.entity_description.digits)
        )
