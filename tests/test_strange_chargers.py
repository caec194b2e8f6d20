"""Chargers that behave otherwise than the document says, on real sockets."""

import asyncio
from collections.abc import AsyncIterator
import time
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local import coordinator
from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.modbus import transport
from custom_components.nexblue_local.modbus.enums import StartStop
from simulator import (
    Car,
    DateFormat,
    Fault,
    FaultKind,
    Habits,
    SimulatedCharger,
    Simulator,
)
from simulator.charger import POWER_ON
from simulator.habits import AS_DOCUMENTED
from tests.commands import PREFIX, STOP, entity_id_of, intent, number, writes
from tests.conftest import SERIAL, entry_for, timing, user_enters
from tests.test_config_flow import address, discover
from tests.test_init import poll, state

LIMITS = (6.3, 10.4, 9.7, 8.8, 12.1)


@pytest.mark.parametrize("rounds_up", [False, True])
async def test_rounds_limits(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry, rounds_up: bool
) -> None:
    """Set-points in tenths are no error, and take no longer."""
    simulator.charger.habits = Habits(limit_step=1.0, limit_rounds_up=rounds_up)
    for limit in LIMITS:
        started = time.monotonic()
        await number("current_limit", limit, 1000).give(hass)
        assert time.monotonic() - started < 0.5
        assert simulator.charger.settings["current_limit"] == int(limit)
        assert intent(entry) == {"current_limit": limit}


async def test_set_points_take_no_longer(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A charger that rounds gets its limits as quickly as one that does not."""
    simulator.charger.read_back_delay = 0.1
    requests: dict[Habits, int] = {}
    with timing(confirm_every=0.05):
        await hass.config_entries.async_reload(entry.entry_id)
    for habits in (AS_DOCUMENTED, Habits(limit_step=1.0), Habits(limit_step=0.5)):
        simulator.charger.habits = habits
        await number("current_limit", 16, 1000).give(hass)
        await poll(hass, entry)
        simulator.log.clear()
        for limit in LIMITS:
            await number("current_limit", limit, 1000).give(hass)
        requests[habits] = len(simulator.log)
    friendly, *rounding = requests.values()
    # Each limit may be read back once more, depending on when it is read.
    assert max(rounding) <= friendly + len(LIMITS), requests


@pytest.mark.parametrize("app_maximum", [16.0, 7.0])
async def test_shows_what_it_offers(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    app_maximum: float,
) -> None:
    """Less than requested, or 0 while idle, is a state and no failure."""
    simulator.charger.habits = Habits(shows_offered=True)
    await number("current_limit", 16, 1000).give(hass)
    simulator.charger.app_max_current = app_maximum
    assert intent(entry) == {"current_limit": 16}
    simulator.charger.plug_in(Car())
    simulator.charger.clock = lambda: time.monotonic() + 60
    await poll(hass, entry)
    assert state(hass, f"sensor.{PREFIX}_controlled_by") == "home_assistant"
    assert state(hass, f"number.{PREFIX}_charging_current_limit") == "16.0"
    assert state(hass, f"sensor.{PREFIX}_limited_by") == "app_maximum"
    assert simulator.charger.settings["current_limit"] == 16


@pytest.mark.parametrize("max_read", [32, 8, 2])
async def test_short_reads(
    hass: HomeAssistant, simulator: Simulator, max_read: int
) -> None:
    """Reads are halved until they are answered, also in the config flow."""
    simulator.charger.habits = Habits(max_read=max_read)
    result = await user_enters(
        hass, {"host": simulator.host, "port": simulator.port, "unit_id": 200}
    )
    assert result["type"] is (
        # A serial number of 12 registers cannot be read in two.
        FlowResultType.FORM if max_read < 12 else FlowResultType.CREATE_ENTRY
    )
    if max_read < 12:
        assert result["errors"] == {"base": "not_a_charger"}
        return
    await hass.async_block_till_done()
    assert float(state(hass, f"sensor.{PREFIX}_voltage_l1")) > 200
    simulator.log.clear()
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    await entry.runtime_data.coordinator.async_refresh()
    # What was refused is not tried again.
    assert max(request.count for request in simulator.log) <= max_read


async def test_slow_first_answer(hass: HomeAssistant, simulator: Simulator) -> None:
    """The first answer on a connection may take longer than the others."""
    simulator.charger.habits = Habits(first_answer_delay=0.8)
    entry = entry_for(simulator)
    entry.add_to_hass(hass)
    with (
        patch.object(transport, "TIMEOUT", 0.3),
        patch.object(transport, "FIRST_TIMEOUT", 2.0),
    ):
        assert await hass.config_entries.async_setup(entry.entry_id)
        await poll(hass, entry)
        assert entry.runtime_data.coordinator.last_update_success
        simulator.faults.append(Fault(kind=FaultKind.SLOW, seconds=0.8))
        await poll(hass, entry)
        assert not entry.runtime_data.coordinator.last_update_success


async def test_busy_now_and_then(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A request is repeated while the charger is busy, reads included."""
    simulator.faults.append(Fault(kind=FaultKind.EXCEPTION, code=6, times=2))
    await poll(hass, entry)
    assert entry.runtime_data.coordinator.last_update_success
    simulator.faults.append(
        Fault(kind=FaultKind.EXCEPTION, code=6, times=2, function=0x10)
    )
    await number("current_limit", 9, 1000).give(hass)
    assert simulator.charger.settings["current_limit"] == 9


async def test_refuses_a_read_now_and_then(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A read that is refused once is repeated within the poll."""
    simulator.faults.append(Fault(kind=FaultKind.EXCEPTION, code=4, times=1))
    await poll(hass, entry)
    assert entry.runtime_data.coordinator.last_update_success
    assert simulator.faults[0].times == 0


async def test_refuses_now_and_then(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A setting that is refused when it is restored is tried again."""
    await number("fallback_timeout", 120, 1004).give(hass)
    await simulator.power_cycle()
    simulator.faults.append(
        Fault(kind=FaultKind.EXCEPTION, code=4, times=2, address=1004, function=0x10)
    )
    pending = entity_id_of(hass, "binary_sensor", "settings_not_applied")
    await poll(hass, entry)
    assert state(hass, pending) == "on"
    for _ in range(3):
        await poll(hass, entry)
        await asyncio.sleep(0.01)
    assert simulator.charger.settings["fallback_timeout"] == 120
    assert state(hass, pending) == "off"


async def test_letter_case_of_the_serial_number(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Another letter case is the same charger, in the config flow as well."""
    simulator.charger.serial_number = simulator.charger.serial_number.lower()
    simulator.cut()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert entry.runtime_data.coordinator.last_update_success
    result = await user_enters(
        hass, {"host": "localhost", "port": simulator.port, "unit_id": 200}
    )
    assert result["reason"] == "already_configured"
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


async def test_strings_padded_with_0xff(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """The padding is no part of the names and of the serial number."""
    simulator.charger.habits = Habits(padding_0xff=True)
    result = await user_enters(hass, address(simulator))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "NexBlue Delta Max"
    assert result["result"].unique_id == SERIAL


@pytest.mark.parametrize(
    "habits",
    [
        *(Habits(date_format=date_format) for date_format in DateFormat),
        Habits(clock_unset_for=3600, zeros_for=3600),
    ],
    ids=lambda habits: str(habits.date_format) if not habits.zeros_for else "no clock",
)
async def test_no_valid_date(
    hass: HomeAssistant, simulator: Simulator, habits: Habits
) -> None:
    """Other values confirm the byte order, and settings are restored at once."""
    simulator.charger.habits = habits
    result = await user_enters(hass, address(simulator))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    entry = result["result"]
    simulator.charger.plug_in(Car())
    await poll(hass, entry)
    await number("current_limit", 6, 1000).give(hass)
    await STOP.give(hass)
    await simulator.power_cycle()
    assert simulator.charger.settings["current_limit"] == 16
    assert await hass.config_entries.async_reload(entry.entry_id)
    await poll(hass, entry)
    assert simulator.charger.settings["current_limit"] == 6
    assert simulator.charger.settings["start_stop"] is StartStop.STOP


async def test_start_when_unplugged(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A STOP ends with its session, and does not stop the next car."""
    simulator.charger.habits = Habits(starts_when_unplugged=True)
    simulator.charger.plug_in(Car())
    await poll(hass, entry)
    await STOP.give(hass)
    simulator.charger.unplug()
    await poll(hass, entry)
    simulator.charger.plug_in(Car())
    simulator.log.clear()
    simulator.cut()
    await asyncio.sleep(0.2)
    for _ in range(2):
        await poll(hass, entry)
    assert intent(entry) == {}
    assert writes(simulator) == []
    assert simulator.charger.settings["start_stop"] is StartStop.START


@pytest.fixture
async def impostor(
    socket_enabled: None, simulator: Simulator
) -> AsyncIterator[Simulator]:
    """Return a second charger with the serial number of the first."""
    charger = SimulatedCharger(serial_number=SERIAL, read_back_delay=0.0)
    async with Simulator(charger=charger, slot_release=0.1) as impostor:
        yield impostor


async def test_an_impostor_announces_itself(
    hass: HomeAssistant,
    simulator: Simulator,
    impostor: Simulator,
    entry: MockConfigEntry,
) -> None:
    """Control does not move while the charger answers at its own address."""
    before = dict(entry.data)
    result = await discover(hass, impostor)
    assert result["reason"] == "already_configured"
    assert entry.data == before
    assert writes(impostor) == []
    assert not impostor.is_connected
    # It is left alone now.
    impostor.log.clear()
    for _ in range(3):
        result = await discover(hass, impostor)
        assert result["reason"] == "already_configured"
    assert impostor.log == []
    assert entry.data == before
    assert entry.state is ConfigEntryState.LOADED


async def test_a_charger_that_moved_after_all(
    hass: HomeAssistant,
    simulator: Simulator,
    impostor: Simulator,
    entry: MockConfigEntry,
) -> None:
    """An announcement that was turned down is used when nobody answers any more."""
    await discover(hass, impostor)
    await simulator.stop()
    await poll(hass, entry)
    assert entry.data["modbus"]["port"] == simulator.port
    with patch.object(coordinator, "FOLLOW_AFTER", 0.0):
        await poll(hass, entry)
        await hass.async_block_till_done()
    assert entry.data["modbus"]["port"] == impostor.port
    assert entry.state is ConfigEntryState.LOADED
    assert impostor.is_connected


async def test_a_charger_that_moved(
    hass: HomeAssistant,
    simulator: Simulator,
    impostor: Simulator,
    entry: MockConfigEntry,
) -> None:
    """The entry follows at once if nobody answers at its address."""
    await simulator.stop()
    await discover(hass, impostor)
    await hass.async_block_till_done()
    assert entry.data["modbus"]["port"] == impostor.port


async def test_byte_order_that_nothing_proves_any_more(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Settings are restored at once to a charger whose clock is not set yet."""
    await number("current_limit", 10, 1000).give(hass)
    assert await hass.config_entries.async_unload(entry.entry_id)
    charger = simulator.charger
    monkeypatch.setitem(POWER_ON, "current_limit", 0.0)
    monkeypatch.setitem(POWER_ON, "fallback_limit", 0.0)
    charger.power_on()
    charger.app_max_current = 0.0
    simulator.overrides |= dict.fromkeys((*range(38, 43), *range(108, 114)), 0)
    simulator.log.clear()
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert writes(simulator) == [(0x10, 1000)]
    assert charger.settings["current_limit"] == 10


async def test_learned_reads_are_kept(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """A charger that answers short reads is not asked for long ones again."""
    simulator.charger.habits = Habits(max_read=32)
    entry = entry_for(simulator)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert max(request.count for request in simulator.log) > 32
    simulator.log.clear()
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert simulator.log
    assert max(request.count for request in simulator.log) <= 32
