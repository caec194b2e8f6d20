"""The connections of this Home Assistant to chargers."""

from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from .charger.transport import ConnectionPool
from .const import DOMAIN

_LINKS: HassKey[ConnectionPool] = HassKey(DOMAIN)


@callback
def async_get_connection_pool(hass: HomeAssistant) -> ConnectionPool:
    """Return the links, which are closed when Home Assistant stops.

    A stop does not unload the entries that hold them.
    """
    if _LINKS not in hass.data:
        links = hass.data[_LINKS] = ConnectionPool()

        @callback
        def close(_: Event) -> None:
            links.close()

        hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, close)
    return hass.data[_LINKS]
