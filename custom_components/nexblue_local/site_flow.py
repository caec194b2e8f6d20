"""The form of the site, and what is wrong with its answers."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from homeassistant.components.input_number import DOMAIN as INPUT_NUMBER_DOMAIN
from homeassistant.components.sensor import DOMAIN as SENSOR_DOMAIN, SensorDeviceClass
from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    PERCENTAGE,
    UnitOfElectricCurrent,
    UnitOfEnergy,
    UnitOfPower,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import section
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    EntityWithDeviceFilterSelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
)
from homeassistant.util.unit_conversion import ElectricCurrentConverter, PowerConverter
import voluptuous as vol

from .const import (
    CONF_BATTERY,
    CONF_BATTERY_CHARGE_POWER,
    CONF_BATTERY_POWER,
    CONF_BATTERY_SOC,
    CONF_FUSE,
    CONF_GRID_EXPORT_POWER,
    CONF_GRID_POWER,
    CONF_HOUSE_CURRENTS,
    CONF_INVERT_BATTERY_POWER,
    CONF_INVERT_GRID_POWER,
    CONF_MAIN_FUSE,
    CONF_PRICE,
    CONF_PRICE_SENSOR,
    CONF_SOLAR,
    CONF_SOLAR_POWER,
    DOMAIN,
)
from .site_meter import price_unit


class SiteError(StrEnum):
    """An error of the forms; the value is its translation key."""

    BATTERY_POWER_MISSING = "battery_power_missing"
    MAIN_FUSE_MISSING = "main_fuse_missing"
    MAIN_FUSE_OUT_OF_RANGE = "main_fuse_out_of_range"
    NOT_A_CURRENT = "not_a_current"
    NOT_A_PERCENTAGE = "not_a_percentage"
    NOT_A_POWER = "not_a_power"
    NOT_A_PRICE = "not_a_price"
    SENSOR_CHOSEN_TWICE = "sensor_chosen_twice"
    SENSOR_NOT_FOUND = "sensor_not_found"
    WRONG_SIGN = "wrong_sign"


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a field accepts."""

    units: Container[str | None]
    error: SiteError
    """The error of a sensor with another unit."""
    filters: tuple[EntityWithDeviceFilterSelectorConfig, ...]
    """What the field offers: by device class, or by unit for sensors without one."""


_POWER_FILTERS: Final = (
    EntityWithDeviceFilterSelectorConfig(
        domain=SENSOR_DOMAIN, device_class=SensorDeviceClass.POWER
    ),
    EntityWithDeviceFilterSelectorConfig(
        domain=SENSOR_DOMAIN,
        unit_of_measurement=[UnitOfPower.WATT, UnitOfPower.KILO_WATT],
    ),
)
_POWER: Final = _Kind(
    frozenset(PowerConverter.VALID_UNITS), SiteError.NOT_A_POWER, _POWER_FILTERS
)
_CURRENT_OR_POWER: Final = _Kind(
    frozenset(PowerConverter.VALID_UNITS | ElectricCurrentConverter.VALID_UNITS),
    SiteError.NOT_A_CURRENT,
    (
        EntityWithDeviceFilterSelectorConfig(
            domain=SENSOR_DOMAIN, device_class=SensorDeviceClass.CURRENT
        ),
        EntityWithDeviceFilterSelectorConfig(
            domain=SENSOR_DOMAIN, unit_of_measurement=UnitOfElectricCurrent.AMPERE
        ),
        *_POWER_FILTERS,
    ),
)
_PERCENTAGE: Final = _Kind(
    frozenset({PERCENTAGE}),
    SiteError.NOT_A_PERCENTAGE,
    (
        EntityWithDeviceFilterSelectorConfig(
            domain=SENSOR_DOMAIN, device_class=SensorDeviceClass.BATTERY
        ),
        EntityWithDeviceFilterSelectorConfig(
            domain=SENSOR_DOMAIN, unit_of_measurement=PERCENTAGE
        ),
    ),
)


class _PriceUnits:
    """The units of a price: a currency for a unit of energy."""

    def __contains__(self, unit: object) -> bool:
        """Return whether a unit is one of them."""
        return isinstance(unit, str) and price_unit(unit) is not None


_PRICE_UNITS: Final = [
    f"{currency}/{energy}"
    for currency in ("EUR", "€", "ct", "SEK", "NOK", "DKK", "GBP", "p", "CHF")
    for energy in (UnitOfEnergy.KILO_WATT_HOUR, UnitOfEnergy.MEGA_WATT_HOUR)
]
"""Units that are offered for sensors without a device class."""

_PRICE: Final = _Kind(
    _PriceUnits(),
    SiteError.NOT_A_PRICE,
    (
        EntityWithDeviceFilterSelectorConfig(
            domain=SENSOR_DOMAIN, device_class=SensorDeviceClass.MONETARY
        ),
        EntityWithDeviceFilterSelectorConfig(
            domain=SENSOR_DOMAIN, unit_of_measurement=_PRICE_UNITS
        ),
        EntityWithDeviceFilterSelectorConfig(domain=INPUT_NUMBER_DOMAIN),
    ),
)

_GRID_SENSORS: Final = {CONF_GRID_POWER: _POWER, CONF_GRID_EXPORT_POWER: _POWER}
_SECTION_SENSORS: Final = {
    CONF_BATTERY: {
        CONF_BATTERY_POWER: _POWER,
        CONF_BATTERY_CHARGE_POWER: _POWER,
        CONF_BATTERY_SOC: _PERCENTAGE,
    },
    CONF_FUSE: dict.fromkeys(CONF_HOUSE_CURRENTS, _CURRENT_OR_POWER),
    CONF_SOLAR: {CONF_SOLAR_POWER: _POWER},
    CONF_PRICE: {CONF_PRICE_SENSOR: _PRICE},
}

MAIN_FUSES: Final = (6, 400)
"""The lowest and the highest current in A of a main fuse."""

# With a range, Home Assistant would answer with the name of the field in this code.
_AMPERES: Final = NumberSelector(
    NumberSelectorConfig(
        step=1,
        unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        mode=NumberSelectorMode.BOX,
    )
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that the user has to correct."""

    field: str
    """The field, or the section, at which the form shows the error."""
    error: SiteError
    sensor: str = ""
    """The name of the sensor that the error is about."""


def site_schema(hass: HomeAssistant, answers: Mapping[str, Any]) -> vol.Schema:
    """Return the form of the site; sections without an answer are collapsed."""
    # The power of a charger is never that of the grid.
    own = [
        entry.entity_id
        for entry in er.async_get(hass).entities.values()
        if entry.platform == DOMAIN
    ]

    def sensor(kind: _Kind) -> EntitySelector:
        return EntitySelector(
            EntitySelectorConfig(exclude_entities=own, filter=list(kind.filters))
        )

    def part(key: str, fields: Mapping[vol.Marker, Any]) -> section:
        is_empty = not any(answers.get(key, {}).values())
        return section(vol.Schema(fields), {"collapsed": is_empty})

    return vol.Schema(
        {
            vol.Required(CONF_GRID_POWER): sensor(_POWER),
            vol.Required(CONF_INVERT_GRID_POWER, default=False): BooleanSelector(),
            vol.Optional(CONF_GRID_EXPORT_POWER): sensor(_POWER),
            vol.Required(CONF_SOLAR): part(
                CONF_SOLAR, {vol.Optional(CONF_SOLAR_POWER): sensor(_POWER)}
            ),
            vol.Required(CONF_BATTERY): part(
                CONF_BATTERY,
                {
                    vol.Optional(CONF_BATTERY_POWER): sensor(_POWER),
                    vol.Required(
                        CONF_INVERT_BATTERY_POWER, default=False
                    ): BooleanSelector(),
                    vol.Optional(CONF_BATTERY_CHARGE_POWER): sensor(_POWER),
                    vol.Optional(CONF_BATTERY_SOC): sensor(_PERCENTAGE),
                },
            ),
            vol.Required(CONF_FUSE): part(
                CONF_FUSE,
                {
                    vol.Optional(CONF_MAIN_FUSE): _AMPERES,
                    **{
                        vol.Optional(key): sensor(_CURRENT_OR_POWER)
                        for key in CONF_HOUSE_CURRENTS
                    },
                },
            ),
            vol.Optional(CONF_PRICE): part(
                CONF_PRICE, {vol.Optional(CONF_PRICE_SENSOR): sensor(_PRICE)}
            ),
        }
    )


def find_problem(hass: HomeAssistant, answers: Mapping[str, Any]) -> Problem | None:
    """Return the first problem of the answers, None if there is none."""
    chosen: set[str] = set()
    for field, entity_id, kind in _chosen_sensors(answers):
        state = hass.states.get(entity_id)
        entry = er.async_get(hass).async_get(entity_id)
        name = entity_id if state is None else f"{state.name} ({entity_id})"
        if state is None and entry is None:
            return Problem(field, SiteError.SENSOR_NOT_FOUND, name)
        if entity_id in chosen:
            return Problem(field, SiteError.SENSOR_CHOSEN_TWICE, name)
        chosen.add(entity_id)
        unit = None if state is None else state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
        # A sensor that is not available yet may have its unit in the registry only.
        if unit is None and entry is not None:
            unit = entry.unit_of_measurement
        if unit not in kind.units:
            return Problem(field, kind.error, name)
    battery, fuse = answers[CONF_BATTERY], answers[CONF_FUSE]
    if CONF_BATTERY_POWER not in battery and any(
        key in battery for key in (CONF_BATTERY_CHARGE_POWER, CONF_BATTERY_SOC)
    ):
        return Problem(CONF_BATTERY, SiteError.BATTERY_POWER_MISSING)
    low, high = MAIN_FUSES
    if not low <= fuse.get(CONF_MAIN_FUSE, low) <= high:
        return Problem(CONF_FUSE, SiteError.MAIN_FUSE_OUT_OF_RANGE)
    if CONF_MAIN_FUSE not in fuse and any(key in fuse for key in CONF_HOUSE_CURRENTS):
        return Problem(CONF_FUSE, SiteError.MAIN_FUSE_MISSING)
    return None


def _chosen_sensors(
    answers: Mapping[str, Any],
) -> Iterator[tuple[str, str, _Kind]]:
    """Yield where an error is shown, the entity ID, and what is accepted."""
    for key, kind in _GRID_SENSORS.items():
        if key in answers:
            yield key, answers[key], kind
    for name, kinds in _SECTION_SENSORS.items():
        for key, kind in kinds.items():
            if key in answers.get(name, {}):
                yield name, answers[name][key], kind


def check_schema(answers: Mapping[str, Any]) -> vol.Schema:
    """Return the form that turns a sign round; nothing in it is required."""
    fields = {
        vol.Optional(
            CONF_INVERT_GRID_POWER, default=answers[CONF_INVERT_GRID_POWER]
        ): BooleanSelector()
    }
    battery = answers[CONF_BATTERY]
    if CONF_BATTERY_POWER in battery:
        fields[
            vol.Optional(
                CONF_INVERT_BATTERY_POWER, default=battery[CONF_INVERT_BATTERY_POWER]
            )
        ] = BooleanSelector()
    return vol.Schema(fields)


def with_signs(answers: Mapping[str, Any], signs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answers with the signs that were chosen in the check."""
    battery = answers[CONF_BATTERY]
    return {
        **answers,
        CONF_INVERT_GRID_POWER: signs.get(
            CONF_INVERT_GRID_POWER, answers[CONF_INVERT_GRID_POWER]
        ),
        CONF_BATTERY: {
            **battery,
            CONF_INVERT_BATTERY_POWER: signs.get(
                CONF_INVERT_BATTERY_POWER, battery[CONF_INVERT_BATTERY_POWER]
            ),
        },
    }


def turned_round(answers: Mapping[str, Any], field: str) -> dict[str, Any]:
    """Return the answers with one sign turned round."""
    part = answers if field in answers else answers[CONF_BATTERY]
    return with_signs(answers, {field: not part[field]})
