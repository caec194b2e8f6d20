"""The Modbus connection pool of this Home Assistant."""

from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from .charger.transport import Links
from .const import DOMAIN

_LINKS: HassKey[Links] = HassKey(DOMAIN)


@callback
def async_get_links(hass: HomeAssistant) -> Links:
    """Return the connection pool, which is created on first use.

    It is closed when Home Assistant stops, because config entries are not
    unloaded then.
    """
    if _LINKS not in hass.data:
        links = hass.data[_LINKS] = Links()

        @callback
        def close(_: Event) -> None:
            links.close()

        hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, close)
    return hass.data[_LINKS]
