"""What a probe found out about a charger."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
import struct
from typing import Any, Final

from .codec import Layout, Text
from .errors import ChargerError
from .model import Image, Register, RegisterGroup, Table
from .registers import Clock, Identity, Reading, Settings

GROUPS: Final[tuple[type[RegisterGroup], ...]] = (Identity, Clock, Reading, Settings)

DOCUMENTED: Final[Mapping[Table, frozenset[int]]] = {
    table: frozenset(
        address
        for group in GROUPS
        if group.table is table
        for register in group.registers.values()
        for address in register.addresses
    )
    for table in Table
}
"""The addresses of all registers of the map; the others are reserved."""

NUMBERS: Final[tuple[tuple[Table, Register[Any]], ...]] = tuple(
    (group.table, group.registers[name])
    for group, name in (
        (Clock, "date"),
        (Reading, "voltage_l1"),
        (Reading, "app_max_current"),
        (Settings, "current_limit"),
        (Settings, "fallback_limit"),
        (Settings, "fallback_timeout"),
    )
)
"""Registers whose values show the byte layout."""


class Padding(StrEnum):
    """What follows a text in its registers."""

    NUL = "NUL"
    SPACE = "space"
    FILL = "0xFF"
    DATA = "other data"
    """Something that is not padding, after a NUL."""


PADDING_BYTES: Final = {0x00: Padding.NUL, 0x20: Padding.SPACE, 0xFF: Padding.FILL}


@dataclass(frozen=True, slots=True)
class Block:
    """The registers of one read request."""

    table: Table
    address: int
    count: int

    @property
    def has_reserved(self) -> bool:
        """Return whether reserved registers are among them."""
        addresses = range(self.address, self.address + self.count)
        return not DOCUMENTED[self.table].issuperset(addresses)


HALF_VALUE: Final = Block(Table.INPUT, 102, 1)
"""Half of a 32-bit value."""

SHORT_WITH_RESERVED: Final = Block(Table.INPUT, 100, 4)
"""A read that can only be refused because of a reserved register."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a read request: words, or an error."""

    block: Block
    seconds: float
    words: tuple[int, ...] = ()
    error: ChargerError | None = None


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How a text is stored."""

    name: str
    length: int
    """Bytes of the text."""
    size: int
    """Bytes of its registers."""
    padding: tuple[Padding, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """A register without a value."""

    name: str
    is_refused: bool
    """Whether it could not be read; if not, it holds no possible value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a probe found out about a charger."""

    identity: Identity
    clock: Clock
    clock_offset: float | None
    """Seconds by which the charger's clock is ahead."""
    reading: Reading
    settings: Settings
    layout: Layout
    is_layout_certain: bool
    images: Mapping[Table, Image]
    answers: tuple[Answer, ...]
    """One for each block that was asked for, in this order."""
    busy: int
    """Answers that the charger was busy (exception 6)."""
    is_complete: bool
    """Whether all blocks were asked for."""

    @property
    def blocks(self) -> list[Answer]:
        """Return the answers to reads of documented registers."""
        return [answer for answer in self.answers if not self._is_reserved(answer)]

    @property
    def reserved(self) -> list[Answer]:
        """Return the answers to reads of single reserved registers."""
        return [answer for answer in self.answers if self._is_reserved(answer)]

    @staticmethod
    def _is_reserved(answer: Answer) -> bool:
        return answer.block.count == 1 and answer.block.has_reserved

    @property
    def texts(self) -> list[TextFormat]:
        """Return how the texts are stored that could be read."""
        return [
            text_format(register, self.images[Identity.table])
            for register in Identity.registers.values()
            if isinstance(register.data_type, Text)
            and register.addresses[0] in self.images[Identity.table]
        ]

    @property
    def missing(self) -> list[Missing]:
        """Return the registers without a value."""
        values = (self.identity, self.clock, self.reading, self.settings)
        return [
            Missing(
                name, not self.images[group.table].keys() >= set(register.addresses)
            )
            for group in values
            for name, register in group.registers.items()
            if getattr(group, name) is None
        ]

    def numbers(self, layout: Layout) -> dict[str, int | float | None]:
        """Return the values of some registers as they would be in a layout."""
        return {
            register.name: register.decode(self.images[table], layout)
            for table, register in NUMBERS
        }


def text_format(register: Register[str], image: Image) -> TextFormat:
    """Return how a text is stored in the words that were read."""
    words = [image[address] for address in register.addresses]
    data = struct.pack(f">{len(words)}H", *words)
    text = data.partition(b"\0")[0].rstrip(b" \xff")
    tail = data[len(text) :]
    kinds = {PADDING_BYTES.get(byte, Padding.DATA) for byte in tail}
    return TextFormat(
        register.name,
        len(text),
        len(data),
        tuple(padding for padding in Padding if padding in kinds),
    )
