"""The integration on a charger that shares no code with it, on real sockets."""

import asyncio
from collections.abc import AsyncIterator
import time
from typing import Any
from unittest.mock import patch

from homeassistant.const import STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.modbus import transport
from tests.second_charger import INPUT, SERIAL, SecondCharger, words
from tests.test_init import poll

SCALE = 0.15
"""Length of a second."""

OTHER_DATE = words({38: "0135 0242"})
"""The same date, with the most significant byte first."""


@pytest.fixture
async def charger(
    socket_enabled: None, request: pytest.FixtureRequest
) -> AsyncIterator[SecondCharger]:
    """Return the charger, bent by the parameter."""
    async with SecondCharger(**getattr(request, "param", {})) as charger:
        yield charger


@pytest.fixture
async def entry(
    hass: HomeAssistant, charger: SecondCharger, all_entities_on: None
) -> AsyncIterator[MockConfigEntry]:
    """Return the entry of the charger, set up."""
    address = {"host": "127.0.0.1", "port": charger.port, "unit_id": 200}
    entry = MockConfigEntry(
        domain=DOMAIN, unique_id=SERIAL, data={"modbus": address}, title="Second"
    )
    entry.add_to_hass(hass)
    with patch.object(transport, "TIMEOUT", SCALE * transport.TIMEOUT):
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        yield entry


def entity(hass: HomeAssistant, domain: str, key: str) -> str:
    """Return an entity ID."""
    found = er.async_get(hass).async_get_entity_id(domain, DOMAIN, f"{SERIAL}_{key}")
    assert found is not None
    return found


def shown(hass: HomeAssistant, domain: str, key: str) -> str:
    """Return the state of an entity."""
    state = hass.states.get(entity(hass, domain, key))
    assert state is not None
    return state.state


async def command(hass: HomeAssistant, service: str, key: str, **data: Any) -> None:
    """Call a service on an entity."""
    domain, name = service.split(".")
    data["entity_id"] = entity(hass, domain, key)
    await hass.services.async_call(domain, name, data, blocking=True)


VALUES = {
    "current_l1": 7.5,
    "current_l2": 8.0,
    "current_l3": 9.0,
    "voltage_l1": 230.0,
    "voltage_l2": 231.5,
    "voltage_l3": 229.25,
    "power": 5175.0,
    "session_energy": 3.25,
    "app_max_current": 16.0,
    "app_fallback_current": 6.0,
}


def check_values(hass: HomeAssistant) -> None:
    """Compare what is shown with what the words mean."""
    for key, value in VALUES.items():
        assert float(shown(hass, "sensor", key)) == pytest.approx(value, abs=0.5), key
    assert float(shown(hass, "sensor", "lifetime_energy")) == pytest.approx(9876.543)
    assert shown(hass, "sensor", "status") == "charging"
    assert shown(hass, "select", "phase_mode") == "adaptive"
    assert shown(hass, "switch", "charging") == "on"
    assert float(shown(hass, "number", "fallback_timeout")) == 5


async def test_reads(
    hass: HomeAssistant, charger: SecondCharger, entry: MockConfigEntry
) -> None:
    """Values are those of the words; nothing is written."""
    check_values(hass)
    assert shown(hass, "sensor", "active_current_limit") == "10.0"
    (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert (device.manufacturer, device.model) == ("NexBlue", "Edge 2")
    assert (device.sw_version, device.hw_version) == ("03.09.88", "2.1")
    assert charger.written == []


async def test_writes(
    hass: HomeAssistant, charger: SecondCharger, entry: MockConfigEntry
) -> None:
    """Each command writes the words of its value, and no others."""
    await command(hass, "number.set_value", "current_limit", value=9.7)
    await command(hass, "number.set_value", "fallback_limit", value=8)
    await command(hass, "number.set_value", "fallback_timeout", value=10)
    await command(hass, "switch.turn_off", "charging")
    await command(hass, "select.select_option", "phase_mode", option="single_phase")
    assert charger.written == [
        (0x10, 1000, "3333 1B41"),
        (0x10, 1002, "0000 0041"),
        (0x10, 1004, "5802 0000"),
        (0x06, 1006, "0000"),
        (0x06, 1007, "0001"),
    ]
    assert shown(hass, "number", "current_limit") == "9.7"


@pytest.mark.parametrize(
    "charger",
    [
        pytest.param({"repeats": True}, id="repeats the previous answer"),
        pytest.param({"splits": True}, id="splits its answers"),
        pytest.param({"repeats": True, "splits": True}, id="both"),
        pytest.param({"delay": 2.5 * SCALE}, id="answers in 2.5 s"),
        pytest.param({"idle_after": 10 * 0.02}, id="closes idle connections"),
    ],
    indirect=True,
)
async def test_bent(
    hass: HomeAssistant, charger: SecondCharger, entry: MockConfigEntry
) -> None:
    """Nothing becomes unavailable, and commands are executed once."""
    is_cut = charger.idle_after < 1
    for limit, written in ((9.5, "0000 1841"), (8.0, "0000 0041")):
        await asyncio.sleep(1.5 * charger.idle_after if is_cut else 0)
        started = time.monotonic()
        await command(hass, "number.set_value", "current_limit", value=limit)
        # Not longer than its requests: a connection's first, the write, the read-back.
        assert time.monotonic() - started < 1 + 3 * charger.delay
        await poll(hass, entry)
        assert entry.runtime_data.coordinator.last_update_success
        check_values(hass)
        assert charger.written[-1] == (0x10, 1000, written)
    # After a reconnect, the limit is written once more.
    reconnects = charger.connections - 1
    assert (reconnects > 0) is is_cut
    assert 2 + is_cut <= len(charger.written) <= 2 + reconnects
    assert not entry.runtime_data.modbus.was_flooded


async def test_reports_zero_for_a_while(
    hass: HomeAssistant, charger: SecondCharger, entry: MockConfigEntry
) -> None:
    """Energies stay, the rest is shown; commands go on."""
    charger.zeros = True
    await poll(hass, entry)
    assert shown(hass, "sensor", "voltage_l1") == "0.0"
    assert shown(hass, "sensor", "power") == "0.0"
    assert float(shown(hass, "sensor", "lifetime_energy")) == pytest.approx(9876.543)
    await command(hass, "number.set_value", "current_limit", value=8)
    assert charger.written == [(0x10, 1000, "0000 0041")]
    charger.zeros = False
    await poll(hass, entry)
    check_values(hass)


NUMBERS = (*VALUES, "lifetime_energy", "active_current_limit")


@pytest.mark.parametrize(
    "charger", [{"input": words(INPUT) | OTHER_DATE}], indirect=True
)
async def test_mixed_byte_order(
    hass: HomeAssistant, charger: SecondCharger, entry: MockConfigEntry
) -> None:
    """Where the date contradicts the rest, no number is shown, and none is written."""
    assert entry.runtime_data.coordinator.last_update_success
    for key in NUMBERS:
        assert shown(hass, "sensor", key) == STATE_UNKNOWN, key
    assert shown(hass, "number", "current_limit") == STATE_UNKNOWN
    assert shown(hass, "sensor", "status") == "charging"
    assert shown(hass, "select", "phase_mode") == "adaptive"
    for give in (
        command(hass, "number.set_value", "current_limit", value=8),
        command(hass, "switch.turn_off", "charging"),
    ):
        with pytest.raises(HomeAssistantError) as raised:
            await give
        assert raised.value.translation_key == "not_writable"
    assert charger.written == []
    charger.input |= words(INPUT)
    await command(hass, "number.set_value", "current_limit", value=8)
    assert charger.written == [(0x10, 1000, "0000 0041")]
    for _ in range(2):
        await poll(hass, entry)
    check_values(hass)
