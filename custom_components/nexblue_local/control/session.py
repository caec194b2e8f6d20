"""Which charging session it is: from leaving Available to returning to it."""

from dataclasses import dataclass
from typing import Any, Self

from ..charger.enums import ChargePointState
from ..charger.registers import Reading


@dataclass
class Session:
    """The number of the session, and what tells that it is over."""

    number: int = 0
    is_open: bool = False
    energy: float = 0.0
    """The most session energy in kWh that was seen in it."""

    def observe(self, reading: Reading, energy: float | None) -> bool:
        """Take note of a reading; return whether a session ended.

        An end that nobody saw is told by a session energy, in kWh as it was
        read, that is less than before.
        """
        if reading.status in (None, ChargePointState.INOPERATIVE):
            return False
        if reading.status is ChargePointState.AVAILABLE:
            was_open = self.is_open
            self._begin(is_open=False)
            return was_open
        ended = self.is_open and energy is not None and energy < self.energy
        if ended or not self.is_open:
            self._begin(is_open=True)
        self.energy = max(self.energy, energy or 0.0)
        return ended

    def _begin(self, *, is_open: bool) -> None:
        if self.is_open:
            self.number += 1
        self.is_open = is_open
        self.energy = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        return {"number": self.number, "is_open": self.is_open, "energy": self.energy}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return what was stored."""
        return cls(**data)
