"""Charge points as chargers see them; this needs the central system only for its types."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

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
from .coordinator import is_modbus
from .ocpp_config import charge_point_id

if TYPE_CHECKING:
    from .central_system.charge_point import ChargePoint
    from .central_system.server import CentralSystem
    from .ocpp_only import AnyChargerConfigEntry


class BackEnd(Protocol):
    """The OCPP back end, as chargers see it."""

    central: CentralSystem

    async def async_command(
        self,
        entry: ConfigEntry[Any],
        command: Callable[[ChargePoint], Awaitable[object]],
    ) -> None:
        """Send a command to a charger's charge point; raises HomeAssistantError."""

    @callback
    def async_start_automatically(self, charge_point_id: str) -> None:
        """Start once for each vehicle that waits, if the user wants that."""


BACK_END: HassKey[BackEnd] = HassKey(f"{DOMAIN}_ocpp_back_end")
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
    back_end = hass.data.get(BACK_END)
    linked = charge_point_id(entry)
    if back_end is None or linked is None:
        return None
    return back_end.central.charge_points.get(linked)


@callback
def async_required_back_end(hass: HomeAssistant, entry: ConfigEntry[Any]) -> BackEnd:
    """Return the back end of a charger; raises HomeAssistantError if it has none."""
    back_end = hass.data.get(BACK_END)
    if back_end is None or async_charge_point(hass, entry) is None:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="ocpp_not_linked",
            translation_placeholders={"charger": entry.title},
        )
    return back_end


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


@callback
def async_start_automatically(hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
    """Start a vehicle that waits at a charger, if the user wants that."""
    back_end = hass.data.get(BACK_END)
    linked = charge_point_id(entry)
    if back_end is not None and linked is not None:
        back_end.async_start_automatically(linked)


async def async_add_charge_point(
    hass: HomeAssistant,
    entry: AnyChargerConfigEntry,
    platform: Platform,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> bool:
    """Add the entities of a charger's charge point, if it has one.

    Returns whether these are all that it has, because it has no Modbus.
    """
    has_ocpp_only = not is_modbus(entry)
    modules = []
    if charge_point_id(entry) is not None:
        modules.append("ocpp_entities")
    if has_ocpp_only:
        modules.append("ocpp_only_entities")
    for name in modules:
        module = await async_import_module(hass, f"{__package__}.{name}")
        async_add_entities(module.entities(hass, entry, platform))
    return has_ocpp_only


async def async_link(
    hass: HomeAssistant, entry: ConfigEntry[Any], charge_point: str
) -> None:
    """Make a charge point the OCPP link of a charger, in place of one that it had."""
    back_end = hass.data[BACK_END]
    before = charge_point_id(entry)
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, CONF_CHARGE_POINT_ID: charge_point}
    )
    if before not in (None, charge_point):
        await back_end.central.forget(before)
    await async_adopt(hass, entry)


async def async_adopt(hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
    """Accept the charge point of a charger; the back end does so itself when it starts."""
    linked, back_end = charge_point_id(entry), hass.data.get(BACK_END)
    if back_end is not None and linked is not None:
        assert entry.unique_id is not None
        await back_end.central.adopt(linked, entry.unique_id)


async def async_unlink(hass: HomeAssistant, entry: ConfigEntry[Any]) -> None:
    """Forget the charge point of a charger that is removed."""
    linked = charge_point_id(entry)
    back_end = hass.data.get(BACK_END)
    if back_end is not None and linked is not None:
        await back_end.central.forget(linked)
