"""Translated errors of commands.

Home Assistant shows them as plain text, so placeholders need no escaping.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.util import dt as dt_util

from .const import CONF_UNIT_ID, DOMAIN
from .modbus.enums import PhaseMode
from .modbus.errors import ChargerError
from .modbus.model import Register
from .modbus.registers import (
    CURRENT_LIMIT,
    FALLBACK_LIMIT,
    FALLBACK_TIMEOUT,
    PHASE_MODE,
)

UNITS: Final = {
    CURRENT_LIMIT: "A",
    FALLBACK_LIMIT: "A",
    FALLBACK_TIMEOUT: "s",
}

PHASE_MODES: Final = {
    PhaseMode.ADAPTIVE: "automatic",
    PhaseMode.SINGLE_PHASE: "1-phase",
    PhaseMode.THREE_PHASE: "3-phase",
}


def address_of(entry: ConfigEntry[Any]) -> dict[str, str]:
    """Return the placeholders for the address of a charger."""
    keys = (CONF_HOST, CONF_PORT, CONF_UNIT_ID)
    return {key: str(entry.data[key]) for key in keys}


def value_text(register: Register[Any], value: Any) -> str:
    """Return the value of a setting with its unit."""
    if value is None:
        return "an unknown value"
    if register is PHASE_MODE:
        return PHASE_MODES[value]
    return f"{value:g} {UNITS[register]}"


def duration_text(seconds: float) -> str:
    """Return a duration in minutes and seconds, rounded down."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    texts = (f"{minutes} min" if minutes else "", f"{rest} s" if rest else "")
    return " ".join(filter(None, texts)) or "0 s"


def time_text(time: datetime) -> str:
    """Return a time of day in Home Assistant's time zone, rounded up to the minute.

    24 hours, as the time format of whoever reads it is only known to the frontend.
    """
    local = dt_util.as_local(time)
    return f"{local + timedelta(minutes=1, microseconds=-1):%H:%M}"


def failed(entry: ConfigEntry[Any], error: ChargerError) -> HomeAssistantError:
    """Return the error for a request that failed."""
    return not_done(entry, error.key, detail=str(error))


def not_done(
    entry: ConfigEntry[Any], key: str, **placeholders: str
) -> HomeAssistantError:
    """Return the error for a command that the charger did not carry out."""
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
