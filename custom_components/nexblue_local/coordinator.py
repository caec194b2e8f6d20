"""Reads the charger at regular intervals."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, override

from homeassistant.components.sensor import DOMAIN as SENSOR_DOMAIN
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import CONF_HOST, CONF_SCAN_INTERVAL
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
    restore_state,
)
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from .charger.charger import Charger, Snapshot
from .charger.errors import ChargerError, InUse, WrongCharger
from .charger.registers import Identity, Reading
from .charger.transport import Link
from .const import CONF_UNIT_ID, DEFAULT_SCAN_INTERVAL, DOMAIN, LOGGER
from .controller import ChargerController, address_of

BACK_OFF: Final = (10.0, 20.0, 40.0, 60.0)
"""Seconds to the next attempt, each time that the charger is another's."""

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
        self.charger = Charger(
            link, entry.data[CONF_UNIT_ID], serial_number=entry.unique_id
        )
        self.controller = ChargerController(
            hass, entry, self.charger, tell=self._async_tell
        )
        self._remember_energy()

    @callback
    def _async_tell(self) -> None:
        """Show what a command has changed without waiting for the next poll."""
        self.data = replace(self.data, settings=self.charger.settings)
        self.async_update_listeners()

    def _remember_energy(self) -> None:
        """Let the charger measure its first energies by those last shown.

        A meter that is not ready yet, right after a power cut, shows nought.
        """
        registry = er.async_get(self.hass)
        last_states = restore_state.async_get(self.hass).last_states
        for key, remember in (
            (Reading.lifetime_energy.name, self.charger.remember_lifetime_energy),
            (Reading.session_energy.name, self.charger.remember_session_energy),
        ):
            entity_id = registry.async_get_entity_id(
                SENSOR_DOMAIN, DOMAIN, f"{self._serial_number}_{key}"
            )
            last = last_states.get(entity_id or "")
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
            if isinstance(error, WrongCharger):
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
        ir.async_delete_issue(self.hass, DOMAIN, self._wrong_charger_issue)
        await self.controller.async_observe(snapshot)
        # A firmware update shows after the restart that comes with it.
        if self.data is not None and self.data.identity != snapshot.identity:
            dr.async_get(self.hass).async_get_or_create(
                config_entry_id=self.config_entry.entry_id,
                **device_info(snapshot.identity),
            )
        return snapshot

    def _back_off(self, error: ChargerError) -> float | None:
        """Return the seconds for which somebody else's connection is left alone."""
        if not isinstance(error, InUse | WrongCharger):
            return None
        self._foreign += 1
        return BACK_OFF[min(self._foreign, len(BACK_OFF)) - 1]

    @property
    def _wrong_charger_issue(self) -> str:
        return wrong_charger_issue(self.config_entry)

    @property
    def _serial_number(self) -> str:
        assert self.config_entry.unique_id is not None
        return self.config_entry.unique_id

    @callback
    def _async_report(self, error: WrongCharger) -> None:
        """Report another charger at the address, and keep in mind where it is."""
        data = self.config_entry.data
        self._sightings[error.found] = data
        ir.async_create_issue(
            self.hass,
            DOMAIN,
            self._wrong_charger_issue,
            is_fixable=False,
            severity=ir.IssueSeverity.ERROR,
            translation_key="wrong_charger",
            translation_placeholders={
                "name": self.config_entry.title,
                "host": data[CONF_HOST],
                "expected": error.expected,
                "found": error.found,
            },
        )

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


def wrong_charger_issue(entry: ConfigEntry) -> str:
    """Return the id of the issue that another charger answers at the address."""
    return f"wrong_charger_{entry.entry_id}"


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
