"""A charging session, and how it is stored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Self

from .stored import exactly, not_negative, number, time


class DamagedSession(Exception):
    """A stored session that cannot be understood."""


class EndReason(StrEnum):
    """Why a session ended; those besides UNPLUGGED are known with OCPP only."""

    UNPLUGGED = "unplugged"
    DEAUTHORIZED = "deauthorized"
    """The tag was not accepted."""
    EMERGENCY_STOP = "emergency_stop"
    LOCAL = "local"
    """It was stopped at the charger."""
    POWER_LOSS = "power_loss"
    REBOOT = "reboot"
    """The charger restarted."""
    REMOTE = "remote"
    """It was stopped by the back end or by an app."""
    UNLOCKED = "unlocked"
    """The connector was unlocked by a command."""
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A charging session. Times have a time zone, and are stored in UTC."""

    charger_id: str
    """Serial number; of a charger with OCPP only, the ID of its charge point."""
    start: datetime
    end: datetime | None
    """None while it runs."""
    energy_wh: float
    solar_wh: float | None = None
    """None if it is not known, because there is no site."""
    grid_wh: float | None = None
    battery_wh: float | None = None
    peak_w: float | None = None
    phase_switches: int = 0
    end_reason: EndReason | None = None
    tag: str | None = None
    """Name of the tag, or its ID if it has none."""
    transaction_id: int | None = None
    is_accepted: bool = True
    """False if the charger ran it although its tag was rejected."""
    is_reconstructed: bool = False
    """Whether it began or ended unseen, and follows from the charger's counters."""
    cost: float | None = None
    """Cost of the energy from the grid, in the currency of the price sensor."""

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored; values that are the default are left out."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        defaults = {field.name: field.default for field in fields(self)}
        return {
            name: value.astimezone(UTC).isoformat()
            if isinstance(value, datetime)
            else value
            for name, value in values.items()
            if value != defaults[name]
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Return a stored session; raises DamagedSession."""
        try:
            values: dict[str, Any] = {
                name: None if stored[name] is None else decode(stored[name])
                for name, decode in _DECODERS.items()
                if name in stored
            }
            session = cls(**values)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise DamagedSession(f"{type(error).__name__}: {error}") from error
        if any(getattr(session, name) is None for name in _REQUIRED):
            raise DamagedSession("a required value is missing")
        if session.end is not None and session.end < session.start:
            raise DamagedSession("it ends before it starts")
        return session


def _end_reason(value: object) -> EndReason:
    try:
        return EndReason(exactly(str)(value))
    except ValueError:
        # A later version may know more of them.
        return EndReason.OTHER


_DECODERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "charger_id": exactly(str),
    "start": time,
    "end": time,
    "energy_wh": not_negative,
    "solar_wh": not_negative,
    "grid_wh": not_negative,
    "battery_wh": not_negative,
    "peak_w": not_negative,
    "phase_switches": exactly(int),
    "end_reason": _end_reason,
    "tag": exactly(str),
    "transaction_id": exactly(int),
    "is_accepted": exactly(bool),
    "is_reconstructed": exactly(bool),
    "cost": number,
}

_REQUIRED: Final = (
    "charger_id",
    "start",
    "energy_wh",
    "phase_switches",
    "is_accepted",
    "is_reconstructed",
)
"""What is never None."""
