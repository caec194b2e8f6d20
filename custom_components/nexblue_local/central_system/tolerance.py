"""What real chargers send that OCPP 1.6 forbids, and values that are none."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
import math
from typing import Final

from ..ledger.session import EndReason

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far the clock of a charger may be off."""

MAX_TEXT: Final = 255

# A clock that was never set shows 1970, or the year its firmware was made.
_EARLIEST: Final = datetime(2020, 1, 1, tzinfo=UTC)


class Status(StrEnum):
    """Status of a charge point: those of OCPP 1.6, and those seen besides."""

    AVAILABLE = "available"
    PREPARING = "preparing"
    CHARGING = "charging"
    SUSPENDED_EV = "suspended_ev"
    SUSPENDED_EVSE = "suspended_evse"
    FINISHING = "finishing"
    RESERVED = "reserved"
    UNAVAILABLE = "unavailable"
    FAULTED = "faulted"
    DIODE_ERROR = "diode_error"
    VENT_ERROR = "vent_error"
    OTHER = "other"


class ErrorCode(StrEnum):
    """Error code of a charge point: those of OCPP 1.6, and those seen besides."""

    NO_ERROR = "no_error"
    CONNECTOR_LOCK_FAILURE = "connector_lock_failure"
    EV_COMMUNICATION_ERROR = "ev_communication_error"
    GROUND_FAILURE = "ground_failure"
    HIGH_TEMPERATURE = "high_temperature"
    INTERNAL_ERROR = "internal_error"
    LOCAL_LIST_CONFLICT = "local_list_conflict"
    OVER_CURRENT_FAILURE = "over_current_failure"
    OVER_VOLTAGE = "over_voltage"
    POWER_METER_FAILURE = "power_meter_failure"
    POWER_SWITCH_FAILURE = "power_switch_failure"
    READER_FAILURE = "reader_failure"
    RESET_FAILURE = "reset_failure"
    UNDER_VOLTAGE = "under_voltage"
    WEAK_SIGNAL = "weak_signal"
    DIODE_ERROR = "diode_error"
    VENT_ERROR = "vent_error"
    OTHER_ERROR = "other_error"


_END_REASONS: Final[Mapping[str, EndReason]] = {
    "deauthorized": EndReason.DEAUTHORIZED,
    "emergencystop": EndReason.EMERGENCY_STOP,
    "evdisconnected": EndReason.UNPLUGGED,
    "hardreset": EndReason.REBOOT,
    # Stopped at the charger; a StopTransaction without a reason means this, too.
    "local": EndReason.LOCAL,
    "": EndReason.LOCAL,
    "powerloss": EndReason.POWER_LOSS,
    "reboot": EndReason.REBOOT,
    "remote": EndReason.REMOTE,
    "softreset": EndReason.REBOOT,
    "unlockcommand": EndReason.UNLOCKED,
}


def _letters(value: object) -> str:
    """Return the letters of a name, so that its spelling does not matter."""
    text = value if isinstance(value, str) else ""
    return "".join(filter(str.isalpha, text[:MAX_TEXT])).lower()


_STATUSES: Final = {_letters(status): status for status in Status}
_ERROR_CODES: Final = {_letters(code): code for code in ErrorCode}


def status(value: object) -> Status:
    """Return the status that a charge point reports."""
    return _STATUSES.get(_letters(value), Status.OTHER)


def error_code(value: object) -> ErrorCode:
    """Return the error code that a charge point reports; nothing is no error."""
    if value in (None, ""):
        return ErrorCode.NO_ERROR
    return _ERROR_CODES.get(_letters(value), ErrorCode.OTHER_ERROR)


def end_reason(value: object) -> EndReason:
    """Return why a transaction ended."""
    return _END_REASONS.get(_letters(value), EndReason.OTHER)


def text(value: object) -> str | None:
    """Return a text without what surrounds and what ends it, None if there is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**MAX_TEXT else None
    if not isinstance(value, str):
        return None
    # A lone surrogate could not be stored.
    clean = value.encode(errors="replace").decode()
    return clean.replace("\0", "").strip()[:MAX_TEXT] or None


def number(value: object) -> float | None:
    """Return a number, also from a text; None for what is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        result = float(value)
    except ValueError, OverflowError:
        return None
    return result if math.isfinite(result) else None


def integer(value: object) -> int | None:
    """Return a 32-bit integer, also from a text or from a float without fraction."""
    result = number(value)
    if result is None or not result.is_integer() or abs(result) >= 2**31:
        return None
    return int(result)


@dataclass(frozen=True, slots=True)
class Moment:
    """When a message was created: according to the charger, or else when it came."""

    time: datetime
    is_from_charger: bool


def moment(value: object, received: datetime) -> Moment:
    """Return the time of a message.

    Times without a zone, before 2020 and in the future are those of a clock that is not
    set: the time of receipt is used instead.
    """
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        if time is not None and time.utcoffset() is not None:
            time = time.astimezone(UTC)
            if _EARLIEST <= time <= received + CLOCK_TOLERANCE:
                # A few minutes in the future are none: the clock is a little fast.
                return Moment(min(time, received), is_from_charger=True)
    except ValueError, OverflowError:
        pass
    return Moment(received, is_from_charger=False)
