"""The sensors that the user has chosen for the Energy dashboard."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from homeassistant.components.sensor import DOMAIN as SENSOR_DOMAIN
from homeassistant.core import HomeAssistant, split_entity_id, valid_entity_id

from .const import (
    CONF_BATTERY,
    CONF_BATTERY_CHARGE_POWER,
    CONF_BATTERY_POWER,
    CONF_BATTERY_SOC,
    CONF_GRID_EXPORT_POWER,
    CONF_GRID_POWER,
    CONF_INVERT_BATTERY_POWER,
    CONF_INVERT_GRID_POWER,
    CONF_PRICE,
    CONF_PRICE_SENSOR,
    CONF_SOLAR,
    CONF_SOLAR_POWER,
)

ENERGY_DOMAIN: Final = "energy"


async def async_energy_answers(hass: HomeAssistant) -> dict[str, Any]:
    """Return the answers of the site form that the Energy dashboard gives."""
    if ENERGY_DOMAIN not in hass.config.components:
        return {}
    # It imports the recorder, which is only there if Energy is set up.
    from homeassistant.components.energy.data import async_get_manager  # noqa: PLC0415

    preferences = (await async_get_manager(hass)).data
    return {} if preferences is None else site_answers(preferences["energy_sources"])


def site_answers(sources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the answers of the site form that sources of energy give.

    Where there are several sources of a kind whose power is measured, none is
    chosen: the sensor of one of them would not be the whole.
    """
    sources = list(sources)
    grids = [source for source in sources if source["type"] == "grid"]
    measured: dict[str, list[dict[str, Any]]] = {"grid": [], "battery": [], "solar": []}
    for source in sources:
        kind = source["type"]
        if kind == "grid":
            answers = _power(
                source, CONF_GRID_POWER, CONF_INVERT_GRID_POWER, CONF_GRID_EXPORT_POWER
            )
        elif kind == "battery":
            answers = _power(
                source,
                CONF_BATTERY_POWER,
                CONF_INVERT_BATTERY_POWER,
                CONF_BATTERY_CHARGE_POWER,
            )
            if answers and _is_sensor(source.get("stat_soc")):
                answers[CONF_BATTERY_SOC] = source["stat_soc"]
        elif kind == "solar" and _is_sensor(source.get("stat_rate")):
            answers = {CONF_SOLAR_POWER: source["stat_rate"]}
        else:
            continue
        if answers:
            measured[kind].append(answers)
    only = {kind: found[0] for kind, found in measured.items() if len(found) == 1}
    answers = dict(only.get("grid", {}))
    for kind, section in (("battery", CONF_BATTERY), ("solar", CONF_SOLAR)):
        if kind in only:
            answers[section] = only[kind]
    prices = [
        source["entity_energy_price"]
        for source in grids
        if source.get("entity_energy_price") is not None
    ]
    if len(prices) == len(grids) == 1:
        answers[CONF_PRICE] = {CONF_PRICE_SENSOR: prices[0]}
    return answers


def _power(
    source: Mapping[str, Any], power: str, invert: str, opposite: str
) -> dict[str, Any]:
    """Return the answers about the power of a grid connection or a battery.

    Energy creates a sensor of its own for two sensors or an inverted one. It reports
    only when the value changes, so what it is made of is used instead.
    """
    config = source.get("power_config") or {"stat_rate": source.get("stat_rate")}
    match config:
        case {"stat_rate": one} if _is_sensor(one):
            return {power: one}
        case {"stat_rate_inverted": one} if _is_sensor(one):
            return {power: one, invert: True}
        case {"stat_rate_from": one, "stat_rate_to": other} if _is_sensor(
            one
        ) and _is_sensor(other):
            return {power: one, opposite: other}
    return {}


def _is_sensor(statistic_id: object) -> bool:
    """Return whether a statistic is that of a sensor; others have no state."""
    return (
        isinstance(statistic_id, str)
        and valid_entity_id(statistic_id)
        and split_entity_id(statistic_id)[0] == SENSOR_DOMAIN
    )
