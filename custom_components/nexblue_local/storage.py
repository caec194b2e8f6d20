"""Storage of the desired settings, and their removal with the entry."""

from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import Store

from .address import modbus_address
from .charger.errors import ChargerError
from .charger.registers import Settings
from .const import DOMAIN, LOGGER
from .control.control import Control
from .links import async_open_modbus

STORAGE_VERSION: Final = 1


def intent_store(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    """Return the store of the desired settings of an entry."""
    return Store(hass, STORAGE_VERSION, f"{DOMAIN}.{entry_id}", atomic_writes=True)


async def async_release_removed(hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
    """Delete the stored settings of a removed entry, and release control.

    The fallback limit (holding register 1002) is written once more if Home Assistant
    was in control. A charger that cannot be reached uses it after its timeout anyway.
    """
    store = intent_store(hass, entry.entry_id)
    stored = await store.async_load()
    await store.async_remove()
    if stored is None or not Control.from_dict(stored).is_in_control:
        return
    if (address := modbus_address(entry)) is None:
        return
    charger, release = await async_open_modbus(hass, address, entry.unique_id)
    try:
        connection = await charger.connect()
        limit = charger.settings.fallback_limit
        if limit is not None:
            await charger.write(Settings.fallback_limit, limit, connection)
    except ChargerError as error:
        LOGGER.warning(
            "%s was removed, but control could not be released: %s", entry.title, error
        )
    finally:
        release()
