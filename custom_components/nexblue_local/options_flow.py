"""The options of a charger."""

from typing import Any

from homeassistant.config_entries import ConfigFlowResult, OptionsFlowWithReload
from homeassistant.const import CONF_SCAN_INTERVAL, UnitOfElectricCurrent, UnitOfTime
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import voluptuous as vol

from .const import (
    CONF_MIN_CURRENT,
    CONF_PHASE_ROTATION,
    CONF_PRIORITY,
    CONF_SUPPLY_PHASES,
    CONF_SWITCH_PHASES,
    DEFAULT_SCAN_INTERVAL,
)
from .site_config import CHARGER_DEFAULTS, PHASE_ROTATIONS, SUPPLY_PHASES


def whole_number(low: int, high: int, unit: str | None = None) -> vol.All[int]:
    """Return a validator and selector of whole numbers in a box."""
    config = NumberSelectorConfig(min=low, max=high, mode=NumberSelectorMode.BOX)
    if unit is not None:
        config["unit_of_measurement"] = unit
    return vol.All(NumberSelector(config), vol.Coerce(int))


def _charger_option(key: str) -> vol.Required:
    return vol.Required(key, default=CHARGER_DEFAULTS[key])


OPTIONS_SCHEMA = vol.Schema(
    {
        _charger_option(CONF_MIN_CURRENT): whole_number(
            6, 16, UnitOfElectricCurrent.AMPERE
        ),
        _charger_option(CONF_SWITCH_PHASES): BooleanSelector(),
        _charger_option(CONF_SUPPLY_PHASES): SelectSelector(
            SelectSelectorConfig(
                options=list(SUPPLY_PHASES),
                mode=SelectSelectorMode.DROPDOWN,
                translation_key=CONF_SUPPLY_PHASES,
            )
        ),
        _charger_option(CONF_PHASE_ROTATION): SelectSelector(
            SelectSelectorConfig(
                options=list(PHASE_ROTATIONS), mode=SelectSelectorMode.DROPDOWN
            )
        ),
        # Only who has several chargers needs it.
        _charger_option(CONF_PRIORITY): whole_number(1, 100),
        vol.Required(CONF_SCAN_INTERVAL, default=DEFAULT_SCAN_INTERVAL): whole_number(
            1, 60, UnitOfTime.SECONDS
        ),
    }
)


class NexBlueOptionsFlow(OptionsFlowWithReload):
    """Change the options of a charger."""

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the options."""
        if user_input is not None:
            return self.async_create_entry(data=user_input)
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(
                OPTIONS_SCHEMA, self.config_entry.options
            ),
        )
