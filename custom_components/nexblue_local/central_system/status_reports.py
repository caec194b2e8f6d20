"""What a charge point reports with StatusNotification."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from .tolerance import ErrorCode, Status, error_code, status, text

_ERRORS: Final = {
    Status.DIODE_ERROR: ErrorCode.DIODE_ERROR,
    Status.VENT_ERROR: ErrorCode.VENT_ERROR,
}
"""Statuses outside of OCPP 1.6 that are errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """A StatusNotification."""

    status: Status
    reported_status: str | None
    error: ErrorCode
    vendor_error: str | None
    info: str | None
    time: datetime
    is_late: bool

    @classmethod
    def from_payload(
        cls, payload: Mapping[str, object], time: datetime, *, is_late: bool
    ) -> Self:
        """Return what a StatusNotification says."""
        reported = payload.get("status")
        code = payload.get("errorCode")
        error = error_code(code)
        if error is ErrorCode.NO_ERROR:
            error = _ERRORS.get(status(reported), error)
        vendor_error = text(payload.get("vendorErrorCode"))
        if vendor_error is None and error is ErrorCode.OTHER_ERROR:
            vendor_error = text(code)
        return cls(
            status=status(reported),
            reported_status=text(reported),
            error=error,
            vendor_error=vendor_error,
            info=text(payload.get("info")),
            time=time,
            is_late=is_late,
        )

    def replaces(self, before: StatusReport | None) -> bool:
        """Return whether this is the newer of two reports.

        A late one may be the only one after an outage, but none follows a live one.
        """
        if not self.is_late or before is None:
            return True
        return before.is_late and self.time >= before.time
