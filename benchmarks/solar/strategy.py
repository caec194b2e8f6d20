"""What a strategy sees, and what it answers."""

from dataclasses import dataclass
from typing import Literal, Protocol

Status = Literal["charging", "suspended_ev", "suspended_evse"]
PerPhase = tuple[float, float, float]

MIN_CURRENT = 6.0  # A, the lowest that IEC 61851-1 knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a user would configure."""

    ceiling: float  # A
    supply_phases: int
    can_switch: bool


@dataclass(frozen=True, slots=True)
class MeterReport:
    """Power at the grid connection in W, import positive, and when it was reported."""

    at: float
    grid: float


@dataclass(frozen=True, slots=True)
class ChargerRead:
    """The charger as it was last read."""

    at: float
    status: Status
    powers: PerPhase  # W
    currents: PerPhase  # A
    voltages: PerPhase  # V
    offered: float  # A
    phases: int

    @property
    def power(self) -> float:
        """Power of all phases in W."""
        return sum(self.powers)


@dataclass(frozen=True, slots=True)
class Reading:
    """All that is known at a time; None where nothing has been read yet."""

    t: float
    meter: MeterReport | None
    charger: ChargerRead | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A current limit in A, 0 to pause, and the phases to switch to, None to leave them."""

    current: float
    phases: int | None = None


class Strategy(Protocol):
    """Decides how much current the car gets."""

    def decide(self, reading: Reading) -> Answer:
        """Return the answer to a reading. Time never goes back."""
