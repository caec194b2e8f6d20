"""A second, minimal charger: raw sockets, and register words typed by hand.

It shares no code with modbus/ and the simulator, and does not use pymodbus: frames and
words are those of the Modbus specification and of the vendor's document. 32- and 64-bit
values are little-endian on the wire: 230 V is 0x43660000, and so 0000 6643.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
import struct
from typing import Self

SERIAL = "NB77HAND0042"

INPUT: Mapping[int, str] = {
    0: "4E65 7842 6C75 6500 0000 0000 0000 0000",  # NexBlue
    8: "4564 6765 2032 0000 0000 0000 0000 0000",  # Edge 2
    16: "4E42 3737 4841 4E44 3030 3432 0000 0000 0000 0000 0000 0000",  # SERIAL
    28: "3033 2E30 392E 3838 0000 0000 0000 0000",  # 03.09.88
    36: "0100 0001",  # mapping version, one connector
    38: "4202 3501",  # 20251202
    40: "EE5F 0200",  # 155630
    42: "0078 0000",  # UTC+2
    44: "322E 3100 0000 0000 0000 0000 0000 0000",  # 2.1
    100: "0002 0000",  # charging
    102: "0000 F040 0000 0041 0000 1041",  # 7.5, 8 and 9 A
    108: "0000 6643 0080 6743 0040 6543",  # 230, 231.5 and 229.25 V
    114: "0000 0000 0000 7043 0000 F042",  # 0, 240 and 120 degrees
    120: "00A0 D744 00A0 D744 00A0 D744",  # 1725 W each
    126: "00B8 A145",  # 5175 W
    128: "0000 5040",  # 3.25 kWh
    130: "3FB4 9600 0000 0000",  # 9876543 Wh
    134: "0000 C040 0000 8041",  # 6 A, 16 A
    138: "0000",  # adaptive
    400: "0000 0000 0000",
}
HOLDING: Mapping[int, str] = {
    1000: "0000 2041",  # 10 A
    1002: "0000 C040",  # 6 A
    1004: "2C01 0000",  # 300 s
    1006: "0001 0000",  # START, adaptive
}
MEASUREMENTS = range(102, 134)


def words(table: Mapping[int, str]) -> dict[int, int]:
    """Return the words of a table by address."""
    return {
        address: int(word, 16)
        for start, run in table.items()
        for address, word in enumerate(run.split(), start)
    }


@dataclass(kw_only=True)
class SecondCharger:
    """A charger on a free port of this machine, as an asynchronous context manager."""

    delay: float = 0.0
    """Seconds before each answer."""
    idle_after: float = 3600.0
    """Seconds without a request after which a connection is closed."""
    repeats: bool = False
    """Each answer comes after a repeat of the one before."""
    splits: bool = False
    """Each answer comes in parts of a few bytes."""
    zeros: bool = False
    """All measurements are 0."""
    input: dict[int, int] = field(default_factory=lambda: words(INPUT))
    holding: dict[int, int] = field(default_factory=lambda: words(HOLDING))
    written: list[tuple[int, int, str]] = field(default_factory=list)
    """Function, first register and words of each write."""
    connections: int = 0
    port: int = 0
    is_occupied: bool = False

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection, and stop listening."""
        self._server.close()
        self._server.close_clients()
        await self._server.wait_closed()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one client at a time."""
        if self.is_occupied:
            writer.close()
            return
        self.is_occupied = True
        self.connections += 1
        try:
            await self._answer(reader, writer)
        except TimeoutError, OSError, asyncio.IncompleteReadError:
            pass
        finally:
            self.is_occupied = False
            writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        previous = b""
        while True:
            async with asyncio.timeout(self.idle_after):
                transaction, protocol, length, unit = struct.unpack(
                    ">HHHB", await reader.readexactly(7)
                )
                request = await reader.readexactly(length - 1)
            assert (protocol, unit) == (0, 200)
            body = self._execute(request)
            frame = struct.pack(">HHHB", transaction, 0, len(body) + 1, unit) + body
            await asyncio.sleep(self.delay)
            data = previous + frame if self.repeats else frame
            previous = frame
            size = 5 if self.splits else len(data)
            for start in range(0, len(data), size):
                writer.write(data[start : start + size])
                await asyncio.sleep(0.001)

    def _execute(self, request: bytes) -> bytes:
        """Return the response to a request, without the header."""
        function, address, value = struct.unpack(">BHH", request[:5])
        match function:
            case 0x03:
                return self._read(function, self.holding, address, value)
            case 0x04:
                return self._read(function, self.input, address, value)
            case 0x06:
                self._write(function, address, request[3:5])
            case 0x10:
                assert request[5] == 2 * value
                self._write(function, address, request[6:])
            case _:
                return bytes([function | 0x80, 1])
        return request[:5]

    def _read(
        self, function: int, table: dict[int, int], address: int, count: int
    ) -> bytes:
        zeros = MEASUREMENTS if self.zeros else ()
        values = [
            0 if a in zeros else table.get(a, 0)
            for a in range(address, address + count)
        ]
        return struct.pack(f">BB{count}H", function, 2 * count, *values)

    def _write(self, function: int, address: int, data: bytes) -> None:
        self.written.append((function, address, data.hex(" ", 2).upper()))
        values = struct.unpack(f">{len(data) // 2}H", data)
        self.holding.update(enumerate(values, address))
