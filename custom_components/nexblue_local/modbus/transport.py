"""Modbus TCP connections; the only file that imports pymodbus.

A `Connection` is one TCP connection. It never reconnects, so a device that has
been identified stays the same until the connection is closed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
import socket
import struct
from typing import Any, Self

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ModbusPDU

from .errors import BadAnswer, CannotConnect, ConnectionCut, NoAnswer, Refused
from .frames import ExpectedResponse, Progress, split

TIMEOUT = 3.0
"""Seconds to wait for a connection, and for the response to a request."""

FIRST_TIMEOUT = 10.0
"""Seconds to wait for the first response on a connection, which may take longer."""

READ_HOLDING = 0x03
READ_INPUT = 0x04
WRITE_SINGLE = 0x06
WRITE_MULTIPLE = 0x10

NO_TRANSACTION = b"\0\0"
"""Transaction ID of devices that do not return that of the request."""

ILLEGAL_DATA_ADDRESS = 2
ILLEGAL_DATA_VALUE = 3
ACKNOWLEDGE = 5
"""Exception code of a request that was accepted and takes longer."""

GATEWAY_FAILURES = (10, 11)
"""Exception codes of gateways for a unit that is missing or does not respond."""


class Connection:
    """One open connection; it carries one request at a time."""

    def __init__(self, host: str, port: int) -> None:
        """Initialize the connection; `open` connects it."""
        # With retries a write could be sent twice, and with a reconnect delay it
        # could be sent to another device. The client's timeout is never reached:
        # ours comes first, and does not dump the traffic into the log.
        self._client = AsyncModbusTcpClient(
            host,
            port=port,
            timeout=2 * max(TIMEOUT, FIRST_TIMEOUT),
            retries=0,
            reconnect_delay=0,
            trace_connect=self._connection_changed,
            trace_packet=self._check_packet,
        )
        self._lock = asyncio.Lock()
        self._ended: asyncio.Future[type[BadAnswer | ConnectionCut]] = (
            asyncio.get_running_loop().create_future()
        )
        self._expected: ExpectedResponse | None = None
        self._received = b""
        self._previous = b""
        self._has_answered = False
        self.was_flooded = False
        """Whether data without a request closed the connection."""

    @classmethod
    async def open(cls, host: str, port: int) -> Self:
        """Return an open connection; raise CannotConnect if there is none."""
        connection = cls(host, port)
        try:
            # The client's connect() does the same, but logs a warning after each
            # failure and sleeps after success.
            async with asyncio.timeout(TIMEOUT):
                await connection._client.ctx.call_create()
        except BaseException as error:
            connection.close()
            # OSError includes TimeoutError; an invalid host name is a ValueError.
            if isinstance(error, OSError | ValueError):
                raise CannotConnect(f"{host} port {port}: {error}") from error
            raise
        return connection

    @property
    def is_open(self) -> bool:
        """Return whether the connection can be used for requests."""
        return self._client.connected and not self._ended.done()

    def close(self) -> None:
        """Close the socket; a pending request raises ConnectionCut."""
        self._end(ConnectionCut)
        self._client.close()

    @property
    def _timeout(self) -> float:
        return TIMEOUT if self._has_answered else max(TIMEOUT, FIRST_TIMEOUT)

    def _end(self, reason: type[BadAnswer | ConnectionCut]) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)

    def _connection_changed(self, connected: bool) -> None:
        """Handle a closed connection; pymodbus would wait for its timeout."""
        if not connected:
            self._end(ConnectionCut)

    def _check_packet(self, sending: bool, data: bytes) -> bytes:
        """Return the response once all of it was received, and fail on other data.

        A repeat of the previous response is dropped.
        """
        if sending:
            return data
        # Incomplete data is kept here: pymodbus discards its own with each request.
        self._client.ctx.recv_buffer = b""
        self._received += data
        self._drop_repeats()
        if not self._received or self._may_become_repeat():
            return b""
        if self._expected is None:
            self.was_flooded = True
            self._end(BadAnswer)
            # No request is pending that would close it.
            self.close()
            return b""
        response, rest = split(self._received)
        match self._expected.progress(response):
            case Progress.INCOMPLETE:
                return b""
            case Progress.COMPLETE:
                self._previous, self._received = response, rest
                self._expected = None
                self._drop_repeats()
                if not self._received or self._may_become_repeat():
                    return response
        self._end(BadAnswer)
        return b""

    def _drop_repeats(self) -> None:
        """Drop repeats of the previous response from what was received."""
        while self._is_told_apart and self._received.startswith(self._previous):
            self._received = self._received[len(self._previous) :]

    def _may_become_repeat(self) -> bool:
        """Return whether what was received is the start of a repeat."""
        return self._is_told_apart and self._previous.startswith(self._received)

    @property
    def _is_told_apart(self) -> bool:
        """Return whether a repeat cannot be the response to the pending request.

        The next response has another transaction ID, unless the device leaves it out.
        """
        return bool(self._previous) and (
            self._expected is None or self._previous[:2] != NO_TRANSACTION
        )

    async def read_input(self, unit_id: int, address: int, count: int) -> list[int]:
        """Return the words of input registers (function 0x04)."""
        send = self._client.read_input_registers
        return await self._read(READ_INPUT, count, partial(send, address), unit_id)

    async def read_holding(self, unit_id: int, address: int, count: int) -> list[int]:
        """Return the words of holding registers (function 0x03)."""
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
            ExpectedResponse(bytes([function, 2 * count]), 3 + 2 * count),
            partial(send, count=count, device_id=unit_id),
        )
        return response.registers

    async def write(self, unit_id: int, address: int, words: list[int]) -> None:
        """Write one register (function 0x06), or several at once (0x10)."""
        if len(words) == 1:
            start = struct.pack(">BHH", WRITE_SINGLE, address, words[0])
            send = partial(self._client.write_register, address, words[0])
        else:
            start = struct.pack(">BHH", WRITE_MULTIPLE, address, len(words))
            send = partial(self._client.write_registers, address, words)
        try:
            await self._request(
                ExpectedResponse(start, 6), partial(send, device_id=unit_id)
            )
        except Refused as error:
            # The write was accepted; reading back shows when it takes effect.
            if error.code != ACKNOWLEDGE:
                raise

    async def _request(
        self, expected: ExpectedResponse, send: Callable[[], Awaitable[ModbusPDU]]
    ) -> ModbusPDU:
        """Send a request and return the response.

        Raises BadAnswer, ConnectionCut, NoAnswer or Refused. Unless a response was
        received, the connection is closed, so that a late response cannot be
        mistaken for the response to the next request.
        """
        async with self._lock:
            if not self.is_open:
                error = BadAnswer if self.was_flooded else ConnectionCut
                raise error("the connection is closed")
            self._expected = expected

            async def call() -> ModbusPDU:
                return await send()

            # A separate task, because pymodbus raises ModbusIOException when it
            # is cancelled, and keeps waiting when the connection is closed.
            request = asyncio.create_task(call())
            either: set[asyncio.Future[Any]] = {request, self._ended}
            try:
                await asyncio.wait(
                    either,
                    timeout=self._timeout,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            except asyncio.CancelledError:
                self._abandon(request, expected.function)
                raise
            if not request.done():
                reason = self._ended.result() if self._ended.done() else NoAnswer
                self._abandon(request, expected.function)
                raise reason(f"no response to function {expected.function}")
            try:
                response = request.result()
            except ConnectionException as error:
                # It was closed before anything was sent.
                self.close()
                raise ConnectionCut(str(error)) from error
            except ModbusException as error:
                self.close()
                raise BadAnswer(str(error)) from error
        self._has_answered = True
        if response.isError():
            if response.exception_code in GATEWAY_FAILURES:
                raise NoAnswer(f"no device with unit ID {response.dev_id}")
            raise Refused(response.exception_code)
        return response

    def _abandon(self, request: asyncio.Task[ModbusPDU], function: int) -> None:
        """Close the connection while a request is pending."""
        if function in (WRITE_SINGLE, WRITE_MULTIPLE):
            self._discard_unsent()
        self.close()
        request.cancel()
        # Retrieve its exception, so that asyncio does not log it.
        request.add_done_callback(lambda task: task.cancelled() or task.exception())

    def _discard_unsent(self) -> None:
        """Discard unsent data when the connection is closed (SO_LINGER).

        Otherwise the kernel would still deliver a failed write when the network
        comes back.
        """
        transport = self._client.ctx.transport
        if isinstance(transport, asyncio.Transport):
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
