"""What is known of the surplus at one time."""

from dataclasses import dataclass

from .meter import MeterState


@dataclass(slots=True)
class Conditions:
    """What solar charging is decided by, besides the charger itself."""

    t: float
    """Time in s."""
    seconds: float
    """s since the last decision."""
    late: float
    """s after which a change of the surplus is seen, on average."""
    meter: MeterState
    meter_lost_at: float | None
    """When a meter that is missing will be lost, in s."""
    surplus: float
    """W that are left for the charger and those after it."""
    discharging: float
    """W that the battery gives, which are no surplus."""
    start_threshold: float
    """W above the minimum that a start needs."""
    is_battery_unknown: bool
    # Of each charger.
    always_on: bool = False
    """Whether charging never goes below the minimum."""
    is_entering: bool = False
    """Whether the surplus decides from now on, and did not before."""
