"""Diagnostics, without serial numbers, addresses, passwords and cards."""

from collections.abc import Mapping
from dataclasses import asdict
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, cast

from homeassistant.components.diagnostics import REDACTED, async_redact_data
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import CONF_PASSWORD
from homeassistant.core import HomeAssistant

from .address import modbus_address
from .charge_points import async_charge_point
from .const import CONF_OCPP, CONF_SITE
from .coordinator import NexBlueConfigEntry, is_modbus
from .domain_data import async_get_domain_data
from .modbus.codec import Layout
from .modbus.connection_pool import resolve
from .modbus.model import Image, Table
from .modbus.registers import Identity
from .ocpp_config import charge_point_id, is_ocpp
from .ocpp_only import AnyChargerConfigEntry, has_ocpp_only
from .site import Site
from .site_config import is_site
from .start_stop import async_start_stop_link

if TYPE_CHECKING:
    from .ocpp_server import OcppConfigEntry

OCPP_SECRETS: Final = {"info", "meter_serial_number", "serial_number", "tag"}

REDACTED_SERIAL_NUMBER = "REDACTED"


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: ConfigEntry[Any]
) -> dict[str, Any]:
    """Return the diagnostics of the site or a charger.

    `python -m simulator --replay` serves the words in `registers`.
    """
    if entry.state is not ConfigEntryState.LOADED:
        failure: dict[str, Any] = {"state": entry.state.value, "reason": entry.reason}
        return await async_redact(entry, failure)
    if is_site(entry):
        site: Site = entry.runtime_data
        return {
            "site": dict(entry.data[CONF_SITE]),
            "options": dict(entry.options),
            **site.as_dict(),
        }
    if is_ocpp(entry):
        return _ocpp(entry)
    diagnostics = {
        "modbus": None,
        "sessions": _session_counts(hass, entry),
        "ocpp": _charge_point(hass, entry),
        "options": dict(entry.options),
    }
    if is_modbus(entry):
        diagnostics |= _modbus(entry)
    return await async_redact(entry, diagnostics)


def _modbus(entry: NexBlueConfigEntry) -> dict[str, Any]:
    """Return what is known of a charger by Modbus."""
    address = modbus_address(entry)
    coordinator = entry.runtime_data.coordinator
    charging = entry.runtime_data.controller.charging
    charger = entry.runtime_data.modbus
    images = {
        Table.INPUT: charger.images[Table.INPUT] | _redacted_serial_number(),
        Table.HOLDING: charger.images[Table.HOLDING],
    }
    groups = (
        coordinator.data.identity,
        coordinator.data.clock,
        coordinator.data.reading,
        coordinator.data.settings,
    )
    return {
        "modbus": None if address is None else address.as_dict(),
        "control": entry.runtime_data.controller.control.as_dict(),
        "charging": {
            **charging.settings.as_dict(),
            "reason": charging.reason,
        },
        "learned": charger.learned.as_dict(),
        "layout": charger.layout,
        "is_layout_certain": charger.is_layout_certain,
        "clock_offset": coordinator.data.clock_offset,
        "last_update_success": coordinator.last_update_success,
        "last_error": str(coordinator.last_exception or ""),
        "history": [
            f"{when.isoformat(timespec='seconds')} {event}"
            for when, event in charger.history
        ],
        "values": {
            name: repr(value) if isinstance(value, Enum) else value
            for group in groups
            for name, value in asdict(group).items()
        },
        "registers": {table: _runs(image) for table, image in images.items()},
    }


def _ocpp(entry: OcppConfigEntry) -> dict[str, Any]:
    """Return what is known of the OCPP back end, without what could be secret."""
    charge_points = entry.runtime_data.central.charge_points.values()
    return {
        "settings": async_redact_data(entry.data[CONF_OCPP], {CONF_PASSWORD}),
        "cards": len(entry.subentries),
        "charge_points": [
            {
                "is_adopted": each.state.is_adopted,
                "is_connected": each.state.is_connected,
                "last_seen": each.state.last_seen,
                "bad_messages": each.state.bad_messages,
            }
            for each in charge_points
        ],
    }


def _charge_point(
    hass: HomeAssistant, entry: AnyChargerConfigEntry
) -> dict[str, Any] | None:
    """Return what is known of a charge point; its cards are redacted."""
    charge_point = async_charge_point(hass, entry)
    if charge_point is None:
        return None
    link = None if has_ocpp_only(entry) else async_start_stop_link(hass, entry)
    return {
        "start_stop_link": link,
        **async_redact_data(asdict(charge_point.state), OCPP_SECRETS),
    }


def _session_counts(
    hass: HomeAssistant, entry: AnyChargerConfigEntry
) -> dict[str, Any]:
    ledger = async_get_domain_data(hass).sessions.ledger
    sessions = ledger.sessions(entry.unique_id)
    return {
        "count": len(sessions),
        "reconstructed": sum(session.is_reconstructed for session in sessions),
        "is_open": entry.runtime_data.recorder.is_open,
        "count_of_all_chargers": len(ledger),
        "damaged": ledger.damaged,
    }


async def async_redact(
    entry: AnyChargerConfigEntry, data: dict[str, Any]
) -> dict[str, Any]:
    """Return data in which serial number and address are redacted from all texts."""
    secrets = await _async_secrets(entry)
    return cast("dict[str, Any]", _without(data, secrets))


async def _async_secrets(entry: AnyChargerConfigEntry) -> list[str]:
    """Return the texts to redact; errors contain the IP address of a host name."""
    address = modbus_address(entry)
    texts = [entry.unique_id, charge_point_id(entry)]
    if address is not None:
        texts += address.host, await resolve(address.host)
    if entry.state is ConfigEntryState.LOADED and is_modbus(entry):
        # The host may have had others, or cannot be resolved any more.
        texts += entry.runtime_data.modbus.addresses
    return [text for text in texts if text]


def _redacted_serial_number() -> dict[int, int]:
    return Identity(serial_number=REDACTED_SERIAL_NUMBER).encode(Layout.DCBA)


def _runs(image: Image) -> dict[str, str]:
    """Return consecutive registers by first address, as hexadecimal words."""
    runs: dict[int, list[str]] = {}
    for address in sorted(image):
        start = next(
            (s for s, words in runs.items() if s + len(words) == address), None
        )
        runs.setdefault(address if start is None else start, []).append(
            f"{image[address]:04X}"
        )
    return {str(start): " ".join(words) for start, words in runs.items()}


def _without(data: Any, secrets: list[str]) -> Any:
    """Return data in which the secrets are redacted from all texts."""
    if isinstance(data, Mapping):
        return {key: _without(value, secrets) for key, value in data.items()}
    if isinstance(data, list):
        return [_without(value, secrets) for value in data]
    if isinstance(data, str):
        for secret in secrets:
            data = data.replace(secret, REDACTED)
    return data
