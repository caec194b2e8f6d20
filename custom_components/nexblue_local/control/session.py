"""Which charging session it is: from leaving Available to returning to it."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from .link import Status
from .settings import StartStop

UNDECIDED: Final = (None, Status.INOPERATIVE, Status.FAULTED, Status.RESERVED)
"""Statuses with and without a vehicle."""


class End(Enum):
    """How it is known that a session ended."""

    NO = auto()
    INFERRED = auto()
    """The session energy is lower than before."""
    SEEN = auto()
    """The charger is available again."""


@dataclass
class Session:
    """The number of the session, and what shows that it is over."""

    number: int = 0
    is_open: bool = False
    energy: float = 0.0
    """Highest session energy in kWh that was seen in it."""
    lower_reads: int = 0
    """Consecutive reads with a lower session energy."""
    refused: StartStop | None = None
    """What the charger refused in it, on the present connection."""

    def observe(
        self, status: Status | None, energy: float | None, *, at_once: bool = False
    ) -> End:
        """Return whether a session ended, from its status and its energy in kWh.

        An end that was not seen is inferred from an energy that is lower than
        before: twice in a row, because it may be a misread, or `at_once`.
        """
        if status in UNDECIDED:
            return End.NO
        if status is Status.AVAILABLE:
            was_open = self.is_open
            self._begin(is_open=False)
            return End.SEEN if was_open else End.NO
        if not self.is_open:
            self._begin(is_open=True)
        if energy is None or energy >= self.energy:
            self.energy = self.energy if energy is None else energy
            self.lower_reads = 0
            return End.NO
        self.lower_reads += 1
        if not at_once and self.lower_reads < 2:
            return End.NO
        self._begin(is_open=True)
        self.energy = energy
        return End.INFERRED

    def _begin(self, *, is_open: bool) -> None:
        if self.is_open:
            self.number += 1
            self.refused = None
        self.is_open = is_open
        self.energy = 0.0
        self.lower_reads = 0
