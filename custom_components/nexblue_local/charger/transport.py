"""Modbus TCP on pymodbus, which no other file knows.

A `Connection` is one TCP connection and never reconnects, so what was found
out about the device at its other end stays true for as long as it lives. A
`Link` owns the single connection to an address, `Links` all of them.
"""

import asyncio
from collections.abc import Awaitable, Callable
import socket
from typing import Any, Self

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from .errors import BadAnswer, CannotConnect, ConnectionCut, NoAnswer, Refused

TIMEOUT = 3.0
"""Seconds to wait for a connection, and for the answer to a request."""

READ_HOLDING = 0x03
READ_INPUT = 0x04
WRITE_SINGLE = 0x06
WRITE_MULTIPLE = 0x10

ILLEGAL_DATA_ADDRESS = 2
NOBODY_HAS_UNIT = (10, 11)
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
        self._function = 0

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
            if isinstance(error, OSError):  # TimeoutError is one as well.
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
        """End the connection on bytes that pymodbus would stumble over.

        It waits for more when the header is not one of Modbus, and raises into
        the event loop when the body is not one it can decode.
        """
        if sending or len(data) < 8:
            return data
        length = int.from_bytes(data[4:6])
        is_answer = (
            data[2:4] == b"\0\0"
            and 3 <= length <= 254
            and data[7] & 0x7F == self._function
        )
        if not is_answer:
            self._end(BadAnswer)
            return b""
        return data

    async def read_input(self, unit_id: int, address: int, count: int) -> list[int]:
        """Read input registers (0x04)."""
        return await self._read(
            READ_INPUT, self._client.read_input_registers, unit_id, address, count
        )

    async def read_holding(self, unit_id: int, address: int, count: int) -> list[int]:
        """Read holding registers (0x03)."""
        return await self._read(
            READ_HOLDING, self._client.read_holding_registers, unit_id, address, count
        )

    async def _read(
        self,
        function: int,
        method: Callable[..., Awaitable[ModbusPDU]],
        unit_id: int,
        address: int,
        count: int,
    ) -> list[int]:
        response = await self._request(
            function, lambda: method(address, count=count, device_id=unit_id)
        )
        # pymodbus hands a short answer on as if it were a whole one.
        if len(response.registers) != count:
            self.close()
            raise BadAnswer(f"{len(response.registers)} registers, asked for {count}")
        return response.registers

    async def write(self, unit_id: int, address: int, words: list[int]) -> None:
        """Write a value: one register with 0x06, several at once with 0x10."""
        if len(words) == 1:
            await self._request(
                WRITE_SINGLE,
                lambda: self._client.write_register(
                    address, words[0], device_id=unit_id
                ),
            )
        else:
            await self._request(
                WRITE_MULTIPLE,
                lambda: self._client.write_registers(address, words, device_id=unit_id),
            )

    async def _request(
        self, function: int, send: Callable[[], Awaitable[ModbusPDU]]
    ) -> ModbusPDU:
        """Make one request and return its answer.

        After anything but an answer the connection is closed, so that a late
        answer cannot be taken for that of the next request.
        """
        async with self._lock:
            if not self.is_open:
                raise ConnectionCut("the connection is closed")
            self._function = function

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
                self._abandon(request)
                raise
            if not request.done():
                reason = self._ended.result() if self._ended.done() else NoAnswer
                self._abandon(request)
                raise reason(f"no answer to function {function}")
            try:
                response = request.result()
            except ModbusException as error:
                self.close()
                raise BadAnswer(str(error)) from error
        if response.isError():
            if response.exception_code in NOBODY_HAS_UNIT:
                raise NoAnswer(f"nobody has unit id {response.dev_id}")
            raise Refused(response.exception_code)
        return response

    def _abandon(self, request: asyncio.Task[ModbusPDU]) -> None:
        """Close the connection on a request that has no answer yet."""
        self.close()
        request.cancel()
        # What becomes of it is of no interest, and must not be logged either.
        request.add_done_callback(lambda task: task.cancelled() or task.exception())


class Link:
    """The way to an address, with at most one connection at a time."""

    def __init__(self, host: str, port: int) -> None:
        """Take the address; nothing is opened yet."""
        self.host = host
        self.port = port
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()
        self._closed = False

    async def connect(self) -> Connection:
        """Return the open connection, or open one; raises CannotConnect."""
        async with self._lock:
            if self._connection is None or not self._connection.is_open:
                self.disconnect()
                self._check_not_closed()
                self._connection = await Connection.open(self.host, self.port)
                self._check_not_closed()
            return self._connection

    def _check_not_closed(self) -> None:
        if self._closed:
            self.disconnect()
            raise CannotConnect("Home Assistant gave the connection up")

    def disconnect(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Close the connection for good."""
        self._closed = True
        self.disconnect()


class Links:
    """The links of a process: one for each address, shared by all its users.

    A charger takes one client at a time, so whoever wants to talk to one that
    is already connected has to borrow that connection.
    """

    def __init__(self) -> None:
        """Start without links."""
        self._links: dict[tuple[str, int], tuple[Link, int]] = {}

    async def acquire(self, host: str, port: int) -> Link:
        """Return the link to an address; to be released after use.

        All names of a host share one link.
        """
        key = (await resolve(host), port)
        link, users = self._links.get(key, (None, 0))
        if link is None:
            link = Link(host, port)
        self._links[key] = (link, users + 1)
        return link

    def release(self, link: Link) -> None:
        """Give a link back; the last user's release closes it."""
        for key, (candidate, users) in self._links.items():
            if candidate is link:
                if users > 1:
                    self._links[key] = (link, users - 1)
                else:
                    del self._links[key]
                    link.close()
                return

    def close(self) -> None:
        """Close every link for good."""
        for link, _ in self._links.values():
            link.close()


async def resolve(host: str) -> str:
    """Return the IP address of a host, or the host itself when it has none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, None, type=socket.SOCK_STREAM
        )
    except OSError:
        return host
    addresses = {family: str(address[0]) for family, *_, address in reversed(found)}
    return addresses.get(socket.AF_INET) or next(iter(addresses.values()))
