"""Commands whose answer is lost, on real sockets."""

import asyncio
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator import Fault, FaultKind, Simulator
from simulator.charger import POWER_ON
from tests.commands import (
    LIMIT,
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

EACH_FUNCTION = pytest.mark.parametrize(
    "command", [LIMIT, STOP], ids=lambda command: command.name
)


@EACH_FUNCTION
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
    """What became of the command is read: it is kept if it was executed."""
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


async def test_lost_before(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A command to a charger that is gone fails, and is not executed later."""
    await simulator.stop()
    with pytest.raises(HomeAssistantError):
        await LIMIT.give(hass)
    await simulator.start()
    simulator.log.clear()
    await poll(hass, entry)
    assert writes(simulator) == []
    assert intent(entry) == {}


@EACH_FUNCTION
async def test_lost_with_the_command(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    simulator: Simulator,
    entry: MockConfigEntry,
    command: Command,
) -> None:
    """If the effect cannot be read at once, that is an error; it is read later."""
    simulator.faults += gone_with(command.function)
    with pytest.raises(HomeAssistantError, match="may or may not"):
        await command.give(hass)
    assert intent(entry) == {}
    simulator.faults.clear()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert intent(entry) == {command.name: command.value}
    assert simulator.charger.settings[command.name] == command.value
    assert set(stored(hass_storage, entry)["desired"]) == {command.name}
    assert is_kept_alive(entry) is (command is LIMIT)


async def test_a_limit_is_found_out_undisturbed(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The keep-alive does not write the old limit over the new one meanwhile."""
    await number("current_limit", 16, 1000).give(hass)
    simulator.charger.read_back_delay = 0.3
    simulator.slot_release = 0.15
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
    """The effect of a command that takes its time is read."""
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
    # A lower limit stays desired: the keep-alive goes on writing it.
    assert intent(entry) == {"current_limit": 10.5}
