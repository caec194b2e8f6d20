"""Which charging session it is: from leaving Available to returning to it."""

from dataclasses import dataclass
from typing import Any, Final, Self

from ..modbus.enums import ChargePointState
from ..modbus.registers import Reading

STORED_STEP: Final = 0.5
"""kWh."""


@dataclass
class Session:
    """The number of the session, and what tells that it is over."""

    number: int = 0
    is_open: bool = False
    energy: float = 0.0
    """The most session energy in kWh that was seen in it."""
    lower_reads: int = 0
    """Reads in a row whose session energy was less than that."""

    def observe(
        self, reading: Reading, energy: float | None, *, at_once: bool = False
    ) -> bool:
        """Take note of a reading; return whether a session ended.

        An end that nobody saw is told by a session energy, in kWh as it was
        read, that is less than before: twice in a row, for it not to be a
        misread, unless it has to be known at once.
        """
        if reading.status in (None, ChargePointState.INOPERATIVE):
            return False
        if reading.status is ChargePointState.AVAILABLE:
            was_open = self.is_open
            self._begin(is_open=False)
            return was_open
        if not self.is_open:
            self._begin(is_open=True)
        if energy is None:
            self.lower_reads = 0
            return False
        if energy >= self.energy:
            self.energy = energy
            self.lower_reads = 0
            return False
        self.lower_reads += 1
        if not at_once and self.lower_reads < 2:
            return False
        self._begin(is_open=True)
        self.energy = energy
        return True

    def _begin(self, *, is_open: bool) -> None:
        if self.is_open:
            self.number += 1
        self.is_open = is_open
        self.energy = 0.0
        self.lower_reads = 0

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored: the energy in steps, for the sake of the disk."""
        energy = self.energy // STORED_STEP * STORED_STEP
        return {"number": self.number, "is_open": self.is_open, "energy": energy}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return what was stored."""
        return cls(**data)
