"""What happens to control while nobody watches, in the logbook."""

import asyncio
from datetime import timedelta
from typing import Any

from homeassistant.components.recorder import Recorder
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from simulator import Simulator
from tests.commands import COMMANDS, LIMIT
from tests.conftest import entry_for
from tests.test_init import poll
from tests.test_services import device_of, lease

pytestmark = pytest.mark.usefixtures("quick_commands")


async def test_logbook(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    simulator: Simulator,
) -> None:
    """Fallback, healing and limits that ran out, each once, by the device's name."""
    assert await async_setup_component(hass, "logbook", {})
    begin = dt_util.utcnow()
    entry = entry_for(simulator)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    device_id = device_of(hass, entry)
    dr.async_get(hass).async_update_device(device_id, name_by_user="Garage")

    await LIMIT.give(hass)
    await COMMANDS[1].give(hass)
    # A connection that is lost, and nothing with it, is no news.
    simulator.cut()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    # The fallback fires while the charger cannot be reached.
    await simulator.stop()
    await poll(hass, entry)
    simulator.charger.power_on()
    simulator.charger.fallback_active = True
    await simulator.start()
    await poll(hass, entry)
    await poll(hass, entry)
    await lease(entry, 16.0, 0.3, 7.0)
    await asyncio.sleep(0.5)
    await async_wait_recording_done(hass)

    client = await hass_ws_client()
    await client.send_json_auto_id(
        {
            "type": "logbook/get_events",
            "start_time": (begin - timedelta(seconds=1)).isoformat(),
            "device_ids": [device_id],
        }
    )
    rows: list[dict[str, Any]] = (await client.receive_json())["result"]
    assert [(row["name"], row["message"]) for row in rows if "message" in row] == [
        ("Garage", "took its fallback limit"),
        ("Garage", "was given back what it had lost: fallback limit, current limit"),
        ("Garage", "now has 7 A, as its current limit was not renewed"),
    ]


async def test_nothing_happens(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A charger that nobody controls may fall back without anybody's notice."""
    events: list[Any] = []
    hass.bus.async_listen("nexblue_local_event", events.append)
    assert await hass.config_entries.async_unload(entry.entry_id)
    simulator.charger.fallback_active = True
    assert await hass.config_entries.async_setup(entry.entry_id)
    await poll(hass, entry)
    assert events == []
