"""The connection pool of this Home Assistant instance."""

from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .modbus.connection_pool import ConnectionPool

_POOL: HassKey[ConnectionPool] = HassKey(DOMAIN)


@callback
def async_get_connection_pool(hass: HomeAssistant) -> ConnectionPool:
    """Return the connection pool.

    It is closed when Home Assistant stops, because entries are not unloaded then.
    """
    if _POOL not in hass.data:
        pool = hass.data[_POOL] = ConnectionPool()

        @callback
        def close(_: Event) -> None:
            pool.close()

        hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, close)
    return hass.data[_POOL]
