"""What the controller decides."""

from dataclasses import dataclass
from enum import StrEnum

from .settings import PhaseMode


class Reason(StrEnum):
    """Why a charger gets the current that it gets."""

    SUN = "sun"
    WAITING_FOR_SUN = "waiting_for_sun"
    PAUSING_SOON = "pausing_soon"
    """The surplus is below the minimum; charging will stop unless it rises."""
    FUSE = "fuse"
    BATTERY = "battery"
    """The battery discharges, or its power is unknown."""
    CAR = "car"
    """There is no car, it takes less than offered, or it does not resume."""
    PHASE_BUDGET = "phase_budget"
    """Another number of phases would be better, but may not be switched to yet."""
    CHARGER = "charger"
    """The charger cannot be read, is out of order, or reduces the current."""
    METER_LOST = "meter_lost"
    CEILING = "ceiling"
    """The user's limit."""
    MANUAL = "manual"
    OFF = "off"
    FAST = "fast"
    STARTING = "starting"
    """The controller has started and waits for the first report of the grid meter."""


@dataclass(frozen=True, slots=True)
class ChargerDecision:
    """What a charger shall do."""

    id: str
    current_a: float | None
    """A in steps of 0.1; 0 pauses, None leaves the charger alone."""
    fuse_a: float | None
    """A that the fuse leaves, in any mode; None: as much as anybody may want."""
    phase_mode: PhaseMode | None
    """Phase mode to switch to; None leaves it alone."""
    reason: Reason
    next_change_at: float | None
    """When this would change if everything stays as it is, in s; None: it would not."""
    next_transition_at: float | None
    """The same without the steps with which the current follows the surplus."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What all chargers shall do, in the order of the settings."""

    t: float
    chargers: tuple[ChargerDecision, ...]
