"""What is known of a charge point."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Self

from ..ledger.session import EndReason
from .meter_values import MeterValues
from .tolerance import ErrorCode, Status, text


@dataclass(frozen=True, slots=True, kw_only=True)
class BootInfo:
    """What a charge point says of itself in BootNotification."""

    vendor: str | None = None
    model: str | None = None
    serial_number: str | None = None
    firmware_version: str | None = None
    meter_type: str | None = None
    meter_serial_number: str | None = None

    @classmethod
    def from_payload(cls, payload: Mapping[str, object]) -> Self:
        """Return what a BootNotification says."""
        return cls(
            vendor=text(payload.get("chargePointVendor")),
            model=text(payload.get("chargePointModel")),
            serial_number=text(payload.get("chargePointSerialNumber"))
            or text(payload.get("chargeBoxSerialNumber")),
            firmware_version=text(payload.get("firmwareVersion")),
            meter_type=text(payload.get("meterType")),
            meter_serial_number=text(payload.get("meterSerialNumber")),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: object) -> Self | None:
        """Return what was stored, None if that was nothing."""
        if not isinstance(stored, Mapping):
            return None
        return cls(**{each.name: text(stored.get(each.name)) for each in fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTransaction:
    """A transaction that has not ended."""

    number: int
    tag: str
    """Name of the tag, or its ID."""
    is_accepted: bool
    """False if the charge point runs it although the tag was rejected."""
    start: datetime
    energy: float
    """Wh"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargePointState:
    """What is known of a charge point. Values of a connector are those of the first."""

    is_connected: bool = False
    is_adopted: bool = False
    connected_at: datetime | None = None
    last_seen: datetime | None = None
    """Time of the latest message."""
    boot: BootInfo | None = None
    """Also from before a restart of Home Assistant."""
    status: Status | None = None
    reported_status: str | None = None
    """The status as the charge point spells it."""
    error: ErrorCode | None = None
    vendor_error: str | None = None
    info: str | None = None
    """Free text to the status."""
    is_operative: bool | None = None
    """Whether the charge point takes vehicles: availability in the words of OCPP."""
    transaction: OpenTransaction | None = None
    end_reason: EndReason | None = None
    """Why the latest transaction ended."""
    meter_values: MeterValues = field(default_factory=MeterValues)
    firmware_status: str | None = None
    diagnostics_status: str | None = None
    bad_messages: int = 0
    """Messages that could not be understood."""
