"""Reads the charger at regular intervals."""

from datetime import timedelta
from typing import override

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_SCAN_INTERVAL
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from .charger.charger import Charger, Snapshot
from .charger.errors import ChargerError
from .charger.registers import Identity
from .charger.transport import Link
from .const import CONF_UNIT_ID, DEFAULT_SCAN_INTERVAL, DOMAIN, LOGGER

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
            always_update=False,
        )
        self.charger = Charger(
            link, entry.data[CONF_UNIT_ID], serial_number=entry.unique_id
        )

    @override
    async def _async_update_data(self) -> Snapshot:
        """Read the charger."""
        data = self.config_entry.data
        try:
            snapshot = await self.charger.refresh()
        except ChargerError as error:
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key=error.key,
                translation_placeholders={
                    "host": data[CONF_HOST],
                    "port": str(data[CONF_PORT]),
                    "unit_id": str(data[CONF_UNIT_ID]),
                    "detail": str(error),
                },
            ) from error
        # A firmware update shows after the restart that comes with it.
        if self.data is not None and self.data.identity != snapshot.identity:
            dr.async_get(self.hass).async_get_or_create(
                config_entry_id=self.config_entry.entry_id,
                **device_info(snapshot.identity),
            )
        return snapshot


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
