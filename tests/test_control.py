"""Commands to a charger, on real sockets."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local import controller as controller_module
from custom_components.nexblue_local.charger import transport
from custom_components.nexblue_local.charger.enums import PhaseMode, StartStop
from custom_components.nexblue_local.charger.registers import Settings
from custom_components.nexblue_local.const import DOMAIN
from simulator import Car, Fault, FaultKind, Ocpp, Simulator
from simulator.charger import POWER_ON
from tests.conftest import entry_for, requested
from tests.test_init import poll, state

PREFIX = "nexblue_delta_max"


@pytest.fixture(autouse=True)
def _short_waits() -> Iterator[None]:
    """Wait for answers and read-backs only briefly."""
    with (
        patch.object(transport, "TIMEOUT", 0.3),
        patch.object(controller_module, "CONFIRM_FOR", 0.6),
        patch.object(controller_module, "CONFIRM_EVERY", 0.1),
    ):
        yield


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
    """Return a command to a number."""
    return Command(
        name,
        value,
        address,
        "number.set_value",
        {"entity_id": f"number.{PREFIX}_{name}", "value": value},
    )


LIMIT = number("current_limit", 10.5, 1000)
STOP = Command(
    "start_stop",
    StartStop.STOP,
    1006,
    "switch.turn_off",
    {"entity_id": f"switch.{PREFIX}_charging"},
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


def writes(simulator: Simulator) -> list[tuple[int, int]]:
    """Return function and address of what was written."""
    return [(r.function, r.address) for r in simulator.log if r.words]


def intent(entry: MockConfigEntry) -> dict[str, Any]:
    """Return what is asked for."""
    return dict(entry.runtime_data.controller.control.intent.values)


@EACH
async def test_commands(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry, command: Command
) -> None:
    """A command writes its register, once, and is kept."""
    simulator.charger.read_back_delay = 0.3
    simulator.log.clear()
    await command.give(hass)
    assert writes(simulator) == [(command.function, command.address)]
    assert simulator.charger.settings[command.name] == command.value
    assert intent(entry) == {command.name: command.value}
    stored = await entry.runtime_data.controller._store.async_load()
    assert stored is not None
    assert stored["intent"] == {command.name: command.value}


async def test_states(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What was commanded shows at once."""
    assert state(hass, f"sensor.{PREFIX}_control") == "free"
    for command in COMMANDS:
        await command.give(hass)
    assert state(hass, f"number.{PREFIX}_current_limit") == "10.5"
    assert state(hass, f"number.{PREFIX}_fallback_limit") == "8.0"
    assert state(hass, f"number.{PREFIX}_fallback_timeout") == "60"
    assert state(hass, f"switch.{PREFIX}_charging") == "off"
    assert state(hass, f"select.{PREFIX}_phase_mode") == "single_phase"
    assert state(hass, f"sensor.{PREFIX}_control") == "home_assistant"
    assert state(hass, f"sensor.{PREFIX}_offered_current") == "10.5"
    assert state(hass, f"sensor.{PREFIX}_phase_switches_left") == "1"
    assert state(hass, f"sensor.{PREFIX}_next_phase_switch") != "unknown"
    await hass.services.async_call(
        "switch", "turn_on", {"entity_id": f"switch.{PREFIX}_charging"}, blocking=True
    )
    assert state(hass, f"switch.{PREFIX}_charging") == "on"


LOST: dict[str, Callable[[Command], Fault]] = {
    f"{kind}, {'' if executed else 'not '}executed": (
        lambda command, kind=kind, executed=executed: Fault(  # type: ignore[misc]
            kind=kind, function=command.function, times=1, executed=executed
        )
    )
    for kind in (FaultKind.DROP, FaultKind.MUTE, FaultKind.GARBAGE)
    for executed in (False, True)
}


@EACH
@pytest.mark.parametrize("lose", LOST.values(), ids=LOST)
async def test_the_answer_is_lost(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    command: Command,
    lose: Callable[[Command], Fault],
) -> None:
    """What happened is found out: it is kept if it was done, and told if not."""
    fault = lose(command)
    simulator.faults.append(fault)
    simulator.log.clear()
    if fault.executed:
        await command.give(hass)
        assert intent(entry) == {command.name: command.value}
    else:
        with pytest.raises(HomeAssistantError, match="has not carried it out"):
            await command.give(hass)
        assert intent(entry) == {}
    expected = command.value if fault.executed else POWER_ON[command.name]
    assert simulator.charger.settings[command.name] == expected
    assert writes(simulator) == [(command.function, command.address)]
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    await poll(hass, entry)
    assert simulator.charger.settings[command.name] == expected
    if not fault.executed:
        assert writes(simulator) == [(command.function, command.address)]


@EACH
async def test_refused(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry, command: Command
) -> None:
    """A refusal is told, and changes nothing then or later."""
    simulator.faults.append(
        Fault(kind=FaultKind.EXCEPTION, function=command.function, code=4)
    )
    with pytest.raises(HomeAssistantError):
        await command.give(hass)
    assert intent(entry) == {}
    simulator.faults.clear()
    simulator.log.clear()
    simulator.cut()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert writes(simulator) == []
    assert simulator.charger.settings[command.name] == POWER_ON[command.name]


@EACH
async def test_lost_before(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry, command: Command
) -> None:
    """A charger that is gone is told, and the command is not executed later."""
    await simulator.stop()
    with pytest.raises(HomeAssistantError):
        await command.give(hass)
    await simulator.start()
    simulator.log.clear()
    await poll(hass, entry)
    assert writes(simulator) == []
    assert intent(entry) == {}


@EACH
async def test_lost_with_the_command(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry, command: Command
) -> None:
    """When nobody can tell at once, it is told so, and found out later."""
    simulator.faults += [
        Fault(kind=FaultKind.DROP, function=command.function, executed=True),
        # Whoever connects is asked for its identity first.
        Fault(kind=FaultKind.DROP, function=4, address=0),
    ]
    with pytest.raises(HomeAssistantError, match="shows when the charger is back"):
        await command.give(hass)
    assert intent(entry) == {}
    simulator.faults.clear()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert intent(entry) == {command.name: command.value}
    assert simulator.charger.settings[command.name] == command.value
    is_kept_alive = entry.runtime_data.controller._keeper is not None
    assert is_kept_alive is (command is LIMIT)


@pytest.mark.parametrize("ocpp", [Ocpp.REFUSE, Ocpp.IGNORE])
async def test_ocpp_is_in_charge(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry, ocpp: Ocpp
) -> None:
    """Start and stop that are refused, or ignored, are told."""
    simulator.charger.ocpp = ocpp
    with pytest.raises(HomeAssistantError, match="OCPP"):
        await STOP.give(hass)
    assert intent(entry) == {}
    assert state(hass, f"switch.{PREFIX}_charging") == "on"
    assert state(hass, f"sensor.{PREFIX}_control") == "refused"
    simulator.charger.ocpp = Ocpp.NONE
    await STOP.give(hass)
    assert state(hass, f"sensor.{PREFIX}_control") == "free"


async def test_clamped(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Another value than was asked for is told, and kept as what there is."""
    original = simulator.charger._set

    def clamp(name: str, value: Any) -> None:
        original(name, 13.0 if name == "current_limit" else value)

    with (
        patch.object(simulator.charger, "_set", clamp),
        pytest.raises(HomeAssistantError, match=r"made 13 of 20"),
    ):
        await number("current_limit", 20, 1000).give(hass)
    assert intent(entry) == {"current_limit": 13.0}
    assert state(hass, f"number.{PREFIX}_current_limit") == "13.0"


@pytest.mark.parametrize("value", [0.1, 3, 5.9])
async def test_fallback_limit_between(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry, value: float
) -> None:
    """What would become 0 in silence is refused with the reason."""
    simulator.log.clear()
    with pytest.raises(ServiceValidationError, match="0, or 6 to 16 A"):
        await number("fallback_limit", value, 1002).give(hass)
    assert writes(simulator) == []


async def test_phase_budget(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A switch too soon is refused with the time from which it is allowed."""
    await SINGLE.give(hass)
    simulator.log.clear()
    with pytest.raises(ServiceValidationError, match="allowed from"):
        await hass.services.async_call(
            "select",
            "select_option",
            {"entity_id": f"select.{PREFIX}_phase_mode", "option": "three_phase"},
            blocking=True,
        )
    assert writes(simulator) == []
    await SINGLE.give(hass)  # What is there is no switch.
    control = entry.runtime_data.controller.control
    control.budget.in_session = 6
    with pytest.raises(ServiceValidationError, match="six times"):
        await hass.services.async_call(
            "select",
            "select_option",
            {"entity_id": f"select.{PREFIX}_phase_mode", "option": "adaptive"},
            blocking=True,
        )


async def test_restored_after_a_power_cycle(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """All that was asked for, and in the safest order; nothing that was not."""
    simulator.charger.plug_in(Car())
    await poll(hass, entry)
    for command in COMMANDS[:4]:
        await command.give(hass)
    await simulator.power_cycle()
    simulator.log.clear()
    await poll(hass, entry)
    settings = simulator.charger.settings
    assert {c.name: settings[c.name] for c in COMMANDS[:4]} == {
        c.name: c.value for c in COMMANDS[:4]
    }
    assert settings["phase_mode"] is PhaseMode.ADAPTIVE
    assert [address for _, address in writes(simulator)] == [
        *(1006, 1000, 1004, 1002, 1000)
    ]


async def test_restored_after_a_restart(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What was asked for outlives the process that was asked."""
    await LIMIT.give(hass)
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert intent(entry) == {"current_limit": 10.5}
    await simulator.power_cycle()
    await poll(hass, entry)
    assert simulator.charger.settings["current_limit"] == 10.5


async def test_phases_over_budget_hold_the_limit(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Until the phase mode may be restored no more than 6 A are offered."""
    await LIMIT.give(hass)
    await SINGLE.give(hass)
    await simulator.power_cycle()
    simulator.log.clear()
    await poll(hass, entry)
    assert simulator.charger.settings["current_limit"] == 6.0
    limit = hass.states.get(f"number.{PREFIX}_current_limit")
    assert limit is not None
    assert (limit.state, limit.attributes["awaits_phase_mode"]) == ("10.5", True)
    assert (0x06, 1007) not in writes(simulator)
    # What is commanded meanwhile is kept, and held down as well.
    await number("current_limit", 16, 1000).give(hass)
    assert simulator.charger.settings["current_limit"] == 6.0
    assert intent(entry)["current_limit"] == 16.0
    control = entry.runtime_data.controller.control
    control.budget.switches.clear()
    simulator.log.clear()
    await poll(hass, entry)
    assert simulator.charger.settings["phase_mode"] is PhaseMode.SINGLE_PHASE
    assert simulator.charger.settings["current_limit"] == 16.0
    assert [address for _, address in writes(simulator)] == [1007, 1000]


async def test_refused_phases_hold_the_limit(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A phase mode that cannot be restored leaves 6 A at the most."""
    await LIMIT.give(hass)
    await SINGLE.give(hass)
    entry.runtime_data.controller.control.budget.switches.clear()
    await simulator.stop()
    simulator.charger.power_on()
    simulator.charger.settings["phase_mode"] = PhaseMode.THREE_PHASE
    simulator.charger._show_settings(0)
    await simulator.start()
    simulator.faults.append(
        Fault(kind=FaultKind.EXCEPTION, function=0x06, address=1007, code=4)
    )
    await poll(hass, entry)
    assert simulator.charger.settings["phase_mode"] is PhaseMode.THREE_PHASE
    assert simulator.charger.settings["current_limit"] == 6.0
    assert intent(entry)["current_limit"] == 10.5


async def test_a_cancelled_command_is_found_out(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """An automation that restarts in the middle leaves no limit without a keeper."""
    simulator.charger.read_back_delay = 0.4
    command = asyncio.create_task(
        entry.runtime_data.controller.async_set(Settings.current_limit, 10.5)
    )
    async with asyncio.timeout(5):
        while True:
            if simulator.charger.settings["current_limit"] == 10.5:
                break
            await asyncio.sleep(0.01)
    command.cancel()
    with pytest.raises(asyncio.CancelledError):
        await command
    await asyncio.sleep(0.5)
    simulator.cut()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert intent(entry) == {"current_limit": 10.5}
    assert entry.runtime_data.controller._keeper is not None


async def test_keep_alive(hass: HomeAssistant, simulator: Simulator) -> None:
    """The current limit is written again and again, however rare the polls are."""
    entry = entry_for(simulator, scan_interval=60)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await LIMIT.give(hass)
    simulator.log.clear()
    with patch(
        "custom_components.nexblue_local.control.control.period", lambda timeout: 0.2
    ):
        entry.runtime_data.controller._async_keep()
        await asyncio.sleep(1.1)
    assert 4 <= len(writes(simulator)) <= 6
    assert set(writes(simulator)) == {(0x10, 1000)}
    assert all(r.words == (0x0000, 0x2841) for r in simulator.log)


async def test_keep_alive_reconnects(hass: HomeAssistant, simulator: Simulator) -> None:
    """It does not wait for a poll to notice that the connection is gone."""
    entry = entry_for(simulator, scan_interval=60)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await LIMIT.give(hass)
    simulator.log.clear()
    with patch(
        "custom_components.nexblue_local.control.control.period", lambda timeout: 0.2
    ):
        entry.runtime_data.controller._async_keep()
        simulator.cut()
        await asyncio.sleep(1.0)
    # Whoever connects is identified first; all writes came after that.
    order = [(r.function, r.address) for r in simulator.log]
    assert (0x10, 1000) in order[order.index((4, 0)) :]


async def test_nothing_is_kept_alive_unasked(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Without a limit that was commanded, nothing is written."""
    for command in COMMANDS[1:]:
        await command.give(hass)
    assert entry.runtime_data.controller._keeper is None


async def test_release(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The fallback limit is written, and nothing is asked for any more."""
    for command in COMMANDS:
        await command.give(hass)
    simulator.log.clear()
    await hass.services.async_call(
        "button",
        "press",
        {"entity_id": f"button.{PREFIX}_release_control"},
        blocking=True,
    )
    assert writes(simulator) == [(0x10, 1002)]
    assert intent(entry) == {}
    assert entry.runtime_data.controller._keeper is None
    assert state(hass, f"sensor.{PREFIX}_control") == "free"
    await simulator.power_cycle()
    simulator.log.clear()
    await poll(hass, entry)
    assert writes(simulator) == []


async def test_release_of_a_charger_that_is_gone(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Control that could not be released is kept, and told."""
    await LIMIT.give(hass)
    await simulator.stop()
    with pytest.raises(HomeAssistantError):
        await hass.services.async_call(
            "button",
            "press",
            {"entity_id": f"button.{PREFIX}_release_control"},
            blocking=True,
        )
    assert intent(entry) == {"current_limit": 10.5}


async def test_removal(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    simulator: Simulator,
    entry: MockConfigEntry,
) -> None:
    """With the entry goes what was stored; the fallback limit stays."""
    await LIMIT.give(hass)
    await COMMANDS[1].give(hass)
    key = f"{DOMAIN}.{entry.entry_id}"
    assert key in hass_storage
    simulator.log.clear()
    await hass.config_entries.async_remove(entry.entry_id)
    assert key not in hass_storage
    assert writes(simulator) == [(0x10, 1002)]
    assert simulator.charger.settings["fallback_limit"] == 8.0
    await asyncio.sleep(0.05)
    assert not simulator.is_connected


async def test_fallback_shows(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """When the charger decides for itself, it says so."""
    await LIMIT.give(hass)
    simulator.charger.fallback_active = True
    await poll(hass, entry)
    assert state(hass, f"sensor.{PREFIX}_control") == "fallback"


async def test_a_command_waits_for_one_request_at_most(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A command during a slow poll comes next on the wire."""
    simulator.faults.append(
        Fault(kind=FaultKind.SLOW, address=100, seconds=0.2, times=1)
    )
    simulator.log.clear()
    slow = hass.async_create_task(entry.runtime_data.async_refresh())
    await requested(simulator)
    await LIMIT.give(hass)
    await slow
    order = [(r.function, r.address) for r in simulator.log]
    assert order[:2] == [(4, 100), (0x10, 1000)]
