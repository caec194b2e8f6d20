"""The simulator as a command."""

import asyncio
from collections.abc import AsyncIterator
import contextlib
import os
import re
import struct
import sys

import pytest
from zeroconf import Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from custom_components.nexblue_local.modbus.enums import ChargePointState
from custom_components.nexblue_local.modbus.errors import ConnectionCut, Refused
from custom_components.nexblue_local.modbus.transport import Connection
from simulator.announcement import SERVICE_TYPE
from simulator.meter import address_of

UNIT = 33

# Starting the process takes most of it, on a busy machine.
pytestmark = pytest.mark.timeout(120)


class Command:
    """A running `python -m simulator`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Take the process."""
        assert process.stdin
        assert process.stdout
        assert process.stderr
        self.process = process
        self.stdin = process.stdin
        self.stdout = process.stdout
        self.stderr = process.stderr

    async def line(self) -> str:
        """Return the next line of its output."""
        async with asyncio.timeout(40):
            return (await self.stdout.readline()).decode()

    async def type(self, command: str) -> None:
        """Type a command, and wait until it is carried out."""
        self.stdin.write(f"{command}\nstatus\n".encode())
        await self.stdin.drain()
        self.status = await self.line()


@contextlib.asynccontextmanager
async def running(*options: str) -> AsyncIterator[Command]:
    """Run the simulator."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "simulator", "--port", "0", "--unit-id", str(UNIT), *options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Command(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.fixture
async def command(socket_enabled: None) -> AsyncIterator[Command]:
    """Run the simulator, with a car."""
    async with running("--car") as command:
        yield command


async def test_commands(command: Command) -> None:
    """Cars, faults and invalid commands while it runs."""
    started = re.fullmatch(
        rf"charger NB10SIM00001 at 127\.0\.0\.1 port (\d+), unit id {UNIT}\n",
        await command.line(),
    )
    assert started is not None
    port = int(started[1])
    connection = await Connection.open("127.0.0.1", port)
    assert (await connection.read_input(UNIT, 100, 1))[0] in (
        ChargePointState.PREPARING,
        ChargePointState.CHARGING,
    )
    await command.type("unplug")
    assert command.status.startswith("available  0.0 A 0.0 A 0.0 A  0 W")
    assert await connection.read_input(UNIT, 100, 1) == [ChargePointState.AVAILABLE]
    await command.type("plug phases=1 max_current=10.0")
    assert command.status.startswith("preparing")

    await command.type("fault exception code=4 address=100")
    with pytest.raises(Refused):
        await connection.read_input(UNIT, 100, 1)
    await command.type("clear")
    assert await connection.read_input(UNIT, 100, 1) == [ChargePointState.PREPARING]
    await command.type("ocpp refuse")
    with pytest.raises(Refused):
        await connection.write(UNIT, 1006, [0])

    await command.type("fault fire")
    assert (await command.stderr.readline()).startswith(b"invalid command: fault fire")
    await command.type("occupy 60")
    with pytest.raises(ConnectionCut):
        await connection.read_input(UNIT, 100, 1)
    await command.type("power-cycle")
    connection = await Connection.open("127.0.0.1", port)
    assert await connection.read_input(UNIT, 37, 1) == [1]
    connection.close()

    command.stdin.write(b"quit\n")
    assert await command.process.wait() == 0


async def test_house(socket_enabled: None) -> None:
    """The house has a meter, and typed commands switch what is in it."""
    async with running("--house", "--battery", "--meter-port", "0") as command:
        started = re.fullmatch(
            r"grid meter at 127\.0\.0\.1 port (\d+)\n", await command.line()
        )
        assert started is not None
        await command.line()
        connection = await Connection.open("127.0.0.1", int(started[1]))
        before = await connection.read_input(1, address_of("solar_power"), 2)
        level = await connection.read_input(1, address_of("battery_level"), 2)
        assert struct.unpack(">f", struct.pack(">2H", *level))[0] > 50
        await command.type("sky on")
        after = await connection.read_input(1, address_of("solar_power"), 2)
        # A smaller float has a smaller word.
        assert 0 < after[0] < before[0]
        await command.type("meter off")
        with pytest.raises(ConnectionCut):
            await connection.read_input(1, 0, 2)
        connection.close()


@pytest.mark.xdist_group("mdns")
@pytest.mark.skipif(
    "NEXBLUE_ISOLATED" not in os.environ,
    reason="needs the network namespace that scripts/test makes",
)
async def test_impostor(socket_enabled: None) -> None:
    """Two chargers announce themselves, with the same serial number."""
    names: set[str] = set()

    def found(zeroconf: Zeroconf, service_type: str, name: str, **_: object) -> None:
        names.add(name)

    async with (
        running("--announce", "--impostor") as command,
        AsyncZeroconf(interfaces=["127.0.0.1"]) as client,
    ):
        await command.line()
        browser = AsyncServiceBrowser(client.zeroconf, SERVICE_TYPE, handlers=[found])
        async with asyncio.timeout(40):
            while True:
                if len(names) == 2:
                    break
                await asyncio.sleep(0.1)
        await browser.async_cancel()
        ports, serials = set(), set()
        for name in names:
            info = AsyncServiceInfo(SERVICE_TYPE, name)
            assert await info.async_request(client.zeroconf, 5000)
            assert info.port is not None
            connection = await Connection.open("127.0.0.1", info.port)
            ports.add(info.port)
            serials.add(tuple(await connection.read_input(UNIT, 16, 12)))
            connection.close()
    assert (len(ports), len(serials)) == (2, 1)
