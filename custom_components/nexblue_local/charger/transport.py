"""Modbus TCP on pymodbus, which no other file knows.

A `Connection` is one TCP connection and never reconnects, so what was found
out about the device at its other end stays true for as long as it lives, and
as that device answers where it is behind a gateway. A `Link` owns the single
connection to an address, `ConnectionPool` all of them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
import socket
import struct
import time
from typing import Any, Self

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from .errors import (
    BadAnswer,
    CannotConnect,
    ConnectionCut,
    ConnectionReleased,
    NoAnswer,
    Refused,
)

TIMEOUT = 3.0
"""Seconds to wait for a connection, and for the answer to a request."""

READ_HOLDING = 0x03
READ_INPUT = 0x04
WRITE_SINGLE = 0x06
WRITE_MULTIPLE = 0x10

ILLEGAL_DATA_ADDRESS = 2
ILLEGAL_DATA_VALUE = 3
ACKNOWLEDGE = 5
"""Exception code of a request that was accepted, and takes its time."""

MAX_LENGTH = 254
"""The most that the header of an answer may announce."""

GATEWAY_FAILURES = (10, 11)
"""Exception codes of gateways for a unit that is not there or is silent."""


class Connection:
    """One open connection; requests wait for one another."""

    def __init__(self, host: str, port: int) -> None:
        """Prepare the connection; `open` makes it."""
        # With retries a write could be sent twice, and with a reconnect delay
        # to whatever is at the address by then. Its timeout is never reached:
        # ours ends the connection, without a dump of the traffic in the log.
        self._client = AsyncModbusTcpClient(
            host,
            port=port,
            timeout=2 * TIMEOUT,
            retries=0,
            reconnect_delay=0,
            trace_connect=self._connection_changed,
            trace_packet=self._check_packet,
        )
        self._lock = asyncio.Lock()
        self._ended: asyncio.Future[type[BadAnswer | ConnectionCut]] = (
            asyncio.get_running_loop().create_future()
        )
        self._expected = b""
        self._length = 0
        self.was_flooded = False
        """Whether data that nobody requested has closed the connection."""

    @classmethod
    async def open(cls, host: str, port: int) -> Self:
        """Connect, or raise CannotConnect."""
        connection = cls(host, port)
        try:
            # What the client's own connect() does, less its warning in the log
            # on every attempt and its pause after success.
            async with asyncio.timeout(TIMEOUT):
                await connection._client.ctx.call_create()
        except BaseException as error:
            connection.close()
            # OSError includes TimeoutError, ValueError names that cannot be looked up.
            if isinstance(error, OSError | ValueError):
                raise CannotConnect(f"{host} port {port}: {error}") from error
            raise
        return connection

    @property
    def is_open(self) -> bool:
        """Return whether requests can still be made."""
        return self._client.connected and not self._ended.done()

    def close(self) -> None:
        """Close the socket; a request under way fails with ConnectionCut."""
        self._end(ConnectionCut)
        self._client.close()

    def _end(self, reason: type[BadAnswer | ConnectionCut]) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)

    def _connection_changed(self, connected: bool) -> None:
        """Take note of a cut, for which pymodbus would wait out its timeout."""
        if not connected:
            self._end(ConnectionCut)

    def _check_packet(self, sending: bool, data: bytes) -> bytes:
        """Let one whole answer to the request pass, and end on anything else.

        What is not Modbus, pymodbus would wait to be continued; at a body that
        it cannot decode it raises into the event loop; and it takes the echo of
        another write for that of this one.
        """
        if sending:
            return data
        if not self._expected:
            self.was_flooded = True
            self._end(BadAnswer)
            # The next request may be a minute away.
            self.close()
            return b""
        length = int.from_bytes(data[4:6])
        if len(data) < 6 + length and data[2:4] in (b"", b"\0", b"\0\0"):
            if length <= MAX_LENGTH:
                return data  # The rest is still on its way.
        elif len(data) == 6 + length and data[2:4] == b"\0\0":
            function, body = data[7:8], data[8:]
            if function == self._expected[:1]:
                is_answer = (
                    body.startswith(self._expected[1:]) and length == self._length
                )
            else:
                is_answer = (
                    function == bytes([self._expected[0] | 0x80]) and length == 3
                )
            if is_answer:
                # Whatever follows answers no request.
                self._expected = b""
                return data
        self._end(BadAnswer)
        return b""

    async def read_input(self, unit_id: int, address: int, count: int) -> list[int]:
        """Read input registers (0x04)."""
        send = self._client.read_input_registers
        return await self._read(READ_INPUT, count, partial(send, address), unit_id)

    async def read_holding(self, unit_id: int, address: int, count: int) -> list[int]:
        """Read holding registers (0x03)."""
        send = self._client.read_holding_registers
        return await self._read(READ_HOLDING, count, partial(send, address), unit_id)

    async def _read(
        self,
        function: int,
        count: int,
        send: Callable[..., Awaitable[ModbusPDU]],
        unit_id: int,
    ) -> list[int]:
        response = await self._request(
            bytes([function, 2 * count]),
            3 + 2 * count,
            partial(send, count=count, device_id=unit_id),
        )
        return response.registers

    async def write(self, unit_id: int, address: int, words: list[int]) -> None:
        """Write a value: one register with 0x06, several at once with 0x10."""
        if len(words) == 1:
            expected = struct.pack(">BHH", WRITE_SINGLE, address, words[0])
            send = partial(self._client.write_register, address, words[0])
        else:
            expected = struct.pack(">BHH", WRITE_MULTIPLE, address, len(words))
            send = partial(self._client.write_registers, address, words)
        try:
            await self._request(expected, 6, partial(send, device_id=unit_id))
        except Refused as error:
            # This is no refusal: whoever reads it back sees what comes of it.
            if error.code != ACKNOWLEDGE:
                raise

    async def _request(
        self, expected: bytes, length: int, send: Callable[[], Awaitable[ModbusPDU]]
    ) -> ModbusPDU:
        """Make one request and return its answer.

        `expected` is how the answer has to begin, from its function code on,
        and `length` what its header has to say. After anything but an answer the
        connection is closed, so that a late answer cannot be taken for that of
        the next request.
        """
        async with self._lock:
            if not self.is_open:
                error = BadAnswer if self.was_flooded else ConnectionCut
                raise error("the connection is closed")
            self._expected, self._length = expected, length

            async def call() -> ModbusPDU:
                return await send()

            # In a task of its own, because pymodbus turns a cancellation into
            # an exception and does not notice that the connection ended.
            request = asyncio.create_task(call())
            either: set[asyncio.Future[Any]] = {request, self._ended}
            try:
                await asyncio.wait(
                    either, timeout=TIMEOUT, return_when=asyncio.FIRST_COMPLETED
                )
            except asyncio.CancelledError:
                self._abandon(request, expected[0])
                raise
            if not request.done():
                reason = self._ended.result() if self._ended.done() else NoAnswer
                self._abandon(request, expected[0])
                raise reason(f"no answer to function {expected[0]}")
            try:
                response = request.result()
            except ModbusException as error:
                self.close()
                raise BadAnswer(str(error)) from error
        if response.isError():
            if response.exception_code in GATEWAY_FAILURES:
                raise NoAnswer(f"nobody has unit id {response.dev_id}")
            raise Refused(response.exception_code)
        return response

    def _abandon(self, request: asyncio.Task[ModbusPDU], function: int) -> None:
        """Close the connection on a request that has no answer yet."""
        if function in (WRITE_SINGLE, WRITE_MULTIPLE):
            self._discard_unsent()
        self.close()
        request.cancel()
        # What becomes of it is of no interest, and must not be logged either.
        request.add_done_callback(lambda task: task.cancelled() or task.exception())

    def _discard_unsent(self) -> None:
        """Have the close reset the connection.

        Otherwise the kernel goes on to deliver a write whose failure has been
        reported, whenever the network comes back.
        """
        transport = self._client.ctx.transport
        if isinstance(transport, asyncio.Transport):
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )


class Link:
    """The way to an address, with at most one connection at a time."""

    def __init__(self, host: str, port: int) -> None:
        """Take the address; nothing is opened yet."""
        self.host = host
        self.port = port
        self.users = 0
        self.is_closed = False
        self._address: str | None = None
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()
        self._suspended_until = 0.0

    def suspend(self, seconds: float) -> float:
        """Close the connection, and open no other for a time; return until when."""
        self._suspended_until = time.monotonic() + seconds
        self.disconnect()
        return self._suspended_until

    def resume(self, suspended_until: float) -> None:
        """Let the connection be opened again before that time is over.

        Where it was given up anew since, that stands.
        """
        if self._suspended_until == suspended_until:
            self._suspended_until = 0.0

    async def connect(self) -> Connection:
        """Return the open connection, or open one; CannotConnect or ConnectionReleased."""
        async with self._lock:
            if self._connection is None or not self._connection.is_open:
                self.disconnect()
                self._check_allowed()
                self._address = await resolve(self.host)
                self._connection = await Connection.open(self._address, self.port)
                self._check_allowed()
            return self._connection

    async def address(self) -> str:
        """Return the IP address of the connection, or of the next one."""
        if self._address is not None and self._connection is not None:
            return self._address
        return await resolve(self.host)

    def _check_allowed(self) -> None:
        if self.is_closed:
            self.disconnect()
            raise CannotConnect("Home Assistant gave the connection up")
        if (left := self._suspended_until - time.monotonic()) > 0:
            self.disconnect()
            raise ConnectionReleased(left)

    def disconnect(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Close the connection for good."""
        self.is_closed = True
        self.disconnect()


class ConnectionPool:
    """The links of a process: one for each address, shared by all its users.

    A charger takes one client at a time, so whoever wants to talk to one that
    is already connected has to borrow that connection.
    """

    def __init__(self) -> None:
        """Start without links."""
        self._links: list[Link] = []
        self._lock = asyncio.Lock()
        self._is_closed = False

    async def acquire(self, host: str, port: int) -> Link:
        """Return the link to an address; to be released after use.

        All names of a host share one link.
        """
        async with self._lock:
            link = await self._find(host, port)
            if link is None:
                link = Link(host, port)
                link.is_closed = self._is_closed
                self._links.append(link)
            link.users += 1
            return link

    async def _find(self, host: str, port: int) -> Link | None:
        address = await resolve(host)
        for link in self._links:
            if link.port == port and await link.address() == address:
                return link
        return None

    def release(self, link: Link) -> None:
        """Give a link back; the last user's release closes it."""
        link.users -= 1
        if link.users == 0:
            self._links.remove(link)
            link.close()

    def close(self) -> None:
        """Close every link for good, also those that are still to come."""
        self._is_closed = True
        for link in self._links:
            link.close()


async def resolve(host: str) -> str:
    """Return the IP address of a host, or the host itself when it has none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, None, type=socket.SOCK_STREAM
        )
    except OSError, ValueError:  # The latter for names that cannot be looked up.
        return host
    addresses = {family: str(address[0]) for family, *_, address in reversed(found)}
    return addresses.get(socket.AF_INET) or next(iter(addresses.values()))
