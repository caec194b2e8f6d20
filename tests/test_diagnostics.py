"""Test the diagnostics, and that they are redacted."""

import asyncio
import json
from pathlib import Path
import socket
from unittest.mock import patch

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.diagnostics import (
    async_get_config_entry_diagnostics,
)
from simulator import Car, Simulator
from simulator.charger import Refusal
from simulator.replay import ReplayedCharger
from tests.conftest import SERIAL, entry_data, entry_for
from tests.test_init import poll


async def download(hass: HomeAssistant, entry: MockConfigEntry, path: Path) -> str:
    """Write the diagnostics to a file, and return the text."""
    data = await async_get_config_entry_diagnostics(hass, entry)
    text = json.dumps({"home_assistant": {}, "data": data}, indent=2)
    await hass.async_add_executor_job(path.write_text, text)
    return text


async def test_contents(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry, tmp_path: Path
) -> None:
    """The diagnostics contain values, history and registers, but no identity."""
    simulator.overrides[100] = 77
    await simulator.stop()
    await poll(hass, entry)
    await simulator.start()
    await poll(hass, entry)
    text = await download(hass, entry, tmp_path / "file.json")
    assert SERIAL not in text
    assert simulator.host not in text
    data = json.loads(text)["data"]
    assert data["layout"] == "DCBA"
    assert data["modbus"] == {
        "host": "**REDACTED**",
        "port": simulator.port,
        "unit_id": 200,
    }
    assert data["values"]["model"] == "Delta Max"
    assert data["values"]["status"] is None
    assert data["registers"]["input"]["100"].startswith("004D ")
    events = [line.split(maxsplit=1)[1] for line in data["history"]]
    assert events[0] == events[2] == "connected"
    assert events[1].startswith("cannot_connect")


async def test_replay(
    hass: HomeAssistant, simulator: Simulator, tmp_path: Path
) -> None:
    """A replay of the diagnostics has the same values."""
    simulator.charger.plug_in(Car())
    simulator.charger.errors |= 1 << 3
    original = entry_for(simulator)
    original.add_to_hass(hass)
    assert await hass.config_entries.async_setup(original.entry_id)
    await download(hass, original, tmp_path / "file.json")
    before = original.runtime_data.coordinator.data

    charger = ReplayedCharger.load(tmp_path / "file.json")
    async with Simulator(charger=charger) as replay:
        entry = MockConfigEntry(
            domain=DOMAIN,
            unique_id="REDACTED",
            data=entry_data(replay),
        )
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        after = entry.runtime_data.coordinator.data
        assert await hass.config_entries.async_unload(entry.entry_id)
    assert after.identity.serial_number == "REDACTED"
    assert after.identity.firmware_version == before.identity.firmware_version
    assert after.reading == before.reading
    assert after.settings == before.settings


def test_replayed_charger_takes_writes() -> None:
    """A replayed charger can be written."""
    charger = ReplayedCharger({"input": {}, "holding": {"1000": "0000 8041"}})
    charger.write(1000, [0x0000, 0x2041])
    assert charger.holding_words() == {1000: 0x0000, 1001: 0x2041}
    assert charger.input_words() == {}
    with pytest.raises(Refusal):
        charger.write(1008, [0])


async def test_not_set_up(
    hass: HomeAssistant, simulator: Simulator, tmp_path: Path
) -> None:
    """The diagnostics of a failed set-up contain the reason."""
    await simulator.stop()
    entry = entry_for(simulator)
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    text = await download(hass, entry, tmp_path / "file.json")
    data = json.loads(text)["data"]
    assert data["state"] == "setup_retry"
    assert data["reason"].startswith("Could not connect to the charger at **REDACTED**")


@pytest.mark.parametrize("is_found", [True, False])
async def test_host_name(
    hass: HomeAssistant, simulator: Simulator, tmp_path: Path, is_found: bool
) -> None:
    """Neither the name of the host nor its IP address is included, also a former one."""
    entry = MockConfigEntry(
        domain=DOMAIN, unique_id=SERIAL, data=entry_data(simulator, host="localhost")
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await simulator.stop()
    await poll(hass, entry)
    loop = asyncio.get_running_loop()
    failure = None if is_found else socket.gaierror
    resolve = patch.object(
        loop, "getaddrinfo", wraps=loop.getaddrinfo, side_effect=failure
    )
    with resolve:
        text = await download(hass, entry, tmp_path / "file.json")
    assert any("port" in line for line in json.loads(text)["data"]["history"])
    assert "localhost" not in text
    assert simulator.host not in text


async def test_no_address(hass: HomeAssistant, tmp_path: Path) -> None:
    """The diagnostics of an entry without an address contain the reason."""
    entry = MockConfigEntry(domain=DOMAIN, unique_id=SERIAL)
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    text = await download(hass, entry, tmp_path / "file.json")
    assert json.loads(text)["data"]["state"] == "setup_error"


async def test_another_charger_is_not_included(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry, tmp_path: Path
) -> None:
    """The registers of another charger are not included."""
    simulator.charger.serial_number = "ANOTHER"
    simulator.overrides |= {8: 0x4142}
    simulator.cut()
    await poll(hass, entry)
    await poll(hass, entry)
    text = await download(hass, entry, tmp_path / "file.json")
    charger = ReplayedCharger.load(tmp_path / "file.json")
    assert charger.input_words()[8] == 0x4465
    assert "ANOTHER" not in text
