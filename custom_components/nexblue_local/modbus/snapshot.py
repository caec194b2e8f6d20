"""All values of a charger at one time."""

from dataclasses import dataclass

from .registers import Clock, Identity, Reading, Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """All values of a charger at one time."""

    identity: Identity
    clock: Clock
    clock_offset: float | None
    """Seconds by which the charger's clock was ahead when it was last read."""
    reading: Reading
    session_energy_read: float | None
    """Session energy in kWh as it was read, including misreads."""
    settings: Settings
