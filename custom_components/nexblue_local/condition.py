"""Conditions: what vehicles and chargers do, and what the site decides."""

from typing import Any

from homeassistant.const import CONF_MODE, CONF_OPTIONS, STATE_ON
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.condition import (
    ENTITY_STATE_CONDITION_SCHEMA_ANY_ALL,
    Condition,
    ConditionConfig,
    EntityNumericalConditionWithUnitBase,
    EntityStateConditionBase,
)
import voluptuous as vol

from .limited_by import LimitedBy
from .surplus.settings import Mode
from .targets import SELECTS, SENSORS, EntitiesWithKey, Surplus


class _HasState(EntitiesWithKey, EntityStateConditionBase):
    """Test if an entity has a state."""


class ChargeModeIs(_HasState):
    """Test if the charge mode is one of those that were chosen."""

    _domain_specs = SELECTS
    _key = "charge_mode"
    _schema = ENTITY_STATE_CONDITION_SCHEMA_ANY_ALL.extend(
        {
            vol.Required(CONF_OPTIONS): {
                vol.Required(CONF_MODE): vol.All(cv.ensure_list, [vol.In(list(Mode))])
            }
        }
    )

    def __init__(self, hass: HomeAssistant, config: ConditionConfig) -> None:
        """Initialize with the modes."""
        assert config.options is not None
        self._states = set(config.options[CONF_MODE])
        super().__init__(hass, config)


class SurplusIs(Surplus, EntityNumericalConditionWithUnitBase):
    """Compare the surplus of the site with a threshold."""


def _has_state(key: str, state: str, **more: Any) -> type[Condition]:
    """Return the condition class for a key and a state."""
    return type(
        f"{key}_{state}", (_HasState,), {"_key": key, "_states": {state}, **more}
    )


CONDITIONS: dict[str, type[Condition]] = {
    "charge_mode_is": ChargeModeIs,
    "is_charging": _has_state("charging", STATE_ON),
    "is_waiting_for_sun": _has_state(
        "limited_by", LimitedBy.WAITING_FOR_SUN, _domain_specs=SENSORS
    ),
    "meter_is_lost": _has_state("meter_lost", STATE_ON),
    "surplus_is": SurplusIs,
    "vehicle_is_connected": _has_state("vehicle_connected", STATE_ON),
}


async def async_get_conditions(hass: HomeAssistant) -> dict[str, type[Condition]]:
    """Return the conditions."""
    return CONDITIONS
