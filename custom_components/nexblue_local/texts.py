"""Texts that the frontend does not translate, in Home Assistant's language."""

from enum import StrEnum
import re
from typing import Final

from homeassistant.const import STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import (
    async_get_cached_translations,
    async_get_translations,
)

from .const import DOMAIN

DECIMAL_POINT: Final = re.compile(r"(?<=\d)\.(?=\d)")
PREFIX: Final = f"component.{DOMAIN}.common."


class CommonText(StrEnum):
    """A text; the value is the key of the translation."""

    CHARGER_TEST = "charger_test"
    CHARGER_TEST_COPY = "charger_test_copy"
    DECIMAL_MARK = "decimal_mark"
    SITE_TITLE = "site_title"
    UNKNOWN = "unknown"


async def async_common_texts(hass: HomeAssistant) -> dict[str, str]:
    """Return the texts of the category `common` by their key."""
    found = await async_get_translations(hass, hass.config.language, "common", {DOMAIN})
    return {key.removeprefix(PREFIX): text for key, text in found.items()}


def _loaded_text(hass: HomeAssistant, text: CommonText, default: str) -> str:
    texts = async_get_cached_translations(hass, hass.config.language, "common", DOMAIN)
    return texts.get(f"{PREFIX}{text}", default)


def unknown(hass: HomeAssistant) -> str:
    """Return the word for a value that is not known."""
    return _loaded_text(hass, CommonText.UNKNOWN, STATE_UNKNOWN)


def localized(hass: HomeAssistant, text: str) -> str:
    """Return a text with the decimal mark of Home Assistant's language."""
    return DECIMAL_POINT.sub(_loaded_text(hass, CommonText.DECIMAL_MARK, "."), text)
