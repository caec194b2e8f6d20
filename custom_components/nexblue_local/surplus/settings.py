"""Settings of the surplus controller."""

from dataclasses import dataclass
from enum import StrEnum
import math
from typing import Final


class InvalidSettings(ValueError):
    """A setting is outside its range."""


class Mode(StrEnum):
    """What the chargers do."""

    MANUAL = "manual"
    """Leave the chargers alone, except for the fuse."""
    OFF = "off"
    FAST = "fast"
    """Charge with the ceiling."""
    SOLAR = "solar"
    """Charge with surplus only."""
    SOLAR_MIN = "solar_min"
    """Charge with surplus, and never below the minimum."""


SOLAR_MODES: Final = (Mode.SOLAR, Mode.SOLAR_MIN)


class PhaseMode(StrEnum):
    """Phases that a charger uses."""

    ONE = "one"
    THREE = "three"
    ADAPTIVE = "adaptive"


class Restarts(StrEnum):
    """How often charging may stop and start again."""

    FEW = "few"
    BALANCED = "balanced"
    MANY = "many"


LARGEST: Final = 1e6
"""No setting is larger; in A, W or percent."""


def _check(name: str, value: float, least: float = 0.0, most: float = LARGEST) -> None:
    if not (math.isfinite(value) and least <= value <= most):
        raise InvalidSettings(f"{name} must be between {least:g} and {most:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuse:
    """The main fuse of the house."""

    main_a: float = 25.0
    """A per phase."""
    margin_a: float = 1.0
    """A that are left free."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check("main_a", self.main_a)
        _check("margin_a", self.margin_a)

    @property
    def usable_a(self) -> float:
        """Return what may flow through each phase, in A."""
        return self.main_a - self.margin_a


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """The battery of the house."""

    car_first_above_soc: float = 100.0
    """State of charge in % from which what charges the battery is surplus."""

    def __post_init__(self) -> None:
        """Check the range."""
        _check("car_first_above_soc", self.car_first_above_soc, most=100.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerSettings:
    """Settings of a charger."""

    id: str
    mode: Mode = Mode.SOLAR
    ceiling_a: float = 16.0
    """The user's limit in A; below `min_a` there is no charging."""
    min_a: float = 6.0
    """Lowest current in A with which the car charges."""
    supply_phases: int = 3
    """1 or 3."""
    can_switch: bool = True
    """Whether the phase mode may be switched."""
    rotation: tuple[int, int, int] = (1, 2, 3)
    """Phases of the house at L1, L2 and L3; one-phase charging uses the first."""
    phase_mode: PhaseMode = PhaseMode.ONE
    """Phase mode until the charger was read."""
    switches: tuple[float, ...] = ()
    """When the phases were switched in this session, in s; may be negative."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check("ceiling_a", self.ceiling_a)
        _check("min_a", self.min_a, least=0.1)
        if self.supply_phases not in (1, 3):
            raise InvalidSettings("supply_phases must be 1 or 3")
        if sorted(self.rotation) != [1, 2, 3]:
            raise InvalidSettings("rotation must contain 1, 2 and 3 once each")
        if not all(map(math.isfinite, self.switches)):
            raise InvalidSettings("switches must be finite")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of the house and its chargers."""

    chargers: tuple[ChargerSettings, ...]
    """In the order in which they get the surplus."""
    start_threshold_w: float = 0.0
    """Surplus in W above the minimum that a start needs."""
    export_kept_w: float = 0.0
    """W that are exported rather than used."""
    import_tolerated_w: float = 0.0
    """W that may be imported to charge."""
    fuse: Fuse | None = None
    battery: Battery | None = None
    restarts: Restarts = Restarts.BALANCED

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check("start_threshold_w", self.start_threshold_w)
        _check("export_kept_w", self.export_kept_w)
        _check("import_tolerated_w", self.import_tolerated_w)
        if len({charger.id for charger in self.chargers}) < len(self.chargers):
            raise InvalidSettings("each charger must have an id of its own")
