"""Links to chargers; here a Modbus address becomes a Modbus client."""

from collections.abc import Container
from functools import partial

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from .address import ModbusAddress
from .domain_data import async_get_domain_data
from .modbus.client import Client
from .modbus.connection_pool import resolve
from .modbus.registers import Identity


@callback
def async_open_modbus(
    hass: HomeAssistant, address: ModbusAddress, serial_number: str
) -> tuple[Client, CALLBACK_TYPE]:
    """Return the client of a charger, and the callback that releases its connection.

    The connection is shared with all users of the same host and port, because a
    charger accepts one.
    """
    pool = async_get_domain_data(hass).pool
    endpoint = pool.acquire(address.host, address.port)
    client = Client(endpoint, address.unit_id, serial_number=serial_number)
    return client, partial(pool.release, endpoint)


async def async_read_identity(hass: HomeAssistant, address: ModbusAddress) -> Identity:
    """Return the identity of the charger at an address, or raise ChargerError.

    The connection of an entry that has the address, by whatever name, is shared.
    """
    pool = async_get_domain_data(hass).pool
    endpoint = await pool.acquire_by_address(address.host, address.port)
    try:
        return await Client(endpoint, address.unit_id).identify()
    finally:
        pool.release(endpoint)


async def async_is_announced(
    address: ModbusAddress, ip_addresses: Container[str], port: int
) -> bool:
    """Return whether a device that announced itself is the one at an address."""
    return address.port == port and await resolve(address.host) in ip_addresses
