"""Commands to a charger, on real sockets."""

import asyncio
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.modbus import client
from custom_components.nexblue_local.modbus.enums import (
    ChargerErrors,
    PhaseMode,
    StartStop,
)
from simulator import Car, Fault, FaultKind, Ocpp, Simulator
from simulator.charger import POWER_ON
from tests.commands import (
    COMMANDS,
    EACH,
    LIMIT,
    PREFIX,
    SINGLE,
    STOP,
    Command,
    intent,
    number,
    stored,
    writes,
)
from tests.conftest import requested
from tests.test_init import poll, state

pytestmark = pytest.mark.usefixtures("quick_commands")


STORED = {"phase_mode": "single_phase", "start_stop": "stop"}
"""How the values of enumerations are stored."""


@EACH
async def test_commands(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    simulator: Simulator,
    entry: MockConfigEntry,
    command: Command,
) -> None:
    """A command writes its register, once, and is kept."""
    simulator.charger.read_back_delay = 0.3
    simulator.log.clear()
    await command.give(hass)
    assert writes(simulator) == [(command.function, command.address)]
    assert simulator.charger.settings[command.name] == command.value
    assert intent(entry) == {command.name: command.value}
    kept = stored(hass_storage, entry)["desired"]
    assert kept == {command.name: STORED.get(command.name, command.value)}


async def test_states(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What was commanded shows at once."""
    assert state(hass, f"sensor.{PREFIX}_controlled_by") == "charger"
    for command in COMMANDS:
        await command.give(hass)
    assert state(hass, f"number.{PREFIX}_charging_current_limit") == "10.5"
    assert state(hass, f"number.{PREFIX}_fallback_limit") == "8.0"
    assert state(hass, f"number.{PREFIX}_fallback_timeout") == "1.0"
    assert state(hass, f"switch.{PREFIX}_allow_charging") == "off"
    assert state(hass, f"select.{PREFIX}_phase_mode") == "single_phase"
    assert state(hass, f"sensor.{PREFIX}_controlled_by") == "home_assistant"
    assert state(hass, f"sensor.{PREFIX}_active_current_limit") == "10.5"
    assert state(hass, f"sensor.{PREFIX}_phase_switches_left") == "0"
    assert state(hass, f"sensor.{PREFIX}_next_phase_switch") != "unknown"
    await hass.services.async_call(
        "switch",
        "turn_on",
        {"entity_id": f"switch.{PREFIX}_allow_charging"},
        blocking=True,
    )
    assert state(hass, f"switch.{PREFIX}_allow_charging") == "on"


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


async def test_order_of_a_shorter_timeout(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The limit is written first, for the timer not to have run out already."""
    await LIMIT.give(hass)
    simulator.log.clear()
    await COMMANDS[2].give(hass)
    assert writes(simulator) == [(0x10, 1000), (0x10, 1004)]


async def test_a_command_after_an_outage_that_nobody_noticed(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What was asked for before is restored before it."""
    await LIMIT.give(hass)
    await simulator.power_cycle()
    await asyncio.sleep(0.2)
    simulator.log.clear()
    await STOP.give(hass)
    assert simulator.charger.settings["current_limit"] == 10.5
    assert writes(simulator) == [(0x10, 1000), (0x06, 1006)]


async def test_phases_that_somebody_else_switched(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A command looks before it counts."""
    await poll(hass, entry)
    simulator.charger.change("phase_mode", PhaseMode.THREE_PHASE)
    await poll(hass, entry)
    with pytest.raises(ServiceValidationError, match="Try again after"):
        await SINGLE.give(hass)
    assert simulator.charger.settings["phase_mode"] is PhaseMode.THREE_PHASE


async def test_a_limit_that_is_ignored(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What was there before is not what was asked for."""
    with (
        patch.object(simulator.charger, "_set"),
        pytest.raises(HomeAssistantError, match="kept 6 A instead of 16 A"),
    ):
        await number("fallback_limit", 16, 1002).give(hass)
    assert intent(entry) == {}


async def test_no_number(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """What is no number is refused like one out of range."""
    for command in COMMANDS[:3]:
        with pytest.raises(ServiceValidationError, match="must be between"):
            await number(command.name, float("nan"), command.address).give(hass)
    assert intent(entry) == {}


async def test_phases_that_are_not_taken(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A phase mode that the charger takes in silence and leaves is told."""
    original = simulator.charger._set

    def ignore(name: str, value: Any) -> None:
        if name != "phase_mode":
            original(name, value)

    with (
        patch.object(simulator.charger, "_set", ignore),
        pytest.raises(HomeAssistantError, match="kept Automatic instead of 1-phase"),
    ):
        await SINGLE.give(hass)
    assert intent(entry) == {}


async def test_phases_that_are_taken_for_others(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What came of a phase mode is never less of it, whatever its number."""
    simulator.charger.change("phase_mode", PhaseMode.THREE_PHASE)
    simulator.cut()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    entry.runtime_data.controller.control.state.phases.budget.switches.clear()
    original = simulator.charger._set

    def take(name: str, value: Any) -> None:
        original(name, PhaseMode.ADAPTIVE)

    with (
        patch.object(simulator.charger, "_set", take),
        pytest.raises(HomeAssistantError, match="instead of 1-phase"),
    ):
        await SINGLE.give(hass)
    assert intent(entry) == {}


@pytest.mark.parametrize("ocpp", [Ocpp.REFUSE, Ocpp.IGNORE])
async def test_ocpp_is_in_charge(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry, ocpp: Ocpp
) -> None:
    """Start and stop that are refused, or ignored, are told."""
    simulator.charger.ocpp = ocpp
    with pytest.raises(HomeAssistantError, match="OCPP"):
        await STOP.give(hass)
    assert intent(entry) == {}
    assert state(hass, f"switch.{PREFIX}_allow_charging") == "on"
    assert state(hass, f"binary_sensor.{PREFIX}_start_and_stop_refused") == "on"
    simulator.charger.ocpp = Ocpp.NONE
    await STOP.give(hass)
    assert state(hass, f"binary_sensor.{PREFIX}_start_and_stop_refused") == "off"


async def test_a_refusal_ends_with_its_session(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """It is of no concern to the next vehicle."""
    refused = f"binary_sensor.{PREFIX}_start_and_stop_refused"
    simulator.charger.plug_in(Car())
    await poll(hass, entry)
    simulator.charger.ocpp = Ocpp.REFUSE
    with pytest.raises(HomeAssistantError, match="OCPP"):
        await STOP.give(hass)
    await poll(hass, entry)
    assert state(hass, refused) == "on"
    simulator.charger.unplug()
    await poll(hass, entry)
    assert state(hass, refused) == "off"


async def test_a_refusal_ends_with_the_connection(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A charger that restarted may not refuse any more."""
    simulator.charger.ocpp = Ocpp.REFUSE
    with pytest.raises(HomeAssistantError, match="OCPP"):
        await STOP.give(hass)
    await poll(hass, entry)
    assert state(hass, f"binary_sensor.{PREFIX}_start_and_stop_refused") == "on"
    await simulator.power_cycle()
    await poll(hass, entry)
    assert state(hass, f"binary_sensor.{PREFIX}_start_and_stop_refused") == "off"


async def test_a_refusal_ends_when_it_was_obeyed(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A charger that stops after all refuses nothing."""
    simulator.charger.ocpp = Ocpp.REFUSE
    with pytest.raises(HomeAssistantError, match="OCPP"):
        await STOP.give(hass)
    simulator.charger.change("start_stop", StartStop.STOP)
    with patch.object(client, "SETTINGS_EVERY", 0.0):
        await poll(hass, entry)
    assert state(hass, f"binary_sensor.{PREFIX}_start_and_stop_refused") == "off"


@pytest.mark.parametrize(
    ("requested", "made", "desired", "error"),
    [
        (20, 13.0, 20.0, None),
        (10.5, 10.0, 10.5, None),
        (10, 13.0, 9.0, "kept 13 A instead of 10 A"),
        (6, 9.0, 6.0, "kept 9 A instead of 6 A"),
    ],
)
async def test_clamped(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    simulator: Simulator,
    entry: MockConfigEntry,
    requested: float,
    made: float,
    desired: float,
    error: str | None,
) -> None:
    """Less than requested is no failure; more is, and a lower limit stays desired."""
    simulator.charger.app_max_current = 32.0
    await poll(hass, entry)
    await number("current_limit", 9, 1000).give(hass)
    original = simulator.charger._set

    def clamp(name: str, value: Any) -> None:
        original(name, made if name == "current_limit" else value)

    with patch.object(simulator.charger, "_set", clamp):
        if error is None:
            await number("current_limit", requested, 1000).give(hass)
        else:
            with pytest.raises(HomeAssistantError, match=error):
                await number("current_limit", requested, 1000).give(hass)
    assert intent(entry) == {"current_limit": desired}
    assert stored(hass_storage, entry)["desired"] == {"current_limit": desired}
    assert state(hass, f"number.{PREFIX}_charging_current_limit") == str(desired)
    assert state(hass, f"sensor.{PREFIX}_active_current_limit") == str(made)


@pytest.mark.parametrize("value", [0.1, 3, 5.9])
async def test_fallback_limit_between(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry, value: float
) -> None:
    """What would become 0 in silence is refused with the reason."""
    simulator.log.clear()
    with pytest.raises(ServiceValidationError, match="0 A, or between 6 and 16 A"):
        await number("fallback_limit", value, 1002).give(hass)
    assert writes(simulator) == []


async def test_phase_budget(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A switch too soon is refused with the time from which it is allowed."""
    await SINGLE.give(hass)
    simulator.log.clear()
    with pytest.raises(ServiceValidationError, match="Try again after"):
        await hass.services.async_call(
            "select",
            "select_option",
            {"entity_id": f"select.{PREFIX}_phase_mode", "option": "three_phase"},
            blocking=True,
        )
    assert writes(simulator) == []
    await SINGLE.give(hass)  # What is there is no switch.
    simulator.charger.plug_in(Car())
    await poll(hass, entry)
    control = entry.runtime_data.controller.control.state
    control.phases.budget.in_session = 6
    with pytest.raises(ServiceValidationError, match="6 times"):
        await hass.services.async_call(
            "select",
            "select_option",
            {"entity_id": f"select.{PREFIX}_phase_mode", "option": "adaptive"},
            blocking=True,
        )


async def test_a_switch_that_was_not_sent_does_not_count(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Nothing is written while the byte order is not certain, so nothing is spent."""
    simulator.overrides |= dict(zip((38, 39), divmod(20_260_601, 1 << 16), strict=True))
    simulator.cut()
    await asyncio.sleep(0.2)
    simulator.log.clear()
    with pytest.raises(HomeAssistantError, match="could not be confirmed"):
        await SINGLE.give(hass)
    assert writes(simulator) == []
    assert entry.runtime_data.controller.control.state.phases.budget.switches == []


async def test_more_than_was_asked_for_does_not_stay(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The limit before is written at once, and not with the next keep-alive."""
    simulator.charger.app_max_current = 32.0
    await poll(hass, entry)
    await number("current_limit", 9, 1000).give(hass)
    original = simulator.charger._set

    def more(name: str, value: Any) -> None:
        original(name, value + 3)

    with (
        patch.object(simulator.charger, "_set", more),
        pytest.raises(HomeAssistantError, match="kept 13 A instead of 10 A"),
    ):
        await number("current_limit", 10, 1000).give(hass)
    await asyncio.sleep(0.2)
    assert simulator.charger.settings["current_limit"] == 9


async def test_a_command_waits_for_one_request_at_most(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A command during a slow poll comes next on the wire."""
    simulator.faults.append(
        Fault(kind=FaultKind.SLOW, address=100, seconds=0.2, times=1)
    )
    simulator.log.clear()
    slow = hass.async_create_task(entry.runtime_data.coordinator.async_refresh())
    await requested(simulator)
    await LIMIT.give(hass)
    await slow
    order = [(r.function, r.address) for r in simulator.log]
    assert order[:2] == [(4, 100), (0x10, 1000)]


async def test_a_command_during_a_poll_and_a_poll_during_a_command(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A charger that is slow to show a command is polled all the same."""
    simulator.charger.read_back_delay = 0.4
    command = asyncio.create_task(LIMIT.give(hass))
    await asyncio.sleep(0.1)
    simulator.charger.errors = ChargerErrors.TEMPERATURE
    await entry.runtime_data.coordinator.async_refresh()
    assert not command.done()
    assert state(hass, f"binary_sensor.{PREFIX}_fault") == "on"
    await command
    assert intent(entry) == {"current_limit": 10.5}


async def test_byte_order_is_not_certain(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Nothing is written while the date is in another byte order than the rest."""
    simulator.overrides |= dict(zip((38, 39), divmod(20_260_601, 1 << 16), strict=True))
    simulator.cut()
    await asyncio.sleep(0.2)
    simulator.log.clear()
    with pytest.raises(HomeAssistantError, match="could not be confirmed"):
        await LIMIT.give(hass)
    assert writes(simulator) == []
    assert intent(entry) == {}
