"""Control is released, by the button or with the entry; on real sockets."""

import asyncio
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.storage import control_store
from simulator import Simulator
from simulator.charger import POWER_ON
from tests.commands import (
    COMMANDS,
    LIMIT,
    PREFIX,
    intent,
    is_kept_alive,
    stored,
    writes,
)
from tests.test_init import poll, state

pytestmark = pytest.mark.usefixtures("quick_commands")


async def press_release(hass: HomeAssistant) -> None:
    """Press the button."""
    await hass.services.async_call(
        "button",
        "press",
        {"entity_id": f"button.{PREFIX}_return_control_to_charger"},
        blocking=True,
    )


async def test_release(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    simulator: Simulator,
    entry: MockConfigEntry,
) -> None:
    """The fallback limit is written, and nothing is asked for any more."""
    for command in COMMANDS:
        await command.give(hass)
    simulator.log.clear()
    await press_release(hass)
    assert writes(simulator) == [(0x10, 1002)]
    assert intent(entry) == stored(hass_storage, entry)["desired"] == {}
    assert not is_kept_alive(entry)
    assert state(hass, f"sensor.{PREFIX}_controlled_by") == "charger"
    await simulator.power_cycle()
    simulator.log.clear()
    await poll(hass, entry)
    assert writes(simulator) == []


async def test_release_with_a_fallback_limit_between(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What somebody else has set, and the charger takes for 0, is no obstacle."""
    await LIMIT.give(hass)
    simulator.charger.change("fallback_limit", 5.0)
    simulator.cut()
    await asyncio.sleep(0.2)
    await press_release(hass)
    assert simulator.charger.settings["fallback_limit"] == 0
    assert intent(entry) == {}


async def test_release_of_a_charger_that_is_gone(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Control that could not be released is kept, and told."""
    await LIMIT.give(hass)
    await simulator.stop()
    with pytest.raises(HomeAssistantError):
        await press_release(hass)
    assert intent(entry) == {"current_limit": 10.5}


async def test_removal_with_the_fallback_limit_of_another(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Whoever has set it, it is what stays, and is written once more."""
    await LIMIT.give(hass)
    simulator.log.clear()
    await hass.config_entries.async_remove(entry.entry_id)
    assert writes(simulator) == [(0x10, 1002)]
    assert simulator.charger.settings["fallback_limit"] == POWER_ON["fallback_limit"]


async def test_removal_without_an_address(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An entry that lost its Modbus address can be removed; nothing is written."""
    await LIMIT.give(hass)
    assert await hass.config_entries.async_unload(entry.entry_id)
    hass.config_entries.async_update_entry(entry, data={"charge_point_id": "charger"})
    simulator.log.clear()
    await hass.config_entries.async_remove(entry.entry_id)
    assert simulator.log == []
    assert "Error" not in caplog.text


async def test_removal(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    simulator: Simulator,
    entry: MockConfigEntry,
) -> None:
    """With the entry goes what was stored; the fallback limit stays."""
    await LIMIT.give(hass)
    await COMMANDS[1].give(hass)
    key = f"{DOMAIN}.{entry.entry_id}"
    assert key in hass_storage
    simulator.log.clear()
    await hass.config_entries.async_remove(entry.entry_id)
    assert key not in hass_storage
    assert writes(simulator) == [(0x10, 1002)]
    assert simulator.charger.settings["fallback_limit"] == 8.0
    await asyncio.sleep(0.05)
    assert not simulator.is_connected


@pytest.mark.parametrize("cause", ["gone", "another charger", "not in control"])
async def test_removal_without_a_word(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry, cause: str
) -> None:
    """Nothing is written where nothing can be, or has to be, and nothing is left."""
    await (COMMANDS[1] if cause == "not in control" else LIMIT).give(hass)
    if cause == "gone":
        await simulator.stop()
    elif cause == "another charger":
        simulator.charger.serial_number = "ANOTHER"
        simulator.cut()
    simulator.log.clear()
    await hass.config_entries.async_remove(entry.entry_id)
    assert writes(simulator) == []
    assert await control_store(hass, entry.entry_id).async_load() is None
    await asyncio.sleep(0.05)
    assert not simulator.is_connected


async def test_removal_with_a_damaged_record(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Nothing is written if it is not known whether anything was requested."""
    await LIMIT.give(hass)
    assert await hass.config_entries.async_unload(entry.entry_id)
    await control_store(hass, entry.entry_id).async_save({"desired": {}})
    simulator.log.clear()
    await hass.config_entries.async_remove(entry.entry_id)
    assert writes(simulator) == []
    assert await control_store(hass, entry.entry_id).async_load() is None
