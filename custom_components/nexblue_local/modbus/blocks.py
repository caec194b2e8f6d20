"""Read groups of registers in as few requests as possible."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from .errors import ILLEGAL_DATA_ADDRESS, ILLEGAL_DATA_VALUE, Refused
from .learned import Learning, Span
from .model import Image, Register, RegisterGroup, Table
from .transport import Connection

BRIDGE: Final = 4
"""Maximum number of reserved registers to include in a read to save a request."""

MAX_SPAN: Final = 125
"""Maximum number of registers in a Modbus read request."""

ASK_AGAIN_AFTER: Final = 60.0
"""Seconds after which values that were all refused are asked for again.

A charger that boots may refuse registers that it has a moment later.
"""


def spans(registers: Iterable[Register[Any]], *, bridge: int = 0) -> list[Span]:
    """Return the fewest read requests that cover the registers.

    Gaps of up to `bridge` addresses between two registers are read as well.
    """
    result: list[Span] = []
    for register in sorted(registers, key=lambda register: register.address):
        end = register.addresses.stop
        if result:
            start, count = result[-1]
            if register.address - start - count <= bridge and end - start <= MAX_SPAN:
                result[-1] = (start, end - start)
                continue
        result.append((register.address, end - register.address))
    return result


class BlockReader:
    """Reads groups of registers on one connection.

    A block that is refused is read in smaller ones: without reserved registers, then in
    halves, never below one register. If those are answered, so it is the next time, on
    all connections. If they are refused as well, it is left out for ASK_AGAIN_AFTER.
    `images` holds the words that were last read.
    """

    def __init__(
        self,
        connection: Connection,
        unit_id: int,
        learning: Learning,
        clock: Callable[[], float],
    ) -> None:
        """Initialize the reader of a Modbus unit; `clock` returns monotonic seconds."""
        self.images: dict[Table, dict[int, int]] = {table: {} for table in Table}
        self._unit_id = unit_id
        self._requests: dict[Table, Callable[[int, int, int], Awaitable[list[int]]]] = {
            Table.INPUT: connection.read_input,
            Table.HOLDING: connection.read_holding,
        }
        self._learning = learning
        self._time = clock
        self._left_out_until: dict[Span, float] = {}

    async def read(self, *groups: type[RegisterGroup]) -> Image:
        """Return the words of all registers of groups in the same table.

        Registers that are refused on their own are missing. Raises ChargerError.
        """
        table = groups[0].table
        registers = [
            register for group in groups for register in group.registers.values()
        ]
        image: dict[int, int] = {}
        await self._read_into(image, table, registers, bridge=BRIDGE)
        self.images[table] |= image
        return image

    async def read_words(self, table: Table, address: int, count: int) -> list[int]:
        """Return the words of one request as they are; raises ChargerError."""
        return await self._requests[table](self._unit_id, address, count)

    async def _read_into(
        self,
        image: dict[int, int],
        table: Table,
        registers: Sequence[Register[Any]],
        *,
        bridge: int = 0,
    ) -> bool:
        """Read registers, and return whether any of them was answered.

        A span that is refused is read in smaller ones.
        """
        is_answered = False
        for span in spans(registers, bridge=bridge):
            if self._time() < self._left_out_until.get(span, 0.0):
                continue
            start, count = span
            inside = [r for r in registers if start <= r.address < start + count]
            # One value cannot be read in smaller ones.
            is_asked = span not in self._learning.refused_reads or len(inside) == 1
            if is_asked and (words := await self._read_span(table, span)) is not None:
                image.update(enumerate(words, start))
                self._learning.answered(len(words))
                is_answered = True
                continue
            parts: list[list[Register[Any]]] = []
            if spans(inside) != [span]:
                # Probably because of a reserved register.
                parts = [inside]
            elif len(inside) > 1:
                # Or it is longer than the charger allows.
                half = len(inside) // 2
                parts = [inside[:half], inside[half:]]
            answered = [await self._read_into(image, table, part) for part in parts]
            if any(answered):
                self._learning.refused_reads.add(span)
                is_answered = True
            else:
                self._left_out_until[span] = self._time() + ASK_AGAIN_AFTER
        return is_answered

    async def _read_span(self, table: Table, span: Span) -> list[int] | None:
        """Return the words of a span, None if its addresses or length are refused."""
        try:
            return await self.read_words(table, *span)
        except Refused as error:
            if error.code not in (ILLEGAL_DATA_ADDRESS, ILLEGAL_DATA_VALUE):
                raise
            return None
