"""Chargers that have OCPP and no Modbus; this needs the central system for its types only."""

from dataclasses import dataclass
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceInfo

from .address import modbus_address
from .charge_points import async_charge_point, async_follow
from .const import DOMAIN
from .coordinator import NexBlueRuntimeData
from .domain_data import async_get_domain_data
from .ledger.recorder import Recorder
from .ocpp_config import charge_point_id

PLATFORMS: Final = [
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.SENSOR,
    Platform.SWITCH,
]

type OcppChargerConfigEntry = ConfigEntry[OcppRuntimeData]

type AnyChargerConfigEntry = ConfigEntry[NexBlueRuntimeData] | OcppChargerConfigEntry
"""The entry of a charger that is set up, whatever its links."""


@dataclass(frozen=True, kw_only=True)
class OcppRuntimeData:
    """What a charger without Modbus consists of; its charge point is the back end's."""

    recorder: Recorder
    device_info: DeviceInfo


def has_ocpp_only(entry: ConfigEntry[Any]) -> bool:
    """Return whether a charger has an OCPP link and no Modbus address."""
    return charge_point_id(entry) is not None and modbus_address(entry) is None


@callback
def async_setup_ocpp_only(hass: HomeAssistant, entry: OcppChargerConfigEntry) -> None:
    """Set up a charger without Modbus, also while there is no OCPP back end.

    It is the charger that connects: there is nothing to try again, and until it is
    connected its entities are unavailable.
    """
    assert entry.unique_id is not None
    shown = _device_info(hass, entry)
    entry.runtime_data = OcppRuntimeData(
        recorder=async_get_domain_data(hass).sessions.recorder(entry.unique_id),
        device_info=shown,
    )

    @callback
    def update_device() -> None:
        """Show what its latest BootNotification says, for example a new firmware."""
        nonlocal shown
        if (info := _device_info(hass, entry)) != shown:
            shown = info
            dr.async_get(hass).async_get_or_create(
                config_entry_id=entry.entry_id, **info
            )

    entry.async_on_unload(async_follow(hass, entry, update_device))


@callback
def _device_info(hass: HomeAssistant, entry: OcppChargerConfigEntry) -> DeviceInfo:
    """Return what is known of the device; the registry keeps what is left out."""
    assert entry.unique_id is not None
    info = DeviceInfo(identifiers={(DOMAIN, entry.unique_id)}, name=entry.title)
    charge_point = async_charge_point(hass, entry)
    boot = None if charge_point is None else charge_point.state.boot
    if boot is not None:
        info["manufacturer"] = boot.vendor
        info["model"] = boot.model
        info["serial_number"] = boot.serial_number
        info["sw_version"] = boot.firmware_version
    return info
