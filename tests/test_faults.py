"""Test each fault of the simulator in each state of the entry, and floods."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
import logging
import os
import struct
import time
from typing import Self
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.coordinator import BACK_OFF
from custom_components.nexblue_local.modbus import transport
from simulator import Fault, FaultKind, Simulator
from simulator.server import Request
from tests.conftest import entry_data, entry_for, requested
from tests.test_init import POWER, poll, state

type Strike = Callable[[Simulator], Awaitable[None]]


@pytest.fixture(autouse=True)
def _short_timeout() -> Iterator[None]:
    """Shorten the timeout of requests."""
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
    """Return the number of open sockets of this process."""
    links = []
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208 (no race with names)
        with suppress(OSError):
            links.append(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115
    return sum(link.startswith("socket:") for link in links)


@pytest.fixture
async def _nothing_leaks(simulator: Simulator) -> AsyncIterator[None]:
    """Check that a test leaves no sockets and no tasks."""
    sockets, tasks = open_sockets(), asyncio.all_tasks()
    yield
    await heal(simulator)
    await asyncio.sleep(0.1)
    assert not simulator.is_connected
    assert open_sockets() <= sockets
    assert asyncio.all_tasks() - tasks <= {asyncio.current_task()}


async def set_up(hass: HomeAssistant, simulator: Simulator) -> MockConfigEntry:
    """Add the entry of the simulated charger, and set it up."""
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
    """A failed set-up is retried, and succeeds after the fault."""
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
    """An outage logs one line, recovery another, with the next poll."""
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
    """A charger can be unloaded during a fault and a poll."""
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
    """A reload fails during the fault, and succeeds after it."""
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
    """Home Assistant stops quickly during a fault and a poll."""
    entry = await set_up(hass, simulator)
    await strike(simulator)
    simulator.log.clear()
    reading = hass.async_create_background_task(
        entry.runtime_data.coordinator.async_refresh(), "refresh"
    )
    if simulator.faults:
        await requested(simulator)
    async with asyncio.timeout(5):
        await hass.async_stop()
    assert reading.done()


async def test_short_disturbances_are_not_visible(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """Entities stay available if a retry succeeds."""
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


async def test_polls_are_delayed_for_another_client(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """Polls are delayed while another client uses the charger."""
    entry = await set_up(hass, simulator)
    coordinator = entry.runtime_data.coordinator
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


class FloodingCharger:
    """A charger that responds to polls, and sends garbage between them.

    It sends a megabyte at most, or until the connection is closed.
    """

    def __init__(self, simulator: Simulator) -> None:
        """Initialize the charger with the registers of a simulated charger."""
        self.simulator = simulator
        self.is_flooding = True
        self.durations: list[float] = []
        """Seconds until each flooded connection was closed."""
        self.connections = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        """Start listening."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        self._server.close()
        await self._server.wait_closed()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                try:
                    async with asyncio.timeout(0.1 if self.is_flooding else None):
                        data = await reader.readexactly(12)
                except TimeoutError:
                    await self._flood(writer)
                    break
                transaction, _, _, unit, function, address, count = struct.unpack(
                    ">HHHBBHH", data
                )
                words = self.simulator.answer(Request(function, address, count, ()))
                length = 3 + 2 * count
                writer.write(
                    struct.pack(
                        f">HHHBBB{count}H",
                        *(transaction, 0, length, unit, function, 2 * count, *words),
                    )
                )
        writer.close()

    async def _flood(self, writer: asyncio.StreamWriter) -> None:
        start = time.monotonic()
        with suppress(ConnectionError):
            for _ in range(1000):
                writer.write(1000 * b"!")
                await writer.drain()
                await asyncio.sleep(0.001)
        self.durations.append(time.monotonic() - start)


@pytest.fixture
async def flooding(
    simulator: Simulator, _nothing_leaks: None
) -> AsyncIterator[FloodingCharger]:
    """Return a charger that floods its connections."""
    async with FloodingCharger(simulator) as flooding:
        yield flooding


async def set_up_flooding(
    hass: HomeAssistant, flooding: FloodingCharger, **options: int
) -> MockConfigEntry:
    """Set up a charger that floods its connections."""
    entry = entry_for(flooding.simulator, **options)
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(
        entry, data=entry_data(flooding.simulator, port=flooding.port)
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    return entry


async def test_flood_between_polls(
    hass: HomeAssistant, flooding: FloodingCharger
) -> None:
    """A flooded connection is closed at once, and polls are delayed."""
    entry = await set_up_flooding(hass, flooding, scan_interval=1)
    await asyncio.sleep(3.7)
    assert state(hass, POWER) == "0.0"
    assert flooding.connections == len(flooding.durations) == 2
    assert max(flooding.durations) < 0.3
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_polls_are_delayed_during_a_flood(
    hass: HomeAssistant, flooding: FloodingCharger
) -> None:
    """The polling interval grows to a maximum, and is reset after the flood."""
    entry = await set_up_flooding(hass, flooding)
    coordinator = entry.runtime_data.coordinator
    normal = coordinator.update_interval
    intervals = []
    for _ in range(len(BACK_OFF) + 1):
        await asyncio.sleep(0.2)
        await poll(hass, entry)
        intervals.append(coordinator.update_interval)
    expected = (*BACK_OFF, BACK_OFF[-1])
    assert intervals == [timedelta(seconds=seconds) for seconds in expected]
    await asyncio.sleep(0.2)
    flooding.is_flooding = False
    # The first poll has to connect again, the second finds the connection open.
    await poll(hass, entry)
    await poll(hass, entry)
    assert coordinator.update_interval == normal
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_an_outage_after_a_flood(
    hass: HomeAssistant, simulator: Simulator, flooding: FloodingCharger
) -> None:
    """Polls are not delayed in an outage that follows."""
    entry = await set_up_flooding(hass, flooding)
    coordinator = entry.runtime_data.coordinator
    normal = coordinator.update_interval
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert coordinator.update_interval != normal
    await flooding.__aexit__()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert not coordinator.last_update_success
    assert coordinator.update_interval == normal
    assert getattr(coordinator.last_exception, "retry_after", 0) is None
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_polls_are_delayed_for_garbage(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """Polls are delayed while the responses are garbage."""
    entry = await set_up(hass, simulator)
    coordinator = entry.runtime_data.coordinator
    simulator.faults.append(Fault(kind=FaultKind.GARBAGE))
    pauses = []
    for _ in range(len(BACK_OFF) + 1):
        await poll(hass, entry)
        pauses.append(getattr(coordinator.last_exception, "retry_after", None))
        await asyncio.sleep(0.2)
    assert tuple(pauses) == (*BACK_OFF, BACK_OFF[-1])
    assert await hass.config_entries.async_unload(entry.entry_id)
