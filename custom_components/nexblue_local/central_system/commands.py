"""What a charge point can be asked; each command raises CommandError."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from ocpp.v16 import call
from ocpp.v16.datatypes import AuthorizationData, ChargingProfile
from ocpp.v16.enums import (
    AvailabilityType,
    ChargingProfilePurposeType,
    ChargingRateUnitType,
    ConfigurationKey,
    MessageTrigger,
    ResetType,
    UpdateType,
)

from .errors import CommandError, ErrorKey
from .messages import Payload
from .tags import ocpp_time
from .tolerance import integer, number, text

DEFAULT_CHUNK: Final = 20
"""Tags of one SendLocalList to a charge point that does not tell its maximum."""

SMART_CHARGING: Final = "SmartCharging"
"""The feature profile of charging profiles."""

_SUCCESS: Final[Mapping[str, tuple[str, ...]]] = {
    "ChangeAvailability": ("Accepted", "Scheduled"),
    "ChangeConfiguration": ("Accepted", "RebootRequired"),
    "GetConfiguration": (),
    "GetDiagnostics": (),
    "GetLocalListVersion": (),
    "UnlockConnector": ("Unlocked",),
    "UpdateFirmware": (),
}
"""The statuses that are no error, where these are others than Accepted."""


@dataclass(frozen=True, slots=True)
class ConfigurationValue:
    """A configuration key of a charge point."""

    value: str | None
    is_readonly: bool


@dataclass(frozen=True, slots=True)
class SchedulePeriod:
    """A period of a composite schedule, up to the next one."""

    start: float
    """s after the begin of the schedule"""
    limit: float
    """A or W"""
    phases: int | None


class Caller(Protocol):
    """Sends requests to the charge point."""

    async def call(self, request: object) -> Payload:
        """Send a request of the ocpp library and return the answer's payload."""


class Commands:
    """Commands of OCPP 1.6 to one charge point."""

    def __init__(self, caller: Caller) -> None:
        """Initialize with what sends requests."""
        self._caller = caller

    async def _command(self, request: object) -> Payload:
        """Send a request; raise CommandError unless its answer is one of success."""
        action = type(request).__name__
        payload = await self._caller.call(request)
        success = _SUCCESS.get(action, ("Accepted",))
        if success and payload.get("status") not in success:
            status = text(payload.get("status"))
            key = ErrorKey.INVALID_ANSWER if status is None else ErrorKey.REFUSED
            raise CommandError(key, action, status or "")
        return payload

    async def remote_start(self, tag: str, connector_id: int) -> None:
        """Start a transaction."""
        await self._command(
            call.RemoteStartTransaction(id_tag=tag, connector_id=connector_id)
        )

    async def remote_stop(self, transaction: int) -> None:
        """Stop a transaction."""
        await self._command(call.RemoteStopTransaction(transaction_id=transaction))

    async def reset(self, *, is_hard: bool = False) -> None:
        """Restart the charge point."""
        kind = ResetType.hard if is_hard else ResetType.soft
        await self._command(call.Reset(type=kind))

    async def unlock_connector(self, connector_id: int = 1) -> None:
        """Unlock the connector, which ends a transaction."""
        await self._command(call.UnlockConnector(connector_id=connector_id))

    async def change_availability(
        self, *, is_operative: bool, connector_id: int = 0
    ) -> bool:
        """Take the charge point into or out of service.

        Returns whether that is done already, not only after the transaction.
        """
        operative, inoperative = (
            AvailabilityType.operative,
            AvailabilityType.inoperative,
        )
        payload = await self._command(
            call.ChangeAvailability(
                connector_id=connector_id,
                type=operative if is_operative else inoperative,
            )
        )
        return bool(payload["status"] == "Accepted")

    async def get_configuration(
        self, keys: Sequence[str] | None = None
    ) -> dict[str, ConfigurationValue]:
        """Return the configuration, or of it the keys that the charge point knows."""
        payload = await self._command(
            call.GetConfiguration(key=None if keys is None else list(keys))
        )
        entries = payload.get("configurationKey")
        return {
            key: ConfigurationValue(
                text(entry.get("value")), bool(entry.get("readonly"))
            )
            for entry in (entries if isinstance(entries, list) else ())
            if isinstance(entry, dict) and (key := text(entry.get("key"))) is not None
        }

    async def change_configuration(self, key: str, value: str) -> bool:
        """Change a configuration key; return whether it takes a restart to apply."""
        payload = await self._command(call.ChangeConfiguration(key=key, value=value))
        return bool(payload["status"] == "RebootRequired")

    async def trigger_message(
        self, message: MessageTrigger, connector_id: int | None = None
    ) -> None:
        """Have the charge point send a message."""
        await self._command(
            call.TriggerMessage(requested_message=message, connector_id=connector_id)
        )

    async def reserve_now(
        self, reservation: int, tag: str, expiry: datetime, connector_id: int = 1
    ) -> None:
        """Reserve a connector for a tag."""
        await self._command(
            call.ReserveNow(
                connector_id=connector_id,
                expiry_date=ocpp_time(expiry),
                id_tag=tag,
                reservation_id=reservation,
            )
        )

    async def cancel_reservation(self, reservation: int) -> None:
        """Cancel a reservation."""
        await self._command(call.CancelReservation(reservation_id=reservation))

    async def clear_cache(self) -> None:
        """Have the charge point forget the tags that it has seen."""
        await self._command(call.ClearCache())

    async def get_local_list_version(self) -> int:
        """Return the version of the local list; 0: empty, -1: not supported."""
        payload = await self._command(call.GetLocalListVersion())
        version = integer(payload.get("listVersion"))
        if version is None:
            raise CommandError(ErrorKey.INVALID_ANSWER, "GetLocalListVersion")
        return version

    async def send_local_list(
        self, tags: Sequence[AuthorizationData], version: int
    ) -> int:
        """Replace the local list, in as many parts as the charge point needs.

        Each part has a version of its own, the first one `version`; the last one is
        returned.
        """
        key = ConfigurationKey.send_local_list_max_length
        known = await self.get_configuration([key])
        longest = integer(known[key].value) if key in known else None
        size = longest if longest is not None and longest > 0 else DEFAULT_CHUNK
        # Without tags, the full list of none.
        for start in range(0, len(tags) or 1, size):
            version += bool(start)
            await self._command(
                call.SendLocalList(
                    list_version=version,
                    update_type=UpdateType.differential if start else UpdateType.full,
                    local_authorization_list=list(tags[start : start + size]),
                )
            )
        return version

    async def update_firmware(self, location: str, retrieve_at: datetime) -> None:
        """Have the charge point download a firmware and install it."""
        await self._command(
            call.UpdateFirmware(location=location, retrieve_date=ocpp_time(retrieve_at))
        )

    async def get_diagnostics(self, location: str) -> str | None:
        """Have the charge point upload diagnostics; return the name of the file."""
        payload = await self._command(call.GetDiagnostics(location=location))
        return text(payload.get("fileName"))

    async def set_charging_profile(
        self, profile: ChargingProfile, connector_id: int = 0
    ) -> None:
        """Set a charging profile."""
        await self._require_smart_charging("SetChargingProfile")
        await self._command(
            call.SetChargingProfile(
                connector_id=connector_id, cs_charging_profiles=profile
            )
        )

    async def clear_charging_profile(
        self,
        profile: int | None = None,
        connector_id: int | None = None,
        purpose: ChargingProfilePurposeType | None = None,
    ) -> None:
        """Remove the charging profiles that match."""
        await self._require_smart_charging("ClearChargingProfile")
        await self._command(
            call.ClearChargingProfile(
                id=profile,
                connector_id=connector_id,
                charging_profile_purpose=purpose,
            )
        )

    async def get_composite_schedule(
        self, duration: int, connector_id: int = 1
    ) -> list[SchedulePeriod]:
        """Return the limits in A for a duration in s."""
        await self._require_smart_charging("GetCompositeSchedule")
        payload = await self._command(
            call.GetCompositeSchedule(
                connector_id=connector_id,
                duration=duration,
                charging_rate_unit=ChargingRateUnitType.amps,
            )
        )
        schedule: Any = payload.get("chargingSchedule")
        periods = schedule.get("chargingSchedulePeriod") if isinstance(
            schedule, dict
        ) else None  # fmt: skip
        return [
            SchedulePeriod(start, limit, integer(period.get("numberPhases")))
            for period in (periods if isinstance(periods, list) else ())
            if isinstance(period, dict)
            and (start := number(period.get("startPeriod"))) is not None
            and (limit := number(period.get("limit"))) is not None
        ]

    async def _require_smart_charging(self, action: str) -> None:
        key = ConfigurationKey.supported_feature_profiles
        known = await self.get_configuration([key])
        profiles = known[key].value if key in known else None
        names = {name.strip() for name in (profiles or "").split(",")}
        if SMART_CHARGING not in names:
            raise CommandError(ErrorKey.NOT_SUPPORTED, action, SMART_CHARGING)
