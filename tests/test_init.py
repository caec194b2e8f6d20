"""Setting up, losing and unloading a charger."""

import asyncio
import logging

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator import Fault, FaultKind, Simulator
from tests.conftest import SERIAL, entry_for

POWER = "sensor.nexblue_delta_max_power"


async def poll(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Refresh now rather than in five seconds."""
    await entry.runtime_data.async_refresh()
    await hass.async_block_till_done()


def state(hass: HomeAssistant, entity_id: str) -> str:
    """Return the state of an entity that must exist."""
    found = hass.states.get(entity_id)
    assert found is not None
    return found.state


async def test_set_up_and_unload(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A charger is there after set-up, and left alone after unloading."""
    assert state(hass, POWER) == "0.0"
    assert simulator.is_connected

    assert await hass.config_entries.async_unload(entry.entry_id)
    assert entry.state is ConfigEntryState.NOT_LOADED
    await asyncio.sleep(0.05)
    assert not simulator.is_connected


async def test_reload(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A reload is not stopped by the charger's late free place."""
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED
    assert state(hass, POWER) == "0.0"


async def test_stop_closes_the_connection(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Home Assistant stops without unloading; the charger is free all the same."""
    await hass.async_stop()
    await asyncio.sleep(0.05)
    assert not simulator.is_connected


async def test_polling(hass: HomeAssistant, simulator: Simulator) -> None:
    """The charger is read at the interval of the options without anybody asking."""
    entry = entry_for(simulator, scan_interval=1)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    simulator.log.clear()
    await asyncio.sleep(2.5)
    polls = len(simulator.log) // 2
    assert [r.address for r in simulator.log] == [100, 400] * polls
    assert polls in (2, 3)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Fault(kind=FaultKind.DROP), "closes every connection"),
        (Fault(kind=FaultKind.GARBAGE), "invalid Modbus response"),
        (Fault(kind=FaultKind.EXCEPTION, code=4), "refused the request"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
async def test_set_up_fails(
    hass: HomeAssistant, simulator: Simulator, fault: Fault, sentence: str
) -> None:
    """A charger that cannot be read is tried again later, and left alone till then."""
    simulator.faults.append(fault)
    entry = entry_for(simulator)
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.reason is not None
    assert sentence in entry.reason
    await asyncio.sleep(0.05)
    assert not simulator.is_connected


async def test_outage(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An outage makes entities unavailable and one line, its end likewise."""
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
    """Another charger at the address is nobody's; the right one comes back."""
    simulator.charger.serial_number = "ANOTHER"
    simulator.cut()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert state(hass, POWER) == STATE_UNAVAILABLE
    simulator.charger.serial_number = SERIAL
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert state(hass, POWER) == "0.0"


async def test_firmware_update_shows(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The device tells the firmware that the charger runs after a restart."""

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


async def test_energy_outlives_a_reload(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A meter that shows nought right after the start is not believed."""
    energy = "sensor.nexblue_delta_max_lifetime_energy"
    session = "sensor.nexblue_delta_max_session_energy"
    assert state(hass, energy) == "1234.5"
    simulator.charger.session_energy = 4.0
    await poll(hass, entry)
    await poll(hass, entry)
    assert state(hass, session) == "4.0"
    simulator.charger.session_energy = 0.0
    simulator.charger.lifetime_energy = 0
    assert await hass.config_entries.async_reload(entry.entry_id)
    for _ in range(5):
        assert state(hass, energy) == "1234.5"
        assert state(hass, session) == "4.0"
        await poll(hass, entry)
    simulator.charger.lifetime_energy = 1_234_600
    await poll(hass, entry)
    assert state(hass, energy) == "1234.6"


async def test_an_unscheduled_refresh_ends_with_the_entry(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
) -> None:
    """Whoever asks for a refresh does not keep a charger that is unloaded."""
    simulator.faults.append(Fault(kind=FaultKind.MUTE))
    refresh = hass.async_create_task(entry.runtime_data.async_refresh())
    await asyncio.sleep(0.1)
    assert await hass.config_entries.async_unload(entry.entry_id)
    async with asyncio.timeout(0.3):
        await refresh
