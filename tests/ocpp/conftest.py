"""Home Assistant as the back end of a simulated charger, over real sockets."""

from collections.abc import AsyncIterator
from typing import Any

from homeassistant.const import CONF_PASSWORD, CONF_PORT
from homeassistant.core import HomeAssistant, State
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.nexblue_local.const import (
    CONF_ALLOW_UNKNOWN_TAGS,
    CONF_ALLOW_WITHOUT_PASSWORD,
    CONF_CHARGE_POINT_ID,
    CONF_OCPP,
    CONF_START_AUTOMATICALLY,
    DOMAIN,
    OCPP_UNIQUE_ID,
)
from custom_components.nexblue_local.ocpp_config import PATH
from simulator import Simulator
from simulator.charge_point import ChargePoint
from tests.conftest import SERIAL, entry_data
from tests.waiting import until

PASSWORD = "abcdefgh12345678"  # noqa: S105


def ocpp_answers(**changes: Any) -> dict[str, Any]:
    """Return the answers of the OCPP form."""
    return {
        CONF_PASSWORD: PASSWORD,
        CONF_ALLOW_WITHOUT_PASSWORD: False,
        CONF_ALLOW_UNKNOWN_TAGS: False,
        CONF_START_AUTOMATICALLY: False,
        CONF_PORT: 0,
        **changes,
    }


def ocpp_entry(**changes: Any) -> MockConfigEntry:
    """Return the entry of the OCPP back end."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="OCPP",
        unique_id=OCPP_UNIQUE_ID,
        data={CONF_OCPP: ocpp_answers(**changes)},
    )


def state(hass: HomeAssistant, entity_id: str) -> State:
    """Return the state of an entity."""
    found = hass.states.get(entity_id)
    assert found is not None, entity_id
    return found


async def set_up(hass: HomeAssistant, entry: MockConfigEntry) -> MockConfigEntry:
    """Set an entry up."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


@pytest.fixture
async def back_end(
    hass: HomeAssistant,
    socket_enabled: None,
    hass_client_no_auth: ClientSessionGenerator,
) -> MockConfigEntry:
    """Return the entry of the OCPP back end, set up, without chargers."""
    return await set_up(hass, ocpp_entry())


@pytest.fixture
async def url(
    back_end: MockConfigEntry, hass_client_no_auth: ClientSessionGenerator
) -> str:
    """Return the URL of the back end on Home Assistant's own web server."""
    client = await hass_client_no_auth()
    return str(client.make_url(PATH))


@pytest.fixture
async def charge_point(simulator: Simulator, url: str) -> AsyncIterator[ChargePoint]:
    """Return the second link of the simulated charger, connecting."""
    async with ChargePoint(
        charger=simulator.charger, url=url, password=PASSWORD, retry_after=0.2
    ) as charge_point:
        yield charge_point


@pytest.fixture
async def linked(
    hass: HomeAssistant,
    simulator: Simulator,
    back_end: MockConfigEntry,
    charge_point: ChargePoint,
) -> MockConfigEntry:
    """Return the entry of the simulated charger, with both links connected."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="NexBlue Delta Max",
        unique_id=SERIAL,
        data=entry_data(simulator) | {CONF_CHARGE_POINT_ID: SERIAL},
    )
    await set_up(hass, entry)
    assert await hass.config_entries.async_reload(back_end.entry_id)
    await until(lambda: charge_point.is_connected)
    return entry
