"""Translated errors of commands.

Home Assistant shows them as plain text, so placeholders need no escaping.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from homeassistant.components.select import DOMAIN as SELECT_DOMAIN
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import async_get_hass
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.translation import (
    async_get_cached_translations,
    async_translate_state,
)
from homeassistant.util import dt as dt_util

from .address import modbus_address
from .const import DOMAIN
from .control.errors import CommandFailed, Rejected
from .control.settings import PhaseMode, Setting, Value
from .texts import localized, unknown

UNITS: Final = {
    Setting.CURRENT_LIMIT: "A",
    Setting.FALLBACK_LIMIT: "A",
    Setting.FALLBACK_TIMEOUT: "s",
}


def address_of(entry: ConfigEntry[Any]) -> dict[str, str]:
    """Return the placeholders for the address of a charger, none if it has none."""
    address = modbus_address(entry)
    return {} if address is None else address.placeholders


def value_text(setting: Setting | None, value: Value | None) -> str:
    """Return the value of a setting with its unit, in Home Assistant's language."""
    hass = async_get_hass()
    if value is None or setting is None:
        return unknown(hass)
    if isinstance(value, PhaseMode):
        return async_translate_state(
            hass, value, SELECT_DOMAIN, DOMAIN, "phase_mode", None
        )
    if setting not in UNITS:
        return str(value)
    return localized(hass, f"{value:g} {UNITS[setting]}")


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


def command_failed(entry: ConfigEntry[Any], error: CommandFailed) -> HomeAssistantError:
    """Return the error for a command that the charger did not execute as requested."""
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key=error.key,
        translation_placeholders=address_of(entry)
        | {
            "detail": error.detail,
            "found": value_text(error.setting, error.found),
            "wanted": value_text(error.setting, error.wanted),
        },
    )


def rejected(error: Rejected) -> ServiceValidationError:
    """Return the error for a command that control rejects."""
    placeholders: dict[str, str] = {}
    if error.low is not None and error.high is not None:
        placeholders |= {"low": f"{error.low:g}", "high": f"{error.high:g}"}
    if error.allowed_from is not None:
        placeholders["allowed_from"] = time_text(error.allowed_from)
    if error.seconds is not None:
        placeholders["most"] = duration_text(error.seconds)
    return invalid(error.key, **placeholders)


def message_of(error: HomeAssistantError) -> str:
    """Return the message of an error in Home Assistant's language.

    Its own `str` is in English, and the frontend does not translate placeholders.
    """
    hass = async_get_hass()
    texts = async_get_cached_translations(
        hass, hass.config.language, "exceptions", DOMAIN
    )
    text = texts.get(f"component.{DOMAIN}.exceptions.{error.translation_key}.message")
    return (
        str(error)
        if text is None
        else text.format(**error.translation_placeholders or {})
    )


def invalid(key: str, **placeholders: str) -> ServiceValidationError:
    """Return the error for a command that the user can correct."""
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders=placeholders,
    )
