"""Storage of the desired settings, and their removal with the entry."""

from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import Store

from .const import CONF_UNIT_ID, DOMAIN, LOGGER
from .control.control import Control
from .modbus.client import Client
from .modbus.connection_pool import ConnectionPool
from .modbus.errors import ChargerError
from .modbus.registers import FALLBACK_LIMIT

STORAGE_VERSION: Final = 1


def intent_store(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    """Return the store of the desired settings of an entry."""
    return Store(hass, STORAGE_VERSION, f"{DOMAIN}.{entry_id}", atomic_writes=True)


async def async_release_removed(
    hass: HomeAssistant, entry: ConfigEntry[Any], pool: ConnectionPool
) -> None:
    """Delete the stored settings of a removed entry, and release control.

    The fallback limit (holding register 1002) is written once more if Home Assistant
    was in control. A charger that cannot be reached uses it after its timeout anyway.
    """
    store = intent_store(hass, entry.entry_id)
    stored = await store.async_load()
    await store.async_remove()
    if stored is None or not Control.from_dict(stored).is_in_control:
        return
    endpoint = pool.acquire(entry.data[CONF_HOST], entry.data[CONF_PORT])
    client = Client(endpoint, entry.data[CONF_UNIT_ID], serial_number=entry.unique_id)
    try:
        session = await client.connect()
        limit = session.settings.fallback_limit
        if limit is not None:
            await session.write(FALLBACK_LIMIT, limit)
    except ChargerError as error:
        LOGGER.warning(
            "%s was removed, but control could not be released: %s", entry.title, error
        )
    finally:
        pool.release(endpoint)
