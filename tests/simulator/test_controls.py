"""The simulated world's switches."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from custom_components.nexblue_local.modbus.enums import StartStop
from custom_components.nexblue_local.modbus.transport import Connection
from simulator import Ocpp, Simulator
from simulator.controls import WorldControls


@pytest.fixture
async def connection(simulator: Simulator) -> AsyncIterator[Connection]:
    """Return a connection to the switches."""
    async with WorldControls(simulator) as controls:
        connection = await Connection.open(simulator.host, controls.port)
        yield connection
        connection.close()
        await asyncio.sleep(0.05)


async def test_switches(simulator: Simulator, connection: Connection) -> None:
    """Each switch does what it says, and shows how it stands."""
    charger = simulator.charger
    assert await connection.read_holding(1, 0, 3) == [0, 1, 0]
    await connection.write(1, 0, [1])
    assert await connection.read_holding(1, 0, 3) == [1, 1, 0]
    await connection.write(1, 0, [0])
    assert charger.car is None
    charger.settings["start_stop"] = StartStop.STOP
    await connection.write(1, 1, [0])
    assert await connection.read_holding(1, 0, 3) == [0, 0, 0]
    await connection.write(1, 1, [1])
    await connection.write(1, 1, [1])
    assert await connection.read_holding(1, 0, 3) == [0, 1, 0]
    assert charger.settings["start_stop"] is StartStop.START
    await connection.write(1, 2, [1])
    assert await connection.read_holding(1, 0, 3) == [0, 1, 1]
    await connection.write(1, 2, [0])
    assert charger.ocpp is Ocpp.NONE
