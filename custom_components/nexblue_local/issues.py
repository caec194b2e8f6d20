"""The repair issues of a charger: what the user, and nobody else, can mend."""

from enum import StrEnum
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN


class Issue(StrEnum):
    """An issue, by the key of its texts."""

    CLOCK_OFF = "clock_off"
    FALLBACK_FIRED = "fallback_fired"
    IN_USE = "in_use"
    NO_FALLBACK_CHOSEN = "no_fallback_chosen"
    WRONG_CHARGER = "wrong_charger"


FIXABLE = {Issue.NO_FALLBACK_CHOSEN}
ERRORS = {Issue.IN_USE, Issue.WRONG_CHARGER}


def _issue_id(entry: ConfigEntry[Any], issue: Issue) -> str:
    return f"{issue}_{entry.entry_id}"


@callback
def async_report(
    hass: HomeAssistant, entry: ConfigEntry[Any], issue: Issue, **placeholders: str
) -> None:
    """Report an issue, or report it anew."""
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
        translation_placeholders={"name": entry.title, **placeholders},
    )


@callback
def async_withdraw(
    hass: HomeAssistant, entry: ConfigEntry[Any], *issues: Issue
) -> None:
    """Withdraw issues whose cause is gone."""
    for issue in issues:
        ir.async_delete_issue(hass, DOMAIN, _issue_id(entry, issue))


@callback
def async_is_reported(
    hass: HomeAssistant, entry: ConfigEntry[Any], issue: Issue
) -> bool:
    """Return whether an issue stands."""
    registry = ir.async_get(hass)
    return registry.async_get_issue(DOMAIN, _issue_id(entry, issue)) is not None
