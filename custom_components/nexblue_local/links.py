"""Links to chargers; here a Modbus address becomes a Modbus client."""

from collections.abc import Container
from functools import partial

from homeassistant.core import CALLBACK_TYPE, HomeAssistant

from .address import ModbusAddress
from .charger.charger import Charger
from .charger.transport import resolve
from .domain_data import async_get_domain_data


async def async_open_modbus(
    hass: HomeAssistant, address: ModbusAddress, serial_number: str | None = None
) -> tuple[Charger, CALLBACK_TYPE]:
    """Return the charger at an address, and the callback that releases its link.

    The link is shared with all users of the same host and port, because a charger
    accepts one connection. Without a serial number, any charger is accepted.
    """
    pool = async_get_domain_data(hass).pool
    link = await pool.acquire(address.host, address.port)
    charger = Charger(link, address.unit_id, serial_number=serial_number)
    return charger, partial(pool.release, link)


async def async_is_announced(
    address: ModbusAddress, ip_addresses: Container[str], port: int
) -> bool:
    """Return whether a device that announced itself is the one at an address."""
    return address.port == port and await resolve(address.host) in ip_addresses
