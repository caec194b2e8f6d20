"""Where the intent is stored, and what becomes of it with the entry."""

from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import Store

from .charger.charger import Charger
from .charger.errors import ChargerError
from .charger.registers import Settings
from .charger.transport import ConnectionPool
from .const import CONF_UNIT_ID, DOMAIN, LOGGER
from .control.control import Control

STORAGE_VERSION: Final = 1


def intent_store(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    """Return where the intent of an entry is stored."""
    return Store(hass, STORAGE_VERSION, f"{DOMAIN}.{entry_id}", atomic_writes=True)


async def async_release_removed(
    hass: HomeAssistant, entry: ConfigEntry[Any], links: ConnectionPool
) -> None:
    """Release control of a charger whose entry is removed, if it was taken.

    A charger that cannot be reached has its fallback limit anyway.
    """
    store = intent_store(hass, entry.entry_id)
    stored = await store.async_load()
    await store.async_remove()
    if stored is None or not Control.from_dict(stored).is_in_control:
        return
    link = await links.acquire(entry.data[CONF_HOST], entry.data[CONF_PORT])
    charger = Charger(link, entry.data[CONF_UNIT_ID], serial_number=entry.unique_id)
    try:
        connection = await charger.connect()
        limit = charger.settings.fallback_limit
        if limit is not None:
            await charger.write(Settings.fallback_limit, limit, connection)
    except ChargerError as error:
        LOGGER.warning("%s was removed without a word to it: %s", entry.title, error)
    finally:
        links.release(link)
