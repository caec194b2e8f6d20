"""What the config entries say about OCPP; nothing here needs the central system."""

from collections.abc import Mapping
from dataclasses import dataclass
import re
import secrets
import string
from typing import Any, Final, Self

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_PASSWORD, CONF_PORT
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.network import NoURLAvailableError, get_url
from yarl import URL

from .const import (
    CONF_ALLOW_UNKNOWN_TAGS,
    CONF_ALLOW_WITHOUT_PASSWORD,
    CONF_CHARGE_POINT_ID,
    CONF_OCPP,
    CONF_START_AUTOMATICALLY,
    DOMAIN,
)

PATH: Final = f"/api/{DOMAIN}/ocpp"
"""Path of the web server to which a charge point appends its ID."""

_PASSWORD = re.compile(r"[A-Za-z0-9]{16,20}", re.ASCII)
_PASSWORD_LENGTH: Final = 16
# Without those that look alike, because people type it into an app.
_CHARACTERS: Final = "".join(
    sorted(set(string.ascii_letters + string.digits) - set("0O1lI"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OcppConfig:
    """The settings of the OCPP back end."""

    password: str
    port: int
    """Port of a plain-text listener of its own; 0 if there is none."""
    allow_without_password: bool
    allow_unknown_tags: bool
    start_automatically: bool

    @classmethod
    def from_answers(cls, answers: Mapping[str, Any]) -> Self:
        """Return what a user answered in the form."""
        return cls(
            password=answers[CONF_PASSWORD],
            port=answers[CONF_PORT],
            allow_without_password=answers[CONF_ALLOW_WITHOUT_PASSWORD],
            allow_unknown_tags=answers[CONF_ALLOW_UNKNOWN_TAGS],
            start_automatically=answers[CONF_START_AUTOMATICALLY],
        )

    @classmethod
    def from_entry(cls, entry: ConfigEntry[Any]) -> Self:
        """Return the settings of the config entry."""
        return cls.from_answers(entry.data[CONF_OCPP])


def is_ocpp(entry: ConfigEntry[Any]) -> bool:
    """Return whether an entry is that of the OCPP back end."""
    return CONF_OCPP in entry.data


def charge_point_id(entry: ConfigEntry[Any]) -> str | None:
    """Return the ID of a charger's charge point, None if it has no OCPP link."""
    linked: str | None = entry.data.get(CONF_CHARGE_POINT_ID)
    return linked


@callback
def async_ocpp_entry(hass: HomeAssistant) -> ConfigEntry[Any] | None:
    """Return the entry of the OCPP back end, None if there is none."""
    entries = hass.config_entries.async_entries(DOMAIN, include_ignore=False)
    return next(filter(is_ocpp, entries), None)


def new_password() -> str:
    """Return a random password."""
    return "".join(secrets.choice(_CHARACTERS) for _ in range(_PASSWORD_LENGTH))


def is_valid_password(password: str) -> bool:
    """Return whether all chargers can store a password."""
    return _PASSWORD.fullmatch(password) is not None


@callback
def async_back_end_url(hass: HomeAssistant, port: int) -> str:
    """Return the URL to enter in the charger's app, with its port.

    `ADDRESS` stands for the address where Home Assistant does not know its own.
    """
    try:
        url = URL(get_url(hass, allow_external=False, allow_cloud=False))
    except NoURLAvailableError:
        url = URL("http://ADDRESS:8123")
    scheme = "ws"
    if port:
        url = url.with_port(port)
    elif url.scheme == "https":
        scheme = "wss"
    host = f"[{url.host}]" if url.host and ":" in url.host else url.host
    return f"{scheme}://{host}:{url.port}{PATH}"
