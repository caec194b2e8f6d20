"""Commands as a user gives them, for tests on real sockets."""

from dataclasses import dataclass
from typing import Any

from homeassistant.components.event import ATTR_EVENT_TYPE, DOMAIN as EVENT_DOMAIN
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_track_state_change_event
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.control.controller import Controller
from custom_components.nexblue_local.modbus.enums import PhaseMode, StartStop
from simulator import Fault, FaultKind, Simulator
from tests.conftest import SERIAL

PREFIX = "nexblue_delta_max"


@dataclass(frozen=True)
class Command:
    """A command as a user gives it, and what it writes."""

    name: str
    value: Any
    address: int
    service: str
    data: dict[str, Any]

    @property
    def function(self) -> int:
        """Return the Modbus function of its write."""
        return 0x10 if self.address < 1006 else 0x06

    async def give(self, hass: HomeAssistant) -> None:
        """Give the command."""
        domain, service = self.service.split(".")
        await hass.services.async_call(domain, service, self.data, blocking=True)


def number(name: str, value: float, address: int) -> Command:
    """Return a command to a number, which shows the timeout in minutes."""
    entity = {"current_limit": "charging_current_limit"}.get(name, name)
    shown = value / 60 if name == "fallback_timeout" else value
    return Command(
        name,
        value,
        address,
        "number.set_value",
        {"entity_id": f"number.{PREFIX}_{entity}", "value": shown},
    )


LIMIT = number("current_limit", 10.5, 1000)
STOP = Command(
    "start_stop",
    StartStop.STOP,
    1006,
    "switch.turn_off",
    {"entity_id": f"switch.{PREFIX}_allow_charging"},
)
START = Command(
    "start_stop",
    StartStop.START,
    1006,
    "switch.turn_on",
    {"entity_id": f"switch.{PREFIX}_allow_charging"},
)
SINGLE = Command(
    "phase_mode",
    PhaseMode.SINGLE_PHASE,
    1007,
    "select.select_option",
    {"entity_id": f"select.{PREFIX}_phase_mode", "option": "single_phase"},
)
COMMANDS = [
    LIMIT,
    number("fallback_limit", 8.0, 1002),
    number("fallback_timeout", 60, 1004),
    STOP,
    SINGLE,
]


EACH = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)


def gone_with(function: int) -> list[Fault]:
    """Return the faults of a charger that executes a write and is gone with it.

    Whoever connects then is cut off when it asks for the identity.
    """
    return [
        Fault(kind=FaultKind.DROP, function=function, executed=True),
        Fault(kind=FaultKind.DROP, function=4, address=0),
    ]


def writes(simulator: Simulator) -> list[tuple[int, int]]:
    """Return function and address of what was written."""
    return [(r.function, r.address) for r in simulator.log if r.words]


def entity_id_of(hass: HomeAssistant, domain: str, key: str) -> str:
    """Return the entity ID of the simulated charger's entity, whatever its name."""
    entity_id = er.async_get(hass).async_get_entity_id(
        domain, DOMAIN, f"{SERIAL}_{key}"
    )
    assert entity_id is not None
    return entity_id


def control_events(hass: HomeAssistant) -> list[tuple[str, dict[str, Any]]]:
    """Return the list of the control events to come, each with its attributes."""
    entity_id = entity_id_of(hass, EVENT_DOMAIN, "control_event")
    events: list[tuple[str, dict[str, Any]]] = []
    last = hass.states.get(entity_id)
    seen = "" if last is None else last.state

    @callback
    def changed(event: Event[EventStateChangedData]) -> None:
        nonlocal seen
        state = event.data["new_state"]
        if state is None or state.state in (STATE_UNAVAILABLE, STATE_UNKNOWN, seen):
            return
        seen = state.state
        attributes = {
            name: value
            for name, value in state.attributes.items()
            if name in ("limit", "settings")
        }
        events.append((state.attributes[ATTR_EVENT_TYPE], attributes))

    async_track_state_change_event(hass, entity_id, changed)
    return events


PERIOD = "custom_components.nexblue_local.control.timing.Timing.keep_alive_period"
"""Returns the seconds of the keep-alive, to be patched."""


def core(entry: MockConfigEntry) -> Controller:
    """Return the control of a charger, without its adapter."""
    control: Controller = entry.runtime_data.controller.control
    return control


def wake_keep_alive(entry: MockConfigEntry) -> None:
    """Have it calculated again when the next write is due."""
    core(entry).keep_alive.update()


def is_kept_alive(entry: MockConfigEntry) -> bool:
    """Return whether the current limit is written again and again."""
    return core(entry).keep_alive.is_running


def age_keep_alive(entry: MockConfigEntry, seconds: float) -> None:
    """Have the current limit written earlier than it was."""
    writer = core(entry)._writer
    writer.limit_written_at -= seconds


def intent(entry: MockConfigEntry) -> dict[str, Any]:
    """Return what was requested, with the values of the registers."""
    return {
        setting.value: control_value(value)
        for setting, value in entry.runtime_data.controller.control.state.desired
    }


def control_value(value: Any) -> Any:
    """Return the value of a register for one of control."""
    enums = {"PhaseMode": PhaseMode, "StartStop": StartStop}
    enum = enums.get(type(value).__name__)
    return value if enum is None else enum[value.name]


def stored(hass_storage: dict[str, Any], entry: MockConfigEntry) -> dict[str, Any]:
    """Return what is on the disk, as it is there now."""
    data: dict[str, Any] = hass_storage[f"{DOMAIN}.{entry.entry_id}"]["data"]
    return data
