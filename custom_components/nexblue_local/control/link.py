"""What control needs of a connection to a charger."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from .settings import Setting, Settings, Value


class Status(StrEnum):
    """Connector status of OCPP 1.6; `inoperative` is its Unavailable."""

    AVAILABLE = "available"
    PREPARING = "preparing"
    CHARGING = "charging"
    SUSPENDED_EVSE = "suspended_evse"
    SUSPENDED_EV = "suspended_ev"
    FINISHING = "finishing"
    RESERVED = "reserved"
    INOPERATIVE = "inoperative"
    FAULTED = "faulted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was read of a charger at one time."""

    status: Status | None
    settings: Settings
    session_energy: float | None
    """kWh as it was read, misreads included."""
    is_fallback_active: bool | None
    version: str | None = None
    """Version of the charger, for which what was learned of it holds."""


class LinkError(Exception):
    """A request failed; whatever it was to change did not change."""

    def __init__(
        self, key: str, detail: str = "", *, retry_after: float | None = None
    ) -> None:
        """Initialize with the key of its text.

        `retry_after` is the time in seconds for which another attempt would fail
        too, or would disturb another client of the charger.
        """
        super().__init__(detail)
        self.key = key
        self.retry_after = retry_after


class Refused(LinkError):
    """The charger refused a request."""


class Busy(Refused):
    """The charger was too busy for a request."""


class Lost(LinkError):
    """A request was sent and not answered, so that its effect is unknown."""


class Connection(Protocol):
    """A connection whose other end has been identified."""

    @property
    def is_over(self) -> bool:
        """Return whether the connection ended, or may be that of a restarted charger."""

    async def write(self, setting: Setting, value: Value) -> None:
        """Write a setting; raises LinkError."""

    async def check_writable(self) -> None:
        """Raise LinkError if a write would fail before it is sent."""

    async def read_settings(self) -> Settings:
        """Read the settings; raises LinkError."""


class Link(Protocol):
    """A charger, however it is connected."""

    @property
    def capabilities(self) -> AbstractSet[Setting]:
        """Return the settings that can be written."""

    @property
    def settings(self) -> Settings:
        """Return the settings as they were last read."""

    async def connect(self, *, patient: bool = True) -> Connection:
        """Return the open connection, or a new one; raises LinkError.

        A patient attempt waits for the charger to accept a connection after
        another one was closed.
        """

    async def observe(self) -> Observation:
        """Read the charger; raises LinkError."""

    def disconnect(self) -> None:
        """Close the connection."""
