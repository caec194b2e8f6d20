"""The actions, on real sockets."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
import voluptuous as vol

from custom_components.nexblue_local import services
from custom_components.nexblue_local.charger.enums import PhaseMode
from custom_components.nexblue_local.charger.registers import Settings
from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.control.lease import Lease
from simulator import Fault, FaultKind, Ocpp, SimulatedCharger, Simulator
from simulator.charger import POWER_ON
from tests.commands import (
    LIMIT,
    PREFIX,
    SINGLE,
    STOP,
    gone_with,
    intent,
    stored,
    writes,
)
from tests.conftest import entry_for
from tests.test_init import poll, state

pytestmark = pytest.mark.usefixtures("quick_commands")

ALL = {
    "current_limit": 12,
    "fallback_limit": 8,
    "fallback_timeout": 120,
    "phase_mode": "single_phase",
}


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
    ("wrong", "sentence"),
    [
        ({"current_limit": 40}, "takes 0 to 32 as current_limit"),
        ({"current_limit": float("nan")}, "takes 0 to 32 as current_limit"),
        ({"fallback_limit": 4}, "0, or 6 to 16 A"),
        ({"fallback_limit": -1}, "takes 0 to 16 as fallback_limit"),
        ({"fallback_timeout": 10}, "takes 30 to 1800 as fallback_timeout"),
        ({"safe_limit": 33, "valid_for": 60}, "takes 0 to 32 as safe_limit"),
    ],
)
async def test_set_limits_all_or_none(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    wrong: dict[str, Any],
    sentence: str,
) -> None:
    """One value that is not valid, and nothing is written."""
    simulator.log.clear()
    with pytest.raises(ServiceValidationError, match=sentence):
        await act(hass, entry, "set_limits", **(ALL | wrong))
    assert writes(simulator) == []
    assert intent(entry) == {}


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "at least one"),
        ({"fallback_limit": 6, "valid_for": 60, "safe_limit": 6}, "current_limit"),
        ({"current_limit": 6, "valid_for": 60}, "lease"),
        ({"current_limit": 6, "valid_for": 5, "safe_limit": 6}, "valid_for"),
        ({"phase_mode": "two_phases"}, "two_phases|must be one of"),
    ],
)
async def test_set_limits_that_make_no_sense(
    hass: HomeAssistant, entry: MockConfigEntry, data: dict[str, Any], sentence: str
) -> None:
    """What does not belong together is refused as well."""
    with pytest.raises(vol.Invalid, match=sentence):
        await act(hass, entry, "set_limits", **data)


async def test_set_limits_over_the_phase_budget(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Neither are the limits beside a switch of the phases that is not allowed."""
    await SINGLE.give(hass)
    simulator.log.clear()
    with pytest.raises(ServiceValidationError, match="allowed from"):
        await act(hass, entry, "set_limits", current_limit=9, phase_mode="three_phase")
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
    assert entry.runtime_data.controller._keeper is not None


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
    entry.runtime_data.controller.control.budget.switches.clear()
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
        pytest.raises(ServiceValidationError, match="allowed from"),
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
        Settings({"current_limit": current_limit}),
        Lease(dt_util.utcnow() + valid_for, valid_for, safe_limit),
    )


async def test_a_lease_as_it_is_asked_for(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """The action makes one of the seconds that it is given."""
    await act(hass, entry, "set_limits", current_limit=16, valid_for=180, safe_limit=6)
    found = entry.runtime_data.controller.control.lease
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
    assert (on_disk["intent"], on_disk["lease"]) == ({"current_limit": 7}, None)
    assert state(hass, f"number.{PREFIX}_charging_current_limit") == "7.0"


async def test_a_lease_is_kept_with_its_limit(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Whether it is found out later, or the charger makes less of it."""
    controller = entry.runtime_data.controller
    simulator.faults += gone_with(0x10)
    with pytest.raises(HomeAssistantError, match="shows when"):
        await lease(entry, 15.0, 60, 7.0)
    simulator.faults.clear()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert intent(entry) == {"current_limit": 15.0}
    assert controller.control.lease is not None
    original = simulator.charger._set

    def clamp(name: str, value: Any) -> None:
        original(name, 13.0)

    with (
        patch.object(simulator.charger, "_set", clamp),
        pytest.raises(HomeAssistantError, match="made 13 of 20"),
    ):
        await lease(entry, 20.0, 50, 6.0)
    assert intent(entry) == {"current_limit": 13.0}
    assert controller.control.lease is not None
    assert controller.control.lease.safe_limit == 6.0


async def test_a_lease_outlives_a_restart(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A limit that runs out while Home Assistant is gone is not taken up again."""
    await lease(entry, 16, 0.5, 6)
    assert await hass.config_entries.async_unload(entry.entry_id)
    await asyncio.sleep(0.6)
    simulator.log.clear()
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert simulator.charger.settings["current_limit"] == 6
    assert [r.words for r in simulator.log if r.words] == [(0x0000, 0xC040)]


async def test_a_lease_that_ran_out_is_not_restored(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Whoever finds the charger first, the safe limit is what is written."""
    await lease(entry, 16.0, 0.3, 7.0)
    controller = entry.runtime_data.controller
    async with controller._lock:
        await simulator.stop()
        await asyncio.sleep(0.4)
        await simulator.start()
        simulator.log.clear()
        await controller._ready()
    assert {r.words for r in simulator.log if r.words} == {(0x0000, 0xE040)}


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
        (3, None, "0, or 6 to 16 A"),
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


async def test_several_chargers(
    hass: HomeAssistant, entry: MockConfigEntry, other: MockConfigEntry
) -> None:
    """One call serves several, and none where one of them is none."""
    devices = [device_of(hass, entry), device_of(hass, other)]

    async def limit(current_limit: float, *more: str) -> None:
        call = {"device_id": [*devices, *more], "current_limit": current_limit}
        await hass.services.async_call(DOMAIN, "set_limits", call, blocking=True)

    await limit(9)
    assert intent(entry) == intent(other) == {"current_limit": 9}
    with pytest.raises(ServiceValidationError):
        await limit(8, "nobody")
    assert intent(entry) == intent(other) == {"current_limit": 9}
    assert await hass.config_entries.async_unload(other.entry_id)
    with pytest.raises(ServiceValidationError):
        await limit(8)
    assert intent(entry) == {"current_limit": 9}


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
    other.runtime_data.controller._async_keep()
    await asyncio.sleep(0.2)
    assert intent(entry) == {"current_limit": 7}
    assert intent(other) == {"current_limit": 16}


async def test_several_chargers_of_which_one_fails(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    other: MockConfigEntry,
) -> None:
    """The others have their turn, and the failure is told."""
    simulator.faults.append(Fault(kind=FaultKind.EXCEPTION, function=0x10))
    devices = [device_of(hass, entry), device_of(hass, other)]
    call = {"device_id": devices, "current_limit": 0}
    with pytest.raises(HomeAssistantError, match="refused"):
        await hass.services.async_call(DOMAIN, "set_limits", call, blocking=True)
    assert (intent(entry), intent(other)) == ({}, {"current_limit": 0})


async def test_settings_of_the_schema() -> None:
    """The action takes each limit of the register map."""
    names = {register.name for register in Settings.registers} - {"start_stop"}
    wanted = {"current_limit": 6, "fallback_limit": 6, "fallback_timeout": 60}
    call = {"device_id": "x", **wanted, "phase_mode": "adaptive"}
    assert names < set(services.SET_LIMITS(call))
