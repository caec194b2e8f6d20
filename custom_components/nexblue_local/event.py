"""Event platform: what happened to control of the charger, and to its sessions."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .charge_points import async_add_charge_point
from .control_events import ControlEventType
from .domain_data import async_get_domain_data
from .entity_events import EntityEvents
from .ocpp_only import AnyChargerConfigEntry
from .sessions import shown

# The entity makes no requests.
PARALLEL_UPDATES = 0


class SessionEventType(StrEnum):
    """What happened to a session."""

    ENDED = "ended"
    """Its attributes are those of `sessions.shown`."""


CONTROL_DESCRIPTION = EventEntityDescription(
    key="control_event",
    translation_key="control_event",
    event_types=list(ControlEventType),
)
SESSION_DESCRIPTION = EventEntityDescription(
    key="session",
    translation_key="session",
    event_types=list(SessionEventType),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: AnyChargerConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the event entities of a charger."""
    data = async_get_domain_data(hass)
    async_add_entities(
        [
            NexBlueEvent(
                entry,
                SESSION_DESCRIPTION,
                data.session_events_of(entry),
                lambda session: (SessionEventType.ENDED, shown(session)),
            )
        ]
    )
    if await async_add_charge_point(hass, entry, Platform.EVENT, async_add_entities):
        return
    async_add_entities(
        [
            NexBlueEvent(
                entry,
                CONTROL_DESCRIPTION,
                data.events_of(entry),
                lambda event: (event.type, dict(event.attributes)),
            )
        ]
    )


class NexBlueEvent[T](EventEntity):
    """The last event of a kind.

    It does not follow the coordinator and is always available: most events are
    found at the first poll after an outage, and triggers ignore an event of an
    entity that is only just becoming available. Its state is the last event, which
    an outage does not change.
    """

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(
        self,
        entry: AnyChargerConfigEntry,
        description: EventEntityDescription,
        events: EntityEvents[T],
        as_event: Callable[[T], tuple[str, dict[str, Any]]],
    ) -> None:
        """Initialize the event entity of a config entry.

        `as_event` returns the type and the attributes of an event.
        """
        self.entity_description = description
        self._events = events
        self._as_event = as_event
        self._attr_unique_id = f"{entry.unique_id}_{description.key}"
        self._attr_device_info = entry.runtime_data.device_info

    @override
    async def async_added_to_hass(self) -> None:
        """Subscribe to events."""
        await super().async_added_to_hass()
        # Home Assistant writes the restored state right after this method.
        # Pending events must follow it, for the same triggers.
        self.hass.loop.call_soon(self._async_subscribe)

    @callback
    def _async_subscribe(self) -> None:
        self.async_on_remove(self._events.async_subscribe(self._async_receive))

    @callback
    def _async_receive(self, event: T) -> None:
        self._trigger_event(*self._as_event(event))
        self.async_write_ha_state()
