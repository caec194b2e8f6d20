"""The connection, on real sockets, under each fault."""

import asyncio
from collections.abc import AsyncIterator, Iterator
import socket
from unittest.mock import patch

from pymodbus.exceptions import ModbusIOException
import pytest

from custom_components.nexblue_local.charger import transport
from custom_components.nexblue_local.charger.errors import (
    BadAnswer,
    CannotConnect,
    ChargerError,
    ConnectionCut,
    NoAnswer,
    Refused,
)
from custom_components.nexblue_local.charger.transport import Connection, Link, Links
from simulator import Fault, FaultKind, Simulator
from tests.conftest import requested

UNIT = 200


@pytest.fixture(autouse=True)
def _short_timeout() -> Iterator[None]:
    """Wait for answers only briefly."""
    with patch.object(transport, "TIMEOUT", 0.3):
        yield


@pytest.fixture
async def connection(simulator: Simulator) -> AsyncIterator[Connection]:
    """Return an open connection to the simulator."""
    connection = await Connection.open(simulator.host, simulator.port)
    yield connection
    connection.close()


async def test_reads_and_writes(simulator: Simulator, connection: Connection) -> None:
    """Each of the four functions reaches the wire as documented."""
    assert await connection.read_input(UNIT, 36, 2) == [0x0100, 1]
    await connection.write(UNIT, 1000, [0x0000, 0x2041])
    await connection.write(UNIT, 1007, [1])
    assert await connection.read_holding(UNIT, 1000, 2) == [0x0000, 0x2041]
    assert await connection.read_holding(UNIT, 1007, 1) == [1]
    assert [(r.function, r.address, r.count, r.words) for r in simulator.log] == [
        (0x04, 36, 2, ()),
        (0x10, 1000, 2, (0x0000, 0x2041)),
        (0x06, 1007, 1, (1,)),
        (0x03, 1000, 2, ()),
        (0x03, 1007, 1, ()),
    ]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(kind=FaultKind.DROP), ConnectionCut),
        (Fault(kind=FaultKind.MUTE), NoAnswer),
        (Fault(kind=FaultKind.SLOW, seconds=0.5), NoAnswer),
        (Fault(kind=FaultKind.GARBAGE), BadAnswer),
        (Fault(kind=FaultKind.TRUNCATED), BadAnswer),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else value.__name__,
)
async def test_faults_close_the_connection(
    simulator: Simulator,
    connection: Connection,
    fault: Fault,
    error: type[ChargerError],
) -> None:
    """Each failure has its own error, and no answer can come late."""
    simulator.faults.append(fault)
    with pytest.raises(error):
        await connection.read_input(UNIT, 100, 39)
    assert not connection.is_open
    with pytest.raises(ConnectionCut):
        await connection.read_input(UNIT, 100, 39)
    assert len(simulator.log) == 1


async def test_a_cut_is_noticed_at_once(
    simulator: Simulator, connection: Connection
) -> None:
    """A request does not wait out its timeout when the connection is gone."""
    simulator.faults.append(Fault(kind=FaultKind.DROP))
    with patch.object(transport, "TIMEOUT", 30), pytest.raises(ConnectionCut):
        async with asyncio.timeout(2):
            await connection.read_input(UNIT, 100, 39)


async def test_exception_code(simulator: Simulator, connection: Connection) -> None:
    """A refusal tells its code and leaves the connection open."""
    simulator.faults.append(Fault(kind=FaultKind.EXCEPTION, code=4, times=1))
    with pytest.raises(Refused) as refused:
        await connection.read_input(UNIT, 100, 1)
    assert refused.value.code == 4
    assert await connection.read_input(UNIT, 100, 1) == [0]


@pytest.mark.parametrize("code", [10, 11])
async def test_gateway_without_the_unit(
    simulator: Simulator, connection: Connection, code: int
) -> None:
    """A gateway's exception for an absent unit means that nobody answered."""
    simulator.faults.append(Fault(kind=FaultKind.EXCEPTION, code=code))
    with pytest.raises(NoAnswer):
        await connection.read_input(UNIT, 100, 1)


async def test_other_unit_id_is_not_answered(connection: Connection) -> None:
    """The charger is silent for other unit ids."""
    with pytest.raises(NoAnswer):
        await connection.read_input(1, 100, 1)


async def test_cancellation_is_a_cancellation(
    simulator: Simulator, connection: Connection
) -> None:
    """A cancelled request closes the connection and stays cancelled."""
    simulator.faults.append(Fault(kind=FaultKind.MUTE))
    request = asyncio.create_task(connection.read_input(UNIT, 100, 1))
    await requested(simulator)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert not connection.is_open


async def test_close_ends_the_request_under_way(
    simulator: Simulator, connection: Connection
) -> None:
    """Whoever waits for an answer is told when the connection is given up."""
    simulator.faults.append(Fault(kind=FaultKind.MUTE))
    request = asyncio.create_task(connection.read_input(UNIT, 100, 1))
    await requested(simulator)
    connection.close()
    with pytest.raises(ConnectionCut):
        await request


async def test_whatever_pymodbus_raises_is_a_bad_answer(
    connection: Connection,
) -> None:
    """No exception of pymodbus leaves the one file that knows it."""
    with (
        patch.object(
            connection._client, "read_input_registers", side_effect=ModbusIOException
        ),
        pytest.raises(BadAnswer),
    ):
        await connection.read_input(UNIT, 100, 1)
    assert not connection.is_open


async def test_requests_take_turns(
    simulator: Simulator, connection: Connection
) -> None:
    """A second request waits for the answer to the first."""
    simulator.faults.append(Fault(kind=FaultKind.SLOW, seconds=0.1, times=1))
    first, second = await asyncio.gather(
        connection.read_input(UNIT, 36, 1), connection.read_input(UNIT, 37, 1)
    )
    assert (first, second) == ([0x0100], [1])


async def test_nothing_listens(socket_enabled: None) -> None:
    """A closed port is told apart from everything else."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(CannotConnect):
            await Connection.open("127.0.0.1", unused.getsockname()[1])


async def test_connecting_takes_too_long(socket_enabled: None) -> None:
    """A host that does not answer at all is not waited for for ever."""

    async def never(*args: object, **kwargs: object) -> None:
        await asyncio.Event().wait()

    with (
        patch.object(asyncio.get_running_loop(), "create_connection", never),
        pytest.raises(CannotConnect),
    ):
        await Connection.open("127.0.0.1", 502)


async def test_cancelled_while_connecting(socket_enabled: None) -> None:
    """A cancelled attempt to connect leaves nothing behind."""

    async def never(*args: object, **kwargs: object) -> None:
        await asyncio.Event().wait()

    with patch.object(asyncio.get_running_loop(), "create_connection", never):
        attempt = asyncio.create_task(Connection.open("127.0.0.1", 502))
        await asyncio.sleep(0)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt


async def test_a_link_has_one_connection(simulator: Simulator) -> None:
    """Two that connect at the same time get the same connection."""
    link = Link(simulator.host, simulator.port)
    first, second = await asyncio.gather(link.connect(), link.connect())
    assert first is second
    link.disconnect()
    assert not first.is_open
    await asyncio.sleep(0.2)
    assert await link.connect() is not first
    link.close()


async def test_a_closed_link_stays_closed(simulator: Simulator) -> None:
    """After a stop nothing connects again, not even what was on its way."""
    link = Link(simulator.host, simulator.port)
    on_its_way = asyncio.create_task(link.connect())
    await asyncio.sleep(0)
    link.close()
    with pytest.raises(CannotConnect):
        await on_its_way
    with pytest.raises(CannotConnect):
        await link.connect()
    await asyncio.sleep(0.05)
    assert not simulator.is_connected


async def test_links_are_shared_and_released(simulator: Simulator) -> None:
    """All users of an address share a link; the last one closes it."""
    links = Links()
    link = await links.acquire("127.0.0.1", simulator.port)
    assert await links.acquire("localhost", simulator.port) is link
    with patch.object(
        asyncio.get_running_loop(), "getaddrinfo", side_effect=socket.gaierror
    ):
        other = await links.acquire("name.invalid", simulator.port)
    assert other is not link
    links.release(other)

    connection = await link.connect()
    links.release(link)
    still_open = connection.is_open
    links.release(link)
    assert (still_open, connection.is_open) == (True, False)
    links.release(link)  # Twice does no harm.

    link = await links.acquire("127.0.0.1", simulator.port)
    await asyncio.sleep(0.2)
    connection = await link.connect()
    links.close()
    assert not connection.is_open
