"""What a register is, and how a group of registers becomes typed values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Self, overload

from .codec import DataType, Layout


class Table(StrEnum):
    """The two tables of registers, whose addresses are independent."""

    INPUT = "input"
    HOLDING = "holding"


type Image = Mapping[int, int]
"""The words that were read, by register address; refused registers are absent."""

type Span = tuple[int, int]
"""The first address and the number of registers of one read request."""

MAX_SPAN = 125
"""The most registers that a Modbus read request may ask for."""


class Register[T]:
    """One line of the register map, and the attribute that holds its value."""

    name: str

    def __init__(
        self,
        address: int,
        data_type: DataType[T],
        *,
        valid: tuple[float, float] | None = None,
    ) -> None:
        """Describe a register.

        `valid` is the range, both ends included, outside of which a value is
        impossible: it is read as None and never written.
        """
        self.address = address
        self.data_type = data_type
        self.valid = valid

    def __set_name__(self, owner: type[RegisterGroup], name: str) -> None:
        """Enter the register into its group."""
        self.name = name
        self.group = owner

    @overload
    def __get__(self, group: None, owner: type[RegisterGroup]) -> Self: ...

    @overload
    def __get__(self, group: RegisterGroup, owner: type[RegisterGroup]) -> T | None: ...

    def __get__(
        self, group: RegisterGroup | None, owner: type[RegisterGroup]
    ) -> Self | T | None:
        """Return the value in a group, None when it is unknown."""
        if group is None:
            return self
        value: T | None = group.values.get(self.name)
        return value

    @property
    def addresses(self) -> range:
        """Return the addresses that the register fills."""
        return range(self.address, self.address + self.data_type.count)

    def is_valid(self, value: T) -> bool:
        """Return whether a value is possible."""
        if self.valid is None or not isinstance(value, int | float):
            return True
        low, high = self.valid
        return low <= value <= high

    def decode(self, image: Image, layout: Layout) -> T | None:
        """Return the value, or None when it was not read or is impossible."""
        words = [image[address] for address in self.addresses if address in image]
        if len(words) < self.data_type.count:
            return None
        value = self.data_type.decode(words, layout)
        return value if value is not None and self.is_valid(value) else None

    def encode(self, value: T, layout: Layout) -> list[int]:
        """Return the words of a value; ValueError when it is out of range."""
        if not self.is_valid(value):
            raise ValueError(f"{self.name} cannot be {value!r}, only {self.valid}")
        return self.data_type.encode(value, layout)


@dataclass
class RegisterGroup:
    """Registers that belong together, and the values that were read for them."""

    values: Mapping[str, Any]
    """The values by register name; a missing one is unknown."""

    table: ClassVar[Table]
    registers: ClassVar[tuple[Register[Any], ...]]

    def __init_subclass__(cls, *, table: Table = Table.INPUT) -> None:
        """Collect the registers of the class, which are all of one table."""
        cls.table = table
        cls.registers = tuple(
            member for member in vars(cls).values() if isinstance(member, Register)
        )

    @classmethod
    def decode(cls, image: Image, layout: Layout) -> Self:
        """Return the values that the words stand for."""
        return cls(
            {
                register.name: register.decode(image, layout)
                for register in cls.registers
            }
        )

    def replace(self, **values: Any) -> Self:
        """Return a copy with other values for some registers."""
        return type(self)({**self.values, **values})


def spans(registers: Iterable[Register[Any]], *, bridge: int = 0) -> list[Span]:
    """Return the read requests for registers, as few as possible.

    Up to `bridge` addresses between two registers are read along with them.
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
