"""The config flow, on real sockets."""

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
    ConfigEntryDisabler,
    ConfigEntryState,
    ConfigFlowResult,
)
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_SCAN_INTERVAL
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.config_flow import clean_host
from custom_components.nexblue_local.const import CONF_MODBUS, CONF_UNIT_ID, DOMAIN
from custom_components.nexblue_local.modbus import transport
from custom_components.nexblue_local.modbus.connection_pool import Endpoint
from simulator import Fault, FaultKind, SimulatedCharger, Simulator
from tests.conftest import HOST, SERIAL, entry_data, entry_for, user_enters


@pytest.fixture(autouse=True)
def _short_timeout() -> Iterator[None]:
    """Shorten the timeout of requests."""
    with patch.object(transport, "TIMEOUT", 0.3):
        yield


def address(simulator: Simulator, **changes: Any) -> dict[str, Any]:
    """Return what a user enters for a simulated charger."""
    entered: dict[str, Any] = entry_data(simulator, **changes)[CONF_MODBUS]
    return entered


async def discover(
    hass: HomeAssistant,
    simulator: Simulator,
    name: str = "NexBlue-EVC-Modbus",
    *others: str,
) -> ConfigFlowResult:
    """Announce the charger, perhaps with more addresses."""
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
    """A charger is added at the address that the user enters."""
    result = await user_enters(hass, address(simulator))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "NexBlue Delta Max"
    assert result["data"] == entry_data(simulator)
    await hass.async_block_till_done()
    assert result["result"].unique_id == SERIAL
    assert result["result"].state is ConfigEntryState.LOADED


@pytest.mark.parametrize(
    ("fault", "changes", "field", "error"),
    [
        (Fault(kind=FaultKind.DROP), {}, "base", "in_use"),
        (Fault(kind=FaultKind.MUTE), {}, CONF_UNIT_ID, "wrong_unit"),
        (None, {CONF_UNIT_ID: 1}, CONF_UNIT_ID, "wrong_unit"),
        (Fault(kind=FaultKind.EXCEPTION, code=10), {}, CONF_UNIT_ID, "wrong_unit"),
        (Fault(kind=FaultKind.GARBAGE), {}, "base", "not_a_charger"),
        (Fault(kind=FaultKind.EXCEPTION, code=1), {}, "base", "not_a_charger"),
        (Fault(kind=FaultKind.EXCEPTION, code=2), {}, "base", "not_a_charger"),
    ],
)
async def test_user_errors(
    hass: HomeAssistant,
    simulator: Simulator,
    fault: Fault | None,
    changes: dict[str, Any],
    field: str,
    error: str,
) -> None:
    """Each failure has its own error, and the user can correct the input."""
    if fault is not None:
        simulator.faults.append(fault)
    result = await user_enters(hass, address(simulator, **changes))
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {field: error}
    await asyncio.sleep(0.05)
    assert not simulator.is_connected

    simulator.faults.clear()
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], address(simulator)
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_nothing_listens(hass: HomeAssistant, simulator: Simulator) -> None:
    """A closed port is an error of its own."""
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        port = unused.getsockname()[1]
        result = await user_enters(hass, address(simulator, port=port))
    assert result["errors"] == {"base": "cannot_connect"}


async def test_another_client_is_connected(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """A charger in use by another client can be added once that has disconnected."""
    other = Endpoint(simulator.host, simulator.port)
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
    """The entry of a charger that moved gets the address that the user enters."""
    charger = SimulatedCharger(serial_number=SERIAL)
    async with Simulator(charger=charger) as old:
        entry = entry_for(old)
        entry.add_to_hass(hass)
    async with Simulator(charger=charger, unit_id=7, slot_release=0.1) as new:
        result = await user_enters(hass, address(new))
        assert result["type"] is FlowResultType.ABORT
        assert result["reason"] == "already_configured"
        assert entry.data == entry_data(new)


async def test_probe_borrows_the_connection(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A charger that is set up is identified over its open connection."""
    result = await user_enters(hass, address(simulator, host="localhost"))
    assert result["reason"] == "already_configured"
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


async def test_zeroconf(hass: HomeAssistant, simulator: Simulator) -> None:
    """A discovered charger is identified, and added on confirmation."""
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
        "unit_id": str(simulator.unit_id),
    }
    assert flow["context"]["unique_id"] == SERIAL
    # Home Assistant deprecated this flag, which nothing reads.
    assert "confirm_only" not in flow["context"]
    await asyncio.sleep(0.05)
    assert not simulator.is_connected

    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"] == entry_data(simulator)


async def test_zeroconf_other_unit_id(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """The user is asked for the unit ID when the default does not respond."""
    simulator.unit_id = 17
    result = await discover(hass, simulator)
    assert result["step_id"] == "unidentified"
    assert result["errors"] == {CONF_UNIT_ID: "wrong_unit"}
    assert CONF_UNIT_ID in str(result["data_schema"])

    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {CONF_UNIT_ID: 18}
    )
    assert result["errors"] == {CONF_UNIT_ID: "wrong_unit"}
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], {CONF_UNIT_ID: 17}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["result"].unique_id == SERIAL
    assert result["data"] == entry_data(simulator)


async def test_zeroconf_in_use(hass: HomeAssistant, simulator: Simulator) -> None:
    """A discovered charger in use can be added once the other program disconnects."""
    other = Endpoint(simulator.host, simulator.port)
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
    """A device that is not a charger, or does not respond, is not offered."""
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
    """A charger that is set up is not connected to, by name or by IP address."""
    MockConfigEntry(
        domain=DOMAIN, unique_id=SERIAL, data=entry_data(simulator, host=host)
    ).add_to_hass(hass)
    result = await discover(hass, simulator)
    assert result["reason"] == "already_configured"
    assert simulator.log == []


async def test_zeroconf_of_another_address_of_a_known_charger(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """A charger with two addresses is recognized by each of them."""
    MockConfigEntry(
        domain=DOMAIN, unique_id=SERIAL, data=entry_data(simulator, host="127.0.0.9")
    ).add_to_hass(hass)
    result = await discover(hass, simulator, "NexBlue-EVC-Modbus", "127.0.0.9")
    assert result["reason"] == "already_configured"
    assert simulator.log == []


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"charge_point_id": "charger"},
        {CONF_MODBUS: None},
        {CONF_MODBUS: {CONF_HOST: HOST}},
    ],
)
async def test_zeroconf_beside_an_entry_without_an_address(
    hass: HomeAssistant, simulator: Simulator, data: dict[str, Any]
) -> None:
    """An entry that has no Modbus address does not prevent discovery."""
    MockConfigEntry(domain=DOMAIN, unique_id="ANOTHER", data=data).add_to_hass(hass)
    result = await discover(hass, simulator)
    assert result["step_id"] == "zeroconf_confirm"


async def test_zeroconf_beside_an_entry_with_an_invalid_host(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """A stored host that cannot be looked up does not prevent discovery."""
    MockConfigEntry(
        domain=DOMAIN, unique_id="ANOTHER", data=entry_data(simulator, host="a..b")
    ).add_to_hass(hass)
    with patch("socket.getaddrinfo", side_effect=UnicodeError):
        result = await discover(hass, simulator)
    assert result["step_id"] == "zeroconf_confirm"


async def test_zeroconf_revives(hass: HomeAssistant, simulator: Simulator) -> None:
    """A charger that is discovered again is set up without waiting for the next retry."""
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
    """The unit IDs of the chargers that are set up are tried as well."""
    simulator.unit_id = 17
    entry = MockConfigEntry(
        domain=DOMAIN, unique_id=SERIAL, data=entry_data(simulator, host="127.0.0.9")
    )
    entry.add_to_hass(hass)
    result = await discover(hass, simulator)
    assert result["reason"] == "already_configured"
    assert entry.data == entry_data(simulator)


async def test_announced_twice(hass: HomeAssistant, simulator: Simulator) -> None:
    """A charger that is discovered twice has one flow, the latest."""
    await discover(hass, simulator)
    latest = await discover(hass, simulator, "NexBlue-EVC-Modbus-2")
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["flow_id"] == latest["flow_id"]


async def test_added_while_its_card_waits(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """The flow of an unidentified charger is aborted when the charger is added."""
    simulator.unit_id = 17
    await discover(hass, simulator)
    assert len(hass.config_entries.flow.async_progress()) == 1
    result = await user_enters(hass, address(simulator))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    (follows,) = hass.config_entries.flow.async_progress()
    assert follows["context"]["source"] == SOURCE_USER


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("192.168.1.50", "192.168.1.50"),
        (" 192.168.1.50\t\n", "192.168.1.50"),
        ("NexBlue-EVC.local", "NexBlue-EVC.local"),
        ("nexblue_garage", "nexblue_garage"),
        ("charger.lan.", "charger.lan."),
        ("4charger", "4charger"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("http://192.168.1.50", "192.168.1.50"),
        ("HTTPS://charger.lan/", "charger.lan"),
        ("http://[::1]/", "::1"),
        ("", None),
        (" ", None),
        ("127.0.0.1\0", None),
        ("::1\0", None),
        ("fe80::1%\0", None),
        ("192.168. 1.50", None),
        ("my charger", None),
        ("charger\n.lan", None),
        ("192.168.1.50:502", None),
        ("charger.lan:502", None),
        ("[::1]:502", None),
        ("[::1", None),
        ("http://192.168.1.50:502/", None),
        ("http://192.168.1.50/index.html", None),
        ("http://user@charger.lan/", None),
        ("http://", None),
        ("modbus://charger.lan", None),
        ("192.168.1", None),
        ("192.168.1.500", None),
        ("192.168.1.50.1", None),
        ("1.2.3.٤", None),
        ("a..b", None),
        (".lan", None),
        (".", None),
        ("-charger", None),
        ("charger-", None),
        ("a" * 64, None),
        (".".join(["a" * 50] * 6), None),
    ],
)
def test_clean_host(text: str, host: str | None) -> None:
    """The host is cleaned where its meaning is clear, and invalid otherwise."""
    assert clean_host(text) == host


@pytest.mark.parametrize(
    "host", ["", " ", "127.0.0.1\0", "127.0.0.1:502", "http://127.0.0.1:80/", "a b"]
)
async def test_invalid_host(
    hass: HomeAssistant, simulator: Simulator, host: str
) -> None:
    """An invalid host is an error of its field; nothing is connected to."""
    with patch("socket.getaddrinfo", wraps=socket.getaddrinfo) as lookup:
        result = await user_enters(hass, address(simulator, host=host))
    assert result["errors"] == {CONF_HOST: "invalid_host"}
    lookup.assert_not_called()
    assert simulator.log == []

    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], address(simulator)
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("host", [f" {HOST}\t", f"http://{HOST}/", f"[{HOST}]"])
async def test_host_is_stored_clean(
    hass: HomeAssistant, simulator: Simulator, host: str
) -> None:
    """The entry has the address alone."""
    result = await user_enters(hass, address(simulator, host=host))
    assert result["data"] == entry_data(simulator)


LINK = "[Fix](http://evil.tld/)"
ESCAPED_LINK = r"\[Fix\]\(http\:\/\/evil\.tld\/\)"


async def test_zeroconf_escapes_markdown(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """Text from an unknown device is not rendered as Markdown."""
    simulator.charger.serial_number = LINK
    simulator.charger.model = "<b>www.evil.tld"
    result = await discover(hass, simulator)
    assert result["description_placeholders"] == {
        "model": r"NexBlue \<b\>www\.evil\.tld",
        "serial_number": ESCAPED_LINK,
        "host": HOST,
    }
    # Titles are plain text.
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["title_placeholders"]["name"] == "NexBlue <b>www.evil.tld"
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert result["title"] == "NexBlue <b>www.evil.tld"


@pytest.mark.parametrize(
    ("missing", "name"),
    [
        (range(8), "NexBlue Delta Max"),
        (range(8, 16), "NexBlue charger"),
        (range(16), "NexBlue charger"),
    ],
)
async def test_charger_without_brand_or_model(
    hass: HomeAssistant, simulator: Simulator, missing: range, name: str
) -> None:
    """A charger that reports no brand or model has a readable name."""
    simulator.overrides |= dict.fromkeys(missing, 0xFFFF)
    result = await discover(hass, simulator)
    assert result["description_placeholders"] is not None
    assert result["description_placeholders"]["model"] == name
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert result["title"] == name
    await hass.async_block_till_done()
    (device,) = dr.async_entries_for_config_entry(
        dr.async_get(hass), result["result"].entry_id
    )
    assert device.name == name


async def test_zeroconf_of_a_moved_charger(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """The entry follows a charger that moved, once its serial number is read."""
    entry = MockConfigEntry(
        domain=DOMAIN, unique_id=SERIAL, data=entry_data(simulator, host="127.0.0.9")
    )
    entry.add_to_hass(hass)
    result = await discover(hass, simulator)
    assert result["reason"] == "already_configured"
    assert entry.data == entry_data(simulator)


async def test_zeroconf_of_another_charger_at_the_old_address(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """An entry does not follow a charger with another serial number."""
    entry = MockConfigEntry(
        domain=DOMAIN, unique_id="ANOTHER", data=entry_data(simulator, host="127.0.0.9")
    )
    entry.add_to_hass(hass)
    result = await discover(hass, simulator)
    assert result["step_id"] == "zeroconf_confirm"
    assert entry.data == entry_data(simulator, host="127.0.0.9")


async def test_ignored(hass: HomeAssistant, simulator: Simulator) -> None:
    """An ignored charger is not connected to when it is discovered again."""
    await discover(hass, simulator)
    (flow,) = hass.config_entries.flow.async_progress()
    await hass.config_entries.flow.async_init(
        DOMAIN,
        context={"source": SOURCE_IGNORE},
        data={"unique_id": flow["context"]["unique_id"], "title": "Neighbour's"},
    )
    (ignored,) = hass.config_entries.async_entries(DOMAIN)
    assert ignored.source == SOURCE_IGNORE
    assert ignored.data == {CONF_HOST: simulator.host, CONF_PORT: simulator.port}

    simulator.log.clear()
    result = await discover(hass, simulator, name="NexBlue-EVC-Modbus-2")
    assert result["reason"] == "already_configured"
    assert simulator.log == []

    result = await user_enters(hass, address(simulator))
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_ignored_charger_that_moved(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """The new address of an ignored charger is not connected to again either."""
    ignored = MockConfigEntry(
        domain=DOMAIN,
        unique_id=SERIAL,
        source=SOURCE_IGNORE,
        data={CONF_HOST: "127.0.0.9", CONF_PORT: simulator.port},
    )
    ignored.add_to_hass(hass)
    for connects in (True, False):
        simulator.log.clear()
        result = await discover(hass, simulator)
        assert result["reason"] == "already_configured"
        assert bool(simulator.log) is connects


async def test_reconfigure_without_an_address(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """An entry without a Modbus address or OCPP is not set up until it gets one."""
    entry = MockConfigEntry(domain=DOMAIN, unique_id=SERIAL)
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.reason is not None
    assert "no Modbus address" in entry.reason
    result = await entry.start_reconfigure_flow(hass)
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], address(simulator)
    )
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    assert entry.data == entry_data(simulator)


async def test_reconfigure(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The address can be changed to another one of the same charger."""
    result = await entry.start_reconfigure_flow(hass)
    assert result["step_id"] == "reconfigure"
    # An invalid host does not interrupt the connection.
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], address(simulator, host="127.0.0.1:502")
    )
    assert result["errors"] == {CONF_HOST: "invalid_host"}
    await asyncio.sleep(0.05)
    assert simulator.is_connected
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], address(simulator, unit_id=9)
    )
    assert result["errors"] == {CONF_UNIT_ID: "wrong_unit"}
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], address(simulator, host="http://localhost/")
    )
    assert result["reason"] == "reconfigure_successful"
    assert entry.data == entry_data(simulator, host="localhost")
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


async def test_reconfigure_to_another_charger(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The address of another charger is rejected."""
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
    """A new polling interval takes effect immediately."""
    result = await hass.config_entries.options.async_init(entry.entry_id)
    assert result["step_id"] == "init"
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {CONF_SCAN_INTERVAL: 30}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    interval = entry.runtime_data.coordinator.update_interval
    assert interval.total_seconds() == 30


@pytest.mark.parametrize("seconds", [0, 61])
async def test_options_out_of_range(
    hass: HomeAssistant, entry: MockConfigEntry, seconds: int
) -> None:
    """A polling interval out of range is rejected."""
    result = await hass.config_entries.options.async_init(entry.entry_id)
    with pytest.raises(Exception, match=CONF_SCAN_INTERVAL):
        await hass.config_entries.options.async_configure(
            result["flow_id"], {CONF_SCAN_INTERVAL: seconds}
        )


@pytest.mark.parametrize("is_ignored", [True, False], ids=["ignored", "disabled"])
async def test_moved_to_the_address_of_an_idle_entry(
    hass: HomeAssistant, simulator: Simulator, is_ignored: bool
) -> None:
    """It is found, although another charger had its address before."""
    if is_ignored:
        idle = MockConfigEntry(
            domain=DOMAIN,
            unique_id="SOLD",
            source=SOURCE_IGNORE,
            data={CONF_HOST: simulator.host, CONF_PORT: simulator.port},
        )
    else:
        idle = MockConfigEntry(
            domain=DOMAIN,
            unique_id="SOLD",
            data=entry_data(simulator),
            disabled_by=ConfigEntryDisabler.USER,
        )
    idle.add_to_hass(hass)
    moved = MockConfigEntry(
        domain=DOMAIN, unique_id=SERIAL, data=entry_data(simulator, port=1)
    )
    moved.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(moved.entry_id)
    for _ in range(3):
        await discover(hass, simulator)
        await hass.async_block_till_done()
    assert moved.data == entry_data(simulator)
    assert moved.state is ConfigEntryState.LOADED
