"""The connections of this Home Assistant to chargers."""

from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from .charger.transport import Links
from .const import DOMAIN

_LINKS: HassKey[Links] = HassKey(DOMAIN)


@callback
def async_get_links(hass: HomeAssistant) -> Links:
    """Return the links, which are closed when Home Assistant stops.

    A stop does not unload the entries that hold them.
    """
    if _LINKS not in hass.data:
        links = hass.data[_LINKS] = Links()

        @callback
        def close(_: Event) -> None:
            links.close()

        hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, close)
    return hass.data[_LINKS]
