"""Actions of the integration."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import (
    config_validation as cv,
    device_registry as dr,
    entity_registry as er,
)
from homeassistant.helpers.target import (
    SelectedEntities,
    TargetSelection,
    async_extract_referenced_entity_ids,
)
from homeassistant.util import dt as dt_util
import voluptuous as vol

from .address import modbus_address
from .charge_points import async_required_back_end
from .const import DOMAIN
from .control.lease import Lease
from .control.settings import PhaseMode, Setting, Settings
from .coordinator import NexBlueConfigEntry, is_modbus
from .create_dashboard import async_create_dashboard
from .domain_data import async_get_domain_data
from .exceptions import invalid
from .first_contact import async_test_charger
from .first_contact_report import report_block, report_sentences
from .ocpp_only import AnyChargerConfigEntry
from .sessions import as_csv, shown
from .site_config import async_charger_entries

ATTR_END: Final = "end"
ATTR_FORCE: Final = "force"
ATTR_FORMAT: Final = "format"
ATTR_MINUTES: Final = "minutes"
ATTR_SAFE_LIMIT: Final = "safe_limit"
ATTR_START: Final = "start"
ATTR_TEST_LIMIT: Final = "test_limit"
ATTR_VALID_FOR: Final = "valid_for"


SHORTEST_LEASE: Final = timedelta(seconds=10)
"""An automation cannot reliably renew a limit more often."""

LONGEST_LEASE: Final = timedelta(hours=24)

MINUTES: Final = (1, 120)
"""Minutes for which a connection can be released."""

TARGET: Final = vol.Schema(cv.ENTITY_SERVICE_FIELDS, extra=vol.ALLOW_EXTRA)
TARGET_FIELDS: Final = frozenset(str(field) for field in cv.ENTITY_SERVICE_FIELDS)


class Format(StrEnum):
    """How sessions are returned."""

    LIST = "list"
    CSV = "csv"


type Parser = Callable[[str, Any], Any]
"""Converts the value of a field; takes its name for the error."""


def _number(field: str, value: Any) -> float:
    # A boolean is a number to Python, but not to a user.
    if not isinstance(value, bool):
        with suppress(OverflowError, TypeError, ValueError):
            return float(value)
    raise invalid("not_a_number", field=field, value=str(value))


def _minutes(field: str, value: Any) -> float:
    minutes = _number(field, value)
    low, high = MINUTES
    if not low <= minutes <= high:
        raise invalid("minutes_out_of_range", low=str(low), high=str(high))
    return minutes


def _duration(field: str, value: Any) -> timedelta:
    """Convert a dictionary, hours:minutes:seconds, or a number of seconds."""
    try:
        duration: timedelta = cv.time_period(value)
    except (OverflowError, ValueError, vol.Invalid) as error:
        raise invalid("not_a_duration", field=field, value=str(value)) from error
    if not SHORTEST_LEASE <= duration <= LONGEST_LEASE:
        raise invalid("valid_for_out_of_range")
    return duration


def _boolean(field: str, value: Any) -> bool:
    try:
        return cv.boolean(value)
    except vol.Invalid as error:
        raise invalid("not_a_boolean", field=field, value=str(value)) from error


def _time(field: str, value: Any) -> datetime:
    """Convert a time, in Home Assistant's time zone unless it has one."""
    try:
        return dt_util.as_utc(cv.datetime(value))
    except (OverflowError, vol.Invalid) as error:
        raise invalid("not_a_time", field=field, value=str(value)) from error


def _format(field: str, value: Any) -> Format:
    try:
        return Format(str(value))
    except ValueError as error:
        raise invalid("unknown_format", value=str(value)) from error


def _phase_mode(field: str, value: Any) -> PhaseMode:
    try:
        return PhaseMode(str(value))
    except ValueError as error:
        raise invalid("unknown_phase_mode", value=str(value)) from error


FIELDS: Final[Mapping[str, Mapping[str, Parser]]] = {
    "set_limits": {
        Setting.CURRENT_LIMIT: _number,
        Setting.FALLBACK_LIMIT: _number,
        Setting.FALLBACK_TIMEOUT: _number,
        Setting.PHASE_MODE: _phase_mode,
        ATTR_VALID_FOR: _duration,
        ATTR_SAFE_LIMIT: _number,
    },
    "release_control": {Setting.FALLBACK_LIMIT: _number},
    "release_connection": {ATTR_MINUTES: _minutes, ATTR_FORCE: _boolean},
    "test_charger": {ATTR_TEST_LIMIT: _boolean},
    "get_sessions": {ATTR_START: _time, ATTR_END: _time, ATTR_FORMAT: _format},
    "create_dashboard": {},
    "send_cards": {},
}
"""The fields of each action, without those of the target."""


def _parse(call: ServiceCall) -> dict[str, Any]:
    """Return the converted fields of a call.

    This replaces a schema, whose errors cannot be translated.
    """
    parsers = FIELDS[call.service]
    if unknown := sorted(call.data.keys() - parsers.keys() - TARGET_FIELDS):
        raise invalid("unknown_field", field=", ".join(unknown))
    return {
        field: parse(field, call.data[field])
        for field, parse in parsers.items()
        if field in call.data
    }


def _targets(call: ServiceCall) -> list[AnyChargerConfigEntry]:
    """Return the entries of the targeted chargers.

    Devices and entities of other integrations are left out, as an area usually
    has some. Raises ServiceValidationError if something that is targeted does
    not exist, or if no charger is left.
    """
    try:
        selection = TargetSelection(TARGET(dict(call.data)))
    except vol.Invalid as error:
        raise invalid("invalid_target") from error
    selected = async_extract_referenced_entity_ids(call.hass, selection)
    registry = er.async_get(call.hass)
    missing = {
        entity_id
        for entity_id in selected.referenced
        if entity_id not in registry.entities and not call.hass.states.get(entity_id)
    }.union(
        selected.missing_areas,
        selected.missing_devices,
        selected.missing_floors,
        selected.missing_labels,
    )
    if missing:
        raise invalid("target_not_found", targets=", ".join(sorted(missing)))
    entries = _selected(call.hass, selected)
    # Home Assistant 2026.10 has no exclusions.
    if (exclude := getattr(selection, "exclude", None)) is not None:
        excluded = _selected(
            call.hass, async_extract_referenced_entity_ids(call.hass, exclude)
        )
        entries = [entry for entry in entries if entry not in excluded]
    if not entries:
        raise invalid("no_charger")
    return entries


def _selected(
    hass: HomeAssistant, selected: SelectedEntities
) -> list[AnyChargerConfigEntry]:
    """Return the enabled entries of which a device or an entity is selected."""
    devices, entities = dr.async_get(hass), er.async_get(hass)
    ids = (
        selected.referenced
        | selected.indirectly_referenced
        | selected.referenced_devices
    )
    return [
        entry
        for entry in async_charger_entries(hass)
        if not ids.isdisjoint(
            device.id
            for device in dr.async_entries_for_config_entry(devices, entry.entry_id)
        )
        or not ids.isdisjoint(
            entity.entity_id
            for entity in er.async_entries_for_config_entry(entities, entry.entry_id)
        )
    ]


def _names(hass: HomeAssistant, entries: list[AnyChargerConfigEntry]) -> list[str]:
    """Return the names of chargers, with the address where a name is not unique."""
    registry = dr.async_get(hass)
    names = []
    for entry in entries:
        devices = dr.async_entries_for_config_entry(registry, entry.entry_id)
        given = (device.name_by_user for device in devices if device.name_by_user)
        names.append(next(given, entry.title))
    count = Counter(names)
    return [
        f"{name} ({address.host})"
        if count[name] > 1 and (address := modbus_address(entry)) is not None
        else name
        for entry, name in zip(entries, names, strict=True)
    ]


async def _on_each[T](
    hass: HomeAssistant,
    entries: list[AnyChargerConfigEntry],
    act: Callable[[AnyChargerConfigEntry], Awaitable[T]],
) -> list[T]:
    """Act on all chargers at once, and return the results.

    A failure does not affect the other chargers. With several chargers, all
    failures are raised as one error, which names the chargers.
    """

    async def act_on(entry: AnyChargerConfigEntry) -> T:
        if entry.state is not ConfigEntryState.LOADED:
            raise invalid("not_loaded")
        return await act(entry)

    outcomes = await asyncio.gather(
        *(act_on(entry) for entry in entries), return_exceptions=True
    )
    results: list[T] = []
    failures: list[tuple[str, HomeAssistantError]] = []
    for name, outcome in zip(_names(hass, entries), outcomes, strict=True):
        if isinstance(outcome, HomeAssistantError):
            failures.append((name, outcome))
        elif isinstance(outcome, BaseException):
            raise outcome
        else:
            results.append(outcome)
    if not failures:
        return results
    if len(entries) == 1:
        raise failures[0][1]
    all_invalid = all(
        isinstance(failure, ServiceValidationError) for _, failure in failures
    )
    raise (ServiceValidationError if all_invalid else HomeAssistantError)(
        translation_domain=DOMAIN,
        translation_key="chargers_failed",
        translation_placeholders={
            "failed": str(len(failures)),
            "total": str(len(entries)),
            # Home Assistant removes the full stop at the end of each message.
            "failures": ". ".join(f"{name}: {failure}" for name, failure in failures),
        },
    )


def _with_modbus(entry: AnyChargerConfigEntry) -> NexBlueConfigEntry:
    """Return a charger with Modbus; raises ServiceValidationError for one without."""
    if is_modbus(entry):
        return entry
    raise invalid("modbus_needed")


def _check(
    entries: list[AnyChargerConfigEntry], wanted: Settings, lease: Lease | None = None
) -> None:
    """Check the values for all chargers before any of them is written to."""
    for entry in entries:
        if entry.state is ConfigEntryState.LOADED and is_modbus(entry):
            entry.runtime_data.controller.check(wanted, lease)


async def _async_set_limits(call: ServiceCall) -> None:
    """Set limits and phase mode."""
    data = _parse(call)
    if data.keys().isdisjoint(Setting):
        raise invalid("no_setting")
    if (ATTR_VALID_FOR in data) != (ATTR_SAFE_LIMIT in data):
        raise invalid("time_limit_incomplete")
    if ATTR_VALID_FOR in data and Setting.CURRENT_LIMIT not in data:
        raise invalid("time_limit_without_current_limit")
    wanted = Settings()
    for setting in Setting:
        wanted = wanted.with_value(setting, data.get(setting))
    entries = _targets(call)
    _check(entries, wanted, _lease(data))
    await _on_each(
        call.hass,
        entries,
        # A lease is changed when it ends, so each charger needs its own.
        lambda entry: _with_modbus(entry).runtime_data.controller.async_set(
            wanted, _lease(data)
        ),
    )


def _lease(data: Mapping[str, Any]) -> Lease | None:
    """Return the time limit of the current limit, which begins now."""
    if ATTR_VALID_FOR not in data:
        return None
    valid_for: timedelta = data[ATTR_VALID_FOR]
    return Lease(
        until=dt_util.utcnow() + valid_for,
        valid_for=valid_for,
        safe_limit=round(data[ATTR_SAFE_LIMIT], 1),
    )


async def _async_release_control(call: ServiceCall) -> None:
    """Return control to chargers."""
    limit = _parse(call).get(Setting.FALLBACK_LIMIT)
    entries = _targets(call)
    _check(entries, Settings(fallback_limit=limit))
    await _on_each(
        call.hass,
        entries,
        lambda entry: _with_modbus(entry).runtime_data.controller.async_release(limit),
    )


async def _async_release_connection(call: ServiceCall) -> None:
    """Release the connection to chargers for a time."""
    data = _parse(call)
    if ATTR_MINUTES not in data:
        raise invalid("missing_field", field=ATTR_MINUTES)
    seconds, force = 60 * data[ATTR_MINUTES], data.get(ATTR_FORCE, False)
    await _on_each(
        call.hass,
        _targets(call),
        lambda entry: _with_modbus(
            entry
        ).runtime_data.coordinator.async_release_connection(seconds, force=force),
    )


async def _async_test_charger(call: ServiceCall) -> ServiceResponse:
    """Test chargers, and return the reports."""
    test_limit = _parse(call).get(ATTR_TEST_LIMIT, False)
    entries = _targets(call)
    contacts = await _on_each(
        call.hass,
        entries,
        lambda entry: async_test_charger(
            call.hass, _with_modbus(entry), test_limit=test_limit
        ),
    )
    return {
        "chargers": [
            {
                "name": name,
                "report": [*report_sentences(contact)],
                "block": report_block(contact),
            }
            for name, contact in zip(_names(call.hass, entries), contacts, strict=True)
        ]
    }


async def _async_get_sessions(call: ServiceCall) -> ServiceResponse:
    """Return the sessions of chargers, whether these are loaded or not."""
    data = _parse(call)
    entries = _targets(call)
    ledger = async_get_domain_data(call.hass).sessions.ledger
    chargers = [
        (
            name,
            ledger.sessions(entry.unique_id, data.get(ATTR_START), data.get(ATTR_END)),
        )
        for name, entry in zip(_names(call.hass, entries), entries, strict=True)
    ]
    if data.get(ATTR_FORMAT) is Format.CSV:
        return {"csv": as_csv(chargers)}
    return {
        "chargers": [
            {"name": name, "sessions": [shown(session) for session in sessions]}
            for name, sessions in chargers
        ]
    }


async def _async_create_dashboard(call: ServiceCall) -> ServiceResponse:
    """Create a dashboard of chargers, and return where it is."""
    _parse(call)
    entries = _targets(call)
    chargers = list(zip(_names(call.hass, entries), entries, strict=True))
    path = await async_create_dashboard(call.hass, chargers, call.context.user_id)
    return {"url_path": f"/{path}"}


async def _async_send_cards(call: ServiceCall) -> None:
    """Send the known cards to chargers as their local list."""
    _parse(call)

    async def send(entry: AnyChargerConfigEntry) -> None:
        back_end = async_required_back_end(call.hass, entry)
        await back_end.async_command(entry, lambda point: point.send_local_list())

    await _on_each(call.hass, _targets(call), send)


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""
    for name, action in (
        ("set_limits", _async_set_limits),
        ("release_control", _async_release_control),
        ("release_connection", _async_release_connection),
        ("send_cards", _async_send_cards),
    ):
        hass.services.async_register(DOMAIN, name, action)
    for name, query in (
        ("test_charger", _async_test_charger),
        ("get_sessions", _async_get_sessions),
    ):
        hass.services.async_register(
            DOMAIN, name, query, supports_response=SupportsResponse.ONLY
        )
    hass.services.async_register(
        DOMAIN,
        "create_dashboard",
        _async_create_dashboard,
        supports_response=SupportsResponse.OPTIONAL,
    )
