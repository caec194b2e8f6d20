"""Adapter that sends START and STOP over the link that decides about them.

That is OCPP where the charge point is connected: the charger refuses them over Modbus
then. Limits and phases always go over Modbus. Which link it is never changes in silence.
"""

from enum import StrEnum
from time import monotonic
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError

from .charge_points import BACK_END, async_charge_point, async_follow
from .const import DOMAIN
from .control.settings import Settings, StartStop
from .controller import ChargerController
from .domain_data import async_get_domain_data
from .exceptions import message_of
from .ocpp_config import charge_point_id

GONE_AFTER: Final = 60.0
"""Seconds without the OCPP link after which START and STOP go over Modbus."""


class StartStopLink(StrEnum):
    """The link over which START and STOP go."""

    MODBUS = "modbus"
    OCPP = "ocpp"
    OCPP_LOST = "ocpp_lost"
    """It was lost a moment ago: they go over none."""


@callback
def async_start_stop_link(
    hass: HomeAssistant, entry: ConfigEntry[Any]
) -> StartStopLink:
    """Return the link over which START and STOP go now."""
    if charge_point_id(entry) is None:
        return StartStopLink.MODBUS
    charge_point = async_charge_point(hass, entry)
    if charge_point is not None and charge_point.state.is_connected:
        return StartStopLink.OCPP
    if _lost_for(hass, entry) < GONE_AFTER:
        return StartStopLink.OCPP_LOST
    return StartStopLink.MODBUS


@callback
def _lost_for(hass: HomeAssistant, entry: ConfigEntry[Any]) -> float:
    """Return the seconds since the OCPP link was lost, or since a charger's set-up."""
    lost = async_get_domain_data(hass).links_lost
    return monotonic() - lost.setdefault(charge_point_id(entry) or "", monotonic())


@callback
def async_has_transaction(hass: HomeAssistant, entry: ConfigEntry[Any]) -> bool | None:
    """Return whether a transaction runs, None if OCPP does not decide about that."""
    charge_point = async_charge_point(hass, entry)
    if charge_point is None or not charge_point.state.is_connected:
        return None
    return charge_point.state.transaction is not None


async def async_drop_when_over_ocpp(
    hass: HomeAssistant, entry: ConfigEntry[Any], controller: ChargerController
) -> None:
    """Drop a START or STOP that went over Modbus whenever OCPP decides about them.

    The charger refuses it over Modbus then, and it must not undo what OCPP did.
    """
    if charge_point_id(entry) is None:
        return
    was_over_ocpp = async_start_stop_link(hass, entry) is StartStopLink.OCPP
    if was_over_ocpp:
        await controller.control.forget_start_stop()

    @callback
    def update() -> None:
        nonlocal was_over_ocpp
        is_over_ocpp = async_start_stop_link(hass, entry) is StartStopLink.OCPP
        if is_over_ocpp and not was_over_ocpp:
            # It waits for a command that is executed now, and drops that as well.
            entry.async_create_background_task(
                hass, controller.control.forget_start_stop(), "Drop START and STOP"
            )
        was_over_ocpp = is_over_ocpp

    entry.async_on_unload(async_follow(hass, entry, update))


async def async_start_stop(
    hass: HomeAssistant,
    entry: ConfigEntry[Any],
    controller: ChargerController,
    command: StartStop,
) -> None:
    """Send START or STOP; raises HomeAssistantError, which names the link.

    Over OCPP, it is neither stored nor restored.
    """
    wanted = Settings(start_stop=command)
    if charge_point_id(entry) is None:
        await controller.async_set(wanted)
        return
    match async_start_stop_link(hass, entry):
        case StartStopLink.OCPP:
            await hass.data[BACK_END].async_command(
                entry,
                lambda point: (
                    point.start() if command is StartStop.START else point.stop()
                ),
            )
            await controller.control.forget_start_stop()
        case StartStopLink.OCPP_LOST:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="ocpp_link_lost",
                translation_placeholders={
                    "seconds": f"{_lost_for(hass, entry):.0f}",
                    "wait": f"{GONE_AFTER:.0f}",
                },
            )
        case StartStopLink.MODBUS:
            try:
                await controller.async_set(wanted)
            except HomeAssistantError as error:
                raise HomeAssistantError(
                    translation_domain=DOMAIN,
                    translation_key="start_stop_over_modbus",
                    translation_placeholders={"detail": message_of(error)},
                ) from error
