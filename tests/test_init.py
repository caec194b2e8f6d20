"""Test setting up, polling and unloading a charger."""

import asyncio
import logging

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.const import DOMAIN
from simulator import Car, Fault, FaultKind, Simulator
from tests.commands import LIMIT, STOP
from tests.conftest import SERIAL, entry_for

POWER = "sensor.nexblue_delta_max_power"


async def poll(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Poll the charger now."""
    await entry.runtime_data.coordinator.async_refresh()
    await hass.async_block_till_done()


def state(hass: HomeAssistant, entity_id: str) -> str:
    """Return the state of an entity that must exist."""
    found = hass.states.get(entity_id)
    assert found is not None
    return found.state


async def test_set_up_and_unload(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Unloading closes the connection."""
    assert state(hass, POWER) == "0.0"
    assert simulator.is_connected

    assert await hass.config_entries.async_unload(entry.entry_id)
    assert entry.state is ConfigEntryState.NOT_LOADED
    await asyncio.sleep(0.05)
    assert not simulator.is_connected


async def test_one_key_in_hass_data(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """The integration has one key in the data of Home Assistant."""
    await LIMIT.give(hass)
    keys = [str(key) for key in hass.data if DOMAIN in str(key)]
    assert keys == [DOMAIN]


async def test_reload(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A reload succeeds although the charger drops the last client late."""
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED
    assert state(hass, POWER) == "0.0"


async def test_stop_closes_the_connection(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Stopping Home Assistant closes the connection."""
    await hass.async_stop()
    await asyncio.sleep(0.05)
    assert not simulator.is_connected


async def test_polling(hass: HomeAssistant, simulator: Simulator) -> None:
    """The charger is polled at the interval of the options."""
    entry = entry_for(simulator, scan_interval=1)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    simulator.log.clear()
    await asyncio.sleep(2.5)
    polls = len(simulator.log) // 2
    assert [r.address for r in simulator.log] == [100, 400] * polls
    assert polls in (2, 3)


async def test_power_follows_a_start_soon(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """After a stop, a start or a plug the next poll comes after a second."""
    entry = entry_for(simulator, scan_interval=30)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)

    def polls() -> int:
        return sum(request.address == 400 for request in simulator.log)

    await STOP.give(hass)
    simulator.log.clear()
    await asyncio.sleep(2.5)
    assert polls() == 1
    simulator.charger.plug_in(Car())
    await poll(hass, entry)
    simulator.log.clear()
    await asyncio.sleep(2.5)
    assert polls() == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(kind=FaultKind.DROP), "closes every connection"),
        (Fault(kind=FaultKind.GARBAGE), "invalid Modbus response"),
        (Fault(kind=FaultKind.EXCEPTION, code=4), "refused the request"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
async def test_set_up_fails(
    hass: HomeAssistant, simulator: Simulator, fault: Fault, reason: str
) -> None:
    """A failed set-up gives a reason and closes the connection."""
    simulator.faults.append(fault)
    entry = entry_for(simulator)
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.reason is not None
    assert reason in entry.reason
    await asyncio.sleep(0.05)
    assert not simulator.is_connected


async def test_outage(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Entities are unavailable in an outage, which logs one line; so does recovery."""
    await simulator.stop()
    caplog.clear()
    for _ in range(3):
        await poll(hass, entry)
        assert state(hass, POWER) == STATE_UNAVAILABLE
    await simulator.start()
    await poll(hass, entry)
    assert state(hass, POWER) == "0.0"
    ours = [
        record
        for record in caplog.records
        if record.name.startswith("custom_components")
        and record.levelno > logging.DEBUG
    ]
    assert [r.levelno for r in ours] == [logging.ERROR, logging.INFO]
    assert "Could not connect to the charger" in ours[0].message


async def test_wrong_charger(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Entities are unavailable while another charger responds."""
    simulator.charger.serial_number = "ANOTHER"
    simulator.cut()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert state(hass, POWER) == STATE_UNAVAILABLE
    simulator.charger.serial_number = SERIAL
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert state(hass, POWER) == "0.0"


async def test_firmware_update(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The device shows the new firmware after the charger restarted."""

    def firmware() -> str | None:
        registry = dr.async_get(hass)
        (device,) = dr.async_entries_for_config_entry(registry, entry.entry_id)
        return device.sw_version

    assert firmware() == "04.00.19"
    simulator.overrides |= {28: 0x3034, 29: 0x2E30, 30: 0x312E, 31: 0x3030}
    simulator.cut()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert firmware() == "04.01.00"


async def test_energies_are_restored_after_a_reload(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A meter that reads zero after a reload does not reset the energies."""
    energy = "sensor.nexblue_delta_max_lifetime_energy"
    session = "sensor.nexblue_delta_max_session_energy"
    assert state(hass, energy) == "1234.567"
    simulator.charger.session_energy = 4.0
    await poll(hass, entry)
    await poll(hass, entry)
    assert state(hass, session) == "4.0"
    simulator.charger.session_energy = 0.0
    simulator.charger.lifetime_energy = 0
    assert await hass.config_entries.async_reload(entry.entry_id)
    for _ in range(5):
        assert state(hass, energy) == "1234.567"
        assert state(hass, session) == "4.0"
        await poll(hass, entry)
    simulator.charger.lifetime_energy = 1_234_650
    await poll(hass, entry)
    assert state(hass, energy) == "1234.65"


async def test_an_unscheduled_refresh_ends_with_the_entry(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
) -> None:
    """Unloading ends a refresh that was requested by hand."""
    simulator.faults.append(Fault(kind=FaultKind.MUTE))
    refresh = hass.async_create_task(entry.runtime_data.coordinator.async_refresh())
    await asyncio.sleep(0.1)
    assert await hass.config_entries.async_unload(entry.entry_id)
    async with asyncio.timeout(0.3):
        await refresh
