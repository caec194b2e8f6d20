"""Setting chargers up, on real sockets."""

import asyncio
from collections.abc import Iterator
from ipaddress import ip_address
import socket
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import (
    SOURCE_IGNORE,
    SOURCE_USER,
    SOURCE_ZEROCONF,
    ConfigEntryState,
    ConfigFlowResult,
)
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_SCAN_INTERVAL
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.charger import transport
from custom_components.nexblue_local.charger.transport import Link
from custom_components.nexblue_local.const import CONF_UNIT_ID, DOMAIN
from simulator import Fault, FaultKind, SimulatedCharger, Simulator
from tests.conftest import HOST, SERIAL, entry_for


@pytest.fixture(autouse=True)
def _short_timeout() -> Iterator[None]:
    """Wait for answers only briefly."""
    with patch.object(transport, "TIMEOUT", 0.3):
        yield


def address(simulator: Simulator, **changes: Any) -> dict[str, Any]:
    """Return what a user enters for a simulated charger."""
    return {
        CONF_HOST: simulator.host,
        CONF_PORT: simulator.port,
        CONF_UNIT_ID: simulator.unit_id,
    } | changes


async def user_enters(hass: HomeAssistant, data: dict[str, Any]) -> ConfigFlowResult:
    """Add a charger by its address."""
    form = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert form["type"] is FlowResultType.FORM
    assert not form["errors"]
    return await hass.config_entries.flow.async_configure(form["flow_id"], data)


async def discover(
    hass: HomeAssistant,
    simulator: Simulator,
    name: str = "NexBlue-EVC-Modbus",
    *others: str,
) -> ConfigFlowResult:
    """Have the charger announced, perhaps with other addresses of its own."""
    return await hass.config_entries.flow.async_init(
        DOMAIN,
        context={"source": SOURCE_ZEROCONF},
        data=ZeroconfServiceInfo(
            ip_address=ip_address(simulator.host),
            ip_addresses=[ip_address(host) for host in (simulator.host, *others)],
            port=simulator.port,
            hostname=f"{name}.local.",
            type="_nexblue_modbus._tcp.local.",
            name=f"{name}._nexblue_modbus._tcp.local.",
            properties={},
        ),
    )


async def test_user(hass: HomeAssistant, simulator: Simulator) -> None:
    """A charger at an address that the user gives."""
    result = await user_enters(hass, address(simulator))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "NexBlue Delta Max"
    assert result["data"] == address(simulator)
    await hass.async_block_till_done()
    assert result["result"].unique_id == SERIAL
    assert result["result"].state is ConfigEntryState.LOADED


@pytest.mark.parametrize(
    ("fault", "changes", "error"),
    [
        (Fault(kind=FaultKind.DROP), {}, "in_use"),
        (Fault(kind=FaultKind.MUTE), {}, "wrong_unit"),
        (None, {CONF_UNIT_ID: 1}, "wrong_unit"),
        (Fault(kind=FaultKind.EXCEPTION, code=10), {}, "wrong_unit"),
        (Fault(kind=FaultKind.GARBAGE), {}, "not_a_charger"),
        (Fault(kind=FaultKind.EXCEPTION, code=1), {}, "not_a_charger"),
        (Fault(kind=FaultKind.EXCEPTION, code=2), {}, "not_a_charger"),
    ],
)
async def test_user_errors(
    hass: HomeAssistant,
    simulator: Simulator,
    fault: Fault | None,
    changes: dict[str, Any],
    error: str,
) -> None:
    """Each error is told apart, and what was entered can be corrected."""
    if fault is not None:
        simulator.faults.append(fault)
    result = await user_enters(hass, address(simulator, **changes))
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {"base": error}
    await asyncio.sleep(0.05)
    assert not simulator.is_connected

    simulator.faults.clear()
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], address(simulator)
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_nothing_listens(hass: HomeAssistant, simulator: Simulator) -> None:
    """A closed port."""
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        port = unused.getsockname()[1]
        result = await user_enters(hass, address(simulator, port=port))
    assert result["errors"] == {"base": "cannot_connect"}


async def test_another_client_is_connected(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """A charger whose one place is taken says so, until it is free."""
    other = Link(simulator.host, simulator.port)
    await other.connect()
    result = await user_enters(hass, address(simulator))
    assert result["errors"] == {"base": "in_use"}
    other.close()
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], address(simulator)
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_same_serial_number_again(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    """A charger that moved is found at its new address, once it is verified."""
    charger = SimulatedCharger(serial_number=SERIAL)
    async with Simulator(charger=charger) as old:
        entry = entry_for(old)
        entry.add_to_hass(hass)
    async with Simulator(charger=charger, unit_id=7, slot_release=0.1) as new:
        result = await user_enters(hass, address(new))
        assert result["type"] is FlowResultType.ABORT
        assert result["reason"] == "already_configured"
        assert entry.data == address(new)


async def test_probe_borrows_the_connection(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A charger that is set up is asked over the connection that it has."""
    result = await user_enters(hass, address(simulator, host="localhost"))
    assert result["reason"] == "already_configured"
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


async def test_zeroconf(hass: HomeAssistant, simulator: Simulator) -> None:
    """A discovered charger is named, and set up with one click."""
    result = await discover(hass, simulator)
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "zeroconf_confirm"
    assert result["description_placeholders"] == {
        "model": "NexBlue Delta Max",
        "serial_number": SERIAL,
        "host": HOST,
    }
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["title_placeholders"] == {
        "name": "NexBlue Delta Max",
        "host": HOST,
        "port": str(simulator.port),
    }
    assert flow["context"]["unique_id"] == SERIAL
    await asyncio.sleep(0.05)
    assert not simulator.is_connected

    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"] == address(simulator)


async def test_zeroconf_other_unit_id(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """The unit id is asked for only when 200 does not answer."""
    simulator.unit_id = 17
    result = await discover(hass, simulator)
    assert result["step_id"] == "unidentified"
    assert result["errors"] == {"base": "wrong_unit"}
    assert CONF_UNIT_ID in str(result["data_schema"])

    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {CONF_UNIT_ID: 18}
    )
    assert result["errors"] == {"base": "wrong_unit"}
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {CONF_UNIT_ID: 17}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["result"].unique_id == SERIAL
    assert result["data"] == address(simulator)


async def test_zeroconf_in_use(hass: HomeAssistant, simulator: Simulator) -> None:
    """A charger that another program holds can be added when it is free."""
    other = Link(simulator.host, simulator.port)
    await other.connect()
    result = await discover(hass, simulator)
    assert result["step_id"] == "unidentified"
    assert result["errors"] == {"base": "in_use"}
    assert CONF_UNIT_ID not in str(result["data_schema"])
    other.close()
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "NexBlue Delta Max"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(FaultKind.GARBAGE, "not_a_charger"), (None, "cannot_connect")],
)
async def test_zeroconf_errors(
    hass: HomeAssistant, simulator: Simulator, kind: FaultKind | None, reason: str
) -> None:
    """What is no charger, or is not there, is not offered."""
    if kind is None:
        await simulator.stop()
    else:
        simulator.faults.append(Fault(kind=kind))
    result = await discover(hass, simulator)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == reason


@pytest.mark.parametrize("host", [HOST, "localhost"])
async def test_zeroconf_of_a_known_address(
    hass: HomeAssistant, simulator: Simulator, host: str
) -> None:
    """A charger that is set up is not asked again, however it is addressed."""
    MockConfigEntry(
        domain=DOMAIN, unique_id=SERIAL, data=address(simulator, host=host)
    ).add_to_hass(hass)
    result = await discover(hass, simulator)
    assert result["reason"] == "already_configured"
    assert simulator.log == []


async def test_zeroconf_of_another_address_of_a_known_charger(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """A charger with two addresses is known by each of them."""
    MockConfigEntry(
        domain=DOMAIN, unique_id=SERIAL, data=address(simulator, host="127.0.0.9")
    ).add_to_hass(hass)
    result = await discover(hass, simulator, "NexBlue-EVC-Modbus", "127.0.0.9")
    assert result["reason"] == "already_configured"
    assert simulator.log == []


async def test_zeroconf_revives(hass: HomeAssistant, simulator: Simulator) -> None:
    """A charger that announces itself need not wait for the next attempt."""
    await simulator.stop()
    entry = entry_for(simulator)
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    await simulator.start()
    assert (await discover(hass, simulator))["reason"] == "already_configured"
    await hass.async_block_till_done()
    assert simulator.is_connected


async def test_zeroconf_of_a_moved_charger_with_its_own_unit_id(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """The unit ids of the chargers that are set up are tried as well."""
    simulator.unit_id = 17
    entry = MockConfigEntry(
        domain=DOMAIN, unique_id=SERIAL, data=address(simulator, host="127.0.0.9")
    )
    entry.add_to_hass(hass)
    result = await discover(hass, simulator)
    assert result["reason"] == "already_configured"
    assert entry.data == address(simulator)


async def test_announced_twice(hass: HomeAssistant, simulator: Simulator) -> None:
    """There is one card for a charger, the latest."""
    await discover(hass, simulator)
    latest = await discover(hass, simulator, "NexBlue-EVC-Modbus-2")
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["flow_id"] == latest["flow_id"]


async def test_added_while_its_card_waits(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """A card that could not be identified goes when the charger is added."""
    simulator.unit_id = 17
    await discover(hass, simulator)
    assert len(hass.config_entries.flow.async_progress()) == 1
    result = await user_enters(hass, address(simulator))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert hass.config_entries.flow.async_progress() == []


async def test_host_that_cannot_be(hass: HomeAssistant) -> None:
    """What is no host name is not reachable, and nothing worse."""
    with patch("socket.getaddrinfo", side_effect=UnicodeError):
        result = await user_enters(
            hass, {CONF_HOST: "a..b", CONF_PORT: 502, CONF_UNIT_ID: 200}
        )
    assert result["errors"] == {"base": "cannot_connect"}


async def test_blanks_around_the_host(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """What is pasted with blanks is what was meant."""
    result = await user_enters(hass, address(simulator, host=f" {simulator.host} "))
    assert result["data"] == address(simulator)


async def test_zeroconf_of_a_moved_charger(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """The entry follows a charger that has shown its serial number."""
    entry = MockConfigEntry(
        domain=DOMAIN, unique_id=SERIAL, data=address(simulator, host="127.0.0.9")
    )
    entry.add_to_hass(hass)
    result = await discover(hass, simulator)
    assert result["reason"] == "already_configured"
    assert entry.data == address(simulator)


async def test_zeroconf_of_another_charger_at_the_old_address(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """An entry does not follow a charger with another serial number."""
    entry = MockConfigEntry(
        domain=DOMAIN, unique_id="ANOTHER", data=address(simulator, host="127.0.0.9")
    )
    entry.add_to_hass(hass)
    result = await discover(hass, simulator)
    assert result["step_id"] == "zeroconf_confirm"
    assert entry.data[CONF_HOST] == "127.0.0.9"


async def test_ignored(hass: HomeAssistant, simulator: Simulator) -> None:
    """An ignored charger is left in peace, wherever its announcement comes from."""
    await discover(hass, simulator)
    (flow,) = hass.config_entries.flow.async_progress()
    await hass.config_entries.flow.async_init(
        DOMAIN,
        context={"source": SOURCE_IGNORE},
        data={"unique_id": flow["context"]["unique_id"], "title": "Neighbour's"},
    )
    (ignored,) = hass.config_entries.async_entries(DOMAIN)
    assert ignored.source == SOURCE_IGNORE

    simulator.log.clear()
    result = await discover(hass, simulator, name="NexBlue-EVC-Modbus-2")
    assert result["reason"] == "already_configured"
    assert simulator.log == []

    result = await user_enters(hass, address(simulator))
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_reconfigure(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The address can be changed, to one where the same charger answers."""
    result = await entry.start_reconfigure_flow(hass)
    assert result["step_id"] == "reconfigure"
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], address(simulator, unit_id=9)
    )
    assert result["errors"] == {"base": "wrong_unit"}
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], address(simulator, host="localhost")
    )
    assert result["reason"] == "reconfigure_successful"
    assert entry.data[CONF_HOST] == "localhost"
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


async def test_reconfigure_to_another_charger(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Another charger cannot take the place of the one that is set up."""
    before = dict(entry.data)
    other = SimulatedCharger(serial_number="ANOTHER")
    async with Simulator(charger=other) as another:
        result = await entry.start_reconfigure_flow(hass)
        result = await hass.config_entries.flow.async_configure(
            result["flow_id"], address(another)
        )
    assert result["reason"] == "wrong_charger"
    assert entry.data == before


async def test_options(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The polling interval takes effect at once."""
    result = await hass.config_entries.options.async_init(entry.entry_id)
    assert result["step_id"] == "init"
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {CONF_SCAN_INTERVAL: 30}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    interval = entry.runtime_data.update_interval
    assert interval.total_seconds() == 30


@pytest.mark.parametrize("seconds", [0, 61])
async def test_options_out_of_range(
    hass: HomeAssistant, entry: MockConfigEntry, seconds: int
) -> None:
    """An interval out of range is refused."""
    result = await hass.config_entries.options.async_init(entry.entry_id)
    with pytest.raises(Exception, match=CONF_SCAN_INTERVAL):
        await hass.config_entries.options.async_configure(
            result["flow_id"], {CONF_SCAN_INTERVAL: seconds}
        )
