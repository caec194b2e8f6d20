"""Storage of the desired settings and of what was learned of a charger."""

from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import Store

from .address import modbus_address
from .charging import ChargeSettings
from .checked_store import CheckedStore
from .const import DOMAIN, LOGGER
from .control.state import ControlState, DamagedRecord
from .links import async_open_modbus
from .modbus.errors import ChargerError
from .modbus.learned import Learned
from .modbus.registers import FALLBACK_LIMIT

STORAGE_VERSION: Final = 1


def control_store(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    """Return the store of the desired state of an entry."""
    return Store(hass, STORAGE_VERSION, f"{DOMAIN}.{entry_id}", atomic_writes=True)


def ocpp_store(hass: HomeAssistant) -> CheckedStore:
    """Return the store of charge points, transactions and their numbers."""
    return CheckedStore(
        hass, STORAGE_VERSION, f"{DOMAIN}.ocpp", private=True, atomic_writes=True
    )


class LearnedStore:
    """Storage of what was learned of the charger of an entry."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        """Initialize the store."""
        self._store = Store[dict[str, Any]](
            hass, STORAGE_VERSION, f"{DOMAIN}.{entry_id}.learned", atomic_writes=True
        )
        self._stored: Learned | None = None

    async def async_load(self) -> Learned | None:
        """Return what was learned, None if there is no record or it is damaged."""
        data = await self._store.async_load()
        self._stored = None if data is None else Learned.from_dict(data)
        return self._stored

    async def async_save(self, learned: Learned) -> None:
        """Store what was learned if it is new."""
        if learned != self._stored:
            self._stored = learned
            await self._store.async_save(learned.as_dict())

    async def async_remove(self) -> None:
        """Delete the record."""
        await self._store.async_remove()


async def async_release_removed(hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
    """Delete all records of a removed entry, and release control.

    The fallback limit (holding register 1002) is written once more if Home Assistant
    was in control. A charger that cannot be reached uses it after its timeout anyway.
    """
    store = control_store(hass, entry.entry_id)
    stored = await store.async_load()
    await store.async_remove()
    learned_store = LearnedStore(hass, entry.entry_id)
    learned = await learned_store.async_load()
    await learned_store.async_remove()
    if stored is None or (address := modbus_address(entry)) is None:
        return
    try:
        state = ControlState.from_dict(stored)
        found = ChargeSettings.from_record(stored).found_limit
    except DamagedRecord:
        # Whether anything was requested is not known, so nothing is written.
        return
    if not state.is_in_control and found is None:
        return
    assert entry.unique_id is not None
    client, release = async_open_modbus(hass, address, entry.unique_id)
    if learned is not None:
        client.restore_learned(learned)
    try:
        session = await client.connect()
        if (limit := client.settings.fallback_limit) is not None:
            await session.write(FALLBACK_LIMIT, limit)
    except ChargerError as error:
        LOGGER.warning(
            "%s was removed, but control could not be released: %s", entry.title, error
        )
    finally:
        release()
