"""Actions, on real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
import json
from pathlib import Path
import time
from typing import Any
from unittest.mock import patch

from homeassistant.components.websocket_api.automation import (
    async_get_services_for_target,
)
from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
    label_registry as lr,
)
from homeassistant.helpers.service import async_get_all_descriptions
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local import services
from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.control import settings as control
from custom_components.nexblue_local.control.lease import Lease
from custom_components.nexblue_local.control.settings import Setting, Settings
from custom_components.nexblue_local.modbus import registers, transport
from custom_components.nexblue_local.modbus.enums import PhaseMode
from simulator import Fault, FaultKind, Ocpp, SimulatedCharger, Simulator
from simulator.charger import POWER_ON
from tests.commands import (
    LIMIT,
    PREFIX,
    SINGLE,
    STOP,
    gone_with,
    intent,
    is_kept_alive,
    stored,
    wake_keep_alive,
    writes,
)
from tests.conftest import entry_for
from tests.test_init import poll, state

pytestmark = pytest.mark.usefixtures("quick_commands")

MESSAGES: dict[str, dict[str, str]] = json.loads(
    (Path(services.__file__).parent / "translations/en.json").read_text()
)["exceptions"]

ALL = {
    "current_limit": 12,
    "fallback_limit": 8,
    "fallback_timeout": 120,
    "phase_mode": "single_phase",
}


def key_of(error: HomeAssistantError) -> str | None:
    """Return the translation key of an error, whose message must be complete."""
    key = error.translation_key
    assert error.translation_domain == DOMAIN
    assert key in MESSAGES
    message = MESSAGES[key]["message"]
    # This raises if a placeholder is missing.
    message = message.format(**(error.translation_placeholders or {}))
    assert str(error) == message.rstrip(".")
    return key


def device_of(hass: HomeAssistant, entry: MockConfigEntry) -> str:
    """Return the id of a charger's device."""
    (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return device.id


async def act(
    hass: HomeAssistant, entry: MockConfigEntry, action: str, **data: Any
) -> None:
    """Call an action as the frontend does."""
    await hass.services.async_call(
        DOMAIN,
        action,
        data,
        target={"device_id": [device_of(hass, entry)]},
        blocking=True,
    )


async def test_set_limits(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """All in one call, in the safe order, each confirmed and kept."""
    simulator.log.clear()
    await act(hass, entry, "set_limits", **ALL)
    assert intent(entry) == ALL | {"phase_mode": PhaseMode.SINGLE_PHASE}
    # A limit that is lowered comes first, and again before the shorter timeout.
    assert writes(simulator) == [
        *((0x10, 1000), (0x10, 1000), (0x10, 1004), (0x10, 1002), (0x06, 1007)),
    ]
    assert {name: simulator.charger.settings[name] for name in ALL} == intent(entry)
    assert state(hass, f"number.{PREFIX}_fallback_timeout") == "2.0"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"current_limit": 40}, "Current limit must be between 0 and 32 A"),
        ({"current_limit": float("nan")}, "Current limit must be between 0 and 32 A"),
        ({"fallback_limit": 4}, "must be 0 A, or between 6 and 16 A"),
        ({"fallback_limit": -1}, "Fallback limit must be between 0 and 16 A"),
        ({"fallback_timeout": 10}, "Fallback timeout must be between 30 and 1800 s"),
        ({"safe_limit": 33, "valid_for": 60}, "Limit afterwards must be between 0"),
    ],
)
async def test_set_limits_all_or_none(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    wrong: dict[str, Any],
    message: str,
) -> None:
    """Nothing is written if one of the values is invalid."""
    simulator.log.clear()
    with pytest.raises(ServiceValidationError, match=message) as raised:
        await act(hass, entry, "set_limits", **(ALL | wrong))
    assert key_of(raised.value)
    assert writes(simulator) == []
    assert intent(entry) == {}


INVALID_CALLS: list[tuple[str, dict[str, Any], str]] = [
    ("set_limits", {}, "no_setting"),
    ("set_limits", {"limit": 6}, "unknown_field"),
    ("set_limits", {"current_limit": "much"}, "not_a_number"),
    ("set_limits", {"current_limit": None}, "not_a_number"),
    ("set_limits", {"current_limit": True}, "not_a_number"),
    ("set_limits", {"current_limit": 10**400}, "not_a_number"),
    ("set_limits", {"fallback_timeout": [60]}, "not_a_number"),
    ("set_limits", {"phase_mode": "two_phases"}, "unknown_phase_mode"),
    ("set_limits", {"phase_mode": ["adaptive"]}, "unknown_phase_mode"),
    ("set_limits", {"current_limit": 6, "valid_for": 60}, "time_limit_incomplete"),
    ("set_limits", {"current_limit": 6, "safe_limit": 6}, "time_limit_incomplete"),
    (
        "set_limits",
        {"fallback_limit": 6, "valid_for": 60, "safe_limit": 6},
        "time_limit_without_current_limit",
    ),
    *(
        ("set_limits", {"current_limit": 6, "safe_limit": 6, "valid_for": v}, key)
        for v, key in (
            (5, "valid_for_out_of_range"),
            ({"days": 2}, "valid_for_out_of_range"),
            (1e300, "not_a_duration"),
            ({"days": 1e300}, "not_a_duration"),
            (float("inf"), "not_a_duration"),
            ("soon", "not_a_duration"),
            (float("nan"), "not_a_duration"),
            ({}, "not_a_duration"),
            (None, "not_a_duration"),
        )
    ),
    ("release_control", {"fallback_limit": "low"}, "not_a_number"),
    ("release_control", {"fallback_limit": 17}, "fallback_limit_out_of_range"),
    ("release_control", {"minutes": 17}, "unknown_field"),
    ("release_connection", {}, "missing_field"),
    ("release_connection", {"minutes": "long"}, "not_a_number"),
    ("release_connection", {"minutes": 0}, "minutes_out_of_range"),
    ("release_connection", {"minutes": float("nan")}, "minutes_out_of_range"),
    ("release_connection", {"minutes": 2, "force": "maybe"}, "not_a_boolean"),
    ("set_limits", {"current_limit": 6, "entity_id": "x"}, "invalid_target"),
    ("set_limits", {"current_limit": 6, "area_id": [{}]}, "invalid_target"),
]


async def test_invalid_calls(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Each mistake has a translated error, and nothing is written."""
    simulator.log.clear()
    for action, data, key in INVALID_CALLS:
        with pytest.raises(ServiceValidationError) as raised:
            await act(hass, entry, action, **data)
        assert (data, key_of(raised.value)) == (data, key)
    assert simulator.is_connected
    assert writes(simulator) == []


async def test_set_limits_over_the_phase_budget(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Neither are the limits beside a switch of the phases that is not allowed."""
    await SINGLE.give(hass)
    simulator.log.clear()
    with pytest.raises(ServiceValidationError) as raised:
        await act(hass, entry, "set_limits", current_limit=9, phase_mode="three_phase")
    assert key_of(raised.value) == "phase_budget"
    assert writes(simulator) == []
    assert intent(entry) == {"phase_mode": PhaseMode.SINGLE_PHASE}


async def test_set_limits_lost_on_the_way(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What was confirmed before is kept; the rest is not executed then or later."""
    simulator.faults.append(Fault(kind=FaultKind.EXCEPTION, address=1002, code=4))
    with pytest.raises(HomeAssistantError, match="refused"):
        await act(hass, entry, "set_limits", **ALL)
    simulator.faults.clear()
    simulator.cut()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert intent(entry) == {"current_limit": 12, "fallback_timeout": 120}
    assert simulator.charger.settings["fallback_limit"] == POWER_ON["fallback_limit"]
    assert simulator.charger.settings["phase_mode"] is PhaseMode.ADAPTIVE


async def test_set_limits_of_which_one_is_refused(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The limit that was taken before that is kept, and kept alive."""
    simulator.faults.append(Fault(kind=FaultKind.EXCEPTION, address=1002))
    with pytest.raises(HomeAssistantError, match="refused"):
        await act(hass, entry, "set_limits", current_limit=12, fallback_limit=8)
    assert intent(entry) == {"current_limit": 12}
    assert is_kept_alive(entry)


async def test_set_limits_on_a_new_connection(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """An answer that is lost on the way costs a connection, not the call."""
    simulator.faults.append(
        Fault(kind=FaultKind.DROP, address=1002, times=1, executed=True)
    )
    await act(hass, entry, "set_limits", **ALL)
    assert {name: simulator.charger.settings[name] for name in ALL} == intent(entry)


async def test_set_limits_while_the_phases_are_lost(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A switch that restoring takes on the way counts before ours is written."""
    await SINGLE.give(hass)
    entry.runtime_data.controller.control.state.phases.budget.switches.clear()
    original = simulator.charger._set

    def lose(name: str, value: Any) -> None:
        original(name, value)
        if name == "fallback_limit":
            simulator.charger.settings["phase_mode"] = PhaseMode.ADAPTIVE

    simulator.faults.append(
        Fault(kind=FaultKind.DROP, address=1002, times=1, executed=True)
    )
    simulator.log.clear()
    with (
        patch.object(simulator.charger, "_set", lose),
        pytest.raises(ServiceValidationError, match="Try again after"),
    ):
        await act(hass, entry, "set_limits", fallback_limit=8, phase_mode="three_phase")
    # That was restored, which leaves no switch for what was asked for.
    assert writes(simulator).count((0x06, 1007)) == 1
    assert simulator.charger.settings["phase_mode"] is PhaseMode.SINGLE_PHASE
    assert intent(entry)["fallback_limit"] == 8


async def lease(
    entry: MockConfigEntry, current_limit: float, seconds: float, safe_limit: float
) -> None:
    """Set a limit for less time than the action allows."""
    valid_for = timedelta(seconds=seconds)
    await entry.runtime_data.controller.async_set(
        Settings(current_limit=current_limit),
        Lease(dt_util.utcnow() + valid_for, valid_for, safe_limit),
    )


@pytest.mark.parametrize(
    "valid_for", [{"minutes": 3}, {"hours": 0, "seconds": 180}, "00:03:00", 180, "180"]
)
async def test_a_lease_as_it_is_asked_for(
    hass: HomeAssistant, entry: MockConfigEntry, valid_for: Any
) -> None:
    """A duration is accepted in all notations of Home Assistant."""
    call = {"current_limit": 16, "valid_for": valid_for, "safe_limit": 6}
    await act(hass, entry, "set_limits", **call)
    found = entry.runtime_data.controller.control.state.lease
    assert found is not None
    assert (found.valid_for.total_seconds(), found.safe_limit) == (180, 6)
    assert 175 < found.remaining(dt_util.utcnow()).total_seconds() < 180


async def test_a_limit_that_is_not_renewed(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    simulator: Simulator,
    entry: MockConfigEntry,
) -> None:
    """The safe limit takes its place, and is kept alive in its place."""
    await lease(entry, 16.0, 0.6, 6.0)
    await asyncio.sleep(0.3)
    await lease(entry, 15.0, 0.6, 7.0)
    await asyncio.sleep(0.4)
    assert simulator.charger.settings["current_limit"] == 15
    await asyncio.sleep(0.4)
    assert simulator.charger.settings["current_limit"] == 7
    assert intent(entry) == {"current_limit": 7}
    on_disk = stored(hass_storage, entry)
    assert (on_disk["desired"], on_disk["lease"]) == ({"current_limit": 7}, None)
    assert state(hass, f"number.{PREFIX}_charging_current_limit") == "7.0"


async def test_a_lease_is_kept_with_its_limit(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Whether it is found out later, or the charger makes less of it."""
    controller = entry.runtime_data.controller
    simulator.faults += gone_with(0x10)
    with pytest.raises(HomeAssistantError, match="may or may not"):
        await lease(entry, 15.0, 60, 7.0)
    simulator.faults.clear()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert intent(entry) == {"current_limit": 15.0}
    assert controller.control.state.lease is not None
    original = simulator.charger._set

    def clamp(name: str, value: Any) -> None:
        original(name, 13.0)

    with patch.object(simulator.charger, "_set", clamp):
        await lease(entry, 20.0, 50, 6.0)
    assert intent(entry) == {"current_limit": 20.0}
    assert controller.control.state.lease is not None
    assert controller.control.state.lease.safe_limit == 6.0


async def test_a_lease_outlives_a_restart(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A limit that runs out while Home Assistant is gone is not taken up again."""
    await lease(entry, 16, 0.5, 6)
    assert await hass.config_entries.async_unload(entry.entry_id)
    await asyncio.sleep(0.6)
    simulator.log.clear()
    assert await hass.config_entries.async_setup(entry.entry_id)
    # The first poll does not wait for the keep-alive, if that restores already.
    await asyncio.sleep(0.1)
    assert simulator.charger.settings["current_limit"] == 6
    assert [r.words for r in simulator.log if r.words] == [(0x0000, 0xC040)]


async def test_a_lease_runs_out_while_the_charger_is_gone(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Then the safe limit is what is restored."""
    await lease(entry, 16, 0.5, 6)
    await simulator.stop()
    await asyncio.sleep(0.6)
    simulator.charger.power_on()
    await simulator.start()
    await poll(hass, entry)
    assert simulator.charger.settings["current_limit"] == 6


async def test_release_control(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """It leaves the fallback limit that is given, and asks for nothing any more."""
    await LIMIT.give(hass)
    simulator.log.clear()
    await act(hass, entry, "release_control", fallback_limit=10)
    assert writes(simulator) == [(0x10, 1002)]
    assert simulator.charger.settings["fallback_limit"] == 10
    assert intent(entry) == {}
    assert state(hass, f"sensor.{PREFIX}_controlled_by") == "charger"


async def test_release_control_forgets_what_was_refused(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Who commands nothing is refused nothing."""
    simulator.charger.ocpp = Ocpp.REFUSE
    with pytest.raises(HomeAssistantError):
        await STOP.give(hass)
    assert state(hass, f"binary_sensor.{PREFIX}_start_and_stop_refused") == "on"
    await act(hass, entry, "release_control")
    assert state(hass, f"binary_sensor.{PREFIX}_start_and_stop_refused") == "off"


@pytest.mark.parametrize(
    ("limit", "fault", "sentence"),
    [
        (3, None, "0 A, or between 6 and 16 A"),
        (10, Fault(kind=FaultKind.EXCEPTION, address=1002), "refused"),
    ],
)
async def test_release_control_that_fails(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    limit: float,
    fault: Fault | None,
    sentence: str,
) -> None:
    """A fallback limit that cannot be left leaves control where it is."""
    await LIMIT.give(hass)
    if fault is not None:
        simulator.faults.append(fault)
    with pytest.raises(HomeAssistantError, match=sentence):
        await act(hass, entry, "release_control", fallback_limit=limit)
    assert intent(entry) == {"current_limit": 10.5}


@pytest.fixture
async def other(
    hass: HomeAssistant, entry: MockConfigEntry
) -> AsyncIterator[MockConfigEntry]:
    """Return the entry of a second charger, set up."""
    async with Simulator(
        charger=SimulatedCharger(serial_number="SECOND", read_back_delay=0.0)
    ) as second:
        other = entry_for(second)
        other.add_to_hass(hass)
        assert await hass.config_entries.async_setup(other.entry_id)
        yield other
        await hass.config_entries.async_remove(other.entry_id)


async def limit(hass: HomeAssistant, current_limit: float, **target: Any) -> None:
    """Set the current limit of a target."""
    call = {"current_limit": current_limit, **target}
    await hass.services.async_call(DOMAIN, "set_limits", call, blocking=True)


async def test_several_chargers(
    hass: HomeAssistant, entry: MockConfigEntry, other: MockConfigEntry
) -> None:
    """One call sets several chargers, and none if the target is wrong."""
    devices = [device_of(hass, entry), device_of(hass, other)]
    await limit(hass, 9, device_id=devices)
    assert intent(entry) == intent(other) == {"current_limit": 9}
    with pytest.raises(ServiceValidationError, match="nobody"):
        await limit(hass, 8, device_id=[*devices, "nobody"])
    assert intent(entry) == intent(other) == {"current_limit": 9}


async def test_several_chargers_of_which_one_is_not_set_up(
    hass: HomeAssistant, entry: MockConfigEntry, other: MockConfigEntry
) -> None:
    """It fails, the other one is set."""
    devices = [device_of(hass, entry), device_of(hass, other)]
    assert await hass.config_entries.async_unload(other.entry_id)
    with pytest.raises(ServiceValidationError, match="not set up") as raised:
        await limit(hass, 8, device_id=devices)
    assert key_of(raised.value) == "chargers_failed"
    assert intent(entry) == {"current_limit": 8}
    with pytest.raises(ServiceValidationError) as raised:
        await limit(hass, 8, device_id=devices[1])
    assert key_of(raised.value) == "not_loaded"
    await hass.config_entries.async_set_disabled_by(
        other.entry_id, ConfigEntryDisabler.USER
    )
    await limit(hass, 7, device_id=devices)
    assert intent(entry) == {"current_limit": 7}
    with pytest.raises(ServiceValidationError) as raised:
        await limit(hass, 7, device_id=devices[1])
    assert key_of(raised.value) == "no_charger"


async def test_several_chargers_of_which_one_has_no_address(
    hass: HomeAssistant, entry: MockConfigEntry, other: MockConfigEntry
) -> None:
    """Of two chargers with the same name, it is named without an address."""
    devices = [device_of(hass, entry), device_of(hass, other)]
    assert await hass.config_entries.async_unload(other.entry_id)
    hass.config_entries.async_update_entry(other, data={"charge_point_id": "charger"})
    with pytest.raises(ServiceValidationError) as raised:
        await limit(hass, 8, device_id=devices)
    placeholders = raised.value.translation_placeholders
    assert placeholders is not None
    assert placeholders["failures"].startswith("NexBlue Delta Max: This charger is not")


async def test_six_chargers_of_which_one_is_dead(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    """The others do not wait, neither for it nor for one another."""
    async with AsyncExitStack() as stack:
        simulators = [
            await stack.enter_async_context(
                Simulator(
                    charger=SimulatedCharger(
                        serial_number=f"NB{number}", read_back_delay=0.0
                    )
                )
            )
            for number in range(6)
        ]
        entries = [entry_for(simulator) for simulator in simulators]
        for number, entry in enumerate(entries):
            entry.add_to_hass(hass)
            hass.config_entries.async_update_entry(entry, title=f"Bay {number}")
            assert await hass.config_entries.async_setup(entry.entry_id)
        devices = [device_of(hass, entry) for entry in entries]
        simulators[0].faults.append(Fault(kind=FaultKind.MUTE))
        for simulator in simulators[1:]:
            simulator.faults.append(Fault(kind=FaultKind.SLOW, seconds=0.2))
        with patch.object(transport, "TIMEOUT", 2.0):
            begin = time.monotonic()
            call = hass.async_create_task(limit(hass, 9, device_id=devices))
            while any(intent(entry) != {"current_limit": 9} for entry in entries[1:]):
                await asyncio.sleep(0.01)
                assert time.monotonic() - begin < 1.5
            assert not call.done()
            with pytest.raises(HomeAssistantError, match="Bay 0: ") as raised:
                await call
        assert not isinstance(raised.value, ServiceValidationError)
        assert key_of(raised.value) == "chargers_failed"
        assert "1 of 6 chargers" in str(raised.value)
        assert "Bay 1" not in str(raised.value)
        assert intent(entries[0]) == {}
        for simulator in simulators:
            simulator.faults.clear()
        await asyncio.gather(
            *(hass.config_entries.async_remove(entry.entry_id) for entry in entries)
        )


async def test_invalid_value_for_several_chargers(
    hass: HomeAssistant, entry: MockConfigEntry, other: MockConfigEntry
) -> None:
    """It is one error, as it is not the fault of a charger."""
    devices = [device_of(hass, entry), device_of(hass, other)]
    with pytest.raises(ServiceValidationError) as raised:
        await limit(hass, 33, device_id=devices)
    assert key_of(raised.value) == "current_limit_out_of_range"


async def test_names_of_chargers_that_fail(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    other: MockConfigEntry,
) -> None:
    """A charger has its address in an error until the user renames it."""
    registry = dr.async_get(hass)
    devices = [device_of(hass, entry), device_of(hass, other)]
    simulator.faults.append(Fault(kind=FaultKind.EXCEPTION, function=0x10))
    with pytest.raises(
        HomeAssistantError, match=r"NexBlue Delta Max \(127\.0\.0\.1\): "
    ):
        await limit(hass, 9, device_id=devices)
    registry.async_update_device(devices[0], name_by_user="Garage")
    with pytest.raises(HomeAssistantError, match="Garage: The charger"):
        await limit(hass, 9, device_id=devices)


async def place(hass: HomeAssistant, device_id: str) -> dict[str, Any]:
    """Put a device into an area, floor and label; return all ways to target it."""
    floor = fr.async_get(hass).async_create("Basement")
    area = ar.async_get(hass).async_create("Garage", floor_id=floor.floor_id)
    label = lr.async_get(hass).async_create("Flexible load")
    dr.async_get(hass).async_update_device(
        device_id, area_id=area.id, labels={label.label_id}
    )
    return {
        "area_id": area.id,
        "floor_id": [floor.floor_id],
        "label_id": label.label_id,
        "device_id": device_id,
    }


def foreign_device(hass: HomeAssistant) -> dr.DeviceEntry:
    """Return a device of another integration, with a switch."""
    foreign = MockConfigEntry(domain="other")
    foreign.add_to_hass(hass)
    device = dr.async_get(hass).async_get_or_create(
        config_entry_id=foreign.entry_id, identifiers={("other", "1")}
    )
    er.async_get(hass).async_get_or_create(
        "switch",
        "other",
        "1",
        config_entry=foreign,
        device_id=device.id,
        suggested_object_id="other",
    )
    return device


@pytest.mark.parametrize("kind", ["area_id", "floor_id", "label_id", "device_id"])
async def test_targets_with_devices_of_others(
    hass: HomeAssistant, entry: MockConfigEntry, other: MockConfigEntry, kind: str
) -> None:
    """Devices and entities of other integrations are left out."""
    target = await place(hass, device_of(hass, entry))
    foreign = foreign_device(hass)
    dr.async_get(hass).async_update_device(
        foreign.id, area_id=target["area_id"], labels={target["label_id"]}
    )
    if kind == "device_id":
        target["device_id"] = [foreign.id, target["device_id"]]
    await limit(hass, 9, **{kind: target[kind]})
    assert (intent(entry), intent(other)) == ({"current_limit": 9}, {})


async def test_targets_by_entity(
    hass: HomeAssistant, entry: MockConfigEntry, other: MockConfigEntry
) -> None:
    """Each entity of a charger stands for it."""
    foreign_device(hass)
    switch, sensor = f"switch.{PREFIX}_allow_charging", f"sensor.{PREFIX}_controlled_by"
    await limit(hass, 9, entity_id=[switch, sensor, "switch.other"])
    assert (intent(entry), intent(other)) == ({"current_limit": 9}, {})


@pytest.mark.parametrize("kind", ["area_id", "floor_id", "label_id", "device_id"])
async def test_targets_without_a_charger(
    hass: HomeAssistant, entry: MockConfigEntry, kind: str
) -> None:
    """A target in which nothing is ours is an error."""
    target = await place(hass, foreign_device(hass).id)
    with pytest.raises(ServiceValidationError) as raised:
        await limit(hass, 9, **{kind: target[kind]})
    assert key_of(raised.value) == "no_charger"
    assert intent(entry) == {}


async def test_no_target(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """An action never acts on all chargers because none was named."""
    with pytest.raises(ServiceValidationError) as raised:
        await limit(hass, 9)
    assert key_of(raised.value) == "no_charger"


@pytest.mark.parametrize(
    "kind", ["area_id", "floor_id", "label_id", "device_id", "entity_id"]
)
async def test_targets_that_do_not_exist(
    hass: HomeAssistant, entry: MockConfigEntry, kind: str
) -> None:
    """Something that was removed is named, and nothing is written."""
    target = {"device_id": [device_of(hass, entry)]}
    target[kind] = [*target.get(kind, []), "switch.gone"]
    with pytest.raises(ServiceValidationError, match=r"exist: switch\.gone") as raised:
        await limit(hass, 9, **target)
    assert key_of(raised.value) == "target_not_found"
    assert intent(entry) == {}


async def test_targets_with_exclusions(
    hass: HomeAssistant, entry: MockConfigEntry, other: MockConfigEntry
) -> None:
    """A charger is left out if its device or one of its entities is.

    Home Assistant 2026.10 has no exclusions, and nothing is written then.
    """
    target = await place(hass, device_of(hass, entry))
    dr.async_get(hass).async_update_device(
        device_of(hass, other), area_id=target["area_id"]
    )
    exclude = {"entity_id": [f"switch.{PREFIX}_allow_charging", "switch.gone"]}
    if "exclude" not in services.TARGET_FIELDS:
        with pytest.raises(ServiceValidationError, match="Unknown field: exclude"):
            await limit(hass, 9, area_id=target["area_id"], exclude=exclude)
        assert (intent(entry), intent(other)) == ({}, {})
        return
    await limit(hass, 9, area_id=target["area_id"], exclude=exclude)
    assert (intent(entry), intent(other)) == ({}, {"current_limit": 9})


async def test_description_of_set_limits(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """Home Assistant understands the target and the section."""
    description = (await async_get_all_descriptions(hass))[DOMAIN]["set_limits"]
    assert description["target"] == {
        "entity": [{"integration": DOMAIN, "domain": ["switch"]}]
    }
    section = description["fields"]["time_limit"]
    assert section["collapsed"] is True
    selectors = {
        name: field["selector"]
        for fields in (description["fields"], section["fields"])
        for name, field in fields.items()
        if "selector" in field
    }
    assert "duration" in selectors["valid_for"]
    assert set(selectors) == set(services.FIELDS["set_limits"])


async def test_actions_are_offered_for_a_charger(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """The automation editor shows them when a charger is selected."""
    foreign = foreign_device(hass)

    async def offered(device_id: str) -> set[str]:
        found = await async_get_services_for_target(
            hass, {"device_id": [device_id]}, expand_group=True
        )
        return {name for name in found if name.startswith(DOMAIN)}

    assert await offered(device_of(hass, entry)) == {
        f"{DOMAIN}.{action}" for action in services.FIELDS
    }
    assert await offered(foreign.id) == set()


@pytest.mark.parametrize(
    ("allowed_from", "shown"),
    [("19:35:00.000001", "19:36"), ("19:36:00", "19:36"), ("23:59:30", "00:00")],
)
async def test_time_of_the_next_phase_switch(
    hass: HomeAssistant, entry: MockConfigEntry, allowed_from: str, shown: str
) -> None:
    """It is local, and not before the switch is allowed."""
    await hass.config.async_set_time_zone("Europe/Berlin")
    # It is compared with the present.
    local = datetime.fromisoformat(f"2096-06-01T{allowed_from}+02:00")
    budget = entry.runtime_data.controller.control.state.phases.budget
    with (
        patch.object(budget, "allowed_from", return_value=dt_util.as_utc(local)),
        pytest.raises(ServiceValidationError) as raised,
    ):
        await entry.runtime_data.controller.async_set(
            Settings(phase_mode=control.PhaseMode.SINGLE_PHASE)
        )
    assert key_of(raised.value) == "phase_budget"
    assert str(raised.value).endswith(f"Try again after {shown}")


async def test_each_charger_has_a_lease_of_its_own(
    hass: HomeAssistant, entry: MockConfigEntry, other: MockConfigEntry
) -> None:
    """What ends that of one leaves that of another."""
    call = {
        "device_id": [device_of(hass, entry), device_of(hass, other)],
        "current_limit": 16,
        "valid_for": 100,
        "safe_limit": 7,
    }
    await hass.services.async_call(DOMAIN, "set_limits", call, blocking=True)
    await act(hass, entry, "release_connection", minutes=2, force=True)
    wake_keep_alive(other)
    await asyncio.sleep(0.2)
    assert intent(entry) == {"current_limit": 7}
    assert intent(other) == {"current_limit": 16}


async def test_several_chargers_of_which_one_fails(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    other: MockConfigEntry,
) -> None:
    """The failure does not affect the other."""
    simulator.faults.append(Fault(kind=FaultKind.EXCEPTION, function=0x10))
    devices = [device_of(hass, entry), device_of(hass, other)]
    call = {"device_id": devices, "current_limit": 0}
    with pytest.raises(HomeAssistantError, match="refused"):
        await hass.services.async_call(DOMAIN, "set_limits", call, blocking=True)
    assert (intent(entry), intent(other)) == ({}, {"current_limit": 0})


async def test_settings_of_the_action(hass: HomeAssistant) -> None:
    """The action sets each limit of the register map."""
    fields = set(services.FIELDS["set_limits"])
    assert set(registers.Settings.registers) - fields == {"start_stop"}
    assert {setting for setting in Setting if setting not in fields} == {"start_stop"}
