"""Why the vehicle does not get more current."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .control.limits import Limits, Source
from .control.settings import LEAST_CURRENT
from .modbus.enums import ChargePointState, StartStop, WaitingReasons
from .modbus.registers import Reading, Settings
from .modbus.snapshot import Snapshot
from .surplus.decision import Reason


class LimitedBy(StrEnum):
    """States of the sensor; the first that applies is shown."""

    FAULT = "fault"
    STOPPED = "stopped"
    FALLBACK = "fallback"
    PHASE_SWITCH_PENDING = "phase_switch_pending"
    LOAD_SHEDDING = "load_shedding"
    MAIN_UNIT_OFFLINE = "main_unit_offline"
    CT_OFFLINE = "ct_offline"
    HOST_NOT_RESPONDING = "host_not_responding"
    MINOR_ERROR_OR_OCPP_PAUSE = "minor_error_or_ocpp_pause"
    OFF = "off"
    STARTING = "starting"
    METER_LOST = "meter_lost"
    FUSE = "fuse"
    ENERGY_REACHED = "energy_reached"
    BATTERY = "battery"
    WAITING_FOR_SUN = "waiting_for_sun"
    PAUSING_SOON = "pausing_soon"
    PAUSED = "paused"
    APP_MAXIMUM = "app_maximum"
    HOST_REDUCES_CURRENT = "host_reduces_current"
    PHASE_BUDGET = "phase_budget"
    SUN = "sun"
    CURRENT_LIMIT = "current_limit"
    VEHICLE = "vehicle"
    NONE = "none"


SITE_SOURCES: Final = (Source.SURPLUS, Source.FUSE)

REACHED_LIMITS: Final = (
    LimitedBy.APP_MAXIMUM,
    LimitedBy.CURRENT_LIMIT,
    LimitedBy.PHASE_BUDGET,
    LimitedBy.SUN,
    LimitedBy.FUSE,
    LimitedBy.WAITING_FOR_SUN,
)
"""States of a vehicle that draws what it may."""

REACHED: Final = 1.0
"""A below its limit from which on a vehicle is limited by it."""

LEFT: Final = 2.0
"""A below its limit at which a vehicle is no longer limited by it.

The difference keeps the state from alternating with the vehicle's current.
"""


@dataclass(frozen=True)
class _Situation:
    """What decides on the state."""

    reading: Reading
    settings: Settings
    is_held: bool
    """The current is held down until the phase mode is restored."""
    limit: float | None
    """Current limit in A: the one asked for, or else the charger's own."""
    is_at_limit: bool
    """The vehicle draws what it may."""
    source: str | None
    """Source of the limit; None if it is the charger's own."""
    reason: Reason | None
    """Why the site decided as it did; None without a site."""


def _charger_reports(reason: WaitingReasons) -> Callable[[_Situation], bool]:
    """Return the check of a bit of the waiting bitset (input 402)."""
    return lambda now: reason in (now.reading.waiting_reasons or WaitingReasons(0))


def _has_fault(now: _Situation) -> bool:
    return now.reading.status is ChargePointState.FAULTED or bool(now.reading.errors)


def _is_stopped(now: _Situation) -> bool:
    if now.reading.status is ChargePointState.FINISHING:
        return True
    # An OCPP back end may have the charger ignore STOP.
    is_charging = now.reading.status is ChargePointState.CHARGING
    return now.settings.start_stop is StartStop.STOP and not is_charging


def _is_at_app_maximum(now: _Situation) -> bool:
    most = now.reading.app_max_current
    is_lower = most is not None and (now.limit is None or most <= now.limit)
    return now.is_at_limit and is_lower


def _site_pauses(*reasons: Reason) -> Callable[[_Situation], bool]:
    """Return the check of a reason to pause or to charge with the minimum."""
    return lambda now: now.source in SITE_SOURCES and now.reason in reasons


def _site_limits(*reasons: Reason) -> Callable[[_Situation], bool]:
    """Return the check of reasons for a limit that the vehicle reaches."""
    return lambda now: now.is_at_limit and _site_pauses(*reasons)(now)


def _is_paused(now: _Situation) -> bool:
    is_low = now.limit is not None and now.limit < LEAST_CURRENT
    return is_low and now.source not in SITE_SOURCES


def _site_pauses_or_limits(reason: Reason) -> Callable[[_Situation], bool]:
    """Return the check of a reason that counts unless the vehicle is what limits."""
    return lambda now: _site_pauses(reason)(now) and (now.limit == 0 or now.is_at_limit)


CAUSES: Final[dict[LimitedBy, Callable[[_Situation], bool]]] = {
    LimitedBy.FAULT: _has_fault,
    LimitedBy.STOPPED: _is_stopped,
    LimitedBy.FALLBACK: _charger_reports(WaitingReasons.MODBUS_FALLBACK),
    LimitedBy.PHASE_SWITCH_PENDING: lambda now: now.is_held,
    LimitedBy.LOAD_SHEDDING: _charger_reports(WaitingReasons.LOAD_SHEDDING),
    LimitedBy.MAIN_UNIT_OFFLINE: _charger_reports(WaitingReasons.MAIN_UNIT_OFFLINE),
    LimitedBy.CT_OFFLINE: _charger_reports(WaitingReasons.CT_OFFLINE),
    LimitedBy.HOST_NOT_RESPONDING: _charger_reports(WaitingReasons.HOST_NOT_RESPONDING),
    LimitedBy.MINOR_ERROR_OR_OCPP_PAUSE: _charger_reports(
        WaitingReasons.LOW_SEVERITY_ERROR_OR_OCPP_PAUSE
    ),
    LimitedBy.OFF: _site_pauses(Reason.OFF),
    LimitedBy.STARTING: _site_pauses(Reason.STARTING),
    LimitedBy.METER_LOST: _site_pauses(Reason.METER_LOST),
    LimitedBy.FUSE: _site_pauses_or_limits(Reason.FUSE),
    LimitedBy.ENERGY_REACHED: lambda now: now.source == Source.ENERGY,
    LimitedBy.BATTERY: _site_pauses(Reason.BATTERY),
    LimitedBy.WAITING_FOR_SUN: _site_pauses_or_limits(Reason.WAITING_FOR_SUN),
    LimitedBy.PAUSING_SOON: _site_pauses(Reason.PAUSING_SOON),
    LimitedBy.PAUSED: _is_paused,
    LimitedBy.APP_MAXIMUM: _is_at_app_maximum,
    LimitedBy.HOST_REDUCES_CURRENT: _charger_reports(
        WaitingReasons.HOST_REDUCES_CURRENT
    ),
    LimitedBy.PHASE_BUDGET: _site_limits(Reason.PHASE_BUDGET),
    # A charger shows a new limit some seconds late, and gives less until then.
    LimitedBy.SUN: _site_limits(Reason.SUN, Reason.CHARGER),
    LimitedBy.CURRENT_LIMIT: lambda now: now.is_at_limit,
    LimitedBy.VEHICLE: lambda now: (
        now.reading.status in (ChargePointState.CHARGING, ChargePointState.SUSPENDED_EV)
    ),
}


def limited_by(
    snapshot: Snapshot,
    limits: Limits,
    shown: LimitedBy | None,
    reason: Reason | None = None,
) -> LimitedBy | None:
    """Return the first cause that applies, None if it is unknown.

    It is unknown where nothing else applies and the charger pauses by itself,
    is out of service, or reports its reasons (input 402) not at all or with
    undocumented bits. `shown` is the state until now, and `reason` why the site
    decided as it did.
    """
    reading, settings = snapshot.reading, snapshot.settings
    limit, source = limits.lowest or (settings.current_limit, None)
    now = _Situation(
        reading=reading,
        settings=settings,
        is_held=source == Source.PHASES,
        limit=limit,
        source=source,
        reason=reason,
        is_at_limit=_is_at_limit(
            reading,
            (limit, settings.current_limit, reading.app_max_current),
            was_at_limit=shown in REACHED_LIMITS,
        ),
    )
    for cause, applies in CAUSES.items():
        if applies(now):
            return cause
    # A bit that is documented nowhere says that there is a reason.
    is_idle = reading.status in (
        ChargePointState.AVAILABLE,
        ChargePointState.PREPARING,
        ChargePointState.RESERVED,
    )
    return LimitedBy.NONE if is_idle and reading.waiting_reasons == 0 else None


def _is_at_limit(
    reading: Reading, limits: tuple[float | None, ...], *, was_at_limit: bool
) -> bool:
    """Return whether a vehicle that charges draws the least of the limits."""
    currents = [
        current
        for current in (reading.current_l1, reading.current_l2, reading.current_l3)
        if current is not None
    ]
    known = [limit for limit in limits if limit is not None]
    if reading.status is not ChargePointState.CHARGING or not currents or not known:
        return False
    return max(currents) >= min(known) - (LEFT if was_at_limit else REACHED)
