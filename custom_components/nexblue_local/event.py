"""Event platform: what happened to control of the charger."""

from typing import override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .control_events import ControlEvent, ControlEventType
from .coordinator import NexBlueConfigEntry, device_info
from .domain_data import async_get_domain_data

# The entity makes no requests.
PARALLEL_UPDATES = 0

DESCRIPTION = EventEntityDescription(
    key="control_event",
    translation_key="control_event",
    event_types=list(ControlEventType),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: NexBlueConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the event entity of a charger."""
    async_add_entities([NexBlueControlEvent(entry)])


class NexBlueControlEvent(EventEntity):
    """The last event of control.

    It does not follow the coordinator and is always available: most events are
    found at the first poll after an outage, and triggers ignore an event of an
    entity that is only just becoming available. Its state is the last event, which
    an outage does not change.
    """

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, entry: NexBlueConfigEntry) -> None:
        """Initialize the event entity of a config entry."""
        self.entity_description = DESCRIPTION
        self._entry = entry
        self._attr_unique_id = f"{entry.unique_id}_{DESCRIPTION.key}"
        self._attr_device_info = device_info(
            entry.runtime_data.coordinator.data.identity
        )

    @override
    async def async_added_to_hass(self) -> None:
        """Subscribe to events."""
        await super().async_added_to_hass()
        # Home Assistant writes the restored state right after this method.
        # Pending events must follow it, for the same triggers.
        self.hass.loop.call_soon(self._async_subscribe)

    @callback
    def _async_subscribe(self) -> None:
        events = async_get_domain_data(self.hass).events_of(self._entry)
        self.async_on_remove(events.async_subscribe(self._async_receive))

    @callback
    def _async_receive(self, event: ControlEvent) -> None:
        self._trigger_event(event.type, dict(event.attributes))
        self.async_write_ha_state()
