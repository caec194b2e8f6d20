"""The action that gives a connection up for a time, on real sockets."""

import asyncio
from unittest.mock import patch

from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local import keeper
from custom_components.nexblue_local.charger.enums import StartStop
from custom_components.nexblue_local.charger.errors import GivenUp
from custom_components.nexblue_local.const import CONF_UNIT_ID, DOMAIN
from custom_components.nexblue_local.links import async_get_links
from simulator import Fault, FaultKind, Simulator
from tests.commands import LIMIT, PERIOD, PREFIX, SINGLE, STOP, intent, writes
from tests.test_init import poll, state
from tests.test_services import act, lease

pytestmark = pytest.mark.usefixtures("quick_commands")


async def test_release_connection(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Nothing connects until the time is over, then everything is as before."""
    await LIMIT.give(hass)
    limit = f"number.{PREFIX}_current_limit"
    await entry.runtime_data.async_give_up_connection(1.5, force=False)
    await asyncio.sleep(0.1)
    assert not simulator.is_connected
    assert state(hass, limit) == STATE_UNAVAILABLE
    simulator.log.clear()
    with pytest.raises(HomeAssistantError, match="released for another"):
        await act(hass, entry, "set_limits", current_limit=9)
    await poll(hass, entry)
    assert simulator.log == []
    await asyncio.sleep(1.6)
    await poll(hass, entry)
    assert state(hass, limit) == "10.5"
    assert intent(entry) == {"current_limit": 10.5}


async def test_release_connection_without_control(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Where no fallback can fire, any time will do, and nothing is written."""
    await SINGLE.give(hass)
    simulator.log.clear()
    await act(hass, entry, "release_connection", minutes=120)
    await asyncio.sleep(0.1)
    assert not simulator.is_connected
    assert writes(simulator) == []
    # A reload takes it back early.
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert simulator.is_connected


async def test_release_connection_in_control(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The fallback must not fire, unless that is forced."""
    await LIMIT.give(hass)
    simulator.log.clear()
    with pytest.raises(ServiceValidationError, match="for up to 4 min;"):
        await act(hass, entry, "release_connection", minutes=5)
    assert simulator.is_connected
    # The whole timeout counts from a write of its own.
    await act(hass, entry, "release_connection", minutes=4)
    assert writes(simulator)[-1] == (0x10, 1000)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await act(hass, entry, "release_connection", minutes=5, force=True)
    await asyncio.sleep(0.1)
    assert not simulator.is_connected


async def test_release_connection_with_the_timeout_of_another(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Whoever has set it, it is the charger's timeout that counts."""
    await LIMIT.give(hass)
    simulator.charger.change("fallback_timeout", 60)
    simulator.cut()
    await asyncio.sleep(0.2)
    with pytest.raises(ServiceValidationError, match="for up to 40 s;"):
        await act(hass, entry, "release_connection", minutes=1)


async def test_release_connection_restores_before(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What an outage that nobody noticed has undone does not stay so meanwhile."""
    await LIMIT.give(hass)
    await STOP.give(hass)
    await simulator.power_cycle()
    await entry.runtime_data.async_give_up_connection(1.0, force=False)
    assert simulator.charger.settings["start_stop"] is StartStop.STOP


async def test_release_connection_while_a_limit_runs_out(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Nobody could write the safe limit then: it is refused, or written before."""
    await lease(entry, 16.0, 100, 7.0)
    with pytest.raises(ServiceValidationError, match=r"for up to 1 min 3\d s;"):
        await act(hass, entry, "release_connection", minutes=2)
    assert simulator.charger.settings["current_limit"] == 16
    await act(hass, entry, "release_connection", minutes=2, force=True)
    await asyncio.sleep(0.1)
    assert simulator.charger.settings["current_limit"] == 7
    assert intent(entry) == {"current_limit": 7}


async def test_release_connection_beside_a_longer_lease(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """One that runs on for longer is not ended by a call that is forced."""
    await lease(entry, 16.0, 3600, 7.0)
    await act(hass, entry, "release_connection", minutes=10, force=True)
    assert intent(entry) == {"current_limit": 16}
    assert entry.runtime_data.controller.control.lease is not None


async def test_release_connection_taken_back_early(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Another call with less time ends it, and the keep-alive goes on at once."""
    await LIMIT.give(hass)
    await act(hass, entry, "release_connection", minutes=120, force=True)
    with (
        patch.object(keeper, "LEAVE_ALONE", 0.3),
        patch(PERIOD, lambda timeout: 0.2),
    ):
        entry.runtime_data.controller._async_keep()
        # The keep-alive finds out that it is given up, and for how long.
        await asyncio.sleep(0.3)
        await entry.runtime_data.async_give_up_connection(0.1, force=True)
        simulator.log.clear()
        await asyncio.sleep(1)
    assert writes(simulator).count((0x10, 1000)) >= 2


async def test_release_connection_that_is_shared(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A gateway's other charger would be cut off as well, so that has to be forced."""
    links = async_get_links(hass)
    link = await links.acquire(simulator.host, simulator.port)
    with pytest.raises(ServiceValidationError, match="Another charger"):
        await act(hass, entry, "release_connection", minutes=1)
    await act(hass, entry, "release_connection", minutes=1, force=True)
    # It is taken back with the charger that gave it up.
    with pytest.raises(GivenUp):
        await link.connect()
    assert await hass.config_entries.async_unload(entry.entry_id)
    await asyncio.sleep(0.2)
    assert (await link.connect()).is_open
    links.release(link)


async def test_release_connection_is_not_ended_by_another_charger(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A gateway's other charger that is set up in vain takes nothing back."""
    gone = MockConfigEntry(
        domain=DOMAIN, unique_id="GONE", data={**entry.data, CONF_UNIT_ID: 7}
    )
    gone.add_to_hass(hass)
    await act(hass, entry, "release_connection", minutes=60)
    await asyncio.sleep(0.2)
    assert not await hass.config_entries.async_setup(gone.entry_id)
    await poll(hass, entry)
    assert not simulator.is_connected
    assert await hass.config_entries.async_unload(gone.entry_id)


async def test_release_connection_with_a_safe_limit_that_is_refused(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Not even a call that is forced leaves a limit that should have run out."""
    await lease(entry, 16.0, 100, 7.0)
    limit = f"number.{PREFIX}_current_limit"
    simulator.faults.append(
        Fault(kind=FaultKind.EXCEPTION, function=0x10, address=1000, times=1)
    )
    with pytest.raises(HomeAssistantError, match="refused"):
        await act(hass, entry, "release_connection", minutes=2, force=True)
    assert simulator.is_connected
    assert state(hass, limit) == "7.0"
    await asyncio.sleep(0.2)
    assert simulator.charger.settings["current_limit"] == 7


async def test_release_connection_of_a_charger_that_is_gone(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """In control it cannot be told when the fallback fires, so it is refused."""
    await LIMIT.give(hass)
    await simulator.stop()
    await asyncio.sleep(0.2)
    with pytest.raises(HomeAssistantError, match="Could not connect"):
        await act(hass, entry, "release_connection", minutes=1)
    await act(hass, entry, "release_connection", minutes=1, force=True)
