"""Conversion between register words and values.

Words that hold no valid value (NaN, infinity, an unknown state, bytes that are
not text) decode to None.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import IntEnum, IntFlag, StrEnum
import math
import struct
from typing import override


class Layout(StrEnum):
    """Byte order of 32- and 64-bit values; A is the most significant byte.

    Text and 16-bit registers are the same in every layout.
    """

    DCBA = "DCBA"
    """Little-endian, as the vendor documents it."""
    CDAB = "CDAB"
    """Big-endian registers, least significant register first."""
    ABCD = "ABCD"
    """Big-endian, the Modbus default."""


def _reorder(words: Sequence[int], layout: Layout) -> bytes:
    """Return the bytes of a value, most significant first."""
    if len(words) == 1 or layout is Layout.ABCD:
        return struct.pack(f">{len(words)}H", *words)
    byte_order = "<" if layout is Layout.DCBA else ">"
    return struct.pack(f"{byte_order}{len(words)}H", *reversed(words))


def _restore(data: bytes, layout: Layout) -> list[int]:
    """Return the words of a value from its bytes, most significant first."""
    count = len(data) // 2
    if count == 1 or layout is Layout.ABCD:
        return list(struct.unpack(f">{count}H", data))
    byte_order = "<" if layout is Layout.DCBA else ">"
    return list(reversed(struct.unpack(f"{byte_order}{count}H", data)))


class DataType[T](ABC):
    """Base class of the data types of registers."""

    def __init__(self, count: int) -> None:
        """Initialize the data type, which takes `count` registers."""
        self.count = count

    @property
    def depends_on_layout(self) -> bool:
        """Return whether the words mean another value in another layout."""
        return False

    @abstractmethod
    def decode(self, words: Sequence[int], layout: Layout) -> T | None:
        """Return the value of `count` words, None if they hold no valid value."""

    @abstractmethod
    def encode(self, value: T, layout: Layout) -> list[int]:
        """Return the `count` words of a value; raise ValueError if it does not fit."""


class Number[T: (int, float)](DataType[T]):
    """A number, described by its format character of the struct module."""

    def __init__(self, code: str) -> None:
        """Initialize the number from its format character, such as `f`."""
        self._struct = struct.Struct(f">{code}")
        super().__init__(self._struct.size // 2)

    @property
    @override
    def depends_on_layout(self) -> bool:
        return self.count > 1

    @override
    def decode(self, words: Sequence[int], layout: Layout) -> T | None:
        value: T
        (value,) = self._struct.unpack(_reorder(words, layout))
        return value if math.isfinite(value) else None

    @override
    def encode(self, value: T, layout: Layout) -> list[int]:
        try:
            return _restore(self._struct.pack(value), layout)
        except (struct.error, OverflowError) as error:
            raise ValueError(f"{value!r} does not fit its register") from error


class Text(DataType[str]):
    """Printable text, padded with NUL, 0xFF or spaces; empty text decodes to None."""

    @override
    def decode(self, words: Sequence[int], layout: Layout) -> str | None:
        data = struct.pack(f">{self.count}H", *words)
        try:
            text = data.partition(b"\0")[0].rstrip(b"\xff").decode().strip()
        except UnicodeDecodeError:
            return None
        return text if text and text.isprintable() else None

    @override
    def encode(self, value: str, layout: Layout) -> list[int]:
        data = value.encode()
        size = self.count * 2
        if len(data) > size:
            raise ValueError(f"{value!r} is longer than {size} bytes")
        return list(struct.unpack(f">{self.count}H", data.ljust(size, b"\0")))


class Enumeration[E: IntEnum](DataType[E]):
    """A member of an enumeration in one register."""

    def __init__(self, members: type[E]) -> None:
        """Initialize the data type with the enumeration."""
        super().__init__(1)
        self._members = members

    @override
    def decode(self, words: Sequence[int], layout: Layout) -> E | None:
        try:
            return self._members(words[0])
        except ValueError:
            return None

    @override
    def encode(self, value: E, layout: Layout) -> list[int]:
        return [self._members(value)]


class Bitset[F: IntFlag](DataType[F]):
    """Flags in one register; undocumented bits are kept."""

    def __init__(self, flags: type[F]) -> None:
        """Initialize the data type; the class of flags has to keep unknown bits."""
        super().__init__(1)
        self._flags = flags

    @override
    def decode(self, words: Sequence[int], layout: Layout) -> F | None:
        return self._flags(words[0])

    @override
    def encode(self, value: F, layout: Layout) -> list[int]:
        return UINT16.encode(value, layout)


UINT16: DataType[int] = Number("H")
INT16: DataType[int] = Number("h")
UINT32: DataType[int] = Number("I")
UINT64: DataType[int] = Number("Q")
FLOAT32: DataType[float] = Number("f")
