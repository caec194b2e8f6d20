"""Translated errors of commands."""

from enum import IntEnum
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from .charger.errors import ChargerError
from .const import CONF_UNIT_ID, DOMAIN


def address_of(entry: ConfigEntry[Any]) -> dict[str, str]:
    """Return host, port and unit ID as placeholders of translations."""
    keys = (CONF_HOST, CONF_PORT, CONF_UNIT_ID)
    return {key: str(entry.data[key]) for key in keys}


def shown(value: Any) -> str:
    """Return the value of a setting as text; a question mark if it is unknown."""
    if value is None:
        return "?"
    if isinstance(value, IntEnum):
        return value.name.lower().replace("_", " ")
    return f"{value:g}"


def failed(entry: ConfigEntry[Any], error: ChargerError) -> HomeAssistantError:
    """Return the error for a failure to communicate with the charger."""
    return not_done(entry, error.key, detail=str(error))


def not_done(
    entry: ConfigEntry[Any], key: str, **placeholders: str
) -> HomeAssistantError:
    """Return the error for a command that the charger did not execute."""
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders=address_of(entry) | placeholders,
    )


def invalid(key: str, **placeholders: str) -> ServiceValidationError:
    """Return the error for a command that the user can correct."""
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders=placeholders,
    )
