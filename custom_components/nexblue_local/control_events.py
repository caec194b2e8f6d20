"""Events of control, and how they reach the event entity."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import CALLBACK_TYPE, callback

MAX_PENDING: Final = 5
"""Events to keep for an event entity that does not exist yet."""


class ControlEventType(StrEnum):
    """What happened to control of a charger."""

    CEILING_CHANGED = "ceiling_changed"
    """The user's limit was changed while the charge mode decides below it.

    Its attribute `limit` is the new limit in A.
    """
    FALLBACK_ENGAGED = "fallback_engaged"
    """The charger switched to its fallback limit."""
    RESTORED = "restored"
    """Settings that the charger had lost were written again.

    Its attribute `settings` lists their names.
    """
    LIMIT_EXPIRED = "limit_expired"
    """A time-limited current limit was not renewed in time.

    Its attribute `limit` is the current limit that follows, in A.
    """


@dataclass(frozen=True)
class ControlEvent:
    """An event of control."""

    type: ControlEventType
    attributes: Mapping[str, object] = field(default_factory=dict)


class ControlEvents:
    """Deliver the events of a config entry to its event entity.

    Events also happen before the entity exists: settings are restored while the
    charger is set up. These are kept until the entity subscribes.
    """

    def __init__(self, entry: ConfigEntry[Any]) -> None:
        """Initialize without a subscriber."""
        self._entry = entry
        self._pending: deque[ControlEvent] = deque(maxlen=MAX_PENDING)
        self._deliver: Callable[[ControlEvent], None] | None = None

    @callback
    def async_fire(self, event: ControlEvent) -> None:
        """Deliver an event, now or when the entity subscribes."""
        if self._deliver is not None:
            self._deliver(event)
        # Once the entry is loaded, no subscriber means that the entity is disabled.
        elif self._entry.state is not ConfigEntryState.LOADED:
            self._pending.append(event)

    @callback
    def async_subscribe(self, deliver: Callable[[ControlEvent], None]) -> CALLBACK_TYPE:
        """Deliver the pending events and all later ones; return how to unsubscribe."""
        self._deliver = deliver
        while self._pending:
            deliver(self._pending.popleft())

        @callback
        def unsubscribe() -> None:
            self._deliver = None

        return unsubscribe
