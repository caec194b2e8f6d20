"""What the integration holds in `hass.data`, across all config entries."""

from dataclasses import dataclass, field
import time
from typing import TYPE_CHECKING, Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from .address import ModbusAddress
from .const import DOMAIN
from .control_events import ControlEvent
from .entity_events import EntityEvents
from .ledger.session import Session
from .modbus.connection_pool import ConnectionPool
from .sessions import Sessions

if TYPE_CHECKING:
    from .central_system.events import TagPresented

LEFT_ALONE_FOR: Final = 600.0
"""Seconds for which an address that was turned down is left alone."""


@dataclass(frozen=True)
class TurnedDown:
    """An address that announced a charger which answers at its own."""

    address: ModbusAddress
    at: float
    """When it was identified, in monotonic seconds."""

    @property
    def is_left_alone(self) -> bool:
        """Return whether it is too early to identify it again."""
        return time.monotonic() - self.at < LEFT_ALONE_FOR


@dataclass(frozen=True)
class DomainData:
    """Data that is shared by config entries, or that a failed set-up must not lose.

    Dictionaries are by entry ID unless stated otherwise.
    """

    sessions: Sessions

    pool: ConnectionPool = field(default_factory=ConnectionPool)

    events: dict[str, EntityEvents[ControlEvent]] = field(default_factory=dict)

    session_events: dict[str, EntityEvents[Session]] = field(default_factory=dict)

    tag_events: dict[str, EntityEvents[TagPresented]] = field(default_factory=dict)

    in_use_since: dict[str, float] = field(default_factory=dict)
    """When another client was first seen to use a charger, in monotonic seconds."""

    links_lost: dict[str, float] = field(default_factory=dict)
    """When an OCPP link was lost, in monotonic seconds, by ID of the charge point."""

    retries: dict[str, CALLBACK_TYPE] = field(default_factory=dict)
    """Callbacks that cancel a retry of the set-up."""

    sightings: dict[str, ModbusAddress] = field(default_factory=dict)
    """Where a charger responded instead of another one, by casefolded serial number."""

    turned_down: dict[str, TurnedDown] = field(default_factory=dict)
    """Addresses that announced a charger which answers elsewhere, by serial number."""

    def events_of(self, entry: ConfigEntry[Any]) -> EntityEvents[ControlEvent]:
        """Return the events of control of an entry."""
        return self.events.setdefault(entry.entry_id, EntityEvents(entry))

    def session_events_of(self, entry: ConfigEntry[Any]) -> EntityEvents[Session]:
        """Return the sessions of an entry that have ended."""
        return self.session_events.setdefault(entry.entry_id, EntityEvents(entry))

    def tag_events_of(self, entry: ConfigEntry[Any]) -> EntityEvents[TagPresented]:
        """Return the tags that were presented to a charger."""
        return self.tag_events.setdefault(entry.entry_id, EntityEvents(entry))

    @callback
    def async_drop_pending(self, entry: ConfigEntry[Any]) -> None:
        """Drop the events that a set-up found for entities that are disabled."""
        for events in (self.events, self.session_events, self.tag_events):
            if entry.entry_id in events:
                events[entry.entry_id].async_drop_pending()


_DATA: HassKey[DomainData] = HassKey(DOMAIN)


@callback
def async_get_domain_data(hass: HomeAssistant) -> DomainData:
    """Return the data of the integration.

    A config flow needs it before the integration is set up. The connection pool is
    closed, and the sessions are stored, when Home Assistant stops, because entries are not unloaded then.
    """
    if _DATA not in hass.data:
        data = hass.data[_DATA] = DomainData(sessions=Sessions(hass))

        @callback
        def close(_: Event) -> None:
            data.pool.close()
            data.sessions.async_stop()

        hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, close)
    return hass.data[_DATA]
