"""The repair issues of a charger and of the site, and the forms that fix them."""

from dataclasses import dataclass
from enum import StrEnum
import re
from typing import TYPE_CHECKING, Any, override

from homeassistant.components.repairs import (
    ConfirmRepairFlow,
    RepairsFlow,
    RepairsFlowResult,
)
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
)
import voluptuous as vol

from .const import CONF_INVERT_BATTERY_POWER, CONF_INVERT_GRID_POWER, CONF_SITE, DOMAIN
from .control.settings import RANGES, Setting, Settings
from .exceptions import message_of
from .site_flow import turned_round
from .texts import localized, unknown

if TYPE_CHECKING:
    from .coordinator import NexBlueConfigEntry

_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


class Issue(StrEnum):
    """A repair issue; the value is its translation key."""

    CLOCK_OFF = "clock_off"
    FALLBACK_FIRED = "fallback_fired"
    IN_USE = "in_use"
    NO_FALLBACK_CHOSEN = "no_fallback_chosen"
    PHASES_NOT_RESTORED = "phases_not_restored"
    WRONG_CHARGER = "wrong_charger"


FUSE_NOT_PROTECTED = "fuse_not_protected"
"""The issue of a site that is gone; it belongs to no entry."""

WRONG_PASSWORD = "ocpp_wrong_password"  # noqa: S105
"""The issue of the OCPP back end, of which there is one at a time."""

SIGN_WRONG = {
    CONF_INVERT_GRID_POWER: "grid_sign_wrong",
    CONF_INVERT_BATTERY_POWER: "battery_sign_wrong",
}
"""The issues of the site's signs, by the field that turns them round."""

FIXABLE = {Issue.NO_FALLBACK_CHOSEN}
ERRORS = {Issue.IN_USE, Issue.WRONG_CHARGER}


def escape_markdown(text: str) -> str:
    """Return text that the frontend's Markdown shows as it is.

    All ASCII punctuation is escaped, because a bare URL becomes a link as well.
    """
    return _PUNCTUATION.sub(r"\\\g<0>", text)


def _issue_id(entry: ConfigEntry[Any], issue: Issue) -> str:
    return f"{issue}_{entry.entry_id}"


@callback
def async_create_issue(
    hass: HomeAssistant, entry: ConfigEntry[Any], issue: Issue, **placeholders: str
) -> None:
    """Create an issue of a charger, or replace its placeholders.

    Titles are plain text and use `name`. Descriptions are Markdown and use
    `charger` and the other placeholders, which are escaped: serial numbers come
    from whatever device answers at the address.
    """
    escaped = {"charger": entry.title} | placeholders
    ir.async_create_issue(
        hass,
        DOMAIN,
        _issue_id(entry, issue),
        data={"entry_id": entry.entry_id},
        is_fixable=issue in FIXABLE,
        severity=ir.IssueSeverity.ERROR
        if issue in ERRORS
        else ir.IssueSeverity.WARNING,
        translation_key=issue,
        translation_placeholders={
            "name": entry.title,
            **{key: escape_markdown(value) for key, value in escaped.items()},
        },
    )


@callback
def async_delete_issues(
    hass: HomeAssistant, entry: ConfigEntry[Any], *issues: Issue
) -> None:
    """Delete issues of a charger; those that do not exist are skipped."""
    for issue in issues:
        ir.async_delete_issue(hass, DOMAIN, _issue_id(entry, issue))


@callback
def async_has_issue(hass: HomeAssistant, entry: ConfigEntry[Any], issue: Issue) -> bool:
    """Return whether a charger has an issue."""
    registry = ir.async_get(hass)
    return registry.async_get_issue(DOMAIN, _issue_id(entry, issue)) is not None


@callback
def async_create_fuse_issue(hass: HomeAssistant) -> None:
    """Create the issue that nothing protects the main fuse any more."""
    ir.async_create_issue(
        hass,
        DOMAIN,
        FUSE_NOT_PROTECTED,
        is_fixable=True,
        is_persistent=True,
        severity=ir.IssueSeverity.WARNING,
        translation_key=FUSE_NOT_PROTECTED,
    )


@callback
def async_delete_fuse_issue(hass: HomeAssistant) -> None:
    """Delete the issue that nothing protects the main fuse."""
    ir.async_delete_issue(hass, DOMAIN, FUSE_NOT_PROTECTED)


@callback
def async_create_sign_issue(
    hass: HomeAssistant, entry: ConfigEntry[Any], field: str
) -> None:
    """Create the issue that a sign of the site is wrong."""
    ir.async_create_issue(
        hass,
        DOMAIN,
        SIGN_WRONG[field],
        data={"entry_id": entry.entry_id, "field": field},
        is_fixable=True,
        severity=ir.IssueSeverity.ERROR,
        translation_key=SIGN_WRONG[field],
    )


@callback
def async_delete_sign_issues(hass: HomeAssistant) -> None:
    """Delete the issues of the site's signs; those that do not exist are skipped."""
    for issue_id in SIGN_WRONG.values():
        ir.async_delete_issue(hass, DOMAIN, issue_id)


@callback
def async_create_password_issue(
    hass: HomeAssistant, charge_point: str, address: str
) -> None:
    """Create the issue that an address sent wrong passwords as a charge point."""
    ir.async_create_issue(
        hass,
        DOMAIN,
        WRONG_PASSWORD,
        data={"charge_point": charge_point},
        is_fixable=False,
        severity=ir.IssueSeverity.WARNING,
        translation_key=WRONG_PASSWORD,
        translation_placeholders={
            "charge_point": escape_markdown(charge_point),
            "address": escape_markdown(address),
        },
    )


@callback
def async_delete_password_issue(
    hass: HomeAssistant, charge_point: str | None = None
) -> None:
    """Delete the issue about wrong passwords, or only if a charge point caused it."""
    issue = ir.async_get(hass).async_get_issue(DOMAIN, WRONG_PASSWORD)
    if issue is None:
        return
    if charge_point is None or (issue.data or {}).get("charge_point") == charge_point:
        ir.async_delete_issue(hass, DOMAIN, WRONG_PASSWORD)


class SignRepairFlow(ConfirmRepairFlow):
    """Turn a sign of the site round."""

    def __init__(self, entry_id: str, field: str) -> None:
        """Initialize the flow for the field of a config entry."""
        self._entry_id = entry_id
        self._field = field

    @override
    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Change the answer when the user confirms it."""
        entries = self.hass.config_entries
        entry = entries.async_get_entry(self._entry_id)
        if user_input is not None and entry is not None:
            answers = turned_round(entry.data[CONF_SITE], self._field)
            entries.async_update_entry(entry, data={CONF_SITE: answers})
            entries.async_schedule_reload(entry.entry_id)
        return await super().async_step_confirm(user_input)


@dataclass(frozen=True)
class _Field:
    """A setting in the form."""

    setting: Setting
    step: float
    unit: str
    factor: int = 1
    """The unit of the form in units of the setting."""

    @property
    def selector(self) -> NumberSelector:
        """Return the box to enter the setting in."""
        low, high = RANGES[self.setting]
        return NumberSelector(
            NumberSelectorConfig(
                min=low / self.factor,
                max=high / self.factor,
                step=self.step,
                unit_of_measurement=self.unit,
                mode=NumberSelectorMode.BOX,
            )
        )


FALLBACK = (
    _Field(Setting.FALLBACK_LIMIT, 0.1, "A"),
    _Field(Setting.FALLBACK_TIMEOUT, 0.5, "min", factor=60),
)

FALLBACK_SCHEMA = vol.Schema(
    {vol.Required(field.setting.value): field.selector for field in FALLBACK}
)


class FallbackRepairFlow(RepairsFlow):
    """Set the fallback limit and the fallback timeout of a charger."""

    def __init__(self, entry_id: str) -> None:
        """Initialize the flow for a config entry."""
        self._entry_id = entry_id

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Show the form; the input of this step is the issue, not the user's."""
        return await self.async_step_fallback()

    async def async_step_fallback(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Ask for the settings and write them to the charger."""
        entry: NexBlueConfigEntry | None = self.hass.config_entries.async_get_entry(
            self._entry_id
        )
        if entry is None or entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="not_loaded")
        errors: dict[str, str] = {}
        reason = ""
        if user_input is not None:
            try:
                wanted = Settings()
                for field in FALLBACK:
                    value = user_input[field.setting] * field.factor
                    wanted = wanted.with_value(field.setting, value)
                await entry.runtime_data.controller.async_set(wanted)
            except HomeAssistantError as error:
                errors["base"], reason = "not_set", message_of(error)
            else:
                return self.async_create_entry(data={})
        settings = entry.runtime_data.controller.control.link.settings
        present = {
            field.setting.value: value / field.factor
            for field in FALLBACK
            if isinstance(value := settings[field.setting], int | float)
        }
        return self.async_show_form(
            step_id="fallback",
            data_schema=self.add_suggested_values_to_schema(
                FALLBACK_SCHEMA, user_input or present
            ),
            errors=errors,
            description_placeholders={
                "reason": reason,
                **{
                    field.setting.value: unknown(self.hass)
                    if (value := present.get(field.setting.value)) is None
                    else localized(self.hass, f"{value:g} {field.unit}")
                    for field in FALLBACK
                },
            },
        )


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Return the flow of an issue that can be fixed."""
    if issue_id == FUSE_NOT_PROTECTED:
        return ConfirmRepairFlow()
    assert data is not None
    entry_id = str(data["entry_id"])
    if issue_id in SIGN_WRONG.values():
        return SignRepairFlow(entry_id, str(data["field"]))
    return FallbackRepairFlow(entry_id)
