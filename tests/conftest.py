"""What tests share: a simulated charger on a real socket."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
import logging
from typing import Any
from unittest.mock import PropertyMock, patch

from homeassistant.config_entries import SOURCE_USER, ConfigFlowResult
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.entity import Entity
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local import controller
from custom_components.nexblue_local.const import CONF_MODBUS, CONF_UNIT_ID, DOMAIN
from custom_components.nexblue_local.modbus import client, session, transport
from simulator import SimulatedCharger, Simulator

# The test plugin of Home Assistant has every statement logged.
logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)

HOST = "127.0.0.1"
SERIAL = "NB10SIM00001"


@pytest.fixture(autouse=True)
def _use_custom_integrations(
    recorder_db_url: str,
    enable_custom_integrations: None,
    hass_storage: dict[str, Any],
) -> None:
    """Let Home Assistant find the integration, and store nothing beyond a test.

    A database has to be there before Home Assistant, for tests that record.
    """


@pytest.fixture(autouse=True)
def _short_waits() -> Iterator[None]:
    """Wait for a charger's one place by tenths of seconds."""
    with (
        patch.object(client, "PATIENCE", 0.6),
        patch.object(transport, "FIRST_TIMEOUT", 0.0),
        patch.object(client, "RETRY_AFTER", 0.05),
        patch.object(session, "BUSY_PAUSES", (0.02, 0.02, 0.02)),
    ):
        yield


def timing(**durations: Any) -> AbstractContextManager[object]:
    """Have chargers that are set up then controlled with other durations."""
    return patch.object(controller, "TIMING", replace(controller.TIMING, **durations))


@pytest.fixture
def quick_commands() -> Iterator[None]:
    """Wait for answers and read-backs only briefly."""
    with (
        patch.object(transport, "TIMEOUT", 0.3),
        timing(confirm_for=0.6, confirm_every=0.1),
    ):
        yield


@pytest.fixture
def all_entities_on() -> Iterator[None]:
    """Switch on the entities that are off by default."""
    with patch.object(
        Entity,
        "entity_registry_enabled_default",
        new_callable=PropertyMock(return_value=True),
    ):
        yield


@pytest.fixture
async def simulator(socket_enabled: None) -> AsyncIterator[Simulator]:
    """Return a charger on the network, without a car."""
    async with Simulator(
        charger=SimulatedCharger(serial_number=SERIAL, read_back_delay=0.0),
        slot_release=0.1,
    ) as simulator:
        yield simulator


def entry_data(simulator: Simulator, **changes: Any) -> dict[str, Any]:
    """Return the data of the config entry of a simulated charger."""
    address = {
        CONF_HOST: simulator.host,
        CONF_PORT: simulator.port,
        CONF_UNIT_ID: simulator.unit_id,
    }
    return {CONF_MODBUS: address | changes}


def entry_for(simulator: Simulator, **options: int) -> MockConfigEntry:
    """Return the config entry of a simulated charger."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="NexBlue Delta Max",
        unique_id=simulator.charger.serial_number,
        data=entry_data(simulator),
        options=options,
    )


async def user_enters(hass: HomeAssistant, data: dict[str, Any]) -> ConfigFlowResult:
    """Enter an address in the form that adds a charger."""
    menu = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert menu["type"] is FlowResultType.MENU
    form = await hass.config_entries.flow.async_configure(
        menu["flow_id"], {"next_step_id": "charger"}
    )
    assert form["type"] is FlowResultType.FORM
    assert not form["errors"]
    return await hass.config_entries.flow.async_configure(form["flow_id"], data)


async def requested(simulator: Simulator) -> None:
    """Wait until the simulated charger has received a request."""
    async with asyncio.timeout(5):
        while True:
            if simulator.log:
                return
            await asyncio.sleep(0.01)


@pytest.fixture
async def entry(hass: HomeAssistant, simulator: Simulator) -> MockConfigEntry:
    """Return the entry of the simulated charger, set up."""
    entry = entry_for(simulator)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry
