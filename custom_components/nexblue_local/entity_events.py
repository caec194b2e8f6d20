"""How events reach the event entity of a charger."""

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import CALLBACK_TYPE, callback

MAX_PENDING: Final = 5
"""Events to keep for an event entity that does not exist yet."""


class EntityEvents[T]:
    """Deliver the events of a config entry to its event entity.

    Events also happen before the entity exists, while the charger is set up. These
    are kept until the entity subscribes.
    """

    def __init__(self, entry: ConfigEntry[Any]) -> None:
        """Initialize without a subscriber."""
        self._entry = entry
        self._pending: deque[T] = deque(maxlen=MAX_PENDING)
        self._deliver: Callable[[T], None] | None = None

    @callback
    def async_fire(self, event: T) -> None:
        """Deliver an event, now or when the entity subscribes."""
        if self._deliver is not None:
            self._deliver(event)
        # Once the entry is loaded, no subscriber means that the entity is disabled.
        elif self._entry.state is not ConfigEntryState.LOADED:
            self._pending.append(event)

    @callback
    def async_drop_pending(self) -> None:
        """Drop what no entity asked for: it is disabled, and must not get it later."""
        self._pending.clear()

    @callback
    def async_subscribe(self, deliver: Callable[[T], None]) -> CALLBACK_TYPE:
        """Deliver the pending events and all later ones; return how to unsubscribe."""
        self._deliver = deliver
        while self._pending:
            deliver(self._pending.popleft())

        @callback
        def unsubscribe() -> None:
            self._deliver = None

        return unsubscribe
