"""Test the connection on real sockets, with each fault."""

import asyncio
from collections.abc import AsyncIterator, Iterator
import contextlib
from dataclasses import dataclass, field
import socket
from typing import Any
from unittest.mock import patch

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusIOException
import pytest

from custom_components.nexblue_local.modbus import transport
from custom_components.nexblue_local.modbus.errors import (
    BadAnswer,
    CannotConnect,
    ChargerError,
    ConnectionCut,
    NoAnswer,
    Refused,
)
from custom_components.nexblue_local.modbus.transport import Connection
from simulator import Fault, FaultKind, Simulator
from tests.conftest import requested

UNIT = 200


@pytest.fixture(autouse=True)
def _short_timeout() -> Iterator[None]:
    """Shorten the timeout of requests."""
    with patch.object(transport, "TIMEOUT", 0.3):
        yield


@pytest.fixture
async def connection(simulator: Simulator) -> AsyncIterator[Connection]:
    """Return an open connection to the simulator."""
    connection = await Connection.open(simulator.host, simulator.port)
    yield connection
    connection.close()


async def test_reads_and_writes(simulator: Simulator, connection: Connection) -> None:
    """Each of the four functions sends the documented request."""
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
    """Each failure has its own error and closes the connection."""
    simulator.faults.append(fault)
    with pytest.raises(error):
        await connection.read_input(UNIT, 100, 39)
    assert not connection.is_open
    with pytest.raises(ConnectionCut):
        await connection.read_input(UNIT, 100, 39)
    assert len(simulator.log) == 1


async def test_a_closed_connection_fails_immediately(
    simulator: Simulator, connection: Connection
) -> None:
    """A request fails immediately when the connection is closed."""
    simulator.faults.append(Fault(kind=FaultKind.DROP))
    with patch.object(transport, "TIMEOUT", 30), pytest.raises(ConnectionCut):
        async with asyncio.timeout(2):
            await connection.read_input(UNIT, 100, 39)


async def test_closed_right_before_a_request(
    simulator: Simulator, connection: Connection
) -> None:
    """A connection that the client finds closed is a cut, not a bad answer."""
    with (
        patch.object(
            AsyncModbusTcpClient,
            "read_input_registers",
            side_effect=ConnectionException,
        ),
        pytest.raises(ConnectionCut),
    ):
        await connection.read_input(UNIT, 100, 39)
    assert not connection.is_open


async def test_exception_code(simulator: Simulator, connection: Connection) -> None:
    """An exception code raises Refused, and the connection stays open."""
    simulator.faults.append(Fault(kind=FaultKind.EXCEPTION, code=4, times=1))
    with pytest.raises(Refused) as refused:
        await connection.read_input(UNIT, 100, 1)
    assert refused.value.code == 4
    assert await connection.read_input(UNIT, 100, 1) == [0]


@pytest.mark.parametrize("code", [10, 11])
async def test_gateway_without_the_unit(
    simulator: Simulator, connection: Connection, code: int
) -> None:
    """The exception codes of a gateway for a missing unit raise NoAnswer."""
    simulator.faults.append(Fault(kind=FaultKind.EXCEPTION, code=code))
    with pytest.raises(NoAnswer):
        await connection.read_input(UNIT, 100, 1)


async def test_other_unit_id_is_not_answered(connection: Connection) -> None:
    """A request to another unit ID raises NoAnswer."""
    with pytest.raises(NoAnswer):
        await connection.read_input(1, 100, 1)


async def test_cancellation_is_a_cancellation(
    simulator: Simulator, connection: Connection
) -> None:
    """A cancelled request raises CancelledError and closes the connection."""
    simulator.faults.append(Fault(kind=FaultKind.MUTE))
    request = asyncio.create_task(connection.read_input(UNIT, 100, 1))
    await requested(simulator)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert not connection.is_open


async def test_close_fails_a_pending_request(
    simulator: Simulator, connection: Connection
) -> None:
    """Closing the connection fails a pending request."""
    simulator.faults.append(Fault(kind=FaultKind.MUTE))
    request = asyncio.create_task(connection.read_input(UNIT, 100, 1))
    await requested(simulator)
    connection.close()
    with pytest.raises(ConnectionCut):
        await request


HEADER = b"\0\1\0\0"
READ = [
    pytest.param([HEADER + b"\0\5\xc8\x04\2\x12\x34"], [0x1234], id="whole"),
    pytest.param(
        [HEADER[:3], b"\0\0", b"\5\xc8\x04", b"\2\x12", b"\x34"],
        [0x1234],
        id="in parts",
    ),
    pytest.param([HEADER + b"\0\3\xc8\x84\2"], Refused, id="exception"),
    pytest.param([b"\0\1\0\7\0\5\xc8\x04\2\x12\x34"], BadAnswer, id="protocol"),
    pytest.param([HEADER + b"\0\5\xc8\x04\4\x12\x34"], BadAnswer, id="byte count"),
    pytest.param([HEADER + b"\0\4\xc8\x04\2\x12"], BadAnswer, id="short"),
    pytest.param([HEADER + b"\0\6\xc8\x04\3\x12\x34\x56"], BadAnswer, id="odd"),
    pytest.param([HEADER + b"\0\2\xc8\x84"], BadAnswer, id="exception without code"),
    pytest.param([HEADER + b"\0\5\xc8\x03\2\x12\x34"], BadAnswer, id="function"),
    pytest.param([HEADER + b"\0\5\xc8\x04\2\x12\x34!"], BadAnswer, id="more follows"),
    pytest.param([HEADER + b"\1\5\xc8\x04\2\x12\x34"], BadAnswer, id="too long"),
    pytest.param([HEADER + b"\0\0\xc8\x04"], BadAnswer, id="empty"),
    pytest.param([HEADER + b"\0\5\x07\x04\2\x12\x34"], NoAnswer, id="another unit"),
]
WRITE = [
    pytest.param([HEADER + b"\0\6\xc8\6\3\xef\0\1"], None, id="echo"),
    pytest.param([HEADER + b"\0\6\xc8\6\3\xef\0\2"], BadAnswer, id="other value"),
    pytest.param([HEADER + b"\0\6\xc8\6\3\xee\0\1"], BadAnswer, id="other address"),
    pytest.param([HEADER + b"\0\4\xc8\6\3\xef"], BadAnswer, id="cut short"),
]


@dataclass
class Peer:
    """A server that answers the first request with some bytes."""

    chunks: list[bytes]
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """The client closed the connection."""
    was_reset: bool = False
    """The client discarded what it had not sent."""

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one connection."""
        await reader.read(1)
        for chunk in self.chunks:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(0.01)
        try:
            await reader.read()
        except ConnectionResetError:
            self.was_reset = True
        self.ended.set()
        writer.close()


@contextlib.asynccontextmanager
async def connected_to(peer: Peer) -> AsyncIterator[Connection]:
    """Return a connection to a server."""
    async with await asyncio.start_server(peer.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        connection = await Connection.open("127.0.0.1", port)
        try:
            yield connection
        finally:
            connection.close()
            async with asyncio.timeout(5):
                await peer.ended.wait()


@pytest.mark.parametrize(("chunks", "outcome"), READ)
async def test_bytes_of_a_read(
    socket_enabled: None,
    caplog: pytest.LogCaptureFixture,
    chunks: list[bytes],
    outcome: Any,
) -> None:
    """Only the response to the request is accepted, and nothing else raises."""
    async with connected_to(Peer(chunks)) as connection:
        if isinstance(outcome, list):
            assert await connection.read_input(UNIT, 36, 1) == outcome
        else:
            with pytest.raises(outcome):
                await connection.read_input(UNIT, 36, 1)
    assert "Fatal error" not in caplog.text


@pytest.mark.parametrize(("chunks", "outcome"), WRITE)
async def test_bytes_of_a_write(
    socket_enabled: None, chunks: list[bytes], outcome: type[ChargerError] | None
) -> None:
    """A write is confirmed only by its own response."""
    async with connected_to(Peer(chunks)) as connection:
        if outcome is None:
            await connection.write(UNIT, 1007, [1])
        else:
            with pytest.raises(outcome):
                await connection.write(UNIT, 1007, [1])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"!", id="garbage"),
        pytest.param(HEADER + b"\0\5\xc8\x04\2\x12\x35", id="another value"),
        pytest.param(b"\0\2\0\0\0\5\xc8\x04\2\x12\x34", id="another transaction"),
    ],
)
async def test_unrequested_data_closes_the_connection(
    socket_enabled: None, data: bytes
) -> None:
    """Data after the response closes the socket without another request."""
    answer = HEADER + b"\0\5\xc8\x04\2\x12\x34"
    peer = Peer([answer, data])
    async with connected_to(peer) as connection:
        assert await connection.read_input(UNIT, 36, 1) == [0x1234]
        async with asyncio.timeout(5):
            await peer.ended.wait()
        assert connection.was_flooded
        with pytest.raises(BadAnswer):
            await connection.read_input(UNIT, 36, 1)


FIRST = b"\0\1\0\0\0\5\xc8\x04\2\x12\x34"
SECOND = b"\0\2\0\0\0\5\xc8\x04\2\x56\x78"
REPEATS = [
    pytest.param([FIRST + FIRST], [SECOND], id="in one packet"),
    pytest.param([FIRST, FIRST], [SECOND], id="before the request"),
    pytest.param([FIRST], [FIRST, SECOND], id="before the next response"),
    pytest.param([FIRST], [FIRST + SECOND], id="together with the next response"),
    pytest.param([FIRST], [FIRST + SECOND[:3], SECOND[3:]], id="in parts"),
    pytest.param([FIRST + FIRST[:5]], [FIRST[5:] + SECOND], id="around the request"),
    pytest.param([FIRST + 2 * FIRST], [2 * FIRST + SECOND], id="several times"),
]


@pytest.mark.parametrize(("first", "second"), REPEATS)
async def test_a_repeat_is_dropped(
    socket_enabled: None, first: list[bytes], second: list[bytes]
) -> None:
    """A repeat of the previous response is no response to the next request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for chunks in (first, second):
            await reader.readexactly(12)
            for chunk in chunks:
                writer.write(chunk)
                await asyncio.sleep(0.01)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        connection = await Connection.open(*server.sockets[0].getsockname())
        assert await connection.read_input(UNIT, 36, 1) == [0x1234]
        await asyncio.sleep(0.03)
        assert await connection.read_input(UNIT, 36, 1) == [0x5678]
        assert connection.is_open
        connection.close()


async def test_equal_responses_without_a_transaction_id(socket_enabled: None) -> None:
    """A device that leaves the transaction ID out may answer the same again."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readexactly(12)
            writer.write(b"\0\0" + FIRST[2:])
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        connection = await Connection.open(*server.sockets[0].getsockname())
        for _ in range(2):
            assert await connection.read_input(UNIT, 36, 1) == [0x1234]
        connection.close()


@pytest.mark.parametrize(("address", "words"), [(1007, [1]), (1000, [0, 0x2041])])
async def test_a_failed_write_is_not_delivered_later(
    socket_enabled: None, address: int, words: list[int]
) -> None:
    """The connection is reset after a write without a response."""
    peer = Peer([])
    async with connected_to(peer) as connection:
        with pytest.raises(NoAnswer):
            await connection.write(UNIT, address, words)
    assert peer.was_reset


async def test_a_failed_read_closes_the_connection(socket_enabled: None) -> None:
    """The connection is not reset after a read without a response."""
    peer = Peer([])
    async with connected_to(peer) as connection:
        with pytest.raises(NoAnswer):
            await connection.read_input(UNIT, 36, 1)
    assert not peer.was_reset


async def test_a_failed_write_after_a_cut(
    simulator: Simulator, connection: Connection
) -> None:
    """A write fails if the other end closes the connection."""
    simulator.faults.append(Fault(kind=FaultKind.DROP))
    with pytest.raises(ConnectionCut):
        await connection.write(UNIT, 1007, [1])


async def test_whatever_pymodbus_raises_is_a_bad_answer(
    connection: Connection,
) -> None:
    """Exceptions of pymodbus raise BadAnswer."""
    with (
        patch.object(
            AsyncModbusTcpClient,
            "read_input_registers",
            side_effect=ModbusIOException,
        ),
        pytest.raises(BadAnswer),
    ):
        await connection.read_input(UNIT, 100, 1)
    assert not connection.is_open


async def test_requests_take_turns(
    simulator: Simulator, connection: Connection
) -> None:
    """A second request waits for the response to the first one."""
    simulator.faults.append(Fault(kind=FaultKind.SLOW, seconds=0.1, times=1))
    first, second = await asyncio.gather(
        connection.read_input(UNIT, 36, 1), connection.read_input(UNIT, 37, 1)
    )
    assert (first, second) == ([0x0100], [1])


async def test_nothing_listens(socket_enabled: None) -> None:
    """Connecting to a closed port raises CannotConnect."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(CannotConnect):
            await Connection.open("127.0.0.1", unused.getsockname()[1])


async def test_connecting_takes_too_long(socket_enabled: None) -> None:
    """Connecting has a timeout."""

    async def never(*args: object, **kwargs: object) -> None:
        await asyncio.Event().wait()

    with (
        patch.object(asyncio.get_running_loop(), "create_connection", never),
        pytest.raises(CannotConnect),
    ):
        await Connection.open("127.0.0.1", 502)


async def test_cancelled_while_connecting(socket_enabled: None) -> None:
    """Connecting can be cancelled."""

    async def never(*args: object, **kwargs: object) -> None:
        await asyncio.Event().wait()

    with patch.object(asyncio.get_running_loop(), "create_connection", never):
        attempt = asyncio.create_task(Connection.open("127.0.0.1", 502))
        await asyncio.sleep(0)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
