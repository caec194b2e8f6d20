"""Registers, groups of registers with typed values, and read requests."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Self, overload

from .codec import DataType, Layout


class Table(StrEnum):
    """The two register tables of Modbus; each has its own addresses."""

    INPUT = "input"
    HOLDING = "holding"


type Image = Mapping[int, int]
"""The 16-bit words that were read, by address; refused registers are missing."""

type Span = tuple[int, int]
"""First address and number of registers of a read request."""

MAX_SPAN = 125
"""Maximum number of registers in a Modbus read request."""


class Register[T]:
    """A register of the map; as an attribute of a group it returns the value."""

    name: str

    def __init__(
        self,
        address: int,
        data_type: DataType[T],
        *,
        valid: tuple[float, float] | None = None,
    ) -> None:
        """Initialize the register at its first `address`.

        `valid` is the range of possible values, both ends included. Other values
        are read as None and are not written.
        """
        self.address = address
        self.data_type = data_type
        self.valid = valid

    def __set_name__(self, owner: type[RegisterGroup], name: str) -> None:
        """Set the name and the group of the register."""
        self.name = name
        self.group = owner

    @overload
    def __get__(self, group: None, owner: type[RegisterGroup]) -> Self: ...

    @overload
    def __get__(self, group: RegisterGroup, owner: type[RegisterGroup]) -> T | None: ...

    def __get__(
        self, group: RegisterGroup | None, owner: type[RegisterGroup]
    ) -> Self | T | None:
        """Return the value in a group, None if it is unknown."""
        if group is None:
            return self
        value: T | None = group.values.get(self.name)
        return value

    @property
    def addresses(self) -> range:
        """Return the addresses of the register's words."""
        return range(self.address, self.address + self.data_type.count)

    def is_valid(self, value: T) -> bool:
        """Return whether a value is in the valid range."""
        if self.valid is None or not isinstance(value, int | float):
            return True
        low, high = self.valid
        return low <= value <= high

    def decode(self, image: Image, layout: Layout) -> T | None:
        """Return the value; None if it was not read or is not possible."""
        words = [image[address] for address in self.addresses if address in image]
        if len(words) < self.data_type.count:
            return None
        value = self.data_type.decode(words, layout)
        return value if value is not None and self.is_valid(value) else None

    def encode(self, value: T, layout: Layout) -> list[int]:
        """Return the words of a value; raise ValueError if it is out of range."""
        if not self.is_valid(value):
            raise ValueError(f"{self.name} cannot be {value!r}, only {self.valid}")
        return self.data_type.encode(value, layout)


@dataclass
class RegisterGroup:
    """Base class of register groups, which hold the values that were read."""

    values: Mapping[str, Any]
    """Values by register name; missing ones are unknown."""

    table: ClassVar[Table]
    registers: ClassVar[tuple[Register[Any], ...]]

    def __init_subclass__(cls, *, table: Table = Table.INPUT) -> None:
        """Collect the registers of the class; all of them are in one table."""
        cls.table = table
        cls.registers = tuple(
            member for member in vars(cls).values() if isinstance(member, Register)
        )

    @classmethod
    def decode(cls, image: Image, layout: Layout) -> Self:
        """Return the group with the values of the words."""
        return cls(
            {
                register.name: register.decode(image, layout)
                for register in cls.registers
            }
        )

    def replace(self, **values: Any) -> Self:
        """Return a copy in which some values are replaced."""
        return type(self)({**self.values, **values})


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
