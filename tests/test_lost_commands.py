"""Commands whose answer is lost, on real sockets."""

import asyncio
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.modbus.enums import PhaseMode
from custom_components.nexblue_local.modbus.errors import ConnectionCut
from custom_components.nexblue_local.modbus.registers import Settings
from simulator import Fault, FaultKind, Simulator
from simulator.charger import POWER_ON
from tests.commands import (
    EACH,
    LIMIT,
    SINGLE,
    STOP,
    Command,
    age_keep_alive,
    gone_with,
    intent,
    is_kept_alive,
    number,
    stored,
    writes,
)
from tests.test_init import poll

pytestmark = pytest.mark.usefixtures("quick_commands")


@EACH
@pytest.mark.parametrize("executed", [False, True])
@pytest.mark.parametrize("kind", [FaultKind.DROP, FaultKind.MUTE, FaultKind.GARBAGE])
async def test_the_answer_is_lost(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    command: Command,
    kind: FaultKind,
    executed: bool,
) -> None:
    """What happened is found out: it is kept if it was done, and told if not."""
    simulator.faults.append(
        Fault(kind=kind, function=command.function, times=1, executed=executed)
    )
    simulator.log.clear()
    if executed:
        await command.give(hass)
        assert intent(entry) == {command.name: command.value}
    else:
        with pytest.raises(HomeAssistantError, match="did not apply it"):
            await command.give(hass)
        assert intent(entry) == {}
    expected = command.value if executed else POWER_ON[command.name]
    assert simulator.charger.settings[command.name] == expected
    assert writes(simulator) == [(command.function, command.address)]
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    await poll(hass, entry)
    assert simulator.charger.settings[command.name] == expected
    if not executed:
        assert writes(simulator) == [(command.function, command.address)]


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
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    simulator: Simulator,
    entry: MockConfigEntry,
    command: Command,
) -> None:
    """When nobody can tell at once, it is told so, and found out later."""
    simulator.faults += gone_with(command.function)
    with pytest.raises(HomeAssistantError, match="may or may not"):
        await command.give(hass)
    assert intent(entry) == {}
    simulator.faults.clear()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert intent(entry) == {command.name: command.value}
    assert simulator.charger.settings[command.name] == command.value
    assert stored(hass_storage, entry)["desired"] == {command.name: command.value}
    is_kept_alive = is_kept_alive(entry)
    assert is_kept_alive is (command is LIMIT)
    # It is found out once: what is there later is not ours for that reason.
    entry.runtime_data.controller.state.release()
    simulator.cut()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert intent(entry) == {}


async def test_a_limit_held_down_is_lost_with_the_command(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What counts is what was written for it."""
    control = entry.runtime_data.controller.state
    await SINGLE.give(hass)
    await simulator.power_cycle()
    await poll(hass, entry)
    assert control.phases.is_awaited
    simulator.faults += gone_with(0x10)
    with pytest.raises(HomeAssistantError, match="may or may not"):
        await LIMIT.give(hass)
    simulator.faults.clear()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert simulator.charger.settings["current_limit"] == 6.0
    assert intent(entry)["current_limit"] == 10.5


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(kind=FaultKind.EXCEPTION, function=0x10), id="refused"),
        pytest.param(Fault(kind=FaultKind.DROP, function=0x10, times=1), id="lost"),
    ],
)
async def test_what_failed_is_not_found_out_later(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry, fault: Fault
) -> None:
    """Where somebody else sets the same after that, it is not ours."""
    simulator.faults.append(replace(fault))
    with pytest.raises(HomeAssistantError):
        await LIMIT.give(hass)
    simulator.faults.clear()
    simulator.charger.change("current_limit", LIMIT.value)
    simulator.cut()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert intent(entry) == {}


async def test_finding_out_that_fails_is_tried_again(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A charger that is gone again before it tells is asked once more."""
    simulator.faults += gone_with(0x10)
    with pytest.raises(HomeAssistantError):
        await LIMIT.give(hass)
    simulator.faults.clear()
    await asyncio.sleep(0.2)
    charger = entry.runtime_data.modbus
    with patch.object(charger, "read_settings", side_effect=ConnectionCut):
        await poll(hass, entry)
    assert intent(entry) == {}
    await poll(hass, entry)
    assert intent(entry) == {"current_limit": 10.5}


async def test_what_is_shown_late_is_found_out(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The first look after a lost answer may still show the old value."""
    simulator.charger.read_back_delay = 0.5
    simulator.faults.append(
        Fault(kind=FaultKind.DROP, function=0x10, times=1, executed=True)
    )
    await LIMIT.give(hass)
    assert intent(entry) == {"current_limit": 10.5}


@pytest.mark.parametrize("command", [LIMIT, STOP], ids=["limit", "stop"])
async def test_a_read_back_that_is_refused(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry, command: Command
) -> None:
    """It says nothing of the write before it, of which is then found out."""
    simulator.faults.append(
        Fault(kind=FaultKind.EXCEPTION, function=3, code=6, times=1)
    )
    await command.give(hass)
    assert intent(entry) == {command.name: command.value}


async def test_read_backs_that_are_refused(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A charger that cannot tell yet is asked again on the next connection."""
    refused = Fault(kind=FaultKind.EXCEPTION, function=3, code=6)
    simulator.faults.append(refused)
    with pytest.raises(HomeAssistantError, match="may or may not"):
        await LIMIT.give(hass)
    simulator.faults.clear()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert intent(entry) == {"current_limit": 10.5}


async def test_a_switch_that_is_lost_counts_once(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What is found out later is not somebody else's switch."""
    simulator.faults += gone_with(6)
    with pytest.raises(HomeAssistantError):
        await SINGLE.give(hass)
    simulator.faults.clear()
    await asyncio.sleep(0.7)
    await poll(hass, entry)
    await poll(hass, entry)
    assert intent(entry) == {"phase_mode": PhaseMode.SINGLE_PHASE}
    assert len(entry.runtime_data.controller.state.phases.budget.switches) == 1


@pytest.mark.parametrize("slot_release", [0.0, 0.15])
async def test_a_limit_is_found_out_undisturbed(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    slot_release: float,
) -> None:
    """The keep-alive does not write the old limit over the new one meanwhile."""
    await number("current_limit", 16, 1000).give(hass)
    simulator.charger.read_back_delay = 0.3
    simulator.slot_release = slot_release
    age_keep_alive(entry, 1e6)
    simulator.faults.append(
        Fault(kind=FaultKind.DROP, function=0x10, address=1000, executed=True, times=1)
    )
    await number("current_limit", 0, 1000).give(hass)
    await asyncio.sleep(0.4)
    assert simulator.charger.settings["current_limit"] == 0
    assert intent(entry) == {"current_limit": 0}


@pytest.mark.parametrize("executed", [True, False])
async def test_a_command_that_is_acknowledged(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry, executed: bool
) -> None:
    """What comes of a command that takes its time is told by reading it back."""
    simulator.faults.append(
        Fault(
            kind=FaultKind.EXCEPTION, function=0x10, code=5, times=1, executed=executed
        )
    )
    if executed:
        await LIMIT.give(hass)
    else:
        with pytest.raises(HomeAssistantError, match=r"kept 16 A instead of 10\.5 A"):
            await LIMIT.give(hass)
    assert intent(entry) == ({"current_limit": 10.5} if executed else {})


@pytest.mark.parametrize("wait", [0.0, 0.5])
async def test_a_cancelled_command_is_found_out(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry, wait: float
) -> None:
    """An automation that restarts in the middle leaves no limit without a keeper."""
    simulator.charger.read_back_delay = 0.4
    command = asyncio.create_task(
        entry.runtime_data.controller.async_set(Settings(current_limit=10.5))
    )
    async with asyncio.timeout(5):
        while True:
            if simulator.charger.settings["current_limit"] == 10.5:
                break
            await asyncio.sleep(0.01)
    command.cancel()
    with pytest.raises(asyncio.CancelledError):
        await command
    await asyncio.sleep(wait)
    await poll(hass, entry)
    assert intent(entry) == {"current_limit": 10.5}
    assert is_kept_alive(entry)
