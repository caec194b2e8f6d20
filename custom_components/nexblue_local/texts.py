"""Texts that the frontend does not translate, in Home Assistant's language."""

from enum import StrEnum

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations

from .const import DOMAIN


class CommonText(StrEnum):
    """A text; the value is the key of the translation."""

    CHARGER_TEST = "charger_test"
    CHARGER_TEST_COPY = "charger_test_copy"
    DECIMAL_MARK = "decimal_mark"
    SITE_TITLE = "site_title"


async def async_common_texts(hass: HomeAssistant) -> dict[str, str]:
    """Return the texts of the category `common` by their key."""
    found = await async_get_translations(hass, hass.config.language, "common", {DOMAIN})
    prefix = f"component.{DOMAIN}.common."
    return {key.removeprefix(prefix): text for key, text in found.items()}
