"""What was asked for is restored, on real sockets."""

import asyncio
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryDisabler, ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

import custom_components.nexblue_local as integration
from custom_components.nexblue_local.modbus.enums import PhaseMode, StartStop
from simulator import Car, Fault, FaultKind, Simulator
from simulator.charger import POWER_ON
from tests.commands import (
    COMMANDS,
    LIMIT,
    PERIOD,
    PREFIX,
    SINGLE,
    STOP,
    intent,
    is_kept_alive,
    number,
    wake_keep_alive,
    writes,
)
from tests.conftest import entry_for
from tests.test_init import poll, state

pytestmark = pytest.mark.usefixtures("quick_commands")


async def test_restored_after_a_power_cycle(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """All that was asked for, and in the safest order; nothing that was not."""
    simulator.charger.plug_in(Car())
    await poll(hass, entry)
    for command in COMMANDS[:4]:
        await command.give(hass)
    await simulator.power_cycle()
    simulator.log.clear()
    await poll(hass, entry)
    settings = simulator.charger.settings
    assert {c.name: settings[c.name] for c in COMMANDS[:4]} == {
        c.name: c.value for c in COMMANDS[:4]
    }
    assert settings["phase_mode"] is PhaseMode.ADAPTIVE
    assert [address for _, address in writes(simulator)] == [
        *(1006, 1000, 1004, 1002, 1000)
    ]


async def test_restored_after_a_restart(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What was asked for outlives the process that was asked."""
    await LIMIT.give(hass)
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert intent(entry) == {"current_limit": 10.5}
    await simulator.power_cycle()
    await poll(hass, entry)
    assert simulator.charger.settings["current_limit"] == 10.5


async def all_down(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Have a limit to restore, and neither Home Assistant nor the charger up."""
    await LIMIT.give(hass)
    assert await hass.config_entries.async_unload(entry.entry_id)
    await simulator.stop()


async def test_restored_when_home_assistant_starts_first(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A charger that comes later does not wait for growing intervals."""
    await all_down(hass, simulator, entry)
    simulator.charger.power_on()
    with patch.object(integration, "RESTORE_RETRY", 0.2):
        assert not await hass.config_entries.async_setup(entry.entry_id)
        # Long enough for several tries, which Home Assistant's would not be.
        await asyncio.sleep(2)
        await simulator.start()
        await asyncio.sleep(1.5)
    assert entry.state is ConfigEntryState.LOADED
    assert simulator.charger.settings["current_limit"] == 10.5
    assert is_kept_alive(entry)


async def test_a_charger_in_use_is_set_up_at_leisure(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Whoever holds it is not disturbed every five seconds."""
    await LIMIT.give(hass)
    assert await hass.config_entries.async_unload(entry.entry_id)
    simulator.occupy(3600)
    with (
        patch.object(integration, "RESTORE_RETRY", 0.1),
        patch.object(integration, "LEAVE_ALONE", 1.2),
    ):
        assert not await hass.config_entries.async_setup(entry.entry_id)
        simulator.occupy(0)
        await asyncio.sleep(0.8)
        tried_early = simulator.is_connected
        await asyncio.sleep(0.8)
    assert not tried_early
    assert entry.state is ConfigEntryState.LOADED


async def test_a_retry_ends_with_the_entry(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """An entry that is switched off meanwhile stays so."""
    await all_down(hass, simulator, entry)
    with patch.object(integration, "RESTORE_RETRY", 0.2):
        assert not await hass.config_entries.async_setup(entry.entry_id)
        await hass.config_entries.async_set_disabled_by(
            entry.entry_id, ConfigEntryDisabler.USER
        )
        await simulator.start()
        await asyncio.sleep(0.4)
    assert entry.state is ConfigEntryState.NOT_LOADED


async def test_a_set_up_in_between_takes_the_place_of_the_retry(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """No timer is left when somebody else was faster."""
    await all_down(hass, simulator, entry)
    with patch.object(integration, "RESTORE_RETRY", 0.5):
        assert not await hass.config_entries.async_setup(entry.entry_id)
    await simulator.start()
    assert await hass.config_entries.async_reload(entry.entry_id)
    # Whatever a timer that is left raises then, fails the test.
    await asyncio.sleep(0.6)
    assert entry.state is ConfigEntryState.LOADED


async def test_a_charger_that_nobody_controls_is_set_up_at_leisure(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """Where nothing has to be restored, Home Assistant's intervals will do."""
    await simulator.stop()
    entry = entry_for(simulator)
    entry.add_to_hass(hass)
    with patch.object(integration, "RESTORE_RETRY", 0.1):
        assert not await hass.config_entries.async_setup(entry.entry_id)
        await simulator.start()
        await asyncio.sleep(0.5)
    assert entry.state is ConfigEntryState.SETUP_RETRY


async def test_restoring_that_fails_is_tried_again(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A connection that is lost in the middle of it does not end it."""
    await LIMIT.give(hass)
    await COMMANDS[1].give(hass)
    await simulator.power_cycle()
    simulator.faults.append(
        Fault(kind=FaultKind.DROP, function=0x10, address=1000, times=1)
    )
    await poll(hass, entry)
    assert simulator.charger.settings["current_limit"] == POWER_ON["current_limit"]
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert simulator.charger.settings["fallback_limit"] == 8.0
    assert simulator.charger.settings["current_limit"] == 10.5


async def test_restoring_that_the_charger_cannot_do_yet(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A failure that leaves the connection open does not end it either."""
    await LIMIT.give(hass)
    await simulator.power_cycle()
    # A gateway's code for a charger that is silent.
    simulator.faults.append(
        Fault(kind=FaultKind.EXCEPTION, function=0x10, code=11, times=1)
    )
    await poll(hass, entry)
    assert simulator.charger.settings["current_limit"] == POWER_ON["current_limit"]
    await poll(hass, entry)
    assert simulator.charger.settings["current_limit"] == 10.5


async def test_phases_over_budget_hold_the_limit(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Until the phase mode may be restored no more than 6 A are offered."""
    await LIMIT.give(hass)
    await SINGLE.give(hass)
    await simulator.power_cycle()
    simulator.log.clear()
    await poll(hass, entry)
    assert simulator.charger.settings["current_limit"] == 6.0
    limit = hass.states.get(f"number.{PREFIX}_charging_current_limit")
    assert limit is not None
    assert limit.state == "10.5"
    assert state(hass, f"sensor.{PREFIX}_limited_by") == "phase_switch_pending"
    assert state(hass, f"select.{PREFIX}_phase_mode") == "single_phase"
    assert (0x06, 1007) not in writes(simulator)
    # What is commanded meanwhile is kept, and held down as well.
    await number("current_limit", 16, 1000).give(hass)
    await COMMANDS[2].give(hass)  # Writes the limit before the timeout.
    await entry.runtime_data.coordinator.async_release_connection(0.1, force=False)
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    limits = {r.words for r in simulator.log if r.words and r.address == 1000}
    assert limits == {(0x0000, 0xC040)}
    assert intent(entry)["current_limit"] == 16.0
    control = entry.runtime_data.controller.control.state
    control.phases.budget.switches.clear()
    simulator.log.clear()
    # A poll during another one leaves it to the next.
    for _ in range(20):
        await poll(hass, entry)
        if simulator.charger.settings["phase_mode"] is PhaseMode.SINGLE_PHASE:
            break
    await poll(hass, entry)
    assert simulator.charger.settings["phase_mode"] is PhaseMode.SINGLE_PHASE
    assert simulator.charger.settings["current_limit"] == 16.0
    assert [address for _, address in writes(simulator)] == [1000, 1007, 1000]


async def waits_for_its_phases(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Have the charger lose its phase mode, and the budget allow to restore it."""
    await LIMIT.give(hass)
    await SINGLE.give(hass)
    await simulator.power_cycle()
    await poll(hass, entry)
    assert simulator.charger.settings["current_limit"] == 6.0
    entry.runtime_data.controller.control.state.phases.budget.switches.clear()


async def test_phases_that_cannot_be_restored_yet_hold_the_limit(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A failure that leaves the connection open lifts no limit either."""
    await waits_for_its_phases(hass, simulator, entry)
    simulator.faults.append(
        Fault(kind=FaultKind.EXCEPTION, function=6, code=11, times=1)
    )
    await poll(hass, entry)
    with patch(PERIOD, lambda self, timeout: 0.2):
        wake_keep_alive(entry)
        await asyncio.sleep(0.5)
    assert simulator.charger.settings["current_limit"] == 6.0


async def test_a_power_cut_behind_a_gateway(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A charger that was silent may have lost everything, connection or not."""
    for command in (LIMIT, STOP, SINGLE):
        await command.give(hass)
    away = Fault(kind=FaultKind.EXCEPTION, code=11)
    simulator.faults.append(away)
    await poll(hass, entry)
    assert state(hass, f"sensor.{PREFIX}_status") == STATE_UNAVAILABLE
    assert state(hass, f"switch.{PREFIX}_allow_charging") == "off"
    simulator.charger.power_on()
    simulator.faults.remove(away)
    await poll(hass, entry)
    assert simulator.is_connected
    assert simulator.charger.settings["start_stop"] is StartStop.STOP
    assert simulator.charger.settings["current_limit"] == 6.0
    assert entry.runtime_data.controller.control.state.phases.is_awaited


async def test_fallback_shows(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """When the charger decides for itself, it says so."""
    await LIMIT.give(hass)
    simulator.charger.fallback_active = True
    await poll(hass, entry)
    assert state(hass, f"sensor.{PREFIX}_controlled_by") == "fallback"
