"""Registers, and groups of registers with typed values."""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Final, Self

from .codec import DataType, Layout


class Table(StrEnum):
    """The two register tables of Modbus; each has its own addresses."""

    INPUT = "input"
    HOLDING = "holding"


type Image = Mapping[int, int]
"""The 16-bit words that were read, by address; refused registers are missing."""

REGISTER: Final = "register"
"""Key of a register in the metadata of its field."""


class Register[T]:
    """A register of the map, whose value is a field of a group."""

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


def register[T](
    address: int, data_type: DataType[T], *, valid: tuple[float, float] | None = None
) -> T | None:
    """Return the dataclass field of a register, which is None while it is unknown.

    The parameters are those of `Register`. The return type is that of the value, so
    that mypy compares it with the annotation of the field.
    """
    return field(
        default=None, metadata={REGISTER: Register(address, data_type, valid=valid)}
    )


@dataclass(frozen=True, kw_only=True)
class RegisterGroup:
    """Base class of groups of registers in one table.

    Each field is the value of a register, None if it is unknown. `registers` holds
    the registers by the names of their fields.
    """

    table: ClassVar[Table]
    registers: ClassVar[Mapping[str, Register[Any]]]

    def __init_subclass__(cls, *, table: Table = Table.INPUT) -> None:
        """Collect the registers of the fields."""
        super().__init_subclass__()
        cls.table = table
        cls.registers = {
            name: member.metadata[REGISTER]
            for name, member in vars(cls).items()
            if isinstance(member, Field)
        }
        for name, member in cls.registers.items():
            member.name = name

    @classmethod
    def decode(cls, image: Image, layout: Layout) -> Self:
        """Return the group with the values of the words."""
        return cls(
            **{
                name: register.decode(image, layout)
                for name, register in cls.registers.items()
            }
        )

    def encode(self, layout: Layout) -> dict[int, int]:
        """Return the words by address, without those of unknown values."""
        words: dict[int, int] = {}
        for name, register in self.registers.items():
            if (value := getattr(self, name)) is not None:
                words |= zip(
                    register.addresses, register.encode(value, layout), strict=True
                )
        return words
