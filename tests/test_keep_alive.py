"""The current limit is written again and again, on real sockets."""

import asyncio
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.storage import Store
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.const import DOMAIN
from simulator import Habits, SimulatedCharger, Simulator
from tests.commands import COMMANDS, LIMIT, core, intent, is_kept_alive, writes
from tests.conftest import entry_for, timing
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("quick_commands")


@pytest.fixture
async def rarely_polled(
    hass: HomeAssistant, simulator: Simulator, quick_commands: None
) -> MockConfigEntry:
    """Return the entry of a charger in control, with a period of 0.2 s, not polled."""
    entry = entry_for(simulator, scan_interval=60)
    entry.add_to_hass(hass)
    with timing(keep_alive_at_most=0.2):
        assert await hass.config_entries.async_setup(entry.entry_id)
    await LIMIT.give(hass)
    return entry


async def test_keep_alive(simulator: Simulator, rarely_polled: MockConfigEntry) -> None:
    """The current limit is written again and again, however rare the polls are."""
    simulator.log.clear()
    await asyncio.sleep(1.1)
    assert 4 <= len(writes(simulator)) <= 6
    assert set(writes(simulator)) == {(0x10, 1000)}
    assert all(r.words == (0x0000, 0x2841) for r in simulator.log)


async def test_keep_alive_reconnects(
    simulator: Simulator, rarely_polled: MockConfigEntry
) -> None:
    """It does not wait for a poll to notice that the connection is gone."""
    simulator.log.clear()
    simulator.cut()
    await asyncio.sleep(1.0)
    # A new connection is identified before anything is written.
    order = [(r.function, r.address) for r in simulator.log]
    assert (0x10, 1000) in order[order.index((4, 0)) :]


async def test_keep_alive_ends_with_the_entry(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A command that is executed is completed; what waits for it fails."""
    await LIMIT.give(hass)
    control = core(entry)
    simulator.charger.read_back_delay = 0.5
    command = asyncio.create_task(COMMANDS[1].give(hass))
    await asyncio.sleep(0.1)
    waiting = asyncio.create_task(COMMANDS[2].give(hass))
    await asyncio.sleep(0)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert command.done()
    await command
    with pytest.raises(HomeAssistantError):
        await waiting
    assert control.state.desired.fallback_limit == COMMANDS[1].value
    assert not control.keep_alive.is_running


@pytest.mark.parametrize("ending", ["reload", "removal"])
async def test_a_command_that_is_saved_slowly(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    simulator: Simulator,
    ending: str,
) -> None:
    """A reload finds what was confirmed; a removal leaves nothing of it."""
    original = Store.async_save
    saving = asyncio.Event()

    async def slow(store: Store[Any], data: dict[str, Any]) -> None:
        if store.key.startswith(DOMAIN):
            saving.set()
            await asyncio.sleep(0.3)
        await original(store, data)

    entry = entry_for(simulator)
    entry.add_to_hass(hass)
    with patch.object(Store, "async_save", slow):
        assert await hass.config_entries.async_setup(entry.entry_id)
        saving.clear()
        command = asyncio.create_task(LIMIT.give(hass))
        await saving.wait()
        if ending == "removal":
            await hass.config_entries.async_remove(entry.entry_id)
        else:
            assert await hass.config_entries.async_reload(entry.entry_id)
        await command
    if ending == "removal":
        assert f"{DOMAIN}.{entry.entry_id}" not in hass_storage
    else:
        assert intent(entry) == {"current_limit": 10.5}
        assert is_kept_alive(entry)


async def test_reconnects_do_not_put_polls_off(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    """A charger closes connections that are idle, before each keep-alive."""
    charger = SimulatedCharger(read_back_delay=0.0)
    async with Simulator(charger=charger, slot_release=0.0) as simulator:
        entry = entry_for(simulator, scan_interval=2)
        entry.add_to_hass(hass)
        with timing(keep_alive_at_most=0.4):
            assert await hass.config_entries.async_setup(entry.entry_id)
            await LIMIT.give(hass)
        # Not in the command, on a slow machine.
        charger.habits = Habits(closes_idle_after=0.2)
        coordinator = entry.runtime_data.coordinator
        with patch.object(
            coordinator, "_async_update_data", wraps=coordinator._async_update_data
        ) as poll:
            await until(lambda: poll.call_count >= 3)
        await hass.config_entries.async_unload(entry.entry_id)
