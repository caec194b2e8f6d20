"""Every fault of the simulator, whenever it can strike."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
import logging
import os
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.charger import transport
from custom_components.nexblue_local.coordinator import BACK_OFF
from simulator import Fault, FaultKind, Simulator
from tests.conftest import entry_for, requested
from tests.test_init import POWER, poll, state

type Strike = Callable[[Simulator], Awaitable[None]]


@pytest.fixture(autouse=True)
def _short_timeout() -> Iterator[None]:
    """Wait for answers only briefly."""
    with patch.object(transport, "TIMEOUT", 0.3):
        yield


def _request_fault(fault: Fault) -> Strike:
    async def strike(simulator: Simulator) -> None:
        simulator.faults.append(replace(fault))

    return strike


async def _power_cut(simulator: Simulator) -> None:
    await simulator.stop()


async def _dead_peer(simulator: Simulator) -> None:
    simulator.occupy(60)


STRIKES: dict[str, Strike] = {
    **{
        kind: _request_fault(Fault(kind=kind, seconds=1.0))
        for kind in FaultKind
        if kind is not FaultKind.EXCEPTION
    },
    "exception": _request_fault(Fault(kind=FaultKind.EXCEPTION, code=4, address=100)),
    "power cut": _power_cut,
    "dead peer": _dead_peer,
}
ALL = pytest.mark.parametrize("strike", STRIKES.values(), ids=STRIKES)


async def heal(simulator: Simulator) -> None:
    """End all faults."""
    simulator.faults.clear()
    simulator._occupied_until = 0.0
    if simulator._server is None:
        await simulator.start()
    await asyncio.sleep(0.2)


def open_sockets() -> int:
    """Return how many sockets this process has."""
    links = []
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208 (no race with names)
        with suppress(OSError):
            links.append(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115
    return sum(link.startswith("socket:") for link in links)


@pytest.fixture
async def _nothing_leaks(simulator: Simulator) -> AsyncIterator[None]:
    """Check that a test leaves no socket and no task behind."""
    sockets, tasks = open_sockets(), asyncio.all_tasks()
    yield
    await heal(simulator)
    await asyncio.sleep(0.1)
    assert not simulator.is_connected
    assert open_sockets() <= sockets
    assert asyncio.all_tasks() - tasks <= {asyncio.current_task()}


async def set_up(hass: HomeAssistant, simulator: Simulator) -> MockConfigEntry:
    """Try to set the charger up."""
    entry = entry_for(simulator)
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


pytestmark = pytest.mark.usefixtures("_nothing_leaks")


@ALL
async def test_set_up(
    hass: HomeAssistant, simulator: Simulator, strike: Strike
) -> None:
    """A set-up that fails is tried again, and succeeds when the fault is over."""
    await strike(simulator)
    entry = await set_up(hass, simulator)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    await heal(simulator)
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert state(hass, POWER) == "0.0"
    assert await hass.config_entries.async_unload(entry.entry_id)


@ALL
async def test_polling(
    hass: HomeAssistant,
    simulator: Simulator,
    strike: Strike,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One line when an outage begins, one when it ends, with the next poll."""
    entry = await set_up(hass, simulator)
    caplog.clear()
    await strike(simulator)
    for _ in range(3):
        await poll(hass, entry)
        assert state(hass, POWER) == STATE_UNAVAILABLE
    await heal(simulator)
    await poll(hass, entry)
    assert state(hass, POWER) == "0.0"
    lines = [
        record.levelno
        for record in caplog.records
        if record.name.startswith("custom_components")
        and record.levelno > logging.DEBUG
    ]
    assert lines == [logging.ERROR, logging.INFO]
    noise = [
        record.message
        for record in caplog.records
        if record.levelno >= logging.ERROR
        and not record.name.startswith("custom_components")
    ]
    assert noise == []
    assert await hass.config_entries.async_unload(entry.entry_id)


@ALL
async def test_unload(
    hass: HomeAssistant, simulator: Simulator, strike: Strike
) -> None:
    """A charger in trouble can be unloaded, even while it is being read."""
    entry = await set_up(hass, simulator)
    await strike(simulator)
    simulator.log.clear()
    reading = hass.async_create_task(poll(hass, entry))
    if simulator.faults:
        await requested(simulator)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert entry.state is ConfigEntryState.NOT_LOADED
    await reading


@ALL
async def test_reload(
    hass: HomeAssistant, simulator: Simulator, strike: Strike
) -> None:
    """A reload in trouble ends in trouble, and one after it does not."""
    entry = await set_up(hass, simulator)
    await strike(simulator)
    await poll(hass, entry)
    await hass.config_entries.async_reload(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    await heal(simulator)
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert state(hass, POWER) == "0.0"
    assert await hass.config_entries.async_unload(entry.entry_id)


@ALL
async def test_stop(
    hass: HomeAssistant,
    simulator: Simulator,
    strike: Strike,
) -> None:
    """Home Assistant stops at once, whatever the charger does."""
    entry = await set_up(hass, simulator)
    await strike(simulator)
    simulator.log.clear()
    reading = hass.async_create_background_task(
        entry.runtime_data.async_refresh(), "refresh"
    )
    if simulator.faults:
        await requested(simulator)
    async with asyncio.timeout(5):
        await hass.async_stop()
    assert reading.done()


async def test_short_disturbances_do_not_show(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """What is over at the second try does not reach a graph."""
    entry = await set_up(hass, simulator)
    seen: list[str] = []
    hass.bus.async_listen(
        "state_changed", lambda event: seen.append(event.data["new_state"].state)
    )
    for kind in (FaultKind.DROP, FaultKind.MUTE, FaultKind.GARBAGE):
        simulator.faults.append(Fault(kind=kind, times=1))
        await poll(hass, entry)
    simulator.cut()
    await poll(hass, entry)
    assert STATE_UNAVAILABLE not in seen
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_another_client_is_left_alone(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """The longer another client holds the charger, the rarer it is disturbed."""
    entry = await set_up(hass, simulator)
    coordinator = entry.runtime_data
    pauses: list[float | None] = []
    simulator.occupy(60)
    for _ in range(len(BACK_OFF) + 1):
        await poll(hass, entry)
        pauses.append(getattr(coordinator.last_exception, "retry_after", None))
    assert tuple(pauses) == (*BACK_OFF, BACK_OFF[-1])
    await heal(simulator)
    await poll(hass, entry)
    assert state(hass, POWER) == "0.0"
    simulator.occupy(60)
    await poll(hass, entry)
    assert getattr(coordinator.last_exception, "retry_after", None) == BACK_OFF[0]
    assert await hass.config_entries.async_unload(entry.entry_id)
