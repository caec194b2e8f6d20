"""Test another charger at the address, and chargers that swap addresses."""

import asyncio
from collections.abc import AsyncIterator

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.repairs import escape_markdown
from simulator import SimulatedCharger, Simulator
from tests.commands import entity_id_of
from tests.conftest import SERIAL, entry_for
from tests.test_config_flow import discover
from tests.test_init import poll, state

OTHER = "NB10SIM00002"


@pytest.fixture
async def other(socket_enabled: None) -> AsyncIterator[Simulator]:
    """Return a second charger."""
    charger = SimulatedCharger(serial_number=OTHER, read_back_delay=0.0)
    async with Simulator(charger=charger, slot_release=0.1) as simulator:
        yield simulator


async def swap(one: Simulator, another: Simulator) -> None:
    """Swap the addresses of two chargers."""
    one.cut()
    another.cut()
    one.charger, another.charger = another.charger, one.charger
    await asyncio.sleep(0.2)


def issues(hass: HomeAssistant) -> list[str | None]:
    """Return the translation keys of the repair issues."""
    return [
        issue.translation_key
        for issue in ir.async_get(hass).issues.values()
        if issue.domain == DOMAIN
    ]


async def test_issue(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """An issue exists while another charger responds."""
    simulator.charger.serial_number = OTHER
    simulator.cut()
    await asyncio.sleep(0.2)
    simulator.log.clear()
    await poll(hass, entry)
    assert state(hass, entity_id_of(hass, "sensor", "power")) == STATE_UNAVAILABLE
    assert issues(hass) == ["wrong_charger"]
    (issue,) = ir.async_get(hass).issues.values()
    assert issue.translation_placeholders == {
        "name": entry.title,
        "charger": entry.title,
        "host": escape_markdown(simulator.host),
        "expected": SERIAL,
        "found": OTHER,
    }
    assert {r.address for r in simulator.log} == {0}
    await asyncio.sleep(0.05)
    assert not simulator.is_connected

    simulator.charger.serial_number = SERIAL
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert state(hass, entity_id_of(hass, "sensor", "power")) == "0.0"
    assert issues(hass) == []


async def test_no_serial_number(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A device without a serial number creates no issue."""
    simulator.overrides[16] = 0xFFFF
    simulator.cut()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert state(hass, entity_id_of(hass, "sensor", "power")) == STATE_UNAVAILABLE
    assert issues(hass) == []
    simulator.overrides.clear()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert state(hass, entity_id_of(hass, "sensor", "power")) == "0.0"


async def test_removing_the_entry_deletes_the_issue(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """Removing the entry deletes the issue."""
    simulator.charger.serial_number = OTHER
    entry = entry_for(simulator)
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, unique_id=SERIAL)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert issues(hass) == ["wrong_charger"]
    await hass.config_entries.async_remove(entry.entry_id)
    assert issues(hass) == []


async def set_up(hass: HomeAssistant, *entries: MockConfigEntry) -> None:
    """Set up entries as Home Assistant does when it starts."""
    for entry in entries:
        entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entries[0].entry_id)
    await hass.async_block_till_done()


@pytest.mark.parametrize("changes_letter_case", [False, True])
async def test_swap_while_running(
    hass: HomeAssistant,
    simulator: Simulator,
    other: Simulator,
    changes_letter_case: bool,
) -> None:
    """Two chargers that swapped addresses are found, in any letter case."""
    one, two = entry_for(simulator), entry_for(other)
    await set_up(hass, one, two)
    before = dict(one.data), dict(two.data)
    await swap(simulator, other)
    if changes_letter_case:
        for each in (simulator, other):
            each.charger.serial_number = each.charger.serial_number.lower()
    for _ in range(2):
        await poll(hass, one)
        await poll(hass, two)
        await asyncio.sleep(0.3)
    await hass.async_block_till_done()
    assert (two.data, one.data) == before
    for entry, serial in ((one, SERIAL), (two, OTHER)):
        assert entry.state is ConfigEntryState.LOADED
        await poll(hass, entry)
        assert entry.runtime_data.coordinator.data.identity.serial_number == serial
    assert issues(hass) == []


async def test_swap_while_stopped(
    hass: HomeAssistant, simulator: Simulator, other: Simulator
) -> None:
    """Chargers that swapped addresses before the start are found."""
    one, two = entry_for(simulator), entry_for(other)
    await swap(simulator, other)
    await set_up(hass, one, two)
    for entry in (one, two, one, two):  # Home Assistant retries these later.
        if entry.state is not ConfigEntryState.LOADED:
            await hass.config_entries.async_reload(entry.entry_id)
    for entry, serial in ((one, SERIAL), (two, OTHER)):
        assert entry.state is ConfigEntryState.LOADED
        assert entry.runtime_data.coordinator.data.identity.serial_number == serial
    assert issues(hass) == []


async def test_a_working_charger_is_not_moved(
    hass: HomeAssistant, simulator: Simulator, other: Simulator
) -> None:
    """A reachable charger keeps its address."""
    one, two = entry_for(simulator), entry_for(other)
    await set_up(hass, one, two)
    before = dict(two.data)
    simulator.charger.serial_number = OTHER
    simulator.cut()
    await asyncio.sleep(0.2)
    await poll(hass, one)
    assert two.data == before
    assert state(hass, entity_id_of(hass, "sensor", "power")) == STATE_UNAVAILABLE


async def test_discovery_at_an_address_with_the_wrong_charger(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A charger that announces itself at the address of another one is found."""
    simulator.charger.serial_number = OTHER
    simulator.cut()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    await asyncio.sleep(0.2)
    result = await discover(hass, simulator)
    assert result["step_id"] == "zeroconf_confirm"
    placeholders = result["description_placeholders"]
    assert placeholders is not None
    assert placeholders["serial_number"] == OTHER
