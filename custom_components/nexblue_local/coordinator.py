"""Coordinator that polls a charger."""

from dataclasses import dataclass, replace
from datetime import timedelta
import time
from typing import Any, Final, TypeGuard, override

from homeassistant.components.sensor import DOMAIN as SENSOR_DOMAIN
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import CONF_SCAN_INTERVAL
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    restore_state,
)
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed
from homeassistant.util import dt as dt_util

from .address import ModbusAddress
from .const import DEFAULT_SCAN_INTERVAL, DOMAIN, LOGGER
from .controller import ChargerController
from .domain_data import async_get_domain_data
from .ledger.recorder import Recorder
from .modbus.client import Client
from .modbus.errors import (
    BadAnswer,
    ChargerError,
    ConnectionReleased,
    InUse,
    NoAnswer,
    WrongCharger,
)
from .modbus.registers import Identity
from .modbus.snapshot import Snapshot
from .repairs import Issue, async_create_issue, async_delete_issues, async_has_issue
from .steady_power import SteadyPower
from .storage import LearnedStore

BACK_OFF: Final = (10.0, 20.0, 40.0, 60.0)
"""Seconds to the next poll, which grow with each consecutive delay.

Polls are delayed while another client uses the charger, another charger responds,
or data is received that answers no request, and while a charger is silent behind a
gateway that other chargers share.
"""

SOON: Final = timedelta(seconds=1)
"""Time to the next poll after a start, a stop or another status."""

LONGEST_WITH_SITE: Final = timedelta(seconds=20)
"""Longest time between two polls of a charger for which a site decides.

A read that is older than 30 seconds says nothing about the surplus.
"""

FOLLOW_AFTER: Final = 60.0
"""Seconds without an answer after which an address that was turned down is tried."""

IN_USE_FOR: Final = 180.0
"""Seconds for which another client uses a charger before an issue is reported."""

CLOCK_OFF_BY: Final = 300.0
"""Offset of a charger's clock in seconds from which an issue is reported."""

type NexBlueConfigEntry = ConfigEntry[NexBlueRuntimeData]


@dataclass(frozen=True, kw_only=True)
class NexBlueRuntimeData:
    """What a charger that is set up consists of."""

    coordinator: NexBlueCoordinator
    controller: ChargerController
    modbus: Client
    recorder: Recorder

    @property
    def device_info(self) -> DeviceInfo:
        """Return the device registry information of the charger."""
        return device_info(self.coordinator.data.identity)


class NexBlueCoordinator(DataUpdateCoordinator[Snapshot]):
    """Coordinator of one charger."""

    config_entry: NexBlueConfigEntry

    def __init__(
        self,
        hass: HomeAssistant,
        entry: NexBlueConfigEntry,
        address: ModbusAddress,
        client: Client,
        controller: ChargerController,
        learned_store: LearnedStore,
    ) -> None:
        """Initialize the coordinator of the charger at an address."""
        self._scan_interval = timedelta(
            seconds=entry.options.get(CONF_SCAN_INTERVAL, DEFAULT_SCAN_INTERVAL)
        )
        super().__init__(
            hass,
            LOGGER,
            config_entry=entry,
            name=entry.title,
            update_interval=self._scan_interval,
        )
        self._delayed_polls = 0
        self._answered_at = time.monotonic()
        self.steady_power = SteadyPower()
        self._domain_data = async_get_domain_data(hass)
        self._address = address
        self._client = client
        self._controller = controller
        self._learned_store = learned_store
        self._restore_energies()

    @callback
    def async_publish(self, snapshot: Snapshot | None) -> None:
        """Publish what was read or written between two polls."""
        if snapshot is not None:
            self._answered_at = time.monotonic()
            self.steady_power.update(self._answered_at, snapshot.reading.power)
            if self.last_update_success and self.data is not None:
                # The next poll is not put off: this may happen more often than polls.
                self.data = snapshot
                self.async_update_listeners()
            else:
                if not self.last_update_success:
                    LOGGER.info("Fetching %s data recovered", self.name)
                self.async_set_updated_data(snapshot)
            self._async_update_issues(snapshot)
        # During set-up there are no entities yet.
        elif self.data is not None:
            before, settings = self.data.settings, self._client.settings
            data = replace(self.data, settings=settings)
            if self.last_update_success and settings.start_stop != before.start_stop:
                self.update_interval = min(SOON, self._scan_interval)
                self.async_set_updated_data(data)
            else:
                self.data = data
                self.async_update_listeners()
            self._async_update_issues(data)

    @callback
    def _async_update_issues(self, snapshot: Snapshot) -> None:
        """Create and delete the repair issues that depend on what was read."""
        state = self._controller.control.state
        offset = abs(snapshot.clock_offset or 0.0)
        # Hysteresis, so that the issue does not come and go.
        was_off = async_has_issue(self.hass, self.config_entry, Issue.CLOCK_OFF)
        reports: dict[Issue, tuple[bool, dict[str, str]]] = {
            Issue.CLOCK_OFF: (
                offset >= CLOCK_OFF_BY * (0.8 if was_off else 1.0),
                {"minutes": f"{offset / 60:.0f}"},
            ),
            Issue.FALLBACK_FIRED: (
                self._controller.control.reconciler.has_unexpected_fallback,
                {},
            ),
            Issue.NO_FALLBACK_CHOSEN: (
                state.is_in_control and state.desired.fallback_limit is None,
                {},
            ),
            Issue.PHASES_NOT_RESTORED: (state.phases.is_given_up, {}),
        }
        for issue, (stands, placeholders) in reports.items():
            if stands:
                async_create_issue(self.hass, self.config_entry, issue, **placeholders)
            else:
                async_delete_issues(self.hass, self.config_entry, issue)

    @property
    def _polling_interval(self) -> timedelta:
        if self._controller.charging.has_site:
            return min(self._scan_interval, LONGEST_WITH_SITE)
        return self._scan_interval

    @property
    def age(self) -> float:
        """Return the seconds since the charger was last read."""
        return time.monotonic() - self._answered_at

    async def async_release_connection(self, seconds: float, *, force: bool) -> None:
        """Release the connection for some seconds; entities become unavailable.

        Raises ServiceValidationError if that is not safe and not forced, and
        HomeAssistantError if the charger cannot be prepared.
        """
        await self._controller.async_release_connection(seconds, force=force)
        await self.async_refresh()

    def _restore_energies(self) -> None:
        """Restore the energies of the last run, to compare the first reads with.

        After a power cut the meter may show zero until it is ready.
        """
        registry = er.async_get(self.hass)
        for key, restore in (
            ("lifetime_energy", self._client.restore_lifetime_energy),
            ("session_energy", self._client.restore_session_energy),
        ):
            entity_id = registry.async_get_entity_id(
                SENSOR_DOMAIN, DOMAIN, f"{self._serial_number}_{key}"
            )
            last = None if entity_id is None else stored_state(self.hass, entity_id)
            if last is None or last.extra_data is None:
                continue
            value = last.extra_data.as_dict().get("native_value")
            if isinstance(value, int | float):
                restore(value, (dt_util.utcnow() - last.last_seen).total_seconds())

    @override
    async def _async_update_data(self) -> Snapshot:
        """Read the charger; raise UpdateFailed if that fails."""
        was_flooded = self._client.was_flooded
        interval = self.update_interval = self._polling_interval
        try:
            snapshot = await self._client.poll()
        except ChargerError as error:
            self.steady_power.update(time.monotonic(), None)
            self._log_failure(error)
            self._async_report_failure(error)
            self._async_follow_sighting()
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key=error.key,
                translation_placeholders=self._address.placeholders
                | {"detail": str(error)},
                retry_after=self._retry_after_failure(error),
            ) from error
        if was_flooded:
            # The charger can be read, but each poll has to connect again.
            delay = timedelta(seconds=self._back_off())
            self.update_interval = max(interval, delay)
        else:
            self._delayed_polls = 0
            if self.data is not None and (
                snapshot.reading.status != self.data.reading.status
            ):
                self.update_interval = min(SOON, interval)
        self._answered_at = time.monotonic()
        self.steady_power.update(self._answered_at, snapshot.reading.power)
        self._domain_data.sightings.pop(self._serial_number.casefold(), None)
        self._domain_data.in_use_since.pop(self.config_entry.entry_id, None)
        async_delete_issues(
            self.hass, self.config_entry, Issue.IN_USE, Issue.WRONG_CHARGER
        )
        snapshot = await self._controller.async_observe(snapshot)
        events = self._domain_data.session_events_of(self.config_entry)
        for session in await self._domain_data.sessions.async_observe(
            self._serial_number, snapshot
        ):
            events.async_fire(session)
        await self._learned_store.async_save(self._client.learned)
        self._async_update_issues(snapshot)
        # The charger restarts after a firmware update, and is identified again.
        if self.data is not None and self.data.identity != snapshot.identity:
            dr.async_get(self.hass).async_get_or_create(
                config_entry_id=self.config_entry.entry_id,
                **device_info(snapshot.identity),
            )
        return snapshot

    def _log_failure(self, error: ChargerError) -> None:
        """Log a released connection as information instead of an error.

        The base class logs an error if `last_update_success` is set. It is cleared
        when the connection is released, and set again for a failure after that.
        """
        cause = None if self.last_exception is None else self.last_exception.__cause__
        was_released = not self.last_update_success and isinstance(
            cause, ConnectionReleased
        )
        if isinstance(error, ConnectionReleased):
            # Failures during set-up are logged by Home Assistant.
            if self.data is not None and not was_released:
                LOGGER.info("%s: connection released for %s", self.name, error)
            self.last_update_success = False
        elif was_released:
            self.last_update_success = True

    def _retry_after_failure(self, error: ChargerError) -> float | None:
        """Return the seconds to the next poll, None for the polling interval."""
        if isinstance(error, ConnectionReleased):
            # The base class counts from the last full second.
            return error.seconds + 1
        if isinstance(error, BadAnswer | InUse | WrongCharger):
            return self._back_off()
        if isinstance(error, NoAnswer) and self._client.shares_connection:
            # Each request without an answer ends the connection of the others.
            return self._back_off()
        return None

    def _back_off(self) -> float:
        """Delay the next poll; return the seconds until it."""
        self._delayed_polls += 1
        return BACK_OFF[min(self._delayed_polls, len(BACK_OFF)) - 1]

    @property
    def _serial_number(self) -> str:
        assert self.config_entry.unique_id is not None
        return self.config_entry.unique_id

    @callback
    def _async_report_failure(self, error: ChargerError) -> None:
        """Create or delete the repair issues about a failure."""
        entry = self.config_entry
        host = self._address.host
        if isinstance(error, WrongCharger):
            # The entry of the charger that was found may use this address.
            self._domain_data.sightings[error.found.casefold()] = self._address
            async_create_issue(
                self.hass,
                entry,
                Issue.WRONG_CHARGER,
                host=host,
                expected=error.expected,
                found=error.found,
            )
        if not isinstance(error, InUse):
            self._domain_data.in_use_since.pop(entry.entry_id, None)
            async_delete_issues(self.hass, entry, Issue.IN_USE)
            return
        now = time.monotonic()
        since = self._domain_data.in_use_since.setdefault(entry.entry_id, now)
        if now - since >= IN_USE_FOR:
            async_create_issue(self.hass, entry, Issue.IN_USE, host=host)

    @callback
    def _async_follow_sighting(self) -> None:
        """Change to the address at which another entry found this charger.

        Chargers that swapped their addresses are found this way, without connecting
        to an address where their serial number was not seen.
        """
        seen = self._domain_data.sightings.pop(self._serial_number.casefold(), None)
        if seen is None and time.monotonic() - self._answered_at >= FOLLOW_AFTER:
            # Whoever announced this charger while it answered may be it now.
            turned_down = self._domain_data.turned_down.pop(self._serial_number, None)
            seen = None if turned_down is None else turned_down.address
        entry = self.config_entry
        if seen is None or not self.hass.config_entries.async_update_entry(
            entry, data={**entry.data, **seen.as_entry_data()}
        ):
            return
        LOGGER.info("%s was seen at %s", entry.title, seen.host)
        # A failed set-up is retried anyway.
        if entry.state is ConfigEntryState.LOADED:
            self.hass.config_entries.async_schedule_reload(entry.entry_id)


def is_modbus(entry: ConfigEntry[Any]) -> TypeGuard[NexBlueConfigEntry]:
    """Return whether an entry that is set up is that of a charger with Modbus."""
    return isinstance(entry.runtime_data, NexBlueRuntimeData)


@callback
def async_loaded_modbus(hass: HomeAssistant) -> list[NexBlueConfigEntry]:
    """Return the entries of the chargers that are set up with Modbus."""
    return list(filter(is_modbus, hass.config_entries.async_loaded_entries(DOMAIN)))


@callback
def async_clear_issues(hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
    """Delete all issues and events of a charger that is removed or disabled."""
    async_delete_issues(hass, entry, *Issue)
    async_reset_in_use_timer(hass, entry)
    data = async_get_domain_data(hass)
    data.events.pop(entry.entry_id, None)
    data.session_events.pop(entry.entry_id, None)
    data.tag_events.pop(entry.entry_id, None)


@callback
def async_reset_in_use_timer(hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
    """Restart the time for which another client holds a charger."""
    async_get_domain_data(hass).in_use_since.pop(entry.entry_id, None)


def stored_state(
    hass: HomeAssistant, entity_id: str
) -> restore_state.StoredState | None:
    """Return the state of an entity when Home Assistant was last stopped."""
    data = restore_state.async_get(hass)
    if hasattr(data, "async_get_stored_state"):
        state: restore_state.StoredState | None = data.async_get_stored_state(entity_id)
        return state
    # Home Assistant 2026.10.
    return data.last_states.get(entity_id)


def device_info(identity: Identity) -> DeviceInfo:
    """Return the device registry information of a charger."""
    assert identity.serial_number is not None
    return DeviceInfo(
        identifiers={(DOMAIN, identity.serial_number)},
        name=charger_name(identity),
        manufacturer=identity.brand,
        model=identity.model,
        serial_number=identity.serial_number,
        sw_version=identity.firmware_version,
        hw_version=identity.hardware_version,
    )


def charger_name(identity: Identity) -> str:
    """Return the default name of a charger, which may report no brand or model."""
    return f"{identity.brand or 'NexBlue'} {identity.model or 'charger'}"
