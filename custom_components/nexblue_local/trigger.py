"""Triggers: charging, vehicles, faults and the fallback."""

from typing import Any, ClassVar, override

from homeassistant.const import STATE_OFF, STATE_ON
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, State, callback
from homeassistant.helpers.target import (
    TargetStateChangedData,
    async_track_target_selector_state_change_event,
)
from homeassistant.helpers.trigger import (
    EntityTargetStateTriggerBase,
    Trigger,
    TriggerActionRunner,
    TriggerConfig,
    TriggerNotTriggeredReporter,
)

from .targets import BINARY_SENSORS, filter_by_key

FROM_ANYWHERE: frozenset[str] = frozenset()


class _Turns(EntityTargetStateTriggerBase):
    """Trigger when a binary sensor of a charger turns on or off.

    An outage does not trigger. A change during an outage does once the charger is
    available again: the new state is compared with the last known one.
    """

    _domain_specs = BINARY_SENSORS
    _excluded_from_states = FROM_ANYWHERE
    _key: ClassVar[str]

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Initialize without known states."""
        super().__init__(hass, config)
        self._known: dict[str, str] = {}

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Return the binary sensors that have the key."""
        return filter_by_key(self._hass, super().entity_filter(entities), self._key)

    @override
    def is_valid_transition(self, from_state: State, to_state: State) -> bool:
        """Return whether the last known state differs from the new one."""
        before = from_state.state
        if before in self._excluded_states:
            before = self._known.get(to_state.entity_id, to_state.state)
        return before != to_state.state

    @override
    async def async_attach_runner(
        self,
        run_action: TriggerActionRunner,
        did_not_trigger: TriggerNotTriggeredReporter | None = None,
    ) -> CALLBACK_TYPE:
        """Attach the trigger, and track the last known states."""

        @callback
        def track(change: TargetStateChangedData) -> None:
            state: State | None = change.state_change_event.data["old_state"]
            if state is not None and state.state not in self._excluded_states:
                self._known[state.entity_id] = state.state

        assert self._target is not None
        untrack = await async_track_target_selector_state_change_event(
            self._hass,
            self._target,
            track,
            self.entity_filter,
            primary_entities_only=self._primary_entities_only,
        )
        detach = await super().async_attach_runner(run_action, did_not_trigger)

        @callback
        def remove() -> None:
            detach()
            untrack()

        return remove


def _turns(key: str, state: str, **more: Any) -> type[Trigger]:
    """Return the trigger class for a key and the state that triggers."""
    return type(
        f"{key}_{state}", (_Turns,), {"_key": key, "_to_states": {state}, **more}
    )


TRIGGERS: dict[str, type[Trigger]] = {
    # Its binary sensor is the only diagnostic one.
    "fallback_engaged": _turns(
        "fallback_active", STATE_ON, _primary_entities_only=False
    ),
    "fault": _turns("fault", STATE_ON),
    "started_charging": _turns("charging", STATE_ON),
    "stopped_charging": _turns("charging", STATE_OFF),
    "vehicle_connected": _turns("vehicle_connected", STATE_ON),
    "vehicle_disconnected": _turns("vehicle_connected", STATE_OFF),
}


async def async_get_triggers(hass: HomeAssistant) -> dict[str, type[Trigger]]:
    """Return the triggers."""
    return TRIGGERS
