"""Serve a simulated charger on Modbus TCP."""

import asyncio
from dataclasses import dataclass, field
import random
from typing import Any, Self, override

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.server import ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice

from .charger import (
    BUSY,
    DEVICE_FAILURE,
    ILLEGAL_DATA_ADDRESS,
    ILLEGAL_DATA_VALUE,
    Refusal,
    SimulatedCharger,
)
from .faults import Fault, FaultKind
from .habits import Habits

READ_HOLDING = 0x03
READ_INPUT = 0x04
WRITES = (0x06, 0x10)
INPUT_RANGES = (range(100), range(100, 400), range(400, 403))
HOLDING_RANGES = (range(1000, 2000),)
SPLIT_PAUSE = 0.01
"""Time in s between two parts of an answer."""


@dataclass(frozen=True)
class Request:
    """A received request; `words` are the values of a write."""

    function: int
    address: int
    count: int
    words: tuple[int, ...]


@dataclass(kw_only=True)
class Simulator:
    """A charger on the network, as an asynchronous context manager.

    Like the real one, it accepts one connection at a time. The charger's habits decide
    how it answers.
    """

    charger: SimulatedCharger = field(default_factory=SimulatedCharger)
    host: str = "127.0.0.1"
    port: int = 0  # 0 is any free port
    unit_id: int = 200
    slot_release: float = 0.5  # s before a closed connection can be replaced
    faults: list[Fault] = field(default_factory=list)
    overrides: dict[int, int] = field(default_factory=dict)
    """Words by address that replace those of input and holding registers."""

    def __post_init__(self) -> None:
        """Initialize the request log and the connection."""
        self.log: list[Request] = []
        self._server: _Server | None = None
        self._client: _Handler | None = None
        self._occupied_until = 0.0
        # What happens now and then happens at the same requests in each run.
        self._random = random.Random(0)  # noqa: S311 (no secret)

    async def __aenter__(self) -> Self:
        """Start the server."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the server."""
        await self.stop()

    async def start(self) -> None:
        """Start the server, on the same port as before if it was stopped."""
        server = _Server(self)
        await server.serve_forever(background=True)
        self._server = server
        self.port = server.port

    async def stop(self) -> None:
        """Close the connection and stop the server."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._client = None
        self._occupied_until = 0.0

    async def power_off(self) -> None:
        """Switch the power off."""
        self.charger.power_off()
        await self.stop()

    async def power_on(self) -> None:
        """Switch the power on again; the settings are lost."""
        self.charger.power_on()
        await self.start()

    async def power_cycle(self, seconds: float = 0.0) -> None:
        """Switch the power off for `seconds` and on again; the settings are lost."""
        await self.power_off()
        await asyncio.sleep(seconds)
        await self.power_on()

    @property
    def habits(self) -> Habits:
        """Return the habits of the charger."""
        return self.charger.habits

    def happens(self, share: float) -> bool:
        """Return whether something happens that does so in a share of all cases."""
        return self._random.random() < share

    @property
    def is_listening(self) -> bool:
        """Return whether the server runs."""
        return self._server is not None

    @property
    def is_connected(self) -> bool:
        """Return whether a client is connected."""
        return self._client is not None

    def occupy(self, seconds: float) -> None:
        """Refuse clients for `seconds`, as if a dead one were still connected."""
        self.cut()
        self._occupied_until = asyncio.get_running_loop().time() + seconds

    def cut(self) -> None:
        """Close the connection of the client."""
        if self._client is not None:
            self._client.hang_up()

    def admit(self, client: _Handler) -> bool:
        """Accept a client if no other is connected; return whether it was accepted."""
        now = asyncio.get_running_loop().time()
        if self._client is not None or now < self._occupied_until:
            return False
        self._client = client
        return True

    def is_client(self, client: _Handler) -> bool:
        """Return whether this is the connection that was accepted."""
        return self._client is client

    def leave(self, client: _Handler) -> None:
        """Handle the end of a connection; the next one is accepted after `slot_release`."""
        if self._client is client:
            self._client = None
            free_at = asyncio.get_running_loop().time() + self.slot_release
            self._occupied_until = max(self._occupied_until, free_at)

    def answer(self, request: Request) -> list[int]:
        """Execute a request and return the words read; raise Refusal if it is refused."""
        for share, code in (
            (self.habits.refuses, DEVICE_FAILURE),
            (self.habits.busy, BUSY),
        ):
            if self.happens(share):
                raise Refusal(code)
        if request.function in WRITES:
            self.charger.write(request.address, list(request.words))
            return []
        if request.function == READ_INPUT:
            return self._read(self.charger.input_words(), INPUT_RANGES, request)
        return self._read(self.charger.holding_words(), HOLDING_RANGES, request)

    def _read(
        self, words: dict[int, int], ranges: tuple[range, ...], request: Request
    ) -> list[int]:
        words |= self.overrides
        if not 1 <= request.count <= self.habits.max_read:
            raise Refusal(ILLEGAL_DATA_VALUE)
        addresses = range(request.address, request.address + request.count)
        if not any(
            addresses[0] in allowed and addresses[-1] in allowed for allowed in ranges
        ):
            raise Refusal(ILLEGAL_DATA_ADDRESS)
        if self.habits.reserved_refused and any(a not in words for a in addresses):
            raise Refusal(ILLEGAL_DATA_ADDRESS)
        return [words.get(address, 0) for address in addresses]


class _Server(ModbusTcpServer):
    """A pymodbus server that uses `_Handler` for its connections."""

    def __init__(self, simulator: Simulator) -> None:
        # The handler answers all requests, but the server requires a device.
        device = SimDevice(0, [SimData(0, datatype=DataType.REGISTERS)])
        super().__init__(device, address=(simulator.host, simulator.port))
        self.simulator = simulator

    @property
    def port(self) -> int:
        """Return the TCP port of the server."""
        listener: Any = self.transport
        port: int = listener.sockets[0].getsockname()[1]
        return port

    @override
    def callback_new_connection(self) -> ServerRequestHandler:
        return _Handler(self)


class _Handler(ServerRequestHandler):
    """A connection of a client."""

    def __init__(self, server: _Server) -> None:
        super().__init__(server, None, None, None)
        self._simulator = server.simulator
        self._answering: asyncio.Task[None] | None = None
        self._has_answered = False
        self._previous = b""
        self._sending = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None

    @override
    def callback_connected(self) -> None:
        super().callback_connected()
        if self._simulator.admit(self):
            self._restart_idle_timer()
        else:
            self.hang_up()

    @override
    def callback_disconnected(self, exc: Exception | None) -> None:
        super().callback_disconnected(exc)
        self._simulator.leave(self)
        if self._answering is not None:
            self._answering.cancel()
        if self._idle is not None:
            self._idle.cancel()

    def _restart_idle_timer(self) -> None:
        """Close the connection when nothing is requested, if that is its habit."""
        if self._idle is not None:
            self._idle.cancel()
        after = self._simulator.habits.closes_idle_after
        # A request may be answered after its connection has ended.
        if after and self._simulator.is_client(self):
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(after, self.hang_up)

    def hang_up(self) -> None:
        """Close the connection."""
        if self.transport:
            self.transport.close()

    @override
    async def handle_request(self) -> None:
        self._answering = asyncio.current_task()
        self._restart_idle_timer()
        try:
            await self._handle()
        finally:
            self._answering = None
            self._restart_idle_timer()

    async def _handle(self) -> None:
        pdu = self.last_pdu
        simulator = self._simulator
        if pdu is None or pdu.dev_id != simulator.unit_id:
            return
        is_write = pdu.function_code in WRITES
        if not is_write and pdu.function_code not in (READ_HOLDING, READ_INPUT):
            await self._send(
                pdu, ExceptionResponse(pdu.function_code, ExcCodes.ILLEGAL_FUNCTION)
            )
            return
        request = Request(
            pdu.function_code,
            pdu.address,
            len(pdu.registers) if is_write else pdu.count,
            tuple(pdu.registers) if is_write else (),
        )
        simulator.log.append(request)
        habits = simulator.habits
        is_first, self._has_answered = not self._has_answered, True
        await asyncio.sleep(
            habits.first_answer_delay if is_first else habits.answer_delay
        )
        fault = next(
            (
                fault
                for fault in simulator.faults
                if fault.affects(request.function, request.address)
            ),
            None,
        )
        if fault is None:
            await self._send(pdu, self._execute(pdu, request))
        else:
            await self._fail(fault, pdu, request)

    async def _fail(self, fault: Fault, pdu: ModbusPDU, request: Request) -> None:
        if fault.kind is FaultKind.SLOW:
            await asyncio.sleep(fault.seconds)
            await self._send(pdu, self._execute(pdu, request))
            return
        if fault.executed:
            self._execute(pdu, request)
        match fault.kind:
            case FaultKind.DROP:
                self.hang_up()
            case FaultKind.EXCEPTION:
                await self._send(pdu, ExceptionResponse(request.function, fault.code))
            case FaultKind.GARBAGE:
                self.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            case FaultKind.TRUNCATED:
                response = self._execute(pdu, request)
                del response.registers[-1:]
                await self._send(pdu, response)

    def _execute(self, pdu: ModbusPDU, request: Request) -> ModbusPDU:
        """Return the charger's answer."""
        try:
            words = self._simulator.answer(request)
        except Refusal as refusal:
            return ExceptionResponse(request.function, ExcCodes(refusal.code))
        _, response_type = self.server.decoder.pdu_table[request.function]
        response: ModbusPDU = response_type(
            address=request.address,
            count=request.count,
            registers=words or list(request.words),
        )
        return response

    async def _send(self, pdu: ModbusPDU, response: ModbusPDU) -> None:
        """Send a response, as a whole and once unless the charger has other habits."""
        response.transaction_id = pdu.transaction_id
        response.dev_id = pdu.dev_id
        habits = self._simulator.habits
        data = frame = self.framer.buildFrame(response)
        if self._simulator.happens(habits.repeats / 2):
            data = frame + frame
        elif self._simulator.happens(habits.repeats / 2):
            data = self._previous + frame
        self._previous = frame
        size = len(data) // 3 + 1 if habits.splits_answers else len(data)
        # Two answers must not mix.
        async with self._sending:
            for start in range(0, len(data), size):
                if start:
                    await asyncio.sleep(SPLIT_PAUSE)
                if self.transport:
                    self.send(data[start : start + size])
