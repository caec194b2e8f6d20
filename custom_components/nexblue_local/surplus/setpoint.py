"""What a mode wants for a charger, before fuse and reachability are regarded."""

from dataclasses import dataclass, field

from .decision import Reason
from .settings import PhaseMode


@dataclass(slots=True)
class Setpoint:
    """What a charger shall do, and when that changes."""

    amps: float | None
    """A; None leaves the charger alone."""
    reason: Reason
    phase_mode: PhaseMode | None = None
    changes: list[float | None] = field(default_factory=list)
    """When something changes if everything stays as it is, in s; None: never."""
    next_step_at: float | None = None
    """When the current follows the surplus; this is not one of `changes`."""
