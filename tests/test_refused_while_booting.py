"""A charger whose registers are not there yet, for a moment after power-up."""

import asyncio
from typing import Any

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.modbus.client import Client
from custom_components.nexblue_local.modbus.connection_pool import Endpoint
from simulator import Fault, FaultKind, Simulator
from tests.commands import LIMIT, PREFIX, entity_id_of
from tests.conftest import SERIAL
from tests.test_init import POWER, poll, state

pytestmark = pytest.mark.usefixtures("quick_commands")


def not_there_yet() -> Fault:
    """Return the fault of registers that do not exist yet (exception 2)."""
    return Fault(kind=FaultKind.EXCEPTION, code=2)


async def test_nothing_is_there_yet(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A charger that refuses all addresses while it boots is found and restored."""
    await LIMIT.give(hass)
    await simulator.power_cycle()
    simulator.faults.append(not_there_yet())
    await poll(hass, entry)
    assert state(hass, POWER) == "unavailable"
    simulator.faults.clear()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert state(hass, POWER) == "0.0"
    assert simulator.charger.settings["current_limit"] == LIMIT.value


async def test_measurements_are_not_there_yet(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    simulator: Simulator,
    entry: MockConfigEntry,
) -> None:
    """Registers that are refused for one poll are read later, also after a restart."""
    fault = entity_id_of(hass, "binary_sensor", "fault")
    assert state(hass, fault) == "off"
    # The measurements and alarms, for one poll.
    simulator.faults.append(Fault(kind=FaultKind.EXCEPTION, code=2, function=4))
    await poll(hass, entry)
    simulator.faults.clear()
    await simulator.power_cycle()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    assert state(hass, POWER) == "0.0"
    assert state(hass, fault) == "off"
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert state(hass, f"sensor.{PREFIX}_status") == "available"


async def test_they_are_tried_again_on_the_same_connection(
    simulator: Simulator, socket_enabled: None
) -> None:
    """Refused registers are tried again after a while, not with each poll."""
    now = 1000.0
    client = Client(
        Endpoint(simulator.host, simulator.port),
        simulator.unit_id,
        serial_number=SERIAL,
        clock=lambda: now,
    )
    await client.poll()
    for address in (400, 401, 402):
        simulator.faults.append(
            Fault(kind=FaultKind.EXCEPTION, code=2, address=address)
        )
    assert (await client.poll()).reading.errors is None
    simulator.log.clear()
    await client.poll()
    assert {r.address for r in simulator.log} == {100}
    simulator.faults.clear()
    now += 60.0
    assert (await client.poll()).reading.errors is not None
    client.disconnect()
