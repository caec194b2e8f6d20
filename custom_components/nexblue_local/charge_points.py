"""Charge points as chargers see them; this needs the central system only for its types."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.dispatcher import (
    async_dispatcher_connect,
    async_dispatcher_send,
)
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.importlib import async_import_module
from homeassistant.util.hass_dict import HassKey

from .const import CONF_CHARGE_POINT_ID, DOMAIN
from .ocpp_config import charge_point_id

if TYPE_CHECKING:
    from .central_system.charge_point import ChargePoint
    from .coordinator import NexBlueConfigEntry
    from .ocpp_server import OcppServer

OCPP_SERVER: HassKey[OcppServer] = HassKey(f"{DOMAIN}_ocpp_server")
"""The OCPP back end, while it is set up."""

CHARGE_POINT_KEYS: Final = frozenset(
    {
        "frequency",
        "ocpp_connected",
        "ocpp_reset",
        "ocpp_status",
        "operative",
        "power_factor",
        "session_tag",
        "stop_reason",
        "tag",
        "temperature",
        "transaction_id",
        "unlock_connector",
    }
)
"""The entities that a charger has because of its charge point."""


def _signal(charge_point: str) -> str:
    return f"{DOMAIN}_charge_point_{charge_point}"


@callback
def async_charge_point(
    hass: HomeAssistant, entry: ConfigEntry[Any]
) -> ChargePoint | None:
    """Return the charge point of a charger, connected or not.

    None if the charger has no OCPP link, or the OCPP back end is not set up.
    """
    server = hass.data.get(OCPP_SERVER)
    linked = charge_point_id(entry)
    if server is None or linked is None:
        return None
    return server.central.charge_points.get(linked)


@callback
def async_required_server(hass: HomeAssistant, entry: ConfigEntry[Any]) -> OcppServer:
    """Return the back end of a charger; raises HomeAssistantError if it has none."""
    server = hass.data.get(OCPP_SERVER)
    if server is None or async_charge_point(hass, entry) is None:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="ocpp_not_linked",
            translation_placeholders={"charger": entry.title},
        )
    return server


@callback
def async_entry_of(hass: HomeAssistant, charge_point: str) -> ConfigEntry[Any] | None:
    """Return the entry of the charger that has a charge point."""
    for entry in hass.config_entries.async_entries(DOMAIN, include_ignore=False):
        if charge_point_id(entry) == charge_point:
            return entry
    return None


@callback
def async_notify(hass: HomeAssistant, charge_point: str) -> None:
    """Tell that something about a charge point changed."""
    async_dispatcher_send(hass, _signal(charge_point))


@callback
def async_follow(
    hass: HomeAssistant, entry: ConfigEntry[Any], update: Callable[[], None]
) -> CALLBACK_TYPE:
    """Call `update` after each change of a charger's charge point; return how to end it."""
    linked = charge_point_id(entry)
    if linked is None:
        return lambda: None
    return async_dispatcher_connect(hass, _signal(linked), update)


async def async_add_charge_point(
    hass: HomeAssistant,
    entry: NexBlueConfigEntry,
    platform: Platform,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the entities of a charger's charge point, if it has one."""
    if charge_point_id(entry) is not None:
        module = await async_import_module(hass, f"{__package__}.ocpp_entities")
        async_add_entities(module.entities(entry, platform))


async def async_link(
    hass: HomeAssistant, entry: ConfigEntry[Any], charge_point: str
) -> None:
    """Make a charge point the OCPP link of a charger, in place of one that it had."""
    server = hass.data[OCPP_SERVER]
    before = charge_point_id(entry)
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, CONF_CHARGE_POINT_ID: charge_point}
    )
    if before not in (None, charge_point):
        await server.central.forget(before)
    assert entry.unique_id is not None
    await server.central.adopt(charge_point, entry.unique_id)


async def async_unlink(hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
    """Forget the charge point of a charger that is removed."""
    linked = charge_point_id(entry)
    server = hass.data.get(OCPP_SERVER)
    if server is not None and linked is not None:
        await server.central.forget(linked)
