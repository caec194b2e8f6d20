"""Triggers: charging, sessions, vehicles, faults, the fallback, and what the site decides."""

from typing import Any, override

from homeassistant.const import CONF_MODE, CONF_OPTIONS, STATE_OFF, STATE_ON
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, State, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.target import (
    TargetStateChangedData,
    async_track_target_selector_state_change_event,
)
from homeassistant.helpers.trigger import (
    ENTITY_STATE_TRIGGER_SCHEMA_WITH_BEHAVIOR,
    EntityNumericalStateCrossedThresholdTriggerWithUnitBase,
    EntityTargetStateTriggerBase,
    NotTriggeredReasonReporter,
    StatelessEntityTriggerBase,
    Trigger,
    TriggerActionRunner,
    TriggerConfig,
    TriggerNotTriggeredReporter,
)
import voluptuous as vol

from .limited_by import LimitedBy
from .surplus.settings import Mode
from .targets import EVENTS, SELECTS, SENSORS, EntitiesWithKey, Surplus

FROM_ANYWHERE: frozenset[str] = frozenset()


class _Turns(EntitiesWithKey, EntityTargetStateTriggerBase):
    """Trigger when an entity turns to another state.

    An outage does not trigger. A change during an outage does once the charger is
    available again: the new state is compared with the last known one. One that
    interrupts the time for which a state has to hold begins that time anew.
    """

    _excluded_from_states = FROM_ANYWHERE

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Initialize without known states."""
        super().__init__(hass, config)
        self._known: dict[str, str] = {}
        self._held: set[str] = set()
        """Entities that turned, and whose state has to hold."""
        self._interrupted: set[str] = set()
        """Those of them that became unavailable before the time was over."""

    @override
    def is_valid_transition(self, from_state: State, to_state: State) -> bool:
        """Return whether the last known state differs from the new one."""
        entity_id, before = to_state.entity_id, from_state.state
        is_interrupted = False
        if before in self._excluded_states:
            is_interrupted = entity_id in self._interrupted
            before = self._known.get(entity_id, to_state.state)
        is_valid = is_interrupted or before != to_state.state
        if is_valid:
            self._held.add(entity_id)
        return is_valid

    @callback
    def _track(self, old: State, new: State | None) -> None:
        """Note the last known state, and whether an outage interrupts its time."""
        self._known[old.entity_id] = old.state
        self._interrupted.discard(old.entity_id)
        if new is None or new.state not in self._excluded_states:
            return
        if (
            old.entity_id in self._held
            and old.state in self._to_states
            and self._duration is not None
            and new.last_changed - old.last_changed < self._duration
        ):
            self._interrupted.add(old.entity_id)
        else:
            self._held.discard(old.entity_id)

    @override
    async def async_attach_runner(
        self,
        run_action: TriggerActionRunner,
        did_not_trigger: TriggerNotTriggeredReporter | None = None,
    ) -> CALLBACK_TYPE:
        """Attach the trigger, and track the last known states."""

        @callback
        def track(change: TargetStateChangedData) -> None:
            data = change.state_change_event.data
            old: State | None = data["old_state"]
            if old is not None and old.state not in self._excluded_states:
                self._track(old, data["new_state"])

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


class ChargeModeChanged(_Turns):
    """Trigger when the charge mode turns to one that was chosen."""

    _domain_specs = SELECTS
    _key = "charge_mode"
    _schema = ENTITY_STATE_TRIGGER_SCHEMA_WITH_BEHAVIOR.extend(
        {
            vol.Required(CONF_OPTIONS): {
                vol.Required(CONF_MODE): vol.All(cv.ensure_list, [vol.In(list(Mode))])
            }
        }
    )

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Initialize with the modes."""
        super().__init__(hass, config)
        self._to_states = set(self._options[CONF_MODE])


class SessionEnded(EntitiesWithKey, StatelessEntityTriggerBase):
    """Trigger when a charging session has ended."""

    _domain_specs = EVENTS
    _key = "session"

    @override
    def is_valid_state(
        self, state: State, report_not_triggered: NotTriggeredReasonReporter
    ) -> bool:
        """Return True: a session has no other event."""
        return True


class SurplusCrossedThreshold(
    Surplus, EntityNumericalStateCrossedThresholdTriggerWithUnitBase
):
    """Trigger when the surplus of the site crosses a threshold."""


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
    "charge_mode_changed": ChargeModeChanged,
    "meter_lost": _turns("meter_lost", STATE_ON),
    "session_ended": SessionEnded,
    "started_charging": _turns("charging", STATE_ON),
    "stopped_charging": _turns("charging", STATE_OFF),
    "surplus_crossed_threshold": SurplusCrossedThreshold,
    "vehicle_connected": _turns("vehicle_connected", STATE_ON),
    "vehicle_disconnected": _turns("vehicle_connected", STATE_OFF),
    "waiting_for_sun": _turns(
        "limited_by", LimitedBy.WAITING_FOR_SUN, _domain_specs=SENSORS
    ),
}


async def async_get_triggers(hass: HomeAssistant) -> dict[str, type[Trigger]]:
    """Return the triggers."""
    return TRIGGERS
