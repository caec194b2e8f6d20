"""The actions."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import HomeAssistant, ServiceCall, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.service import async_get_device_and_config_entry
from homeassistant.util import dt as dt_util
import voluptuous as vol

from .charger.enums import PhaseMode
from .charger.registers import Settings
from .const import DOMAIN
from .control.lease import Lease
from .coordinator import NexBlueConfigEntry, NexBlueCoordinator

ATTR_FORCE: Final = "force"
ATTR_MINUTES: Final = "minutes"
ATTR_SAFE_LIMIT: Final = "safe_limit"
ATTR_VALID_FOR: Final = "valid_for"

CURRENT_LIMIT: Final = Settings.current_limit.name
FALLBACK_LIMIT: Final = Settings.fallback_limit.name
FALLBACK_TIMEOUT: Final = Settings.fallback_timeout.name
PHASE_MODE: Final = Settings.phase_mode.name

SHORTEST_LEASE: Final = 10.0
"""Seconds: less cannot be renewed in time by an automation."""

LONGEST_LEASE: Final = 86_400.0
"""Seconds: a limit for longer is one for ever."""

DEVICES: dict[Any, Any] = {
    vol.Required(ATTR_DEVICE_ID): vol.All(
        cv.ensure_list, [cv.string], vol.Length(min=1)
    )
}


def _phase_mode(value: Any) -> PhaseMode:
    modes = {mode.name.lower(): mode for mode in PhaseMode}
    return modes[vol.In(modes)(value)]


def _complete(data: dict[str, Any]) -> dict[str, Any]:
    """Refuse calls whose parts make no sense alone."""
    settings = {CURRENT_LIMIT, FALLBACK_LIMIT, FALLBACK_TIMEOUT, PHASE_MODE}
    if settings.isdisjoint(data):
        raise vol.Invalid(f"at least one of {', '.join(sorted(settings))} is needed")
    if ATTR_VALID_FOR in data and CURRENT_LIMIT not in data:
        raise vol.Invalid(f"{ATTR_VALID_FOR} is of no use without {CURRENT_LIMIT}")
    return data


# The ranges are the registers', and are checked with them.
SET_LIMITS: Final = vol.All(
    vol.Schema(
        {
            **DEVICES,
            vol.Optional(CURRENT_LIMIT): vol.Coerce(float),
            vol.Optional(FALLBACK_LIMIT): vol.Coerce(float),
            vol.Optional(FALLBACK_TIMEOUT): vol.Coerce(int),
            vol.Optional(PHASE_MODE): _phase_mode,
            vol.Inclusive(ATTR_VALID_FOR, "lease"): vol.All(
                vol.Coerce(float), vol.Range(min=SHORTEST_LEASE, max=LONGEST_LEASE)
            ),
            vol.Inclusive(ATTR_SAFE_LIMIT, "lease"): vol.Coerce(float),
        }
    ),
    _complete,
)
RELEASE_CONTROL: Final = vol.Schema(
    {**DEVICES, vol.Optional(FALLBACK_LIMIT): vol.Coerce(float)}
)
RELEASE_CONNECTION: Final = vol.Schema(
    {
        **DEVICES,
        vol.Required(ATTR_MINUTES): vol.All(
            vol.Coerce(float), vol.Range(min=1, max=120)
        ),
        vol.Optional(ATTR_FORCE, default=False): cv.boolean,
    }
)


async def _each(
    call: ServiceCall, act: Callable[[NexBlueCoordinator], Awaitable[None]]
) -> None:
    """Act on each charger of a call.

    ServiceValidationError, before anything is done, when one of them is none. A
    charger that fails does not keep the others waiting: its error is raised
    once all have had their turn.
    """
    chargers = []
    for device_id in call.data[ATTR_DEVICE_ID]:
        entry: NexBlueConfigEntry
        _, entry = async_get_device_and_config_entry(call.hass, DOMAIN, device_id)
        chargers.append(entry.runtime_data)
    errors = []
    for coordinator in chargers:
        try:
            await act(coordinator)
        except HomeAssistantError as error:
            errors.append(error)
    if errors:
        raise errors[0]


async def _async_set_limits(call: ServiceCall) -> None:
    """Set limits and phase mode, the current limit for a time if that is given."""
    wanted = Settings(
        {
            register.name: call.data[register.name]
            for register in Settings.registers
            if register.name in call.data
        }
    )
    await _each(
        call,
        # Each has a lease of its own, which begins when it is its turn.
        lambda coordinator: coordinator.controller.async_set(wanted, _lease(call)),
    )


def _lease(call: ServiceCall) -> Lease | None:
    """Return for how long the current limit of a call holds, if not for ever."""
    if ATTR_VALID_FOR not in call.data:
        return None
    valid_for = timedelta(seconds=call.data[ATTR_VALID_FOR])
    return Lease(
        until=dt_util.utcnow() + valid_for,
        valid_for=valid_for,
        safe_limit=round(call.data[ATTR_SAFE_LIMIT], 1),
    )


async def _async_release_control(call: ServiceCall) -> None:
    """Leave chargers to themselves."""
    limit = call.data.get(FALLBACK_LIMIT)
    await _each(call, lambda coordinator: coordinator.controller.async_release(limit))


async def _async_release_connection(call: ServiceCall) -> None:
    """Give the connection to chargers up for a time."""
    seconds, force = 60 * call.data[ATTR_MINUTES], call.data[ATTR_FORCE]
    await _each(
        call,
        lambda coordinator: coordinator.async_release_connection(seconds, force=force),
    )


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""
    for name, action, schema in (
        ("set_limits", _async_set_limits, SET_LIMITS),
        ("release_control", _async_release_control, RELEASE_CONTROL),
        ("release_connection", _async_release_connection, RELEASE_CONNECTION),
    ):
        hass.services.async_register(DOMAIN, name, action, schema)
