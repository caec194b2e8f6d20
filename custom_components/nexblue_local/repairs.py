"""Repairs that the user makes in a form."""

from typing import Any

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
)
import voluptuous as vol

from .charger.model import Register
from .charger.registers import Settings
from .coordinator import NexBlueConfigEntry

FALLBACK: tuple[tuple[Register[Any], float, str], ...] = (
    (Settings.fallback_limit, 0.1, "A"),
    (Settings.fallback_timeout, 1, "s"),
)


def _selector(register: Register[Any], step: float, unit: str) -> NumberSelector:
    assert register.valid is not None
    low, high = register.valid
    return NumberSelector(
        NumberSelectorConfig(
            min=low,
            max=high,
            step=step,
            unit_of_measurement=unit,
            mode=NumberSelectorMode.BOX,
        )
    )


FALLBACK_SCHEMA = vol.Schema(
    {vol.Required(r.name): _selector(r, step, unit) for r, step, unit in FALLBACK}
)


class ChooseFallbackFlow(RepairsFlow):
    """Asks what the charger shall do when Home Assistant is gone."""

    def __init__(self, entry_id: str) -> None:
        """Take the entry of the charger."""
        self._entry_id = entry_id

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Go to the only step; what comes with the start is no input."""
        return await self.async_step_fallback()

    async def async_step_fallback(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Ask for fallback limit and timeout, and write them."""
        entry: NexBlueConfigEntry | None = self.hass.config_entries.async_get_entry(
            self._entry_id
        )
        if entry is None or entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="not_loaded")
        errors: dict[str, str] = {}
        reason = ""
        if user_input is not None:
            try:
                await entry.runtime_data.controller.async_set(Settings(user_input))
            except HomeAssistantError as error:
                errors["base"], reason = "not_set", str(error)
            else:
                return self.async_create_entry(data={})
        present = entry.runtime_data.data.settings.values
        return self.async_show_form(
            step_id="fallback",
            data_schema=self.add_suggested_values_to_schema(
                FALLBACK_SCHEMA, user_input or present
            ),
            errors=errors,
            description_placeholders={
                "reason": reason,
                **{
                    register.name: "?"
                    if (value := present.get(register.name)) is None
                    else f"{value:g} {unit}"
                    for register, _, unit in FALLBACK
                },
            },
        )


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Return the flow of the one issue that has one."""
    assert data is not None
    return ChooseFallbackFlow(str(data["entry_id"]))
