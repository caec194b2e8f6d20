"""Reads the charger at regular intervals."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
import time
from typing import Any, Final, override

from homeassistant.components.sensor import DOMAIN as SENSOR_DOMAIN
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import CONF_HOST, CONF_SCAN_INTERVAL
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    restore_state,
)
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from .charger.charger import Charger, Snapshot
from .charger.errors import ChargerError, GivenUp, InUse, WrongCharger
from .charger.registers import Identity, Reading
from .charger.transport import Link
from .const import CONF_UNIT_ID, DEFAULT_SCAN_INTERVAL, DOMAIN, LOGGER
from .control_events import async_discard_events, async_get_events
from .controller import ChargerController
from .exceptions import address_of
from .issues import Issue, async_is_reported, async_report, async_withdraw

BACK_OFF: Final = (10.0, 20.0, 40.0, 60.0)
"""Seconds to the next attempt, each time that the charger is another's."""

IN_USE_FOR: Final = 180.0
"""Seconds for which another client holds a charger before that is reported."""

CLOCK_OFF_BY: Final = 300.0
"""Seconds by which a charger's clock may be off before that is reported."""

# Since when chargers are held by another client, by entry.
_IN_USE_SINCE: HassKey[dict[str, float]] = HassKey(f"{DOMAIN}_in_use_since")

# Where chargers answered in the place of others, by serial number.
_SIGHTINGS: HassKey[dict[str, Mapping[str, Any]]] = HassKey(f"{DOMAIN}_sightings")

type NexBlueConfigEntry = ConfigEntry[NexBlueCoordinator]


class NexBlueCoordinator(DataUpdateCoordinator[Snapshot]):
    """Reads one charger."""

    config_entry: NexBlueConfigEntry

    def __init__(
        self, hass: HomeAssistant, entry: NexBlueConfigEntry, link: Link
    ) -> None:
        """Take the link to the charger of an entry."""
        super().__init__(
            hass,
            LOGGER,
            config_entry=entry,
            name=entry.title,
            update_interval=timedelta(
                seconds=entry.options.get(CONF_SCAN_INTERVAL, DEFAULT_SCAN_INTERVAL)
            ),
        )
        self._foreign = 0
        self._sightings = hass.data.setdefault(_SIGHTINGS, {})
        self._in_use_since = hass.data.setdefault(_IN_USE_SINCE, {})
        self.charger = Charger(
            link, entry.data[CONF_UNIT_ID], serial_number=entry.unique_id
        )
        self.controller = ChargerController(
            hass,
            entry,
            self.charger,
            on_update=self._async_on_update,
            on_event=async_get_events(hass, entry).async_fire,
        )
        self._remember_energy()

    @callback
    def _async_on_update(self, snapshot: Snapshot | None) -> None:
        """Show what control has changed or read without waiting for the next poll."""
        if snapshot is not None:
            if not self.last_update_success:
                LOGGER.info("Fetching %s data recovered", self.name)
            self.async_set_updated_data(snapshot)
            self._async_review(snapshot)
        # There is nothing to show yet while the charger is set up.
        elif self.data is not None:
            self.data = replace(self.data, settings=self.charger.settings)
            self.async_update_listeners()
            self._async_review(self.data)

    @callback
    def _async_review(self, snapshot: Snapshot) -> None:
        """Report what the user should mend, and withdraw what is mended."""
        control = self.controller.control
        offset = abs(snapshot.clock_offset or 0.0)
        # One that is reported has to be clearly better.
        was_off = async_is_reported(self.hass, self.config_entry, Issue.CLOCK_OFF)
        reports: dict[Issue, tuple[bool, dict[str, str]]] = {
            Issue.CLOCK_OFF: (
                offset >= CLOCK_OFF_BY * (0.8 if was_off else 1.0),
                {"minutes": f"{offset / 60:.0f}"},
            ),
            Issue.FALLBACK_FIRED: (self.controller.has_unexpected_fallback, {}),
            Issue.NO_FALLBACK_CHOSEN: (
                control.is_in_control and control.intent.fallback_limit is None,
                {},
            ),
        }
        for issue, (stands, placeholders) in reports.items():
            if stands:
                async_report(self.hass, self.config_entry, issue, **placeholders)
            else:
                async_withdraw(self.hass, self.config_entry, issue)

    async def async_give_up_connection(self, seconds: float, *, force: bool) -> None:
        """Give the connection up for a time, and show that nothing is read."""
        await self.controller.async_give_up_connection(seconds, force=force)
        await self.async_refresh()

    def _remember_energy(self) -> None:
        """Let the charger measure its first energies by those last shown.

        A meter that is not ready yet, right after a power cut, shows nought.
        """
        registry = er.async_get(self.hass)
        for key, remember in (
            (Reading.lifetime_energy.name, self.charger.remember_lifetime_energy),
            (Reading.session_energy.name, self.charger.remember_session_energy),
        ):
            entity_id = registry.async_get_entity_id(
                SENSOR_DOMAIN, DOMAIN, f"{self._serial_number}_{key}"
            )
            last = None if entity_id is None else stored_state(self.hass, entity_id)
            if last is None or last.extra_data is None:
                continue
            value = last.extra_data.as_dict().get("native_value")
            if isinstance(value, int | float):
                remember(value, (dt_util.utcnow() - last.last_seen).total_seconds())

    @override
    async def _async_update_data(self) -> Snapshot:
        """Read the charger."""
        try:
            snapshot = await self.charger.refresh()
        except ChargerError as error:
            self._async_report(error)
            self._async_follow()
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key=error.key,
                translation_placeholders=address_of(self.config_entry)
                | {"detail": str(error)},
                retry_after=self._back_off(error),
            ) from error
        self._foreign = 0
        self._sightings.pop(self._serial_number, None)
        self._in_use_since.pop(self.config_entry.entry_id, None)
        async_withdraw(self.hass, self.config_entry, Issue.IN_USE, Issue.WRONG_CHARGER)
        await self.controller.async_observe(snapshot)
        self._async_review(snapshot)
        # A firmware update shows after the restart that comes with it.
        if self.data is not None and self.data.identity != snapshot.identity:
            dr.async_get(self.hass).async_get_or_create(
                config_entry_id=self.config_entry.entry_id,
                **device_info(snapshot.identity),
            )
        return snapshot

    def _back_off(self, error: ChargerError) -> float | None:
        """Return the seconds for which somebody else's connection is left alone."""
        if isinstance(error, GivenUp):
            return error.seconds
        if not isinstance(error, InUse | WrongCharger):
            return None
        self._foreign += 1
        return BACK_OFF[min(self._foreign, len(BACK_OFF)) - 1]

    @property
    def _serial_number(self) -> str:
        assert self.config_entry.unique_id is not None
        return self.config_entry.unique_id

    @callback
    def _async_report(self, error: ChargerError) -> None:
        """Report a failure that the user has to mend."""
        entry = self.config_entry
        host = entry.data[CONF_HOST]
        if isinstance(error, WrongCharger):
            # Where that one is, its own entry may want to know.
            self._sightings[error.found] = entry.data
            async_report(
                self.hass,
                entry,
                Issue.WRONG_CHARGER,
                host=host,
                expected=error.expected,
                found=error.found,
            )
        if not isinstance(error, InUse):
            self._in_use_since.pop(entry.entry_id, None)
            async_withdraw(self.hass, entry, Issue.IN_USE)
            return
        now = time.monotonic()
        since = self._in_use_since.setdefault(entry.entry_id, now)
        if now - since >= IN_USE_FOR:
            async_report(self.hass, entry, Issue.IN_USE, host=host)

    @callback
    def _async_follow(self) -> None:
        """Go where another entry, at whose address it answered, saw the charger.

        This way chargers that swapped their addresses find themselves, without
        a socket to an address at which the serial number was not seen.
        """
        seen = self._sightings.pop(self._serial_number, None)
        entry = self.config_entry
        if seen is None or not self.hass.config_entries.async_update_entry(
            entry, data={**entry.data, **seen}
        ):
            return
        LOGGER.info("%s was seen at %s", entry.title, seen[CONF_HOST])
        # A set-up that fails is tried again anyway.
        if entry.state is ConfigEntryState.LOADED:
            self.hass.config_entries.async_schedule_reload(entry.entry_id)


@callback
def async_forget(hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
    """Take back what was reported of a charger that is removed or disabled."""
    async_withdraw(hass, entry, *Issue)
    async_forget_use(hass, entry)
    async_discard_events(hass, entry)


@callback
def async_forget_use(hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
    """Begin to count anew for how long another client holds a charger."""
    hass.data.get(_IN_USE_SINCE, {}).pop(entry.entry_id, None)


def stored_state(
    hass: HomeAssistant, entity_id: str
) -> restore_state.StoredState | None:
    """Return the state that an entity had when Home Assistant last stopped."""
    data = restore_state.async_get(hass)
    if hasattr(data, "async_get_stored_state"):
        state: restore_state.StoredState | None = data.async_get_stored_state(entity_id)
        return state
    # Home Assistant 2026.10.
    return data.last_states.get(entity_id)


def device_info(identity: Identity) -> DeviceInfo:
    """Return how the device registry knows a charger."""
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
    """Return the name that a charger has until the user gives it another."""
    return " ".join(filter(None, (identity.brand or "NexBlue", identity.model)))
