"""What the controller is told: meter, battery and chargers at one time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from .settings import Mode, PhaseMode

type Phases = tuple[float | None, float | None, float | None]
"""A value for each phase; None is unknown or not measured."""


class Status(StrEnum):
    """State of a charger, as in OCPP 1.6."""

    AVAILABLE = "available"
    PREPARING = "preparing"
    CHARGING = "charging"
    SUSPENDED_EVSE = "suspended_evse"
    SUSPENDED_EV = "suspended_ev"
    FINISHING = "finishing"
    RESERVED = "reserved"
    UNAVAILABLE = "unavailable"
    FAULTED = "faulted"


NO_CAR: Final = frozenset(
    {Status.AVAILABLE, Status.RESERVED, Status.UNAVAILABLE, Status.FAULTED}
)
"""States in which no car can charge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerReading:
    """What was read of a charger; None is unknown."""

    id: str
    at: float | None = None
    """When it was read, in s."""
    status: Status | None = None
    power_w: Phases | None = None
    current_a: Phases | None = None
    voltage_v: Phases | None = None
    offered_a: float | None = None
    """Current limit as read, in A: it may lag and may be reduced."""
    phase_mode: PhaseMode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Settings that the user changed."""

    mode: Mapping[str, Mode] = field(default_factory=dict)
    """New modes, by the id of the charger."""
    ceiling_a: Mapping[str, float] = field(default_factory=dict)
    """New ceilings in A, by the id of the charger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Everything that is known at one time; None is unknown."""

    t: float
    """Time in s; it never falls."""
    grid_w: float | None = None
    """Grid power in W, positive is import, chargers included."""
    grid_at: float | None = None
    """When the grid meter reported, changed or not, in s."""
    house_a: Phases | None = None
    """Current in A of each phase of the house, positive is import, chargers included."""
    house_at: float | None = None
    """When these currents were reported, in s."""
    battery_w: float | None = None
    """Battery power in W, positive is discharging."""
    battery_soc: float | None = None
    """State of charge in %."""
    chargers: tuple[ChargerReading, ...] = ()
    changes: Changes | None = None
